//! From the command line to storms, and from what came of them to words and exit codes.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use super::arguments::{OpsArgs, StormArgs, StormCommand};
use super::draw::{self, Trouble};
use super::needs::{self, program};
use super::network;
use super::play::{Failure, Played, play};
use super::report::Report;
use super::script::Script;
use super::shrink::shrink;
use super::site::Means;
use super::{INTERRUPTED, Say, StormError, prefix};

/// Nodes of a storm where nobody says how many.
const NODES: u8 = 5;

/// Exit code when something is missing, or flags are wrong.
const MISSING: u8 = 2;

/// Exit code after Ctrl-C.
const ENDED_EARLY: u8 = 130;

/// Where storms are played, and how.
struct Ground<'a> {
    args: &'a StormArgs,
    means: Means,
    folder: TempDir,
    places: AtomicU64,
}

/// What a sequence is called, and what it is.
struct Sequence {
    name: String,
    script: Script,
    until: Option<Duration>,
}

/// Does what the command line says.
pub fn command(command: &StormCommand) -> ExitCode {
    match storm(command) {
        Ok(report) if report.is_clean() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("error: {error}"));
            match error {
                StormError::Interrupted => ENDED_EARLY.into(),
                StormError::Missing(_) | StormError::Script(_) => MISSING.into(),
                StormError::Tool { .. } | StormError::File { .. } => ExitCode::FAILURE,
            }
        }
    }
}

/// Plays one script, and tells of it.
///
/// # Errors
/// When something is missing, or a tool fails; what the cluster does wrong stands in the report.
pub fn replay(args: &StormArgs, text: &str) -> Result<Report, StormError> {
    let script = text.parse()?;
    Ground::prepare(args)?.all(vec![Sequence { name: String::new(), script, until: None }], 1, true)
}

fn storm(command: &StormCommand) -> Result<Report, StormError> {
    let args = match command {
        StormCommand::Storm(args) | StormCommand::Kill(args) | StormCommand::Net(args) => args,
        StormCommand::Ops(ops) => &ops.storm,
    };
    if let Some(path) = &args.replay {
        let text = fs::read_to_string(path)
            .map_err(|source| StormError::File { path: path.clone(), source })?;
        return replay(args, &text);
    }
    let ground = Ground::prepare(args)?;
    let troubles: &[Trouble] = match command {
        StormCommand::Storm(_) => &Trouble::ALL,
        StormCommand::Kill(_) => &[Trouble::Kill],
        StormCommand::Net(_) => &[Trouble::Net],
        StormCommand::Ops(ops) => match ops.sequences {
            Some(sequences) => return ground.sequences(ops, sequences),
            None => &[Trouble::Ops],
        },
    };
    let lasts = Duration::try_from_secs_f64(args.minutes * 60.0)
        .map_err(|error| StormError::Missing(format!("--minutes {}: {error}", args.minutes)))?;
    let who = (args.nodes.unwrap_or(NODES), args.voters());
    let script = draw::storm(args.seed, troubles, who, lasts);
    ground.all(vec![Sequence { name: String::new(), script, until: Some(lasts) }], 1, true)
}

impl<'a> Ground<'a> {
    fn prepare(args: &'a StormArgs) -> Result<Self, StormError> {
        needs::check()?;
        let program_path = program(args.program.as_deref(), "fruitnode")?;
        let store = program(args.store.as_deref(), "test-store")?;
        let left = network::sweep();
        if !left.is_empty() {
            say(&format!("removed what a killed storm had left: {}", left.join(", ")));
        }
        listen_for_the_end();
        let folder = TempDir::with_prefix("fruitnode-storm-")
            .map_err(|source| StormError::File { path: std::env::temp_dir(), source })?;
        let means = Means::draw(program_path, store, folder.path(), args.per_kind)?;
        Ok(Self { args, means, folder, places: AtomicU64::new(0) })
    }

    fn sequences(self, ops: &OpsArgs, sequences: u64) -> Result<Report, StormError> {
        let seeds = ops.storm.seed..ops.storm.seed.saturating_add(sequences);
        let sequence = |seed: u64| {
            let mut script =
                draw::sequence(seed, ops.storm.nodes, ops.operations, ops.with_one_dead);
            if ops.storm.voters.is_some() {
                script.voters = ops.storm.voters();
            }
            Sequence { name: format!("{seed:>4}  "), script, until: None }
        };
        let all = seeds.map(sequence).collect();
        self.all(all, ops.side_by_side.max(1), ops.fail_fast)
    }

