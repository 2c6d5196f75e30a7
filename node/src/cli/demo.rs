//! `fruitnode demo`: photographs drawn here, the whole job on them, and what to open afterwards.

use std::fs;
use std::num::NonZeroU32;
use std::path::Path;

use clap::Parser;

use fruitnode_env::wall_ms;
use fruitnode_vision::demo::draw_photographs;

use crate::cli::args::{Cli, Command, DemoArgs, Format, RunArgs, StorageArgs, TerminalArgs};
use crate::cli::exit::Exit;
use crate::cli::message::CliError;
use crate::cli::plain::{plain_json, plain_lines};
use crate::cli::screen::ScreenLine;
use crate::cli::summary::shell_word;
use crate::cli::{cluster, run, verify};

/// Says that a folder was made by a demo.
const MARKER: &str = ".fruitnode-demo";

/// Keys in a part of the result: few, so that the nodes of a cluster have something each.
const ROWS_PER_PART: u32 = 40;

/// Draws, runs, verifies, and says what to open.
pub(super) fn demo(args: &DemoArgs, terminal: &TerminalArgs) -> Result<Exit, CliError> {
    let (photographs, result) = (args.dir.join("photographs"), args.dir.join("result"));
    claim(&args.dir)?;
    draw(&photographs, args.per_kind, terminal)?;
    let job = run_args(&photographs, &result, args)?;
    let told = match args.cluster {
        false => {
            let summary = run::execute(&job, terminal)?;
            (summary.json(), summary.table())
        }
        true => {
            let ended = cluster::succeed(&job, &args.reach, terminal)?;
            (format!("{:#}", cluster::document(&ended)), cluster::summary(&ended, wall_ms()))
        }
    };
    let checks = verify::check(&result.display().to_string(), &StorageArgs::default())?;
    show(told, &photographs, &result, args, terminal);
    if checks.passed() { Ok(Exit::Done) } else { Ok(Exit::Failed) }
}

/// Makes the folder the demo's own. One that holds anything which no demo made is left alone: what
/// lies under `photographs` there may be somebody's only copy.
fn claim(dir: &Path) -> Result<(), CliError> {
    let trouble = |error: std::io::Error| {
        let words = format!("cannot use {}: {error}; name an empty or a new folder", dir.display());
        CliError::new(Exit::Refused, "storage_refused", words)
    };
    let marker = dir.join(MARKER);
    fs::create_dir_all(dir).map_err(trouble)?;
    let empty = fs::read_dir(dir).map_err(trouble)?.next().is_none();
    if !empty && !marker.exists() {
        let words = format!(
            "{} contains files that were not made by a demo: name an empty or a new folder",
            dir.display()
        );
        return Err(CliError::new(Exit::Conflict, "target_taken", words));
    }
    fs::write(&marker, b"").map_err(trouble)
}

fn draw(dir: &Path, per_kind: NonZeroU32, terminal: &TerminalArgs) -> Result<(), CliError> {
    let trouble = |error: &dyn std::error::Error| CliError::of(Exit::Failed, "cannot_draw", error);
    // Photographs of an earlier demo with another number of kinds would mix with these.
    if dir.exists() {
        fs::remove_dir_all(dir).map_err(|error| trouble(&error))?;
    }
    let hidden = terminal.quiet || terminal.output == Format::Json;
    let line = ScreenLine::show(hidden);
    let bar = line.bar();
    let mut drawn = |done: usize, of: usize| {
        bar.set_length(of as u64);
        bar.set_position(done as u64);
        line.settle();
    };
    draw_photographs(dir, per_kind.get(), &mut drawn).map_err(|error| trouble(&error))?;
    Ok(())
}

/// The flags that a user would write for the same.
fn run_args(photographs: &Path, result: &Path, args: &DemoArgs) -> Result<RunArgs, CliError> {
    let (from, to) = (photographs.display().to_string(), result.display().to_string());
    let rows = ROWS_PER_PART.to_string();
    let words = [
        "fruitnode",
        "run",
        "--from",
        &from,
        "--to",
        &to,
        "--mode",
        "overwrite",
        "--rows-per-part",
        &rows,
    ];
    let cli = Cli::try_parse_from(words)
        .map_err(|error| CliError::of(Exit::Usage, "bad_flag", &error))?;
    match cli.command {
        Command::Run(mut run) => {
            run.machine = args.machine.clone();
            Ok(*run)
        }
        _ => Err(CliError::new(
            Exit::Failed,
            "bad_flag",
            "the demo cannot build its own command line; this is a bug in fruitnode, please report \
             it",
        )),
    }
}

#[allow(clippy::print_stdout, reason = "this is where the command speaks")]
fn show(
    (json, table): (String, String),
    photographs: &Path,
    result: &Path,
    args: &DemoArgs,
    terminal: &TerminalArgs,
) {
    if terminal.output == Format::Json {
        println!("{}", plain_json(&json));
        return;
    }
    if terminal.quiet {
        return;
    }
    print!("{}", plain_lines(&table));
    let at = |name: &str| result.join(name).display().to_string();
    println!("\nLook at:");
    println!("  {:<44}variance explained by each component", at("scree.svg"));
    println!("  {:<44}the scores, for a spreadsheet", at("pca.csv"));
    println!("  {:<44}report and certificate, for programs", at("report.json"));
    println!("  {:<44}how to use the PCA in scikit-learn", at("model/README.md"));
    println!("\nThen try it with your own photographs:");
    let photographs = shell_word(&photographs.display().to_string());
    match args.cluster {
        false => println!("  fruitnode run --from {photographs} --to my-result"),
        true => {
            println!("  fruitnode job submit --from {photographs} --to my-result --shared");
        }
    }
}
