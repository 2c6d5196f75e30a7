//! `fruitnode man`: the manual, from the same definition as the help.

use std::fs;

use clap::CommandFactory;
use clap_mangen::{Man, generate_to};

use crate::cli::args::{Cli, ManArgs};
use crate::cli::completion::{print, visible};
use crate::cli::exit::Exit;
use crate::cli::message::CliError;

/// Prints the first page, or writes all of them.
pub(super) fn man(args: &ManArgs) -> Result<Exit, CliError> {
    let command = visible(&Cli::command()).disable_help_subcommand(true);
    let Some(dir) = &args.to else {
        let mut page = Vec::new();
        Man::new(command).render(&mut page).expect("memory takes every page");
        return print(&page);
    };
    fs::create_dir_all(dir).and_then(|()| generate_to(command, dir)).map_err(|error| {
        let words = format!("cannot write the manual to {}: {error}", dir.display());
        CliError::new(Exit::Refused, "storage_refused", words)
    })?;
    Ok(Exit::Done)
}
