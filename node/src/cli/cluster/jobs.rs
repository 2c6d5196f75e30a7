//! `fruitnode job …`, but for `submit` and `transform`.

use std::io::{Write, stdout};

use serde_json::json;

use fruitnode_env::wall_ms;
use fruitnode_proto::v1::explanation::Explanation;
use fruitnode_proto::v1::{ExplainRequest, JobStatus, NameRequest, row_batch};

use crate::cli::args::{
    Format, JobCancelArgs, JobCommand, JobExplainArgs, JobStatusArgs, JobWatchArgs, TerminalArgs,
};
use crate::cli::cluster::follow::{self, Follow, Signals};
use crate::cli::cluster::reach::{Reach, passing, reaching};
use crate::cli::cluster::say::{done, say, tell};
use crate::cli::cluster::show::ended::Ended;
use crate::cli::cluster::show::overdue::Late;
use crate::cli::cluster::show::{explain, job, row, task};
use crate::cli::cluster::submit;
use crate::cli::exit::Exit;
use crate::cli::message::CliError;

/// What is asked of jobs.
pub(in crate::cli) fn job(command: &JobCommand, terminal: &TerminalArgs) -> Result<Exit, CliError> {
    match command {
        JobCommand::Submit(args) => submit::submit(args, terminal),
        JobCommand::Transform(args) => submit::transform(args, terminal),
        JobCommand::List(args) => reaching(&args.reach, async |reach| {
            let jobs = reach.contact.list_jobs().await?.jobs;
            let documents = || jobs.iter().map(job::document).collect::<Vec<_>>();
            let json = || json!({"schema_version": 1, "jobs": documents()});
            say(terminal, json, || match jobs.is_empty() {
                true => {
                    "there are no jobs; to submit one: fruitnode job submit --help\n".to_owned()
                }
                false => job::table(&jobs, wall_ms(), "  "),
            });
            Ok(Exit::Done)
        }),
        JobCommand::Status(args) => status(args, terminal),
        JobCommand::Watch(args) if args.rows => rows(args, terminal),
        JobCommand::Watch(args) => watch(args, terminal),
        JobCommand::Cancel(args) => cancel(args, terminal),
        JobCommand::Explain(args) => explain(args, terminal),
    }
}

fn status(args: &JobStatusArgs, terminal: &TerminalArgs) -> Result<Exit, CliError> {
    reaching(&args.reach, async |reach| {
        let status = now(&reach, &args.id).await?;
        say(terminal, || follow::document(&status), || job::details(&status, wall_ms()));
        Ok(Exit::Done)
    })
}

fn watch(args: &JobWatchArgs, terminal: &TerminalArgs) -> Result<Exit, CliError> {
    reaching(&args.reach, async |reach| {
        let job = args.id.clone();
        let follow = Follow { job, may_cancel: false, quiet: follow::quiet(terminal) };
        let reach = reach.with_all_nodes().await?;
        let ended = Box::pin(follow.to_the_end(&reach, None, (Signals::new()?, terminal))).await?;
        follow::conclude(&ended, terminal)
    })
}

fn cancel(args: &JobCancelArgs, terminal: &TerminalArgs) -> Result<Exit, CliError> {
    reaching(&args.reach, async |reach| {
        let before = now(&reach, &args.id).await?;
        if job::ended(&before) {
            let words = format!("job {} is already over: it {}", args.id, before.phase);
            return Err(CliError::new(Exit::Conflict, "conflict", words));
        }
        reach.contact.cancel_job(NameRequest { name: args.id.clone() }).await?;
        let words = format!("job {} is cancelled; its target is being cleaned up", args.id);
        done(terminal, json!({"outcome": "cancelled", "job": args.id}), &words);
        Ok(Exit::Done)
    })
}

/// A job as it is now.
async fn now(reach: &Reach, job: &str) -> Result<JobStatus, CliError> {
    let mut stream = reach.contact.watch_job(NameRequest { name: job.to_owned() }).await?;
    stream.next().await?.ok_or_else(|| {
        let words = format!("no answer about job {job}: try again");
        CliError::new(Exit::Unreachable, "unavailable", words)
    })
}

fn explain(args: &JobExplainArgs, terminal: &TerminalArgs) -> Result<Exit, CliError> {
    reaching(&args.reach, async |reach| {
        let key = args.key.clone().unwrap_or_default();
        let request = ExplainRequest { job: args.id.clone(), key };
        let mut stream = reach.contact.explain_job(request).await?;
        let (mut stories, mut late, mut fate, mut ended) = (Vec::new(), Vec::new(), None, None);
        while let Some(part) = stream.next().await? {
            match part.explanation {
                Some(Explanation::Attempt(story)) => stories.push(story),
                Some(Explanation::Fate(told)) => fate = Some(told),
                Some(Explanation::Overdue(told)) => late.push(Late::of(told)),
                Some(Explanation::Ended(told)) => ended = Some(Ended::of(told)),
                None => {}
            }
        }
        let Some(key) = &args.key else {
            let explained = explain::explain(&args.id, &stories, late, ended);
            say(terminal, || explained.json(), || explained.text());
            return Ok(Exit::Done);
        };
        let partition = fate.as_ref().filter(|fate| fate.became != "not_listed");
        let partition = partition.map(|fate| fate.partition);
        // Of a job that is over, the attempts at the photograph's own partition alone.
        stories.retain(|story| task::partition(story) == partition);
        let attempts = explain::attempts(&stories);
        let json = || {
            json!({
                "schema_version": 1,
                "job": args.id,
                "key": key,
                "fate": fate.as_ref().map(explain::fate),
                "ended": ended,
                "partition": partition,
                "attempts": attempts,
            })
        };
        let text = || explain::key_text(key, fate.as_ref(), &attempts, ended.as_ref());
        say(terminal, json, text);
        Ok(Exit::Done)
    })
}

/// Prints rows as they are made, one to a line, until the job is over.
fn rows(args: &JobWatchArgs, terminal: &TerminalArgs) -> Result<Exit, CliError> {
    reaching(&args.reach, async |reach| {
        let reach = reach.with_all_nodes().await?;
        loop {
            let request = NameRequest { name: args.id.clone() };
            let mut stream = reach.contact.watch_rows(request).await?;
            loop {
                match stream.next().await {
                    Ok(Some(batch)) => {
                        if batch.skipped > 0 {
                            tell(terminal, &row::skipped(batch.node, batch.skipped));
                        }
                        if !print(&batch.rows, terminal) {
                            return Ok(Exit::Done);
                        }
                    }
                    // The job is over, or the node that told of it stops.
                    Ok(None) => break,
                    // The next coordinator tells on.
                    Err(error) if passing(&error) => break,
                    Err(error) => return Err(error.into()),
                }
            }
            let status = now(&reach, &args.id).await?;
            if job::ended(&status) {
                return follow::failure(&status).map_or(Ok(Exit::Done), Err);
            }
        }
    })
}

/// Whether whoever reads wants more.
fn print(rows: &[row_batch::Row], terminal: &TerminalArgs) -> bool {
    let mut out = stdout().lock();
    let printed = rows.iter().try_for_each(|row| match terminal.output {
        Format::Json => writeln!(out, "{}", row::json(row)),
        Format::Table => writeln!(out, "{}", row::line(row)),
    });
    printed.and_then(|()| out.flush()).is_ok()
}
