//! Requests as JSON. Unknown fields are refused, so that a slip of the pen is an error and not silence.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problem::{Code, Problem};
use crate::catalog::Money;
use crate::events::{Buyer, EventKind, MAX_ID_BYTES};
use crate::recommend::{
    Intent, MAX_ANCHORS, MAX_PLACEMENT_CHARS, Query, RelativePrice, Said, SessionEvent, Stage, VISITORS,
};
use crate::rules::Filter;

/// Products in an answer unless the request says otherwise.
pub(super) const DEFAULT_LIMIT: usize = 10;
/// Most segments of a shopper.
const MAX_SEGMENTS: usize = 20;
/// Longest language tag in characters.
const MAX_LANGUAGE_CHARS: usize = 35;

/// What to recommend, and from what.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"placement": "pdp-similar", "context": {"product": "85099B"}, "limit": 4, "include": ["product"]}))]
pub(super) struct RecommendRequest {
    /// The slot of the page: one of the catalog's placements. What the request leaves out of `intent`, `limit` and `min_score` is as the
    /// placement says for the stage of the session. Comes back in the answer.
    placement: Option<String>,
    /// What to show. Without it what the placement shows, and without that `similar`.
    intent: Option<Intent>,
    /// What the shopper looks at now.
    #[serde(default)]
    context: Context,
    /// Whose events count for `upsell`, `cross_sell`, `next` and `for_you`, with those of the request after them, and for `for_you` what was bought in
    /// earlier orders; for `replenish` and `context.order` what they bought before. 1 to 256 bytes.
    visitor_id: Option<String>,
    /// Which session of theirs; without it the one under way. 1 to 256 bytes.
    session_id: Option<String>,
    /// Who is signed in: their session counts where `visitor_id` is absent, or not known, or has no session under way, and always what
    /// they bought in earlier orders. 1 to 256 bytes.
    user_id: Option<String>,
    /// `false` (with `events.require_consent`, anything but `true`): what is known of the visitor is not looked at, and nothing is kept of the request.
    /// Otherwise its products are held in memory for `server.trace_keep_seconds`, without any id of a shopper, so that the answer can be explained.
    consent: Option<bool>,
    /// Most products in the answer, 1 to 100; without it the placement's, and without that 10.
    #[schema(minimum = 1, maximum = 100)]
    limit: Option<usize>,
    /// Who asks, for the shop's rules.
    #[serde(default)]
    shopper: ShopperContext,
    /// Which products may appear.
    #[serde(default)]
    filter: Filter,
    /// Products that never appear, at most 1000.
    #[serde(default)]
    exclude: Vec<String>,
    /// Whether products of the session may appear in `next` and `for_you`; the shop's setting when absent. What is in the
    /// cart never does.
    include_seen: Option<bool>,
    /// Leaves out products with a lower score; 0 to 1.
    #[schema(minimum = 0, maximum = 1)]
    min_score: Option<f32>,
    /// A price band relative to the first product of the context that has a price; `upsell` has one of its own by `[recommend.upsell]`.
    price: Option<RelativePrice>,
    /// Language of reasons and titles, such as `de-AT`, 1 to 35 characters; English where the settings have none for it.
    language: Option<String>,
    /// What each result carries besides id and score.
    #[serde(default)]
    include: Vec<Include>,
    /// Scores every product instead of walking the graph: slower, for comparisons.
    #[serde(default)]
    exact: bool,
}

/// What the shopper looks at. `similar` starts from `product` and `products` together with `query`; without any of these
/// from `viewed`, else from `cart`. `next` and `for_you` start from all of it, in the order `cart`, `viewed`, `products`, `product`, the
/// last being what is looked at now. `upsell` steps up from `product`, else from the newest of `viewed`, else of the cart. `cross_sell` goes with
/// the cart, `products` and `product`; without any of these with the newest of `viewed`. `bundle` completes `products` and `product` to a set,
/// without these the cart. What is in the cart never appears.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Context {
    /// The product on the page.
    product: Option<String>,
    /// Several products, at most 1000; their mean is searched.
    products: Vec<String>,
    /// Free text.
    query: Option<String>,
    /// Products looked at before, oldest first, at most 1000.
    viewed: Vec<String>,
    /// The cart, at most 1000 lines.
    cart: Vec<CartLine>,
    /// Seconds on the product's page so far, 0 to 86400: a long look is a sign of interest for `upsell`.
    #[schema(minimum = 0, maximum = 86400)]
    looked_s: Option<f64>,
    /// Whether the shopper compares products: another sign.
    comparing: bool,
    /// The value of a cart from which on delivery is free, such as `50.00 USD`: `cross_sell` favors what closes the gap.
    free_shipping_over: Option<String>,
    /// An order that was placed, for `cross_sell`: it is gone with in place of the cart, `products` and `product`, and nothing that the shopper
    /// bought before is shown.
    order: Option<OrderContext>,
    /// For `bundle`: the kinds of things that complete the set, such as `case` and `screen protector`, at most 5.
    goal: Vec<String>,
    /// For `replenish`: what is due so many days from now, 0 to 3650; the shop's setting when absent.
    #[schema(minimum = 0, maximum = 3650)]
    due_within_days: Option<f32>,
    /// How far the session has come, for the placement; from the cart and the visitor's events when left out, and with `order`
    /// `post_purchase`.
    stage: Option<Stage>,
}

