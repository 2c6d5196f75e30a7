//! `fruitnode status`, `fruitnode node …` and `fruitnode leave`.

use std::io::{IsTerminal, stdout};
use std::time::Duration;

use serde_json::json;

use fruitnode_env::{Moment, wall_ms};
use fruitnode_mesh::error::MeshError;
use fruitnode_proto::v1;

use crate::cli::args::{Format, NodeCommand, NodeRemoveArgs, StatusArgs, TerminalArgs};
use crate::cli::cluster::departure::{self, Departure, Standing, Went};
use crate::cli::cluster::reach::{Reach, passing, reaching};
use crate::cli::cluster::say::{confirm, done, say, tell};
use crate::cli::cluster::show::cluster;
use crate::cli::cluster::show::health::{State, health};
use crate::cli::cluster::show::node::{self, Rates};
use crate::cli::exit::Exit;
use crate::cli::machine::interrupted;
use crate::cli::message::CliError;
use crate::cli::plain::{plain, plain_json, plain_lines};

/// Between two looks at the cluster.
const EVERY: Duration = Duration::from_secs(1);

/// Moves to the first line of the terminal and clears what stands there.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J";

/// What stands on the screen of whoever watches.
#[derive(Default)]
struct Watched {
    before: Option<(Moment, v1::ClusterStatus)>,
    line: String,
}

/// How the cluster is.
pub(in crate::cli) fn status(args: &StatusArgs, terminal: &TerminalArgs) -> Result<Exit, CliError> {
    reaching(&args.reach, async |reach| {
        if args.watch {
            return watch(&reach.with_all_nodes().await?, terminal).await;
        }
        let status = reach.contact.look().await?;
        let rates = Rates::new();
        let text = || cluster::text(&status, &rates, wall_ms());
        say(terminal, || cluster::json(&status, &rates), text);
        Ok(match health(&status).state {
            State::Stopped => Exit::Unreachable,
            State::Degraded if args.check => Exit::Failed,
            State::Healthy | State::Degraded => Exit::Done,
        })
    })
}

async fn watch(reach: &Reach, terminal: &TerminalArgs) -> Result<Exit, CliError> {
    let mut watched = Watched::default();
    let mut end = std::pin::pin!(interrupted());
    loop {
        tokio::select! {
            status = reach.contact.look() => watched.show(status, terminal)?,
            () = &mut end => return Ok(Exit::Done),
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = &mut end => return Ok(Exit::Done),
        }
    }
}

