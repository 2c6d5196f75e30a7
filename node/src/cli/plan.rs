//! `--dry-run`: what a job would read, write, take and cost, before anything is done.

use std::fmt::Write as _;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{HumanBytes, HumanCount, HumanDuration};
use serde::Serialize;

use fruitnode_env::{Moment, wall_ms};
use fruitnode_result::story::{Story, Work};
use fruitnode_storage::Standing;

use crate::cli::args::{Format, MachineArgs, PlanArgs, TerminalArgs};
use crate::cli::exit::Exit;
use crate::cli::machine;
use crate::cli::message::CliError;
use crate::cli::plain::{plain_json, plain_lines};
use crate::cli::prepare::Prepared;
use crate::cli::progress::spinner;
use crate::cli::screen::ScreenLine;
use crate::local::NODE;
use crate::tasks::plan::{Plan, SAMPLE_MAX};
use crate::tasks::{JobContext, NodeContext, NodeOptions, plan};

/// How often the line is drawn again.
const REDRAW: Duration = Duration::from_millis(200);

#[derive(Serialize)]
struct Document<'a> {
    schema_version: u32,
    outcome: &'static str,
    from: &'a str,
    to: &'a str,
    target: &'static str,
    threads: usize,
    #[serde(flatten)]
    plan: &'a Plan,
    cost: Option<f64>,
}

/// Looks at a job that is ready to be opened, and says what it would do.
pub(super) fn plan(
    (settings, extractor): Prepared,
    machine: &MachineArgs,
    args: &PlanArgs,
    terminal: &TerminalArgs,
) -> Result<Exit, CliError> {
    let story = Arc::new(Story::begin(Moment::now(), wall_ms()));
    let threads = machine::threads(machine);
    let options = NodeOptions { threads, batch: machine.batch };
    let (job, standing, planned) = machine::reactor(threads)?.block_on(async {
        let looked = Box::pin(JobContext::look(settings, Some(extractor))).await;
        let (job, standing) = looked.map_err(|error| CliError::from(error.failure()))?;
        let job = Arc::new(job);
        let node = NodeContext::start(NODE, options, Arc::clone(&story))
            .map_err(|error| CliError::of(Exit::Failed, "no_threads", &error))?;
        let node = Arc::new(node);
        let hidden = terminal.quiet || terminal.output == Format::Json;
        tokio::select! {
            planned = watched(&story, hidden, plan::plan(&node, &job)) => {
                Ok((Arc::clone(&job), standing, planned?))
            }
            () = machine::interrupted() => {
                let words = "interrupted; nothing was written";
                Err(CliError::new(Exit::Interrupted, "interrupted", words))
            }
        }
    })?;
    let cost = args.price_per_hour.map(|price| price * planned.features_s / 3_600.0);
    show(&job, standing, threads.get(), &planned, cost, args, terminal);
    Ok(Exit::Done)
}

/// The same work, with a line that says how far it is.
async fn watched<T>(story: &Story, hidden: bool, work: impl Future<Output = T>) -> T {
    let line = ScreenLine::show(hidden);
    let bar = line.bar();
    bar.set_style(spinner());
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => break done,
            () = tokio::time::sleep(REDRAW) => {
                let listed = HumanCount(Work::read(&story.work.listed));
                let tried = Work::read(&story.work.inferences);
                bar.set_message(match tried {
                    0 => format!("listing, {listed} photographs so far"),
                    tried => format!("{tried} of {SAMPLE_MAX} photographs tried"),
                });
                bar.tick();
                line.settle();
            }
        }
    }
}

#[allow(clippy::print_stdout, reason = "this is where the command speaks")]
fn show(
    job: &JobContext,
    standing: Standing,
    threads: usize,
    plan: &Plan,
    cost: Option<f64>,
    args: &PlanArgs,
    terminal: &TerminalArgs,
) {
    let settings = &job.settings;
    if terminal.output == Format::Table {
        print!("{}", plain_lines(&table(&settings.to, standing, threads, plan)));
        if let Some((price, cost)) = args.price_per_hour.zip(cost) {
            println!("  {:<26}about {cost:.4}, at {price} an hour", "cost");
        }
        println!("\nnothing was written; run the job by omitting --dry-run");
        return;
    }
    let target = match standing {
        Standing::Nothing => "nothing",
        Standing::Earlier => "earlier_result",
    };
    let (from, to) = (&settings.from, &settings.to);
    let document =
        Document { schema_version: 1, outcome: "planned", from, to, target, threads, plan, cost };
    let json = serde_json::to_string_pretty(&document);
    println!("{}", plain_json(&json.expect("numbers and strings are always JSON")));
}

