//! A line on standard error while a job runs: what it is doing, how far, how fast, how long still.
//! Nothing where standard error is not a terminal.

use std::borrow::Cow;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use tokio::sync::watch;

use fruitnode_coordinator::ids::JobId;
use fruitnode_coordinator::phase::Phase;
use fruitnode_result::story::{Story, Work};
use fruitnode_storage as storage;

use crate::actors::spawn::spawn;
use crate::cli::screen::ScreenLine;
use crate::local::{JobView, View};

/// How often the line is drawn again.
pub(super) const REDRAW: Duration = Duration::from_millis(200);

/// The line; dropped, it disappears.
#[derive(Debug)]
pub(super) struct ProgressLine {
    /// Taken away when it ends: whoever draws holds it, so that nothing is drawn afterwards.
    line: Arc<Mutex<Option<ScreenLine>>>,
    task: tokio::task::JoinHandle<()>,
}

impl ProgressLine {
    /// Begins to show a job.
    pub(super) fn show(
        job: JobId,
        view: watch::Receiver<Arc<View>>,
        story: Arc<Story>,
        quiet: bool,
    ) -> Self {
        let line = ScreenLine::show(quiet);
        line.bar().set_style(spinner());
        let line = Arc::new(Mutex::new(Some(line)));
        let shown = Arc::clone(&line);
        let task = spawn("progress", async move {
            let mut drawn = None;
            loop {
                if let Some(job) = view.borrow().job(&job)
                    && let Some(line) = &*shown.lock().unwrap_or_else(PoisonError::into_inner)
                {
                    if let Some(at) = at(job, &story) {
                        draw(line.bar(), &at, &mut drawn);
                    }
                    line.settle();
                }
                tokio::time::sleep(REDRAW).await;
            }
        });
        Self { line, task }
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.task.abort();
        drop(self.line.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// A line that is drawn by whoever has it; dropped, it disappears.
#[derive(Debug)]
pub(super) struct WatchLine {
    line: ScreenLine,
    drawn: Option<Line>,
}

/// Where a job is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct At {
    pub(super) step: Step,
    /// Photographs listed so far.
    pub(super) listed: u64,
    /// Of a source that was cut into ranges: those that are listed, and all.
    pub(super) ranges: Option<(u32, u32)>,
    /// Photographs there are, once that is known.
    pub(super) keys: Option<u64>,
    /// Photographs done.
    pub(super) done: u64,
    /// Photographs in quarantine.
    pub(super) bad: u64,
    pub(super) partitions: u64,
    pub(super) projected: u64,
    /// Attempts that make no progress.
    pub(super) overdue: u64,
    /// That its tasks wait for a store, in words.
    pub(super) waiting: Option<String>,
}

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Listing,
    Extracting,
    Reducing,
    Fitting,
    Projecting,
    Publishing,
}

/// Kinds of line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Listing,
    Photographs,
    Parts,
    Words,
    Waiting,
}

impl WatchLine {
    /// A line on standard error; none where it shall be `hidden`.
    pub(super) fn show(hidden: bool) -> Self {
        let line = ScreenLine::show(hidden);
        line.bar().set_style(spinner());
        Self { line, drawn: None }
    }

    /// Shows where a job is.
    pub(super) fn draw(&mut self, at: &At) {
        draw(self.line.bar(), at, &mut self.drawn);
        self.line.settle();
    }

    /// Shows words instead.
    pub(super) fn say(&mut self, words: &'static str) {
        self.tell(Line::Words, words.into());
    }

    /// Whether anybody sees it.
    pub(super) fn is_seen(&self) -> bool {
        !self.line.bar().is_hidden()
    }

    /// Shows words that say themselves since when they hold.
    pub(super) fn wait(&mut self, words: String) {
        self.tell(Line::Waiting, words.into());
    }

    fn tell(&mut self, line: Line, words: Cow<'static, str>) {
        let bar = self.line.bar();
        if self.drawn != Some(line) {
            self.drawn = Some(line);
            bar.set_style(if line == Line::Waiting { waiting() } else { spinner() });
        }
        bar.set_message(words);
        bar.tick();
        self.line.settle();
    }
}

impl FromStr for Step {
    type Err = ();

    /// As the cluster names phases; none for one that is over.
    fn from_str(phase: &str) -> Result<Self, ()> {
        Ok(match phase {
            "listing" => Self::Listing,
            "extracting" => Self::Extracting,
            "reducing" => Self::Reducing,
            "fitting" => Self::Fitting,
            "projecting" => Self::Projecting,
            "publishing" => Self::Publishing,
            _ => return Err(()),
        })
    }
}

