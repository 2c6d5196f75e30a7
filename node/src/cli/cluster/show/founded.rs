//! What is said of a cluster that was just founded, and of one that was saved.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::args::parse::only_here;
use crate::cli::cluster::show::table::{line, span};
use crate::cli::summary::shell_word;

/// A cluster of one node. The token is shown here, and nowhere again.
pub(crate) struct Founded<'a> {
    /// Name for people.
    pub name: &'a str,
    /// Its id.
    pub cluster: &'a str,
    /// Folder of the first node.
    pub data_dir: &'a Path,
    /// Folders with the person's certificate; the caller's own last, if it was filled.
    pub client_dirs: &'a [PathBuf],
    /// Where nodes join.
    pub address: &'a str,
    /// The whole token.
    pub token: &'a str,
    /// Nodes that it lets in.
    pub uses: u32,
    /// How long it is good for.
    pub life: Duration,
    /// Whether the node runs at once.
    pub starts: bool,
}

/// A path as a shell takes it.
pub(crate) fn word(path: &Path) -> String {
    shell_word(&path.display().to_string())
}

impl Founded<'_> {
    /// For people.
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        line(&mut out, "cluster", format!("{} ({})", self.name, self.cluster));
        line(&mut out, "first node", format!("n1 at {}", self.address));
        line(&mut out, "data directory", self.data_dir.display().to_string());
        let folders: Vec<_> =
            self.client_dirs.iter().map(|dir| dir.display().to_string()).collect();
        line(&mut out, "client certificate", folders.join(" and "));
        let life = span(u64::try_from(self.life.as_millis()).unwrap_or(u64::MAX));
        let caution = caution(self.address);
        let (who, how) = match caution {
            None => ("machines", "with a --listen address that the others can reach"),
            Some(_) => ("nodes", "with its own --data-dir and --listen"),
        };
        out.push_str(&format!(
            "\nto join up to {} {who} within {life}, run this on each of them, {how} (the token is \
             not shown again):\n",
            self.uses,
        ));
        out.push_str(&format!("  {}\n", self.join()));
        if let Some(caution) = caution {
            out.push_str(&format!("\n{caution}\n"));
        }
        if !self.starts {
            out.push_str(&format!(
                "\nbut first start this node: fruitnode start --data-dir {}\n",
                word(self.data_dir)
            ));
        }
        // The one that commands look into by themselves comes last, if it was filled.
        let own = self.client_dirs.len() < 2;
        let folder = self.client_dirs.first().filter(|_| own);
        let certs = folder.map(|dir| format!(" --certs-dir {}", word(dir))).unwrap_or_default();
        out.push_str(&format!("\nthen: fruitnode status{certs}\n"));
        out
    }

    /// For programs.
    pub(crate) fn json(&self) -> Value {
        json!({
            "schema_version": 1,
            "outcome": "founded",
            "cluster": self.cluster,
            "name": self.name,
            "node": 1,
            "address": self.address,
            "data_dir": self.data_dir,
            "client_dirs": self.client_dirs,
            "token": self.token,
            "join": self.join(),
            "warning": caution(self.address),
        })
    }

    fn join(&self) -> String {
        join_line(self.address, self.token)
    }
}

/// The command that joins there.
pub(crate) fn join_line(address: &str, token: &str) -> String {
    format!("fruitnode join {address} --token {token}")
}

/// What is to be known of an address before somebody tries to join there from another machine.
pub(crate) fn caution(address: &str) -> Option<String> {
    let (_, port) = address.rsplit_once(':').filter(|_| only_here(address))?;
    Some(format!(
        "{address} can only be reached from this machine, so no other machine can join. To let \
         others join, stop the node and start it again with: fruitnode start --listen \
         0.0.0.0:{port} --advertise HOST:{port}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_joins_stands_there_ready_to_be_pasted() {
        let dirs = [PathBuf::from("/data/my node/client")];
        let mut founded = Founded {
            name: "fruits",
            cluster: "ab12cd34",
            data_dir: Path::new("/data/my node"),
            client_dirs: &dirs,
            address: "10.0.0.1:7400",
            token: "FN1.pin.id.secret",
            uses: 8,
            life: Duration::from_secs(86_400),
            starts: true,
        };
        let text = founded.text();
        assert!(text.contains("\n  fruitnode join 10.0.0.1:7400 --token FN1.pin.id.secret\n"));
        assert!(text.contains("up to 8 machines within 24 h"), "{text}");
        assert!(text.contains("then: fruitnode status --certs-dir '/data/my node/client'\n"));
        assert!(!text.contains("fruitnode start"), "{text}");
        assert!(text.contains("with a --listen address that the others can reach"), "{text}");
        assert_eq!(founded.json()["warning"], Value::Null);
        founded.starts = false;
        assert!(founded.text().contains("fruitnode start --data-dir '/data/my node'\n"));
        let here = Founded { address: "127.0.0.1:7401", ..founded };
        let text = here.text();
        assert!(text.contains("127.0.0.1:7401 can only be reached from this machine"), "{text}");
        assert!(text.contains("--listen 0.0.0.0:7401 --advertise HOST:7401"), "{text}");
        assert!(text.contains("up to 8 nodes") && !text.contains("machines within"), "{text}");
        assert!(here.json()["warning"].as_str().unwrap().contains("no other machine"));
        let both = [dirs[0].clone(), PathBuf::from("/data/config/fruitnode/client")];
        let text = Founded { client_dirs: &both, ..here }.text();
        assert!(text.ends_with("then: fruitnode status\n"), "{text}");
    }
}
