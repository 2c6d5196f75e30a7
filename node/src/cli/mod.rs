//! The command line: from words to a job, and from its end to words and an exit code.

pub mod args;
mod demo;
pub mod exit;
mod message;
mod meter;
mod model;
mod model_args;
mod progress;
mod run;
mod summary;
mod telemetry;
mod transform;
mod verify;
mod weights;

use clap::{CommandFactory, FromArgMatches};

use args::{Cli, Command, DecodeOneArgs};
use exit::Exit;
use message::CliError;

use crate::pipeline::suspect;

/// Does what the command line says.
pub fn main() -> Exit {
    let matches = Cli::command().color(color_of(std::env::args())).get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    telemetry::init(&cli.terminal);
    let done = match &cli.command {
        Command::Run(args) => run::run(args, &cli.terminal),
        Command::Transform(args) => transform::transform(args, &cli.terminal),
        Command::Verify(args) => verify::verify(args, &cli.terminal),
        Command::Model(command) => model::model(command, &cli.terminal),
        Command::Demo(args) => demo::demo(args, &cli.terminal),
        Command::DecodeOne(args) => decode_one(args),
    };
    match done {
        Ok(exit) => exit,
        Err(error) => error.show(&cli.terminal),
    }
}

/// The other side of [`suspect::decode_alone`].
fn decode_one(args: &DecodeOneArgs) -> Result<Exit, CliError> {
    let order = suspect::Order::parse(&args.words).ok_or_else(|| {
        CliError::new(Exit::Usage, "decode_one", "decode-one is for fruitnode alone: use `run`")
    })?;
    suspect::serve(&order)
        .map(|()| Exit::Done)
        .map_err(|error| CliError::of(Exit::Failed, "decode_one", &error))
}

/// The choice of colour, before the command line is parsed: the messages of the parser need it.
fn color_of(words: impl Iterator<Item = String>) -> clap::ColorChoice {
    let words: Vec<_> = words.collect();
    let after = words.iter().position(|word| word == "--color").and_then(|at| words.get(at + 1));
    let word = words.iter().find_map(|word| word.strip_prefix("--color="));
    match word.or_else(|| after.map(String::as_str)) {
        Some("always") => clap::ColorChoice::Always,
        Some("never") => clap::ColorChoice::Never,
        _ => clap::ColorChoice::Auto,
    }
}
