//! A line on standard error while a job runs: what it is doing, how far, how fast, how long still.
//! Nothing where standard error is not a terminal.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fruitnode_coordinator::ids::JobId;
use fruitnode_coordinator::job::Phase;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use tokio::sync::watch;

use crate::actors::coordinator::{JobView, View};
use crate::actors::spawn::spawn;
use crate::cli::screen::ScreenLine;
use crate::story::{Story, Work};

/// How often the line is drawn again.
const REDRAW: Duration = Duration::from_millis(200);

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
                    draw(line.bar(), job, &story, &mut drawn);
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

/// Kinds of line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Listing,
    Photographs,
    Parts,
    Words,
}

fn draw(bar: &ProgressBar, job: &JobView, story: &Story, drawn: &mut Option<Line>) {
    let work = &story.work;
    let partitions = job.listing.map_or(0, |listing| u64::from(listing.partitions));
    let (line, length, position, words) = match &job.phase {
        Phase::Listing => {
            let keys = HumanCount(Work::read(&work.listed));
            (Line::Listing, None, 0, format!("listing, {keys} photographs so far"))
        }
        Phase::Extracting => {
            let done = Work::read(&work.inferences) + Work::read(&work.bad);
            let keys = job.listing.map(|listing| listing.keys);
            (Line::Photographs, keys, done, bad_words(Work::read(&work.bad)))
        }
        Phase::Projecting => {
            let done = u64::from(job.counts.projected);
            (Line::Parts, Some(partitions), done, "projecting".to_owned())
        }
        Phase::Reducing => (Line::Words, None, 0, "merging moments".to_owned()),
        Phase::Fitting => (Line::Words, None, 0, "fitting the components".to_owned()),
        Phase::Publishing => (Line::Words, None, 0, "publishing".to_owned()),
        Phase::Ended(_) => return,
    };
    if *drawn != Some(line) {
        *drawn = Some(line);
        bar.reset();
        bar.set_style(match line {
            Line::Photographs => photographs(),
            Line::Parts => parts(),
            Line::Listing | Line::Words => spinner(),
        });
    }
    if let Some(length) = length {
        bar.set_length(length);
    }
    bar.set_position(position);
    bar.set_message(words);
    bar.tick();
}

fn bad_words(bad: u64) -> String {
    if bad == 0 { String::new() } else { format!("{} in quarantine", HumanCount(bad)) }
}

/// Words beside something that turns.
pub(super) fn spinner() -> ProgressStyle {
    style("{spinner} {msg} {elapsed}")
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