/// An order that was placed: its products, or the shopper's last one.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct OrderContext {
    /// Its products, at most 1000.
    products: Vec<String>,
    /// When it was placed; outside of the shop's window nothing is shown. No window is heeded when absent.
    #[schema(value_type = Option<String>, format = DateTime)]
    placed_at: Option<jiff::Timestamp>,
    /// The last order of `user_id`, else `visitor_id`, in place of the two above.
    last: bool,
}

impl OrderContext {
    fn check(&self) -> Result<(), Problem> {
        let wrong = |message: &str| Err(Problem::field(Code::InvalidField, "context.order", message));
        at_most("context.order.products", self.products.len())?;
        match self.last {
            true if !self.products.is_empty() || self.placed_at.is_some() => {
                wrong("give `last`, or `products` and `placed_at`, not both")
            }
            false if self.products.is_empty() => wrong("give `products`, or `last: true`"),
            _ => Ok(()),
        }
    }
}

/// What the shop says of who asks: the context of its rules. Each text has 1 to 64 characters.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ShopperContext {
    /// `mobile`, `desktop`, ….
    device: Option<String>,
    /// `app`, `web`, ….
    channel: Option<String>,
    /// The shop's name for how loyal the shopper is.
    loyalty_tier: Option<String>,
    /// `new` or `returning`; from the visitor's events when left out.
    visitor: Option<VisitorKind>,
    /// Where it is to be delivered.
    region: Option<String>,
    /// The shop's own labels, at most 20.
    segments: Vec<String>,
}

/// Whether the shopper has been here before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum VisitorKind {
    /// For the first time.
    New,
    /// Again.
    Returning,
}

impl VisitorKind {
    /// The word in a rule.
    pub(super) fn word(self) -> &'static str {
        VISITORS[self as usize]
    }
}

impl ShopperContext {
    fn check(&self) -> Result<(), Problem> {
        let words = [
            ("shopper.device", &self.device),
            ("shopper.channel", &self.channel),
            ("shopper.loyalty_tier", &self.loyalty_tier),
            ("shopper.region", &self.region),
        ];
        let segments = self.segments.iter().map(|segment| ("shopper.segments", segment));
        let words = words.into_iter().filter_map(|(field, word)| Some((field, word.as_ref()?))).chain(segments);
        for (field, word) in words {
            if !(1..=MAX_PLACEMENT_CHARS).contains(&word.chars().count()) {
                let message = format!("a label has 1 to {MAX_PLACEMENT_CHARS} characters");
                return Err(Problem::field(Code::InvalidField, field, message));
            }
        }
        if self.segments.len() > MAX_SEGMENTS {
            let message = format!("at most {MAX_SEGMENTS} segments are allowed");
            return Err(Problem::field(Code::InvalidField, "shopper.segments", message));
        }
        Ok(())
    }

    fn into_shopper(self) -> crate::recommend::Shopper {
        crate::recommend::Shopper {
            device: self.device,
            channel: self.channel,
            loyalty_tier: self.loyalty_tier,
            visitor: self.visitor.map(|kind| kind.word().to_owned()),
            region: self.region,
            segments: self.segments,
            marks: Vec::new(),
        }
    }
}

/// A line of the cart. Written too: the API's description shows the context's defaults.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CartLine {
    /// The product.
    id: String,
    /// How many, 1 or more.
    #[serde(default = "one")]
    #[schema(minimum = 1, default = 1)]
    quantity: u32,
}

/// A part of a result that is sent only on request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Include {
    /// The whole product record.
    Product,
    /// Why it is there, and a title for the list.
    Reason,
    /// What differs from the product that the answer starts from, what is better first.
    Comparison,
    /// How the answer came about, step by step.
    Trace,
}

/// A search by free text.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"query": "red retrospot bag", "limit": 5, "include": ["product"]}))]
pub(super) struct SearchRequest {
    /// The text, 1 to 2000 bytes.
    query: String,
    /// Most products in the answer, 1 to 100.
    #[serde(default = "default_limit")]
    #[schema(minimum = 1, maximum = 100, default = 10)]
    limit: usize,
    /// Which products may appear.
    #[serde(default)]
    filter: Filter,
    /// Leaves out products with a lower score; 0 to 1.
    #[schema(minimum = 0, maximum = 1)]
    min_score: Option<f32>,
    /// What each result carries besides id and score.
    #[serde(default)]
    include: Vec<Include>,
}

