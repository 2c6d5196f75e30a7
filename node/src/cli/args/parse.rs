//! Words of the cluster's commands, understood: addresses, spans of time, names, nodes.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use fruitnode_coordinator::ids::NodeId;
use jiff::{Span, SpanRelativeTo};

/// Longest name of a cluster, a job or a person, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// What is added to a node's port for its health endpoints, unless `--http` says where they are.
const HTTP_PORT_OFFSET: u16 = 80;

/// Where the health endpoints of a node are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HttpPlace {
    /// Nowhere.
    Off,
    /// There.
    At(SocketAddr),
}

/// A whole number from 1, with words that name it: those of the standard library name its types.
pub(crate) fn positive<T: FromStr>(word: &str) -> Result<T, String> {
    word.parse().map_err(|_| match word.parse::<u128>() {
        Ok(number) if number > 0 => format!("`{word}` is too large"),
        _ => format!("`{word}` is not a whole number of at least 1"),
    })
}

/// A span of time such as `90s`, `24h` or `7d`; a day has 24 hours.
pub(crate) fn duration(word: &str) -> Result<Duration, String> {
    let unclear = || format!("`{word}` is not a duration: write one such as 90s, 24h or 7d");
    let span: Span = word.trim().parse().map_err(|_| unclear())?;
    let length = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| unclear())?;
    let length = Duration::try_from(length).map_err(|_| unclear())?;
    if length.is_zero() { Err(unclear()) } else { Ok(length) }
}

/// A node as people name it: `n3`, or `3`.
pub(crate) fn node(word: &str) -> Result<NodeId, String> {
    let digits = word.strip_prefix('n').unwrap_or(word);
    let number = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok());
    match number.flatten() {
        None | Some(0) => Err(format!("`{word}` is not a node ID: write one such as n3")),
        Some(number) => Ok(NodeId(number)),
    }
}

/// Where others reach a node: a host or an address, and a port.
pub(crate) fn address(word: &str) -> Result<String, String> {
    let unclear = || format!("`{word}` is not an address: write HOST:PORT, such as 10.0.0.7:7400");
    let (host, port) = word.rsplit_once(':').ok_or_else(unclear)?;
    let port: u16 = port.parse().map_err(|_| unclear())?;
    let numeric = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let sound = match numeric {
        Some(host) => host.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            let plain = |letter: char| letter.is_ascii_alphanumeric() || "-._".contains(letter);
            !host.is_empty() && host.chars().all(plain)
        }
    };
    if sound && port > 0 { Ok(word.to_owned()) } else { Err(unclear()) }
}

/// Where a node listens: an address of this machine, and a port.
pub(crate) fn listen(word: &str) -> Result<SocketAddr, String> {
    word.parse().map_err(|_| {
        format!(
            "`{word}` is not an IP address and port: write one such as 0.0.0.0:7400 or [::]:7400"
        )
    })
}

/// `--http`: loopback alone, since what is served there is not encrypted.
pub(crate) fn http(word: &str) -> Result<HttpPlace, String> {
    if word == "off" {
        return Ok(HttpPlace::Off);
    }
    let place: SocketAddr = word
        .parse()
        .map_err(|_| format!("`{word}` is neither `off` nor an address such as 127.0.0.1:7480"))?;
    if place.ip().is_loopback() {
        return Ok(HttpPlace::At(place));
    }
    Err(format!(
        "{place} is reachable from other machines, and the health endpoints are unencrypted: use a \
         loopback address such as 127.0.0.1:7480"
    ))
}

/// Where the health endpoints of a node are that listens there, when nobody says it.
pub(crate) fn http_beside(listen: SocketAddr) -> HttpPlace {
    let port = match listen.port() {
        0 => Some(0),
        port => port.checked_add(HTTP_PORT_OFFSET),
    };
    port.map_or(HttpPlace::Off, |port| HttpPlace::At(([127, 0, 0, 1], port).into()))
}

/// The address that others are told, of a node that listens there.
pub(crate) fn advertised(listen: SocketAddr, advertise: Option<&str>) -> Result<String, String> {
    match advertise {
        Some(address) => Ok(address.to_owned()),
        None if listen.ip().is_unspecified() => Err(format!(
            "other nodes cannot reach {}: name an address that they can reach with --advertise \
             HOST:PORT",
            listen.ip()
        )),
        None => Ok(listen.to_string()),
    }
}

