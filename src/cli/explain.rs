//! `kindred explain`: how an answer comes about, and why a product is not in it.

use std::process::ExitCode;

use anyhow::Result;

use super::args_ask::{AskArgs, SessionArgs};
use super::ask::{fewer_in_words, question};
use super::context::Context;
use super::output::{number, print_json, say, table};
use crate::index::Check;
use crate::recommend::{LeftOut, ListTrace, PartTrace, Sieve, Step, Trace, WhyNot};

pub(super) fn run(
    context: &Context,
    catalog: &str,
    session: SessionArgs,
    why_not: Option<&str>,
    ask: &AskArgs,
) -> Result<ExitCode> {
    let engine = context.engine(catalog, Check::Hashes)?;
    let query = question(context, (catalog, &engine), session, ask)?;
    let view = engine.view();
    if let Some(id) = why_not {
        let told = engine.why_not(&view, &query, id)?;
        if context.json {
            print_json(&told)?;
        } else {
            say!("{}", in_words(&told))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let (_, trace) = engine.trace(&view, &query)?;
    if context.json {
        print_json(&trace)?;
    } else {
        print(&trace)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print(trace: &Trace) -> Result<()> {
    if let (Some(name), Some(stage)) = (&trace.placement, trace.stage) {
        say!("placement {name}, stage {}", stage.word())?;
    }
    for part in &trace.parts {
        print_part(part)?;
    }
    for none in &trace.without_list {
        say!("\nintent {} made no list: {}", none.intent.word(), fewer_in_words(none.because))?;
    }
    print_list(&trace.list)?;
    Ok(say!("{}, change {}, rules version {}", trace.generation, trace.live_seq, trace.rules_version)?)
}

fn print_part(part: &PartTrace) -> Result<()> {
    say!("\nintent {}, share {}", part.intent.word(), part.share)?;
    let mut sources = table(&["source", "weight", "found", "best"]);
    for source in &part.sources {
        let best = source.best.iter().take(5).map(|(id, score)| format!("{id} {score:.3}"));
        sources.add_row([
            source.source.word().into(),
            number(source.weight.map_or_else(String::new, |weight| format!("{weight:.3}"))),
            number(source.num_found),
            best.collect::<Vec<_>>().join(", ").into(),
        ]);
    }
    say!("{sources}")?;
    let kept_out = part.kept_out.iter().map(|left_out| (sieve_in_words(left_out.by).to_owned(), left_out));
    print_left_out("kept out because", kept_out)?;
    let mut candidates = table(&["candidate", "score", "sources"]);
    for candidate in &part.candidates {
        let sources = candidate.sources.iter().map(|(source, says)| format!("{} {says:.3}", source.word()));
        let sources = sources.collect::<Vec<_>>().join(", ");
        candidates.add_row([candidate.id.clone().into(), number(format!("{:.3}", candidate.score)), sources.into()]);
    }
    say!("{} candidates may appear; the best:\n{candidates}", part.num_candidates)?;
    if let Some(floor) = part.min_score {
        say!("{} score below {floor}", part.num_below_min_score)?;
    }
    Ok(())
}

fn print_list(list: &ListTrace) -> Result<()> {
    let by_rule = list.rules.iter().map(|left_out| (left_out.by.clone(), left_out));
    print_left_out("kept out by rule", by_rule)?;
    let mut shown = table(&["#", "id", "intent", "score", "place", "before spread", "value", "factor", "rules"]);
    for (rank, result) in list.results.iter().enumerate() {
        let optional = |value: Option<f32>| value.map_or_else(String::new, |value| format!("{value:.3}"));
        shown.add_row([
            number(rank + 1),
            result.id.clone().into(),
            result.intent.word().into(),
            number(format!("{:.3}", result.score)),
            number(result.place.map_or_else(|| "-".to_owned(), |place| place.to_string())),
            number(optional(result.before_spread)),
            number(format!("{:.3}", result.value)),
            number(format!("{:.2}", result.factor)),
            result.rules.join(", ").into(),
        ]);
    }
    say!("\nthe list:\n{shown}")?;
    let next: Vec<&str> = list.next.iter().map(|next| next.id.as_str()).collect();
    say!("{} more had no room, first of all {}", list.num_beyond_limit, next.join(", "))?;
    Ok(say!("{} are variants of what is in the list", list.num_variants)?)
}

fn print_left_out<'l, By: 'l>(title: &str, left_out: impl Iterator<Item = (String, &'l LeftOut<By>)>) -> Result<()> {
    let mut shown = table(&[title, "products", "for example"]);
    for (by, left_out) in left_out {
        shown.add_row([by.into(), number(left_out.num_removed), left_out.examples.join(", ").into()]);
    }
    if shown.row_count() > 0 {
        say!("{shown}")?;
    }
    Ok(())
}

fn sieve_in_words(sieve: Sieve) -> &'static str {
    match sieve {
        Sieve::InCart => "it is in the cart",
        Sieve::Excluded => "the question excludes it",
        Sieve::Bought => "it is of the order, or was bought before",
        Sieve::AskedAbout => "it is what is asked about",
        Sieve::NeverTogether => "it, or a variant of it, never stands beside what the list goes with",
        Sieve::Seen => "the session has looked at it",
        Sieve::FamilyTaken => "it is a variant of what is asked about, in the cart or bought",
        Sieve::Filter => "the filter does not let it through",
        Sieve::OutOfStock => "it is out of stock",
        Sieve::Price => "its price is outside the band",
        Sieve::Category => "it is of another category",
        Sieve::NotBetter => "it is not better, of another use, or too far up",
        Sieve::SameKind => "it is of a category of the cart, or the same kind of thing",
        Sieve::Misfit => "it is made for another model, or has another plug",
        Sieve::LookAlike => "it looks like a product of the cart",
        Sieve::NotTold => "neither the feed nor orders tell enough of it to complete a set",
        Sieve::NotDue => "its day is not near, or long past",
        Sieve::SeldomAgain => "too few buyers come back for it",
    }
}

fn in_words(WhyNot { id, intent, step }: &WhyNot) -> String {
    let intent = intent.word();
    match step {
        Step::UnknownProduct => format!("the catalog has no product {id}"),
        Step::NoList { because } => format!("{intent} made no list: {}", fewer_in_words(*because)),
        Step::KeptOut { by } => format!("{id} is kept out of {intent}: {}", sieve_in_words(*by)),
        Step::NotACandidate { similarity, would_be_score, would_be_place } => {
            let known =
                similarity.map_or_else(String::new, |similarity| format!("; its text is {similarity:.3} alike"));
            let would_be = would_be_score.zip(*would_be_place).map_or_else(String::new, |(score, place)| {
                format!(", which alone would give it score {score:.3} and place {place} at best")
            });
            format!("no source of {intent} brings {id}{known}{would_be}")
        }
        Step::MinScore { score, min_score } => {
            format!("{id} scores {score:.3} for {intent}, below the lowest, {min_score:.3}")
        }
        Step::Rule { rule } => format!("the rule {rule} keeps {id} out"),
        Step::Variant { instead } => format!("{instead}, of the same family, name or kind, stands for {id}"),
        Step::Diversity { place, before, after } => {
            format!("{id} had place {place} with {before:.3}; beside others of its category it is worth {after:.3}")
        }
        Step::Limit { place, score } => {
            format!("the list was full: {id} has place {place} among the candidates, with score {score:.3}")
        }
        Step::Shown { rank } => format!("{id} is in the list, at place {rank}"),
    }
}