fn default_limit() -> usize {
    DEFAULT_LIMIT
}

fn one() -> u32 {
    1
}

/// Whose events count.
#[derive(Debug, Clone, Default)]
pub(super) struct Shopper {
    visitor: Option<String>,
    /// Who is signed in.
    user: Option<String>,
    /// The session's id.
    pub(super) session: Option<String>,
}

impl Shopper {
    /// Whose session is looked for, one after the other.
    pub(super) fn ids(&self) -> Vec<&str> {
        [&self.visitor, &self.user].into_iter().filter_map(|id| id.as_deref()).collect()
    }

    /// Whose earlier orders count: of who is signed in, or else of the visitor's device.
    pub(super) fn buyer(&self) -> Option<Buyer> {
        self.user.clone().map(Buyer::User).or_else(|| self.visitor.clone().map(Buyer::Visitor))
    }
}

impl RecommendRequest {
    /// Whose events may count for the answer; `None` where nobody is named or consent is refused, or where it is required, not given.
    pub(super) fn shopper(&self, may_know: bool) -> Option<Shopper> {
        let Self { visitor_id, user_id, session_id, .. } = self;
        let is_named = visitor_id.is_some() || user_id.is_some() || session_id.is_some();
        let (visitor, user, session) = (visitor_id.clone(), user_id.clone(), session_id.clone());
        (is_named && may_know).then_some(Shopper { visitor, user, session })
    }

    /// What the request itself says of what its placement could.
    pub(super) fn said(&self) -> Said {
        Said { intent: self.intent, limit: self.limit }
    }

    /// What the shopper says of being remembered.
    pub(super) fn consent(&self) -> Option<bool> {
        self.consent
    }

    /// What is asked for; a placement tells of a session and says itself what to show.
    fn intent(&self) -> Intent {
        let of_placement = if self.placement.is_some() { Intent::Next } else { Intent::Similar };
        self.intent.unwrap_or(of_placement)
    }

    /// The question, the placement to echo, and what results carry. It is to be [placed](crate::recommend::Engine::place).
    ///
    /// Returns an error at the first field that is out of its range.
    pub(super) fn into_query(self) -> Result<(Query, Option<String>, Vec<Include>), Problem> {
        self.check()?;
        let intent = self.intent();
        let Context { product, products, query: text, viewed, cart, looked_s, comparing, .. } = self.context;
        let Context { free_shipping_over, stage, order, goal, due_within_days, .. } = self.context;
        let several = cart.iter().filter(|line| line.quantity > 1).map(|line| (line.id.clone(), line.quantity));
        let quantities = several.collect();
        let free_shipping_over = free_shipping_over.as_deref().map(threshold).transpose()?;
        let cart: Vec<String> = cart.into_iter().map(|line| line.id).collect();
        let of_rules = cart.clone();
        let (mut anchors, mut session) = (Vec::new(), Vec::new());
        let mut exclude = self.exclude;
        if intent != Intent::Similar {
            session.extend(cart.into_iter().map(|id| SessionEvent { id, kind: EventKind::AddToCart }));
            session.extend(viewed.into_iter().map(|id| SessionEvent { id, kind: EventKind::ViewItem }));
            anchors.extend(products.into_iter().chain(product));
            if intent == Intent::Upsell {
                // Stepped up from the first, which is what is looked at now.
                anchors.reverse();
            }
        } else {
            anchors.extend(product.into_iter().chain(products));
            exclude.extend(cart.iter().cloned());
            if anchors.is_empty() && text.is_none() {
                anchors = if viewed.is_empty() { cart } else { viewed };
            }
        }
        keep_first(&mut anchors, &mut exclude);
        let mut query = Query {
            goal,
            due_within_days,
            intent,
            anchors,
            session,
            include_seen: self.include_seen,
            text,
            limit: self.limit.unwrap_or(DEFAULT_LIMIT),
            min_score: self.min_score,
            filter: self.filter,
            exclude,
            price: self.price,
            exact: self.exact,
            looked_s,
            is_comparing: comparing,
            language: self.language,
            placement: self.placement.clone(),
            cart: of_rules,
            quantities,
            free_shipping_over,
            shopper: self.shopper.into_shopper(),
            is_counted: true,
            stage,
            ..Query::default()
        };
        if let Some(order) = order {
            query.start_from_order(&order.products, order.placed_at);
        }
        Ok((query, self.placement, self.include))
    }

