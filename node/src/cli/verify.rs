//! `fruitnode verify`: checks a result from its own files, and says what each check found.

use std::num::NonZeroUsize;

use serde::Serialize;

use fruitnode_coordinator::failure::Failure;
use fruitnode_result::verify::{self, Check, GIVEN_MODEL, Verdict};
use fruitnode_storage::{Place, S3Result};

use crate::cli::args::{Format, StorageArgs, TerminalArgs, VerifyArgs};
use crate::cli::exit::Exit;
use crate::cli::machine::reactor;
use crate::cli::message::CliError;
use crate::cli::plain::{plain_json, plain_lines};
use crate::verified::{OwnArithmetic, ResultBucket, ResultFolder};

#[derive(Serialize)]
struct Document<'a> {
    schema_version: u32,
    outcome: &'static str,
    checks: &'a [Check],
}

/// Checks a result and prints every check.
#[allow(clippy::print_stdout, reason = "this is where the command speaks")]
pub(super) fn verify(args: &VerifyArgs, terminal: &TerminalArgs) -> Result<Exit, CliError> {
    let verdict = check(&args.out, &args.storage)?;
    let passed = verdict.passed();
    match terminal.output {
        Format::Json => {
            let outcome = if passed { "passed" } else { "failed" };
            let document = Document { schema_version: 1, outcome, checks: &verdict.checks };
            let json = serde_json::to_string_pretty(&document);
            println!("{}", plain_json(&json.expect("strings and numbers are always JSON")));
        }
        Format::Table if terminal.quiet && passed => {}
        Format::Table => {
            print!("{}", plain_lines(&verdict.to_string()));
            let out = &args.out;
            match passed {
                true if verdict.check(GIVEN_MODEL).is_some() => {
                    println!("{out} is complete, and its scores are those of the given model");
                }
                true => println!("{out} is complete and verified"),
                false => println!("{out} failed verification: see above"),
            }
        }
    }
    if passed { Ok(Exit::Done) } else { Ok(Exit::Failed) }
}

/// Checks a result, wherever it lies.
pub(super) fn check(out: &str, storage: &StorageArgs) -> Result<Verdict, CliError> {
    let place = out.parse().map_err(|error| CliError::of(Exit::Usage, "bad_flag", &error))?;
    match place {
        Place::Folder(path) => {
            let folder = ResultFolder::open(&path).map_err(|error| {
                let words = format!("{out}: {error}; name the folder of a result");
                CliError::new(Exit::NotFound, "input_missing", words)
            })?;
            Ok(verify::verify(&folder, &OwnArithmetic))
        }
        Place::S3 { bucket, prefix } => {
            let reactor = reactor(NonZeroUsize::MIN)?;
            let options = storage.options();
            let opened = reactor.block_on(Box::pin(S3Result::open(&bucket, &prefix, &options)));
            let result = opened.map_err(|error| Failure::of(error.reason(), &error))?;
            let published = ResultBucket::new(result, reactor.handle().clone());
            Ok(verify::verify(&published, &OwnArithmetic))
        }
    }
}
