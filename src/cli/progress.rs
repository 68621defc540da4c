//! Progress bars of a build, with rate and time left, on standard error and only on a terminal.

use std::sync::Mutex;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::catalog::FeedProgress;
use crate::pipeline::BuildStep;

/// The bar of the step that a build is in.
pub(super) struct BuildBars {
    is_hidden: bool,
    current: Mutex<Option<(Step, ProgressBar)>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Read,
    Embed,
    Link,
    Learn,
    Map,
    Change,
    Import,
}

impl BuildBars {
    pub(super) fn new(is_hidden: bool) -> Self {
        Self { is_hidden, current: Mutex::new(None) }
    }

    /// Moves the bar of the step on; a new step ends the bar before it.
    pub(super) fn show(&self, step: BuildStep) {
        match step {
            BuildStep::Reading(FeedProgress { bytes_read, total_bytes, .. }) => {
                self.set(Step::Read, bytes_read, total_bytes)
            }
            BuildStep::Embedding(at) => self.set(Step::Embed, at.embedded as u64, at.to_embed as u64),
            BuildStep::Learning { events } => self.set(Step::Learn, 0, events as u64),
            BuildStep::Mapping { step, total } => self.set(Step::Map, step as u64, total as u64),
            BuildStep::Linking { linked, total } => self.set(Step::Link, linked as u64, total as u64),
        }
    }

    /// Moves the bar of changes sent on.
    pub(super) fn show_changes(&self, sent: usize, total: usize) {
        self.set(Step::Change, sent as u64, total as u64);
    }

    /// Moves the bar of a file that is imported on.
    pub(super) fn show_import(&self, bytes_read: u64, total_bytes: u64) {
        self.set(Step::Import, bytes_read, total_bytes);
    }

    /// Takes the last bar off the screen.
    pub(super) fn clear(&self) {
        // A poisoned lock means a thread panicked while drawing; there is nothing left to draw then.
        if let Ok(mut current) = self.current.lock()
            && let Some((_, bar)) = current.take()
        {
            bar.finish_and_clear();
        }
    }

    fn set(&self, step: Step, position: u64, length: u64) {
        let Ok(mut current) = self.current.lock() else { return };
        if current.as_ref().is_none_or(|(shown, _)| *shown != step) {
            if let Some((_, bar)) = current.take() {
                bar.finish_and_clear();
            }
            *current = Some((step, self.bar(step, length)));
        }
        if let Some((_, bar)) = &*current {
            bar.set_position(position);
        }
    }

    fn bar(&self, step: Step, length: u64) -> ProgressBar {
        let target = if self.is_hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(Some(length), target);
        let (name, figures) = match step {
            Step::Read => ("reading the feed", "{bytes}/{total_bytes}, {bytes_per_sec}, {eta} left"),
            Step::Import => ("importing events", "{bytes}/{total_bytes}, {bytes_per_sec}, {eta} left"),
            Step::Embed => ("embedding texts", "{human_pos}/{human_len}, {per_sec:.0}, {eta} left"),
            Step::Change => ("changing products", "{human_pos}/{human_len}, {per_sec:.0}, {eta} left"),
            Step::Learn => ("learning", "{human_len} events"),
            Step::Map => ("learning what fits", "{human_pos}/{human_len}, {eta} left"),
            Step::Link => ("linking the graph", "{human_pos}/{human_len}, {per_sec:.0}, {eta} left"),
        };
        let template = format!("{{msg:18}} {{bar:30}} {{percent:>3}} % ({figures})");
        bar.set_style(ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_message(name);
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    }
}