    /// Plays all of them, so many at a time, and tells what came of it.
    fn all(
        self,
        sequences: Vec<Sequence>,
        side_by_side: usize,
        fail_fast: bool,
    ) -> Result<Report, StormError> {
        let total = Mutex::new((Report::default(), None::<StormError>));
        let next = Mutex::new(sequences.into_iter());
        let work = || {
            loop {
                let stop = {
                    let total = total.lock().expect("nobody panics while holding it");
                    total.1.is_some() || (fail_fast && !total.0.is_clean())
                };
                let sequence = next.lock().expect("as above").next().filter(|_| !stop);
                let Some(sequence) = sequence else { return };
                let played = self.one(&sequence);
                let mut total = total.lock().expect("as above");
                match played {
                    Ok(played) => {
                        total.0.add(played.report);
                        if played.interrupted {
                            total.1 = Some(StormError::Interrupted);
                        }
                    }
                    Err(error) => total.1 = Some(error),
                }
            }
        };
        thread::scope(|scope| {
            for _ in 0..side_by_side {
                scope.spawn(work);
            }
        });
        let (report, error) = total.into_inner().expect("nobody panicked");
        if report.storms > 0 {
            say(&format!("\n{}", report.text()));
            self.write(&report)?;
        }
        if self.args.keep {
            say(&format!("kept: {}", self.folder.keep().display()));
        }
        error.map_or(Ok(report), Err)
    }

    /// One sequence; when it fails, what to do with it.
    fn one(&self, sequence: &Sequence) -> Result<Played, StormError> {
        let played = self.try_out(&sequence.name, &sequence.script, sequence.until, true)?;
        if let Some(failure) = &played.failure {
            self.tell(&sequence.name, failure);
            if self.args.shrink {
                self.shorten(failure)?;
            }
        }
        Ok(played)
    }

    fn try_out(
        &self,
        name: &str,
        script: &Script,
        until: Option<Duration>,
        aloud: bool,
    ) -> Result<Played, StormError> {
        let number = self.places.fetch_add(1, Ordering::Relaxed);
        let folder = self.folder.path().join(format!("storm-{number}"));
        let prefix = format!("{}-{number}", prefix());
        let bound = Duration::try_from_secs_f64(self.args.bound).unwrap_or(Duration::MAX);
        let say = (bound, until, Say::new(name, aloud));
        let played = play(&self.means, (&folder, &prefix), script, say)?;
        if !self.args.keep {
            drop(fs::remove_dir_all(&folder));
        }
        Ok(played)
    }

    fn tell(&self, name: &str, failure: &Failure) {
        let Failure { violation, script, tails } = failure;
        say(&format!(
            "\n{name}WRONG ({}): {}\n\nthe logs end so:\n{tails}\nreplay it: put these lines into \
             a file, and give it to --replay\n# {}\n{script}",
            violation.kind,
            violation.words,
            violation.words.lines().next().unwrap_or_default()
        ));
    }

    fn shorten(&self, failure: &Failure) -> Result<(), StormError> {
        let mut trouble = None;
        let (mut tried, tries) = (0, self.args.tries);
        let short = shrink(&failure.script, tries, |script| {
            if trouble.is_some() {
                return false;
            }
            tried += 1;
            match self.try_out("", script, None, false) {
                Ok(played) if played.interrupted => {
                    trouble = Some(StormError::Interrupted);
                    false
                }
                Ok(Played { failure: again, .. }) => {
                    let same =
                        again.is_some_and(|again| again.violation.kind == failure.violation.kind);
                    let steps = script.steps.len();
                    let how = if same { "fails as well" } else { "does not fail so" };
                    say(&format!("shrinking, {tried} of {tries}: {steps} operations: {how}"));
                    same
                }
                Err(error) => {
                    trouble = Some(error);
                    false
                }
            }
        });
        say(&format!("the shortest that fails:\n{short}"));
        trouble.map_or(Ok(()), Err)
    }

    fn write(&self, report: &Report) -> Result<(), StormError> {
        let Some(path) = &self.args.json else { return Ok(()) };
        let text = format!("{:#}\n", report.json());
        write_file(path, &text)
    }
}

fn write_file(path: &Path, text: &str) -> Result<(), StormError> {
    fs::write(path, text).map_err(|source| StormError::File { path: path.to_owned(), source })
}

/// Ctrl-C and SIGTERM end the storm in good order.
fn listen_for_the_end() {
    let listen = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let Ok(runtime) = runtime else { return };
        runtime.block_on(async {
            let terminate = tokio::signal::unix::SignalKind::terminate();
            let Ok(mut terminated) = tokio::signal::unix::signal(terminate) else { return };
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminated.recv() => {}
            }
            INTERRUPTED.store(true, Ordering::Relaxed);
        });
    };
    drop(thread::Builder::new().name("signals".to_owned()).spawn(listen));
}

#[allow(clippy::print_stdout, reason = "this is where the command speaks")]
fn say(words: &str) {
    println!("{words}");
}