/// Where a job of this process is; nothing of one that is over.
fn at(job: &JobView, story: &Story) -> Option<At> {
    let work = &story.work;
    Some(At {
        step: match &job.phase {
            Phase::Listing => Step::Listing,
            Phase::Extracting => Step::Extracting,
            Phase::Reducing => Step::Reducing,
            Phase::Fitting => Step::Fitting,
            Phase::Projecting => Step::Projecting,
            Phase::Publishing => Step::Publishing,
            Phase::Ended(_) => return None,
        },
        listed: Work::read(&work.listed),
        ranges: job.ranges.map(|progress| (progress.listed, progress.ranges)),
        keys: job.listing.map(|listing| listing.keys),
        done: [&work.inferences, &work.bad, &work.resumed].into_iter().map(Work::read).sum(),
        bad: Work::read(&work.bad),
        partitions: job.listing.map_or(0, |listing| u64::from(listing.partitions)),
        projected: u64::from(job.counts.projected),
        // One that is overdue here is given up at once.
        overdue: 0,
        waiting: store_waited_for(),
    })
}

fn draw(bar: &ProgressBar, at: &At, drawn: &mut Option<Line>) {
    let (line, length, position, words) = match at.step {
        Step::Listing => {
            let words = listing_words(at);
            (Line::Listing, None, 0, words)
        }
        Step::Extracting => (Line::Photographs, at.keys, at.done, bad_words(at.bad)),
        Step::Projecting => {
            (Line::Parts, Some(at.partitions), at.projected, "projecting".to_owned())
        }
        Step::Reducing => (Line::Words, None, 0, "merging moments".to_owned()),
        Step::Fitting => (Line::Words, None, 0, "fitting the components".to_owned()),
        Step::Publishing => (Line::Words, None, 0, "publishing".to_owned()),
    };
    let (line, length, position, words) = match &at.waiting {
        Some(waiting) => (Line::Waiting, None, 0, waiting.clone()),
        None => (line, length, position, with_overdue(words, at.overdue)),
    };
    if *drawn != Some(line) {
        *drawn = Some(line);
        bar.reset();
        bar.set_style(match line {
            Line::Photographs => photographs(),
            Line::Parts => parts(),
            Line::Listing | Line::Words => spinner(),
            Line::Waiting => waiting(),
        });
    }
    if let Some(length) = length {
        bar.set_length(length);
    }
    bar.set_position(position);
    bar.set_message(words);
    bar.tick();
}

/// The store that this process waits for, if there is one.
fn store_waited_for() -> Option<String> {
    let outage = storage::outages().into_iter().next()?;
    let (server, seconds) = (outage.server, outage.lasts.as_secs());
    Some(format!("waiting for {server}, which has not answered for {seconds} s"))
}

fn listing_words(at: &At) -> String {
    let listed = HumanCount(at.listed);
    match at.ranges {
        None => format!("listing, {listed} photographs so far"),
        Some((done, all)) if done == all => {
            format!("merging the listing of {listed} photographs")
        }
        Some((done, all)) => {
            format!("listing, {listed} photographs so far, {done} of {all} ranges done")
        }
    }
}

fn bad_words(bad: u64) -> String {
    if bad == 0 { String::new() } else { format!("{} quarantined", HumanCount(bad)) }
}

fn with_overdue(words: String, overdue: u64) -> String {
    match (overdue, words.is_empty()) {
        (0, _) => words,
        (overdue, true) => format!("{overdue} overdue"),
        (overdue, false) => format!("{words}, {overdue} overdue"),
    }
}

/// Words beside something that turns.
pub(super) fn spinner() -> ProgressStyle {
    style("{spinner} {msg} {elapsed}")
}

/// Words that say themselves since when.
fn waiting() -> ProgressStyle {
    style("{spinner} {msg}")
}

fn photographs() -> ProgressStyle {
    style("[{bar:30}] {human_pos}/{human_len} photographs  {per_sec}  {eta} left  {msg}").with_key(
        "per_sec",
        |state: &indicatif::ProgressState, out: &mut dyn std::fmt::Write| {
            let _ = write!(out, "{:.0}/s", state.per_sec());
        },
    )
}

fn parts() -> ProgressStyle {
    style("[{bar:30}] {human_pos}/{human_len} parts  {msg}")
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .expect("the templates here are well-formed")
        .progress_chars("=> ")
}
