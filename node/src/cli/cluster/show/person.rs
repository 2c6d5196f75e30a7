//! What is said of people's certificates.

use fruitnode_proto::v1::ClientInfo;
use serde::Serialize;

use crate::cli::cluster::show::table::{Set, Table, time};

/// A certificate, for programs.
#[derive(Debug, Serialize)]
pub(crate) struct PersonDocument<'a> {
    name: &'a str,
    serial: &'a str,
    expires_unix_ms: u64,
    state: &'static str,
}

/// For programs.
pub(crate) fn document(info: &ClientInfo) -> PersonDocument<'_> {
    PersonDocument {
        name: &info.name,
        serial: &info.serial,
        expires_unix_ms: info.expires_ms,
        state: state(info, 0),
    }
}

/// Every certificate, a line each.
pub(crate) fn table(clients: &[ClientInfo], now_ms: u64) -> String {
    let mut table =
        Table::new(&[("person", Set::Left), ("expires", Set::Left), ("state", Set::Left)]);
    for info in clients {
        table.row([info.name.clone(), time(info.expires_ms), state(info, now_ms).to_owned()]);
    }
    table.text("  ")
}

fn state(info: &ClientInfo, now_ms: u64) -> &'static str {
    match (info.revoked, info.expired || info.expires_ms <= now_ms) {
        (true, _) => "revoked",
        (false, true) => "expired",
        (false, false) => "good",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_certificate_has_its_state() {
        let info = |name: &str, expires_ms, revoked| ClientInfo {
            name: name.to_owned(),
            expires_ms,
            revoked,
            ..ClientInfo::default()
        };
        let all = [info("ann", 9_000, false), info("bob", 9_000, true), info("eve", 900, false)];
        let text = table(&all, 1_000);
        let states: Vec<_> =
            text.lines().filter_map(|line| line.split_whitespace().last()).collect();
        assert_eq!(states, ["state", "good", "revoked", "expired"], "{text}");
        assert_eq!(document(&all[1]).state, "revoked");
    }
}
