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
    /// Print all settings in the form of a configuration file.
    #[command(after_help = ORDER)]
    Show(ShowArgs),
    /// Check a configuration file.
    Validate(ValidateArgs),
}

const ORDER: &str = "\
The first of these that sets a value wins:
  1. a flag                       fruitnode run --pca 100
  2. an environment variable      FRUITNODE_PCA=100 (not for flags that name one job or confirm
                                  something: --from, --to, --id, --yes and a few others)
  3. the project's file           ./fruitnode.toml, or the one named by --config
  4. the user's file              ~/.config/fruitnode/config.toml, or in XDG_CONFIG_HOME if set
  5. the system's file            /etc/fruitnode/config.toml

Files are in TOML: one table per command (`[run]`) with its flags as keys, and the tables
`[machine]`, `[storage]`, `[node]`, `[client]` and `[terminal]` for flags that several commands
share.";

/// Options of `config show`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ShowArgs {
    /// Show where each value comes from.
    #[arg(long)]
    pub origin: bool,
}

/// Options of `config validate`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ValidateArgs {
    /// File to check.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Options of `completion`.
#[derive(Debug, Clone, Args)]
pub(crate) struct CompletionArgs {
    /// Shell to complete in.
    pub shell: Shell,
}

/// Options of `man`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ManArgs {
    /// Write a page for every command to this folder, instead of printing the main page.
    #[arg(long, value_name = "DIR")]
    pub to: Option<PathBuf>,
}
