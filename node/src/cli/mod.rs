//! The command line: from words to a job, and from its end to words and an exit code.

pub(crate) mod args;
pub(crate) mod cluster;
mod completion;
mod config;
mod demo;
pub(crate) mod exit;
mod given;
mod hints;
mod layered;
mod machine;
mod man;
mod message;
mod meter;
mod model;
mod pipe;
mod plain;
mod plan;
mod prepare;
mod progress;
mod run;
mod screen;
mod start;
mod summary;
mod telemetry;
mod transform;
mod verify;
mod weights;

use args::{Command, DecodeOneArgs};
use exit::Exit;
use message::CliError;
use start::Started;

use fruitnode_storage as storage;
use fruitnode_vision::suspect;

/// Does what the command line says.
pub fn main() -> Exit {
    pipe::end_quietly();
    storage::use_all_descriptors();
    let started = match Started::from_process() {
        Ok(started) => started,
        Err((error, terminal)) => return error.show(&terminal),
    };
    let Started { cli, .. } = &started;
    if let Some(error) = started.contradiction().or_else(|| started.without_effect()) {
        return error.show(&cli.terminal);
    }
    if let Err(error) = telemetry::init(&cli.terminal, cli.command.is_node()) {
        return error.show(&cli.terminal);
    }
    let done = match &cli.command {
        Command::Run(args) => run::run(args, &cli.terminal),
        Command::Transform(args) => transform::transform(args, &cli.terminal),
        Command::Verify(args) => verify::verify(args, &cli.terminal),
        Command::Model(command) => model::model(command, &cli.terminal),
        Command::Demo(args) => demo::demo(args, &cli.terminal),
        Command::Init(args) => cluster::init(args, &cli.terminal),
        Command::Join(args) => cluster::join(args, &cli.terminal),
        Command::Start(args) => cluster::start(args),
        Command::Leave(args) => cluster::leave(args, &cli.terminal),
        Command::Status(args) => cluster::status(args, &cli.terminal),
        Command::Job(command) => cluster::job(command, &cli.terminal),
        Command::Node(command) => cluster::node(command, &cli.terminal),
        Command::Token(command) => cluster::token(command, &cli.terminal),
        Command::Client(command) => cluster::client(command, &cli.terminal),
        Command::Backup(args) => cluster::backup(args, &cli.terminal),
        Command::Recover(args) => cluster::recover(args, &cli.terminal),
        Command::Config(args) => {
            config::config(args, &cli.terminal, &started.matches, &started.config)
        }
        Command::Completion(args) => completion::completion(args),
        Command::Man(args) => man::man(args),
        Command::DecodeOne(args) => decode_one(args),
    };
    match done {
        Ok(exit) => exit,
        Err(error) => started.blame(error).show(&cli.terminal),
    }
}

/// The other side of [`suspect::decode_alone`].
fn decode_one(args: &DecodeOneArgs) -> Result<Exit, CliError> {
    let order = suspect::Order::parse(&args.words).ok_or_else(|| {
        CliError::new(Exit::Usage, "decode_one", "decode-one is an internal command: use `run`")
    })?;
    suspect::serve(&order)
        .map(|()| Exit::Done)
        .map_err(|error| CliError::of(Exit::Failed, "decode_one", &error))
}
