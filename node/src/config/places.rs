//! Where configuration files lie.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The project's file, in the folder where a command is started.
const PROJECT: &str = "fruitnode.toml";

/// The machine's file.
const SYSTEM: &str = "/etc/fruitnode/config.toml";

/// Below the folder of a user's configuration files.
const USER: &str = "fruitnode/config.toml";

/// Which file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layer {
    /// Named by `--config`, in the place of the project's.
    Named,
    /// `fruitnode.toml` in the folder where the command is started.
    Project,
    /// The user's own.
    User,
    /// The machine's.
    System,
}

/// The files of one command, whether they are there or not: the one that counts most first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Places(Vec<(Layer, PathBuf)>);

impl Layer {
    /// In one word, for programs.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Named => "named",
            Self::Project => "project",
            Self::User => "user",
            Self::System => "system",
        }
    }
}

impl Places {
    /// Those of this process.
    pub(crate) fn of_this_process(named: Option<&Path>) -> Self {
        let folder = |name| std::env::var_os(name);
        Self::of(named, folder("XDG_CONFIG_HOME"), folder("HOME"))
    }

    /// With the values of `XDG_CONFIG_HOME` and `HOME`, of which relative ones are not heeded, as
    /// the XDG specification wants it.
    fn of(named: Option<&Path>, xdg: Option<OsString>, home: Option<OsString>) -> Self {
        let mut places = vec![match named {
            Some(path) => (Layer::Named, path.to_owned()),
            None => (Layer::Project, PathBuf::from(PROJECT)),
        }];
        places.extend(user_folder_of(xdg, home).map(|folder| (Layer::User, folder.join(USER))));
        places.push((Layer::System, PathBuf::from(SYSTEM)));
        Self(places)
    }

    /// Each with its layer.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Layer, &Path)> {
        self.0.iter().map(|(layer, path)| (*layer, path.as_path()))
    }
}

/// The folder of a user's configuration files, if the environment says where it is.
pub(crate) fn user_folder() -> Option<PathBuf> {
    user_folder_of(std::env::var_os("XDG_CONFIG_HOME"), std::env::var_os("HOME"))
}

fn user_folder_of(xdg: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let absolute =
        |folder: Option<OsString>| folder.map(PathBuf::from).filter(|folder| folder.is_absolute());
    absolute(xdg).or_else(|| absolute(home).map(|home| home.join(".config")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(named: Option<&str>, xdg: Option<&str>, home: Option<&str>) -> Vec<String> {
        let places = Places::of(named.map(Path::new), xdg.map(Into::into), home.map(Into::into));
        places.iter().map(|(_, path)| path.display().to_string()).collect()
    }

    #[test]
    fn the_project_comes_before_the_user_and_the_user_before_the_machine() {
        let found = paths(None, Some("/x"), Some("/h"));
        assert_eq!(found, ["fruitnode.toml", "/x/fruitnode/config.toml", SYSTEM]);
        let found = paths(Some("job.toml"), None, Some("/h"));
        assert_eq!(found, ["job.toml", "/h/.config/fruitnode/config.toml", SYSTEM]);
    }

    #[test]
    fn a_folder_that_is_relative_or_not_told_is_not_heeded() {
        for folder in [None, Some(""), Some("x/y")] {
            assert_eq!(paths(None, folder, folder), ["fruitnode.toml", SYSTEM]);
            assert_eq!(paths(None, folder, Some("/h"))[1], "/h/.config/fruitnode/config.toml");
        }
    }
}
