//! What is learned from what shoppers did: counts and neighbors, as plain learners in memory and as mapped tables of a generation.
//!
//! Every learner takes a [`History`](crate::events::History) or what was made from one, and speaks of products by their number there:
//! [`Baskets::of`] orders, [`Trails::of`] sessions. Nothing here knows prices of today, stock or rules. The "now" of every decay is that of
//! the history ([`History::now_s`](crate::events::History::now_s)), so the same events and settings give the same tables.
//!
//! ```
//! use kindred::behavior::{BehaviorConfig, Baskets, SessionIndex, SessionScratch, Step, Trails, copurchases, session_votes, sum_rows};
//! use kindred::events::{EventKind, HistoryBuilder, Interaction};
//!
//! let mut events = HistoryBuilder::default();
//! let [tea, cup] = ["tea", "cup"].map(|id| events.product(id));
//! for (time_s, product) in [(10, tea), (20, cup)] {
//!     let bought = Interaction { product, time_s, order: 1, quantity: 1, price: 4.5, kind: EventKind::Purchase };
//!     events.push(0, 0, bought);
//! }
//! let (history, config) = (events.finish(), BehaviorConfig::default());
//! let together = copurchases(&Baskets::of(&history), &config);
//! assert_eq!(sum_rows(together.rows(), &[tea], 10)[0].product, cup);
//!
//! let index = SessionIndex::new(&Trails::of(&history, &config.weights), config.num_candidates());
//! let next = session_votes(index.view(), &[Step { product: tea, weight: 1.0 }], 60, &config, 20, &mut SessionScratch::default());
//! assert!(next.iter().any(|entry| entry.product == cup && entry.evidence == 1));
//! ```
//!
//! | file | subject |
//! |---|---|
//! | `settings` | [`BehaviorConfig`] |
//! | `lines` | [`OrderLines`]: what was bought, and how much of it was sent back |
//! | `baskets` | [`Baskets`]: orders as sets, without what was sent back |
//! | `copurchase` | [`copurchases`]: what is bought together |
//! | `ease` | [`ease`]: the same in closed form for the most bought products |
//! | `matrix` | the inverse that `ease` needs |
//! | `trails` | [`Trails`]: sessions as steps |
//! | `transitions` | [`views_after_view`], [`purchases_after_view`], and by category |
//! | `popularity` | [`popularity`], [`most_popular`] |
//! | `novelty` | [`novelty()`]: how new a product is |
//! | `price_steps` | [`PriceSteps`]: which price steps shoppers take |
//! | `attribute_steps` | [`AttributeSteps`]: which attributes shoppers buy more of |
//! | `replenish` | [`Repeats`]: what is bought again, and after how long |
//! | `session_index` | [`SessionIndex`], [`Sessions`]: past sessions by product |
//! | `neighbors` | [`next_products`], [`session_votes`]: what like sessions met next |
//! | `semantic` | [`SessionVectors`], [`semantic_votes`]: sessions alike by what they are about |
//! | `learned` | [`Learned`]: all of it, for the products of a generation |
//! | `tables` | [`Behavior`]: the same mapped from a generation's files, and the format of those |
//! | `knowledge` | [`Knowledge`]: what the sources of an answer read, in memory or mapped |
//! | `footprint` | [`Footprint`]: which sessions of mapped tables are of one shopper, and what they back |
//! | `redact` | [`redact()`]: those taken out |
//! | `complement` | [`complements`]: what goes with a product, learned as a map of its vector |
//! | `related` | [`RelatedTable`], [`RelatedRows`]: the layout of the tables |
//! | `bench` | [`bench_behavior`]: speed on generated volume |
//! | `blend` | [`blend()`], [`bought_together`], [`sum_rows`]: several lists as one |

mod attribute_steps;
mod baskets;
mod bench;
mod blend;
mod complement;
mod copurchase;
mod ease;
mod footprint;
mod knowledge;
mod learned;
mod lines;
mod matrix;
mod neighbors;
mod novelty;
mod popularity;
mod price_steps;
mod redact;
mod related;
mod replenish;
mod semantic;
mod session_index;
mod settings;
mod tables;
mod trails;
mod transitions;

pub use attribute_steps::AttributeSteps;
pub use baskets::Baskets;
pub use bench::{BehaviorReport, BehaviorVolume, QuestionFigures, bench_behavior};
pub use blend::{Blended, blend, bought_together, sum_rows};
pub use complement::{COMPLEMENT_FILE, ComplementShop, Complements, complements, write_map};
pub use copurchase::copurchases;
pub use ease::ease;
pub use footprint::{Footprint, OwnSessions};
pub use knowledge::Knowledge;
pub use learned::{Learned, LearnedCounts, ProductFacts};
pub use lines::{OrderLine, OrderLines};
pub use neighbors::{SessionScratch, Step, next_products, session_votes};
pub use novelty::{NEVER, first_orders, novelty, share_ordered};
pub use popularity::{most_popular, popularity};
pub use price_steps::{BIN_WIDTH, NUM_BINS, PriceSteps, bin};
pub use redact::{Redacted, redact};
pub use related::{Related, RelatedRows, RelatedTable, Tally, keep_best};
pub use replenish::{DAY_S, LEAST_SHOPPERS, Repeat, Repeats, gaps_days, occasions};
pub use semantic::{SessionVectors, pooled, semantic_votes};
pub use session_index::{SessionIndex, Sessions};
pub use settings::{
    BehaviorConfig, CoPurchaseConfig, ComplementConfig, EaseConfig, EventWeights, Fade, SemanticConfig, SessionConfig,
    decay,
};
pub use tables::{BEHAVIOR_FILE, Behavior, SESSION_VECTORS_FILE, SESSIONS_FILE, write};
pub use trails::Trails;
pub use transitions::{
    MAX_DISTANCE, NO_CATEGORY, categories_after_category, categories_bought_together, purchases_after_view,
    views_after_view,
};
