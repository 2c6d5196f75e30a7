//! What is said of tokens.

use fruitnode_proto::v1::{CreateTokenReply, TokenInfo};
use serde::Serialize;

use crate::cli::cluster::show::founded::{caution, join_line};
use crate::cli::cluster::show::table::{Set, Table, line, span, time};

/// A token without its secret, for programs.
#[derive(Debug, Serialize)]
pub(crate) struct TokenDocument<'a> {
    id: &'a str,
    uses_left: u32,
    expires_unix_ms: u64,
    usable: bool,
}

/// For programs.
pub(crate) fn document(info: &TokenInfo) -> TokenDocument<'_> {
    TokenDocument {
        id: &info.id,
        uses_left: info.uses_left,
        expires_unix_ms: info.expires_ms,
        usable: !info.expired && info.uses_left > 0,
    }
}

/// Every token, a line each.
pub(crate) fn table(tokens: &[TokenInfo], now_ms: u64) -> String {
    let mut table = Table::new(&[
        ("token", Set::Left),
        ("uses left", Set::Right),
        ("expires", Set::Left),
        ("state", Set::Left),
    ]);
    for info in tokens {
        table.row([
            info.id.clone(),
            info.uses_left.to_string(),
            time(info.expires_ms),
            state(info, now_ms),
        ]);
    }
    table.text("  ")
}

/// A token that was just made, and the line that joins with it. `node` is where others
/// join.
pub(crate) fn created(reply: &CreateTokenReply, node: &str, now_ms: u64) -> String {
    let mut out = String::new();
    if let Some(info) = &reply.info {
        line(&mut out, "token", &info.id);
        line(&mut out, "uses", info.uses_left.to_string());
        line(&mut out, "expires", {
            let left = span(info.expires_ms.saturating_sub(now_ms));
            format!("{}, in {left}", time(info.expires_ms))
        });
    }
    out.push_str("\nthe token is shown only once; run this on the machine that joins:\n");
    out.push_str(&format!("  {}\n", join_line(node, &reply.token)));
    if let Some(caution) = caution(node) {
        out.push_str(&format!("\n{caution}\n"));
    }
    out
}

fn state(info: &TokenInfo, now_ms: u64) -> String {
    match (info.expired || info.expires_ms <= now_ms, info.uses_left) {
        (true, _) => "expired".to_owned(),
        (false, 0) => "used up".to_owned(),
        (false, _) => format!("valid for {}", span(info.expires_ms - now_ms)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(id: &str, uses_left: u32, expires_ms: u64) -> TokenInfo {
        TokenInfo { id: id.to_owned(), uses_left, expires_ms, expired: false }
    }

    #[test]
    fn a_token_that_nobody_can_use_says_why() {
        let now = 1_700_000_000_000;
        let tokens = [info("aa", 8, now + 3_600_000), info("bb", 0, now + 1), info("cc", 1, now)];
        let lines = [
            "  token  uses left  expires               state",
            "  aa             8  2023-11-14T23:13:20Z  valid for 1 h 0 min",
            "  bb             0  2023-11-14T22:13:20Z  used up",
            "  cc             1  2023-11-14T22:13:20Z  expired",
        ];
        assert_eq!(table(&tokens, now).lines().collect::<Vec<_>>(), lines);
        assert!(!document(&tokens[1]).usable && document(&tokens[0]).usable);
    }

    #[test]
    fn a_new_token_comes_with_the_line_that_joins() {
        let reply = CreateTokenReply {
            token: "FN1.pin.id.secret".to_owned(),
            info: Some(info("id", 8, 1_700_086_400_000)),
        };
        let text = created(&reply, "10.0.0.1:7400", 1_700_000_000_000);
        assert!(text.contains("  fruitnode join 10.0.0.1:7400 --token FN1.pin.id.secret\n"));
        assert!(text.contains("in 24 h 0 min"), "{text}");
        assert!(!text.contains("only be reached from this machine"), "{text}");
        let text = created(&reply, "localhost:7400", 1_700_000_000_000);
        assert!(text.contains("localhost:7400 can only be reached from this machine"), "{text}");
    }
}
