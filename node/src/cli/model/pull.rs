//! `fruitnode model pull`: weights into the cache, with a line that says how far it is.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use tokio::runtime::Builder;

use fruitnode_env::unique_name;
use fruitnode_storage::hub::{self, Event, Patience, Pulled, Source, Surroundings};

use crate::cli::args::{Format, PullArgs, TerminalArgs};
use crate::cli::exit::Exit;
use crate::cli::machine::interrupted;
use crate::cli::message::CliError;
use crate::cli::summary::shell_word;

/// Fetches, and says where it is.
pub(super) fn pull(args: &PullArgs, terminal: &TerminalArgs) -> Result<Exit, CliError> {
    let expected = args.sha256.as_deref().map(|text| digest("--sha256", text)).transpose()?;
    let source = Source::parse(&args.source)
        .map_err(|error| CliError::of(Exit::Usage, "bad_flag", &error))?
        .at(args.storage.endpoint.as_deref());
    let mut surroundings = Surroundings::of_env().map_err(|error| error.failure())?;
    surroundings.storage = args.storage.options();
    let pulled = fetch(&surroundings, &source, expected.as_deref(), terminal)?;
    if let Some(to) = &args.to {
        copy(&pulled, to)?;
    }
    show(&pulled, args.to.as_deref(), terminal);
    Ok(Exit::Done)
}

/// Fetches a source into the cache, on a reactor of its own.
pub(in crate::cli) fn fetch(
    surroundings: &Surroundings,
    source: &Source,
    expected: Option<&str>,
    terminal: &TerminalArgs,
) -> Result<Pulled, CliError> {
    let reactor = Builder::new_current_thread().enable_all().build();
    let reactor = reactor.map_err(|error| CliError::of(Exit::Failed, "no_threads", &error))?;
    let line = Line::new(source, terminal);
    let mut tell = |event| line.tell(event);
    let pull = hub::pull(surroundings, source, expected, Patience::default(), &mut tell);
    reactor.block_on(async {
        tokio::select! {
            pulled = pull => pulled.map_err(|error| error.failure().into()),
            () = interrupted() => {
                let words = match hub::kept(surroundings, source) {
                    None => format!("interrupted; nothing of {source} is kept"),
                    Some(bytes) => format!(
                        "interrupted; {} of {source} are kept, and the same command resumes from \
                         there",
                        HumanBytes(bytes)
                    ),
                };
                Err(CliError::new(Exit::Interrupted, "interrupted", words))
            }
        }
    })
}

/// A digest as a user wrote it: 64 hexadecimal digits.
pub(super) fn digest(flag: &str, text: &str) -> Result<String, CliError> {
    let plain = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if plain {
        return Ok(text.to_ascii_lowercase());
    }
    let words = format!(
        "{flag}: `{text}` is not a SHA-256: write 64 hexadecimal digits, as printed by sha256sum"
    );
    Err(CliError::new(Exit::Usage, "bad_flag", words))
}

/// Writes the weights to a file, whole or not at all. The same file there already is no conflict.
fn copy(pulled: &Pulled, to: &Path) -> Result<(), CliError> {
    let trouble = |error: io::Error| {
        let words = format!("cannot write {}: {error}", to.display());
        let exit = match error.kind() {
            io::ErrorKind::PermissionDenied => Exit::Refused,
            _ => Exit::Failed,
        };
        CliError::new(exit, "storage_unavailable", words)
    };
    if to.exists() {
        let same = fs::read(to).map_err(trouble)? == fs::read(&pulled.path).map_err(trouble)?;
        if same {
            return Ok(());
        }
        let words = format!("{} already exists and is different: name a new file", to.display());
        return Err(CliError::new(Exit::Conflict, "target_taken", words));
    }
    let mut fresh = to.as_os_str().to_owned();
    fresh.push(format!(".{}", unique_name()));
    let written = fs::copy(&pulled.path, &fresh)
        .and_then(|_| File::open(&fresh)?.sync_all())
        .and_then(|()| fs::rename(&fresh, to));
    written.map_err(|error| {
        let _ = fs::remove_file(&fresh);
        trouble(error)
    })
}

#[allow(clippy::print_stdout, reason = "this is where the command speaks")]
fn show(pulled: &Pulled, to: Option<&Path>, terminal: &TerminalArgs) {
    let known = &pulled.known;
    let file = to.unwrap_or(&pulled.path).display().to_string();
    if terminal.output == Format::Json {
        let document = json!({
            "schema_version": 1,
            "outcome": "succeeded",
            "source": known.source,
            "sha256": known.sha256,
            "bytes": known.bytes,
            "commit": known.commit,
            "file": file,
            "cached": pulled.cached,
        });
        println!("{document:#}");
        return;
    }
    if terminal.quiet {
        return;
    }
    let came = if pulled.cached { " (already in the cache)" } else { "" };
    println!("  {:<26}{}{came}", "source", known.source);
    println!("  {:<26}{file} ({})", "file", HumanBytes(known.bytes));
    println!("  {:<26}{}", "SHA-256", known.sha256);
    if let Some(commit) = &known.commit {
        println!("  {:<26}{commit}", "commit");
    }
    println!("\nnext: fruitnode model verify {}", shell_word(&file));
}

/// How far it is, on standard error.
struct Line {
    bar: ProgressBar,
    quiet: bool,
}

impl Line {
    fn new(source: &Source, terminal: &TerminalArgs) -> Self {
        let quiet = terminal.quiet || terminal.output == Format::Json;
        let target =
            if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(None, target);
        let style = ProgressStyle::with_template(
            "[{bar:30}] {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left  {msg}",
        );
        bar.set_style(style.expect("the template is well-formed").progress_chars("=> "));
        bar.set_message(source.to_string());
        Self { bar, quiet }
    }

    #[allow(clippy::print_stderr, reason = "this is where the command speaks")]
    fn tell(&self, event: Event) {
        let words = match event {
            Event::At { bytes, total } => {
                if let Some(total) = total {
                    self.bar.set_length(total);
                }
                self.bar.set_position(bytes);
                return;
            }
            Event::Waiting => {
                "another fruitnode process is downloading the same file: waiting for it".to_owned()
            }
            Event::Again { why, after } => {
                format!("{why}; retrying in {:.1} s", after.as_secs_f64())
            }
        };
        if !self.quiet {
            self.bar.suspend(|| eprintln!("{words}"));
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