/// Whether an address leads nowhere from another machine, as far as its words tell.
pub(crate) fn only_here(address: &str) -> bool {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let numeric = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    match numeric.map(|numeric| numeric.to_canonical()) {
        Ok(numeric) => numeric.is_loopback() || numeric.is_unspecified(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

/// A name of a job, a cluster or a person: it becomes part of names of files and certificates.
pub(crate) fn name(word: &str) -> Result<String, String> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
    let begins = word.starts_with(|letter: char| letter.is_ascii_alphanumeric());
    if begins && word.len() <= NAME_BYTES_MAX && word.chars().all(plain) {
        return Ok(word.to_owned());
    }
    Err(format!(
        "`{word}` is not a valid name: use up to {NAME_BYTES_MAX} letters, digits, `-` and `_`, \
         starting with a letter or a digit"
    ))
}

/// The same in lower case, as names in certificates are.
pub(crate) fn lower_name(word: &str) -> Result<String, String> {
    let name = name(word)?;
    match name.bytes().any(|byte| byte.is_ascii_uppercase() || byte == b'_') {
        true => Err(format!("`{word}` is not a valid name: use only a-z, 0-9 and `-`")),
        false => Ok(name),
    }
}

/// How many voters there shall be.
pub(crate) fn voters(word: &str) -> Result<u32, String> {
    match word {
        "1" | "3" | "5" => Ok(word.parse().expect("a digit is a number")),
        _ => Err(format!("`{word}` is not a valid number of voters: use 1, 3 or 5")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_time_are_read_as_people_write_them() {
        for (word, seconds) in [("90s", 90), ("24h", 86_400), ("7d", 604_800), ("1h 30m", 5_400)] {
            assert_eq!(duration(word), Ok(Duration::from_secs(seconds)), "{word}");
        }
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        for word in ["", "24", "0s", "-1h", "1mo", "soon", "99999999999999h"] {
            let error = duration(word).expect_err(word);
            assert!(error.contains(&format!("`{word}`")) && error.contains("24h"), "{error}");
        }
    }

    #[test]
    fn a_number_that_is_none_is_refused_in_words() {
        assert_eq!(positive::<u16>("7"), Ok(7));
        assert!(positive::<u16>("70000").expect_err("too large").contains("too large"));
        for word in ["", "many", "-1", "1.5"] {
            assert!(positive::<u16>(word).expect_err(word).contains("at least 1"), "{word}");
        }
        assert!(positive::<std::num::NonZeroU16>("0").expect_err("zero").contains("at least 1"));
    }

    #[test]
    fn a_node_is_named_with_and_without_its_letter() {
        assert_eq!(node("n3"), Ok(NodeId(3)));
        assert_eq!(node("12"), Ok(NodeId(12)));
        for word in ["", "n", "n0", "0", "nn3", "n-3", "+3", "three", "99999999999999999999"] {
            assert!(node(word).expect_err(word).contains("n3"), "{word}");
        }
    }

    #[test]
    fn an_address_has_a_host_and_a_port() {
        for word in ["10.0.0.7:7400", "fruits.example:7400", "[::1]:7400", "node-1:1"] {
            assert_eq!(address(word).as_deref(), Ok(word));
        }
        for word in [
            "",
            "10.0.0.7",
            ":7400",
            "host:",
            "host:0",
            "host:70000",
            "a b:1",
            "::1:74",
            "https://host:7400",
            "[::1:7400",
            "[x]:7400",
        ] {
            assert!(address(word).expect_err(word).contains("HOST:PORT"), "{word}");
        }
    }

    #[test]
    fn health_is_told_on_this_machine_alone() {
        assert_eq!(http("off"), Ok(HttpPlace::Off));
        assert_eq!(http("[::1]:80"), Ok(HttpPlace::At("[::1]:80".parse().expect("it is one"))));
        assert!(http("0.0.0.0:7480").expect_err("open to all").contains("unencrypted"));
        assert!(http("on").expect_err("no address").contains("`off`"));
        let beside = |word: &str| http_beside(listen(word).expect("an address"));
        let at = |word: &str| HttpPlace::At(word.parse().expect("an address"));
        assert_eq!(beside("0.0.0.0:7400"), at("127.0.0.1:7480"));
        assert_eq!(beside("127.0.0.1:7401"), at("127.0.0.1:7481"));
        assert_eq!(beside("127.0.0.1:0"), at("127.0.0.1:0"));
        assert_eq!(beside("127.0.0.1:65535"), HttpPlace::Off);
    }

    #[test]
    fn a_node_that_listens_everywhere_must_say_where_it_is() {
        let everywhere = listen("0.0.0.0:7400").expect("an address");
        assert!(advertised(everywhere, None).expect_err("nowhere").contains("--advertise"));
        assert_eq!(advertised(everywhere, Some("a:7400")).as_deref(), Ok("a:7400"));
        let here = listen("127.0.0.1:7400").expect("an address");
        assert_eq!(advertised(here, None).as_deref(), Ok("127.0.0.1:7400"));
        assert!(listen("localhost:7400").expect_err("a name").contains("0.0.0.0:7400"));
    }

    #[test]
    fn an_address_of_one_machine_alone_is_told_apart() {
        for word in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1", "LocalHost:1"]
        {
            assert!(only_here(word), "{word}");
        }
        for word in ["0.0.0.0:1", "[::]:1"] {
            assert!(only_here(word), "{word}");
        }
        for word in ["10.0.0.1:1", "[2001:db8::1]:1", "localhost.example:1", "node-1:1"] {
            assert!(!only_here(word), "{word}");
        }
    }

    #[test]
    fn names_can_stand_in_names_of_files_and_certificates() {
        for word in ["fruits", "week-47_b", "7"] {
            assert_eq!(name(word).as_deref(), Ok(word));
        }
        let long = "x".repeat(65);
        for word in ["", "-a", "..", "a/b", "a b", "é", "a.b", &long] {
            assert!(name(word).is_err(), "{word}");
        }
        assert_eq!(lower_name("maria").as_deref(), Ok("maria"));
        assert!(lower_name("Maria").is_err() && lower_name("a_b").is_err());
        assert_eq!(voters("5"), Ok(5));
        for word in ["0", "2", "4", "7", "many"] {
            assert!(voters(word).expect_err(word).contains("1, 3 or 5"));
        }
    }
}
