//! What a storm needs of the machine, found out before anything is begun.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::StormError;

/// Tools, and the package of Debian that each comes with.
const TOOLS: [(&str, &str, &str); 2] = [("ip", "-V", "iproute2"), ("nft", "-v", "nftables")];

/// Whether this machine can be stormed on: root, tools, namespaces.
///
/// # Errors
/// Names what is missing, and what to do.
pub fn check() -> Result<(), StormError> {
    if !rustix::process::geteuid().is_root() {
        let words = "network namespaces need root: run it as root, such as by sudo";
        return Err(StormError::Missing(words.to_owned()));
    }
    for (tool, version, package) in TOOLS {
        let mut command = Command::new(tool);
        command.arg(version).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if !command.status().is_ok_and(|status| status.success()) {
            let words = format!("`{tool}` is not here: install the package {package}");
            return Err(StormError::Missing(words));
        }
    }
    let name = format!("{}-try", super::prefix());
    let ip = |arguments: &[&str]| {
        let output = Command::new("ip").args(arguments).output();
        output.is_ok_and(|output| output.status.success())
    };
    let made = ip(&["netns", "add", &name]);
    let ruled = ip(&["netns", "exec", &name, "nft", "add", "table", "inet", "storm"]);
    let gone = ip(&["netns", "del", &name]);
    match (made && gone, ruled) {
        (true, true) => Ok(()),
        (false, _) => Err(StormError::Missing(
            "this system lets nobody make network namespaces: a container needs the rights \
             CAP_SYS_ADMIN and CAP_NET_ADMIN"
                .to_owned(),
        )),
        (true, false) => Err(StormError::Missing(
            "this kernel has no nf_tables, by which partitions are made".to_owned(),
        )),
    }
}

/// A program: the one that is named, or the one beside this one.
pub(crate) fn program(named: Option<&Path>, name: &str) -> Result<PathBuf, StormError> {
    let own = std::env::current_exe().ok();
    let beside = own.and_then(|own| Some(own.parent()?.join(name)));
    let path = named.map(Path::to_owned).or(beside).unwrap_or_else(|| name.into());
    // Nodes are started in other folders than this one.
    match path.canonicalize() {
        Ok(path) if path.is_file() => Ok(path),
        _ => Err(StormError::Missing(format!(
            "there is no program {}: build it with `cargo build --workspace --bins`, or name it",
            path.display()
        ))),
    }
}
