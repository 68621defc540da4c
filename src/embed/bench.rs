//! How fast the loaded model embeds a file of texts, one at a time and in bulk, and where the time goes.

use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::embedder::Embedder;
use super::error::EmbedError;
use super::parity::{Parity, check_parity};
use super::precision::Precision;
use super::stages::Stage;

/// Texts embedded one at a time, after as many to warm up.
const NUM_SINGLE_TEXTS: usize = 200;

/// Most tokens of a single text, special tokens included: about what a shopper types.
const SINGLE_TEXT_TOKENS: usize = 12;

/// Most characters of a single text, so that it is short where a word of any length is one token, too.
const SINGLE_TEXT_CHARS: usize = 100;

/// What [`bench()`] measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EmbedReport {
    /// The model's name.
    pub model: String,
    /// Whose operators computed: `kindred` or `candle`.
    pub encoder: &'static str,
    /// How exactly it computed.
    pub precision: Precision,
    /// What it ran on.
    pub instructions: String,
    /// Threads that embedded at the same time.
    pub threads: usize,
    /// Texts embedded.
    pub num_texts: usize,
    /// Their tokens, special tokens included.
    pub num_tokens: usize,
    /// Wall time of all of it, tokenizing included.
    pub seconds: f64,
    /// Texts a second.
    pub texts_per_second: f64,
    /// Tokens a second.
    pub tokens_per_second: f64,
    /// Share of time by stage, summed over threads; stages that took none are left out.
    pub stages: Vec<StageShare>,
    /// Latency of single short texts on one thread.
    pub single: SingleTextReport,
    /// Closeness to the reference vectors, where a file of them was given.
    pub parity: Option<Parity>,
}

/// A stage's part of the time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct StageShare {
    /// The stage.
    pub stage: Stage,
    /// In [0, 1].
    pub share: f64,
    /// Time of one thread that 1,000 tokens took, in milliseconds.
    pub ms_per_1000_tokens: f64,
}

/// Latency of short texts, one at a time on one thread: the beginnings of the texts, cut between words to at most 12 tokens
/// and 100 characters.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SingleTextReport {
    /// Texts measured.
    pub num_texts: usize,
    /// Mean number of tokens, special tokens included.
    pub mean_tokens: f64,
    /// Half of the texts took no longer, in milliseconds.
    pub p50_ms: f64,
    /// 99 of 100 texts took no longer, in milliseconds.
    pub p99_ms: f64,
}

/// Embeds all of `texts` in bulk, then some of their beginnings one by one, then, if there is one, the `reference` file of
/// [`check_parity`]. `progress` is called with the number of texts embedded in bulk so far.
///
/// Returns an error if `texts` is empty, embedding fails, or the reference cannot be read.
pub fn bench(
    embedder: &Embedder,
    texts: &[&str],
    reference: Option<&Path>,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<EmbedReport, EmbedError> {
    if texts.is_empty() {
        return Err(EmbedError::NothingToMeasure);
    }
    let num_tokens = embedder.count_tokens(texts)?;
    // The first pass of a thread makes its buffers.
    embedder.embed(&texts[..texts.len().min(NUM_SINGLE_TEXTS)], &|_| {})?;
    let (before, started) = (embedder.stage_times(), Instant::now());
    embedder.embed(texts, progress)?;
    let (seconds, after) = (started.elapsed().as_secs_f64(), embedder.stage_times());
    Ok(EmbedReport {
        model: embedder.name().to_owned(),
        encoder: embedder.encoder_name(),
        precision: embedder.precision(),
        instructions: embedder.instructions(),
        threads: embedder.num_threads(),
        num_texts: texts.len(),
        num_tokens,
        seconds,
        texts_per_second: texts.len() as f64 / seconds,
        tokens_per_second: num_tokens as f64 / seconds,
        stages: stage_shares(&before, &after, num_tokens),
        single: measure_single_texts(embedder, texts)?,
        parity: reference.map(|path| check_parity(embedder, path)).transpose()?,
    })
}

fn stage_shares(before: &[(Stage, Duration)], after: &[(Stage, Duration)], num_tokens: usize) -> Vec<StageShare> {
    let spent = before.iter().zip(after).map(|(before, after)| (after.0, (after.1 - before.1).as_secs_f64()));
    let spent: Vec<(Stage, f64)> = spent.filter(|(_, seconds)| *seconds > 0.0).collect();
    let total: f64 = spent.iter().map(|(_, seconds)| seconds).sum();
    let part = |(stage, seconds): (Stage, f64)| {
        let ms_per_1000_tokens = 1000.0 * seconds / (num_tokens as f64 / 1000.0);
        StageShare { stage, share: seconds / total, ms_per_1000_tokens }
    };
    spent.into_iter().map(part).collect()
}

/// As many whole words of the text's beginning as have at most [`SINGLE_TEXT_TOKENS`] tokens and [`SINGLE_TEXT_CHARS`]
/// characters; of a first word that has more (a language without spaces), as many characters.
fn beginning<'a>(embedder: &Embedder, text: &'a str) -> Result<&'a str, EmbedError> {
    let text = text.trim();
    let characters = text.char_indices().take(SINGLE_TEXT_CHARS);
    let spaces = characters.clone().filter(|(_, character)| character.is_whitespace()).map(|(at, _)| at);
    let whole = characters.clone().last().map(|(at, character)| at + character.len_utf8());
    let words = longest_that_fits(embedder, text, spaces.chain(whole.filter(|&end| end == text.len())))?;
    if !words.is_empty() {
        return Ok(words);
    }
    longest_that_fits(embedder, text, characters.map(|(at, character)| at + character.len_utf8()))
}

/// The last beginning of `text`, ending at one of `ends`, before the first that has too many tokens.
fn longest_that_fits<'a>(
    embedder: &Embedder,
    text: &'a str,
    ends: impl Iterator<Item = usize>,
) -> Result<&'a str, EmbedError> {
    let mut longest = "";
    for end in ends {
        if embedder.count_tokens(&[&text[..end]])? > SINGLE_TEXT_TOKENS {
            break;
        }
        longest = &text[..end];
    }
    Ok(longest)
}

fn measure_single_texts(embedder: &Embedder, texts: &[&str]) -> Result<SingleTextReport, EmbedError> {
    let some = texts.iter().cycle().take(NUM_SINGLE_TEXTS);
    let short = some.map(|text| beginning(embedder, text)).collect::<Result<Vec<&str>, _>>()?;
    let mut times_ms = Vec::with_capacity(short.len());
    for is_warm in [false, true] {
        for text in &short {
            let started = Instant::now();
            embedder.embed_one(text)?;
            if is_warm {
                times_ms.push(started.elapsed().as_secs_f64() * 1000.0);
            }
        }
    }
    times_ms.sort_by(f64::total_cmp);
    // The nearest-rank percentile.
    let percentile = |share: f64| times_ms[(times_ms.len() as f64 * share).ceil() as usize - 1];
    Ok(SingleTextReport {
        num_texts: short.len(),
        mean_tokens: embedder.count_tokens(&short)? as f64 / short.len() as f64,
        p50_ms: percentile(0.5),
        p99_ms: percentile(0.99),
    })
}