impl Watched {
    /// Draws anew in a terminal, and says what is new elsewhere.
    #[allow(clippy::print_stdout, reason = "this is where the command speaks")]
    fn show(
        &mut self,
        status: Result<v1::ClusterStatus, MeshError>,
        terminal: &TerminalArgs,
    ) -> Result<(), CliError> {
        let screen = stdout().is_terminal() && terminal.output == Format::Table;
        let status = match status {
            Ok(status) => status,
            Err(error) if passing(&error) => {
                match (terminal.output, screen) {
                    (Format::Json, _) => {
                        let code = CliError::from(error);
                        println!("{}", json!({"schema_version": 1, "error": code.words()}));
                    }
                    (Format::Table, true) => println!("{CLEAR}{}", plain(&error.to_string())),
                    (Format::Table, false) => self.say_once(error.to_string()),
                }
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let now = Moment::now();
        let rates = self.before.as_ref().map_or_else(Rates::new, |(then, before)| {
            node::rates(&before.nodes, &status.nodes, now.since(*then).as_secs_f64())
        });
        match (terminal.output, screen) {
            (Format::Json, _) => {
                println!("{}", plain_json(&cluster::json(&status, &rates).to_string()))
            }
            (Format::Table, true) => {
                let text = cluster::text(&status, &rates, wall_ms());
                print!("{CLEAR}{}", plain_lines(&text));
            }
            (Format::Table, false) => self.say_once(cluster::one_line(&status, wall_ms())),
        }
        self.before = Some((now, status));
        Ok(())
    }

    #[allow(clippy::print_stdout, reason = "this is where the command speaks")]
    fn say_once(&mut self, line: String) {
        if line != self.line {
            println!("{}", plain(&line));
            self.line = line;
        }
    }
}

/// What is asked of nodes.
pub(in crate::cli) fn node(
    command: &NodeCommand,
    terminal: &TerminalArgs,
) -> Result<Exit, CliError> {
    match command {
        NodeCommand::List(args) => reaching(&args.reach, async |reach| {
            let (status, rates) = (reach.contact.status().await?, Rates::new());
            // Ids are never used again: else the list would grow with every node that ever left.
            let present = status.nodes.into_iter().filter(|node| node.state != "removed");
            let present: Vec<_> = present.collect();
            let nodes = || present.iter().map(|node| node::document(node, &rates));
            let json = || json!({"schema_version": 1, "nodes": nodes().collect::<Vec<_>>()});
            say(terminal, json, || node::table(&present, &rates, "  "));
            Ok(Exit::Done)
        }),
        NodeCommand::Show(args) => reaching(&args.reach, async |reach| {
            let node = find(&reach, args.id.0).await?;
            let document = || node::document(&node, &Rates::new());
            let json = || json!({"schema_version": 1, "node": document()});
            say(terminal, json, || node::details(&node));
            Ok(Exit::Done)
        }),
        NodeCommand::Drain(args) => reaching(&args.reach, async |reach| {
            let (node, undo) = (args.id.0, args.undo);
            reach.contact.drain_node(v1::DrainRequest { node, undo }).await?;
            let id = node::id(node);
            let (outcome, words) = match undo {
                true => ("ready", format!("{id} accepts leases again")),
                false => {
                    let words = "gets no new leases and finishes those it has; to check on it: \
                                 fruitnode node show";
                    ("draining", format!("{id} {words} {id}"))
                }
            };
            done(terminal, json!({"outcome": outcome, "node": id}), &words);
            Ok(Exit::Done)
        }),
        NodeCommand::Remove(args) => remove(args, terminal),
    }
}

fn remove(args: &NodeRemoveArgs, terminal: &TerminalArgs) -> Result<Exit, CliError> {
    reaching(&args.reach, async |reach| {
        let (number, id) = (args.id.0, node::id(args.id.0));
        let status = departure::asked(&reach, number).await?;
        let node = status.nodes.iter().find(|known| known.node == number);
        let node = node.ok_or_else(|| unknown(number))?;
        let departure = Departure { id: number, args: &args.departure, terminal };
        // Whoever is connected to the node that goes has to go on elsewhere.
        match departure::standing(&status, number) {
            Some(Standing::Gone) | None => {
                let words = format!("{id} has already been removed");
                return Err(CliError::new(Exit::NotFound, "not_found", words));
            }
            Some(Standing::Leaving) => tell(terminal, &format!("{id} is already leaving")),
            Some(Standing::Belongs) => {
                let price = departure::price(&status, number, args.departure.force)?;
                let price = price.map(|words| format!(" {words}.")).unwrap_or_default();
                let (address, state) = (&node.address, &node.state);
                let question = format!("Remove {id} ({address}, {state}) for good?{price}");
                confirm(&question, args.yes)?;
                if args.departure.force && price.contains("WARNING") {
                    tell(terminal, price.trim_start());
                }
                departure.ask(&reach).await?;
            }
        }
        let reach = reach.with_all_nodes().await?;
        let (outcome, words) = match Box::pin(departure.wait(&reach)).await? {
            Went::Gone => {
                ("removed", format!("{id} is removed; other nodes redo its unfinished work"))
            }
            Went::Going => ("leaving", departure.goes_on()),
        };
        done(terminal, json!({"outcome": outcome, "node": id}), &words);
        Ok(Exit::Done)
    })
}

async fn find(reach: &Reach, node: u64) -> Result<v1::NodeStatus, CliError> {
    let status = reach.contact.status().await?;
    status.nodes.into_iter().find(|known| known.node == node).ok_or_else(|| unknown(node))
}

fn unknown(node: u64) -> CliError {
    let words =
        format!("there is no node {}: `fruitnode node list` shows all nodes", node::id(node));
    CliError::new(Exit::NotFound, "not_found", words)
}
