//! Runs seeds of the simulator, and storms of real processes.

use std::alloc::System;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write as _};
use std::process::ExitCode;

use cap::Cap;
use clap::{Args, Parser, Subcommand};

use fruitnode_chaos::scale::{self, ScaleArgs};
use fruitnode_chaos::storm::{self, StormCommand};
use fruitnode_chaos::{Bug, Options, SEEDS_FOR_ALL, branches, known_seeds, run};

/// Counts what is allocated, for `scale`.
#[global_allocator]
static HEAP: Cap<System> = Cap::new(System, usize::MAX);

/// Simulates whole clusters, one for each seed, and says what was wrong
#[derive(Parser)]
#[command(name = "fruitnode-chaos", args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    simulate: SimulateArgs,
}

#[derive(Subcommand)]
enum Command {
    /// Simulates whole clusters, as without a command
    Simulate(SimulateArgs),
    Scale(ScaleArgs),
    #[command(flatten)]
    Storm(StormCommand),
}

#[derive(Args)]
struct SimulateArgs {
    /// Run this seed alone
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Run the seeds that once failed, and this many more
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// First of these many
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Plant a mistake
    #[arg(long, value_enum)]
    bug: Option<Bug>,
    /// Let nothing go wrong
    #[arg(long)]
    calm: bool,
    /// Print every event
    #[arg(long)]
    trace: bool,
    /// Print in how many seeds each branch of the machines was reached
    #[arg(long)]
    branches: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.command {
        Some(Command::Scale(arguments)) => scale::command(&arguments, || HEAP.allocated()),
        Some(Command::Storm(command)) => storm::command(&command),
        Some(Command::Simulate(arguments)) => simulate(&arguments),
        None => simulate(&arguments.simulate),
    }
}

fn simulate(arguments: &SimulateArgs) -> ExitCode {
    let options = Options { bug: arguments.bug, calm: arguments.calm, trace: arguments.trace };
    let seeds: Vec<u64> = match arguments.seed {
        Some(seed) => vec![seed],
        None => known_seeds().chain(arguments.from..arguments.from + arguments.seeds).collect(),
    };
    let (mut failed, mut events, mut virtual_ms) = (0_u64, 0_u64, 0_u64);
    let (mut committed, mut succeeded) = (0_u64, 0_u64);
    let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
    let mut reached: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in &seeds {
        let verdict = run(*seed, options);
        events += verdict.events;
        virtual_ms += verdict.took_ms;
        committed += verdict.committed;
        succeeded += verdict.succeeded;
        verdict.reached.iter().for_each(|branch| *reached.entry(branch).or_default() += 1);
        for (what, times) in &verdict.seen {
            *seen.entry(what).or_default() += times;
        }
        if let Some(violation) = &verdict.violation {
            failed += 1;
            say(format_args!("seed {seed}: {violation}\n  {}", verdict.replay(options.bug)));
        }
    }
    for (what, times) in &seen {
        say(format_args!("{times:>9}  {what}"));
    }
    let branches = branches();
    let missed = |branch: &&&str| !reached.contains_key(**branch);
    let missed: Vec<_> = branches.iter().filter(missed).collect();
    say(format_args!(
        "{} seeds, {failed} failed; {events} events, {committed} entries, {succeeded} jobs done, \
         {} virtual hours, {} of {} branches of the machines reached",
        seeds.len(),
        virtual_ms / 3_600_000,
        branches.len() - missed.len(),
        branches.len()
    ));
    for (branch, seeds) in reached.iter().filter(|_| arguments.branches) {
        say(format_args!("{seeds:>9}  {branch}"));
    }
    for branch in &missed {
        say(format_args!("not reached: {branch}"));
    }
    let all_faults = options.bug.is_none() && !options.calm && arguments.seed.is_none();
    let has_to_reach_all = all_faults && arguments.seeds >= SEEDS_FOR_ALL;
    match failed == 0 && (missed.is_empty() || !has_to_reach_all) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Whoever reads may have read enough.
fn say(line: fmt::Arguments<'_>) {
    drop(writeln!(io::stdout(), "{line}"));
}