fn table(to: &str, standing: Standing, threads: usize, plan: &Plan) -> String {
    let mut out = String::new();
    let mut line = |name: &str, text: String| {
        let _ = writeln!(out, "  {name:<26}{text}");
    };
    let count = |number: u64| HumanCount(number).to_string();
    line("photographs", format!("{} ({})", count(plan.photographs), HumanBytes(plan.bytes)));
    line("skipped", left_out(plan));
    line("labels", labels(plan));
    line("partitions", count(plan.partitions));
    line("features", format!("{} per photograph", plan.features));
    let requests = plan.requests;
    line(
        "requests",
        format!(
            "about {} LIST, {} GET, about {} PUT and COPY",
            count(requests.list),
            count(requests.get),
            count(requests.put)
        ),
    );
    let (most, large) = (plan.memory_bytes_max, plan.memory_bytes_large);
    line(
        "memory",
        format!(
            "at most {}, plus {} while a very large photograph is decoded",
            HumanBytes(most - large),
            HumanBytes(large)
        ),
    );
    line("sample", sample(plan));
    let took = HumanDuration(Duration::from_secs_f64(plan.features_s));
    line("time", format!("about {took} for the features, with {threads} threads on this machine"));
    line("target contains", format!("{standing} ({to})"));
    out
}

fn left_out(plan: &Plan) -> String {
    let left = &plan.left_out;
    let mut words = Vec::new();
    if left.by_pattern > 0 {
        let example = left.by_pattern_examples.first().map_or("", String::as_str);
        let example = example.escape_debug();
        words.push(format!("{} by --pattern (`{example}`)", HumanCount(left.by_pattern)));
    }
    if left.hidden > 0 {
        let example = left.hidden_examples.first().map_or("", String::as_str).escape_debug();
        words.push(format!("{} hidden (`{example}`)", HumanCount(left.hidden)));
    }
    if left.excluded > 0 {
        words.push(format!("{} by --exclude", HumanCount(left.excluded)));
    }
    if left.own_pictures > 0 {
        words.push(format!("{} pictures of earlier results", HumanCount(left.own_pictures)));
    }
    if left.by_time > 0 {
        words.push(format!("{} by modification time", HumanCount(left.by_time)));
    }
    if left.others > 0 {
        words.push(format!("{} pipes, devices or sockets", HumanCount(left.others)));
    }
    if left.subfolders > 0 {
        words.push(format!("{} subfolders", HumanCount(left.subfolders)));
    }
    if left.by_limit {
        words.push("everything after --limit".to_owned());
    }
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}

fn labels(plan: &Plan) -> String {
    let labels = &plan.labels;
    let first = labels.first.iter();
    let mut words: Vec<_> =
        first.map(|(label, count)| format!("{} {count}", label.escape_debug())).collect();
    if labels.count > words.len() {
        words.push("…".to_owned());
    }
    if labels.unlabelled > 0 {
        words.push(format!("{} unlabelled", HumanCount(labels.unlabelled)));
    }
    let more = if labels.more { "more than " } else { "" };
    match words.is_empty() {
        true => "none".to_owned(),
        false => format!("{more}{}: {}", HumanCount(labels.count as u64), words.join(", ")),
    }
}

fn sample(plan: &Plan) -> String {
    let sample = &plan.sample;
    let tried = sample.tried;
    if sample.bad == 0 {
        return format!("all {tried} photographs can be used");
    }
    let codes = sample.codes.iter();
    let codes: Vec<_> = codes
        .map(|(code, (count, key))| format!("{count} {code} (`{}`)", key.escape_debug()))
        .collect();
    let share = sample.bad as f64 * 100.0 / tried as f64;
    let (bad, codes) = (sample.bad, codes.join(", "));
    format!("{bad} of {tried} photographs cannot be used ({share:.0} %): {codes}")
}