    fn check(&self) -> Result<(), Problem> {
        let context = &self.context;
        let num_excluded = self.exclude.len() + context.cart.len();
        let num_products = context.products.len() + usize::from(context.product.is_some());
        at_most("context.products", num_products)?;
        at_most("context.viewed", context.viewed.len())?;
        if self.intent() != Intent::Similar {
            at_most("context.viewed", context.viewed.len() + context.cart.len())?;
        }
        at_most("context.cart", context.cart.len())?;
        at_most("exclude", num_excluded)?;
        if let Some(at) = context.cart.iter().position(|line| line.quantity == 0) {
            return Err(Problem::field(
                Code::InvalidField,
                format!("context.cart[{at}].quantity"),
                "it is 0; give 1 or more",
            ));
        }
        if self.placement.as_ref().is_some_and(|name| !(1..=MAX_PLACEMENT_CHARS).contains(&name.chars().count())) {
            let message = format!("a placement has 1 to {MAX_PLACEMENT_CHARS} characters");
            return Err(Problem::field(Code::InvalidField, "placement", message));
        }
        if self.language.as_ref().is_some_and(|language| !(1..=MAX_LANGUAGE_CHARS).contains(&language.chars().count()))
        {
            let message = format!("a language has 1 to {MAX_LANGUAGE_CHARS} characters");
            return Err(Problem::field(Code::InvalidField, "language", message));
        }
        let ids = [("visitor_id", &self.visitor_id), ("session_id", &self.session_id), ("user_id", &self.user_id)];
        for (field, id) in ids {
            if id.as_ref().is_some_and(|id| !(1..=MAX_ID_BYTES).contains(&id.len())) {
                let message = format!("an id has 1 to {MAX_ID_BYTES} bytes");
                return Err(Problem::field(Code::InvalidField, field, message));
            }
        }
        if let Some(order) = &context.order {
            order.check()?;
        }
        self.shopper.check()
    }

    /// Whether the last order of the shopper is to be gone with.
    pub(super) fn is_of_last_order(&self) -> bool {
        self.context.order.as_ref().is_some_and(|order| order.last)
    }
}

/// The amount of `context.free_shipping_over`.
fn threshold(text: &str) -> Result<Money, Problem> {
    let wrong = |error| Problem::field(Code::InvalidField, "context.free_shipping_over", error);
    text.parse::<Money>().map_err(wrong)
}

fn at_most(field: &str, count: usize) -> Result<(), Problem> {
    if count <= MAX_ANCHORS {
        return Ok(());
    }
    let message =
        format!("{count} products are too many, at most {MAX_ANCHORS} are allowed (the cart counts as excluded)");
    Err(Problem::field(Code::InvalidField, field, message))
}

/// Drops ids that came before, so that an unknown one is reported once.
fn keep_first(anchors: &mut Vec<String>, exclude: &mut Vec<String>) {
    if anchors.len() + exclude.len() < 2 {
        return;
    }
    let mut seen = HashSet::new();
    anchors.retain(|id| seen.insert(id.clone()));
    exclude.retain(|id| seen.insert(id.clone()));
}

impl SearchRequest {
    /// The question, its text, and whether results carry their product.
    pub(super) fn into_query(self) -> (Query, String, bool) {
        let has_product = self.include.contains(&Include::Product);
        let text = Some(self.query.clone());
        let query = Query {
            text,
            limit: self.limit,
            min_score: self.min_score,
            filter: self.filter,
            is_counted: true,
            ..Query::default()
        };
        (query, self.query, has_product)
    }

    /// A search for `query` with every other field at its default.
    pub(super) fn plain(query: String, limit: usize) -> Self {
        Self { query, limit, filter: Filter::default(), min_score: None, include: vec![Include::Product] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(json: &str) -> (Vec<String>, Vec<String>) {
        let request: RecommendRequest = serde_json::from_str(json).unwrap();
        let (query, ..) = request.into_query().unwrap();
        (query.anchors, query.exclude)
    }

    #[test]
    fn anchors_are_products_else_viewed_else_cart_and_the_cart_is_kept_out() {
        let ids = |ids: &[&str]| ids.iter().map(|id| id.to_string()).collect::<Vec<_>>();
        let all = r#"{"context":{"product":"a","products":["b","a"],"viewed":["v"],"cart":[{"id":"c"}]},"exclude":["x","c"]}"#;
        assert_eq!(query(all), (ids(&["a", "b"]), ids(&["x", "c"])));
        let viewed = r#"{"context":{"viewed":["v","w"],"cart":[{"id":"c","quantity":2}]}}"#;
        assert_eq!(query(viewed), (ids(&["v", "w"]), ids(&["c"])));
        assert_eq!(query(r#"{"context":{"cart":[{"id":"c"},{"id":"c"}]}}"#), (ids(&["c"]), ids(&[])));
        let text = r#"{"context":{"query":"bag","viewed":["v"],"cart":[{"id":"c"}]}}"#;
        assert_eq!(query(text), (ids(&[]), ids(&["c"])));
    }
}
