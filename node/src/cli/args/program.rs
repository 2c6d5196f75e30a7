//! The part of the command line that is about the program itself: `config`, `completion`, `man`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use clap_complete::Shell;

pub(super) const COMPLETION_EXAMPLES: &str = "\
Examples:
  fruitnode completion bash > ~/.local/share/bash-completion/completions/fruitnode
  fruitnode completion zsh > ~/.zfunc/_fruitnode
  fruitnode completion fish > ~/.config/fish/completions/fruitnode.fish";

/// Options of `config`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ConfigArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: ConfigCommand,
}

/// What can be asked of the configuration.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print every setting as a configuration file.
    #[command(after_help = ORDER)]
    Show(ShowArgs),
    /// Check a configuration file without doing anything else.
    Validate(ValidateArgs),
}

const ORDER: &str = "\
The first that says something counts:
  1. a flag                       fruitnode run --pca 100
  2. an environment variable      FRUITNODE_PCA=100 (not for --from, --to, --id, --yes and
                                  others that would surprise whoever inherits them)
  3. the project's file           ./fruitnode.toml, or the one that --config names
  4. the user's file              ~/.config/fruitnode/config.toml, below XDG_CONFIG_HOME if set
  5. the machine's file           /etc/fruitnode/config.toml

A file is TOML: a table per command (`[run]`) with the names of its flags as keys, and the tables
`[machine]`, `[storage]`, `[node]`, `[client]` and `[terminal]` for what commands share.";

/// Options of `config show`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ShowArgs {
    /// Say beside each value where it comes from.
    #[arg(long)]
    pub origin: bool,
}

/// Options of `config validate`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ValidateArgs {
    /// The file.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Options of `completion`.
#[derive(Debug, Clone, Args)]
pub(crate) struct CompletionArgs {
    /// The shell.
    pub shell: Shell,
}

/// Options of `man`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ManArgs {
    /// Write a page for every command into this folder, instead of printing the first.
    #[arg(long, value_name = "DIR")]
    pub to: Option<PathBuf>,
}
