//! The head of a request of HTTP/1, as far as two paths need it.

/// Longest head, in bytes.
pub(super) const HEAD_BYTES_MAX: usize = 4 << 10;

/// What the bytes so far are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// The head has not ended yet.
    Unfinished,
    /// A request for this path, without what stands behind a `?`.
    Get(String),
    /// A request with another method.
    OtherMethod,
    /// Longer than [`HEAD_BYTES_MAX`].
    TooLarge,
    /// No request.
    Malformed,
}

/// Looks at what came so far.
pub(super) fn parse(bytes: &[u8]) -> Parsed {
    // What is no text from the beginning need not be waited for: TLS on a wrong port, for one.
    let begins = bytes.first().is_none_or(u8::is_ascii_uppercase);
    if !begins || bytes.iter().any(|&byte| byte == 0 || byte >= 0x80) {
        return Parsed::Malformed;
    }
    let ends = [&b"\r\n\r\n"[..], b"\n\n"];
    let ended = ends.iter().any(|end| bytes.windows(end.len()).any(|window| window == *end));
    if !ended {
        return if bytes.len() >= HEAD_BYTES_MAX { Parsed::TooLarge } else { Parsed::Unfinished };
    }
    let line = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let words: Vec<_> = line.split(|&byte| byte == b' ').collect();
    let [method, target, version] = words[..] else { return Parsed::Malformed };
    let sound = version.starts_with(b"HTTP/1.") && method.iter().all(u8::is_ascii_uppercase);
    if !sound || method.is_empty() || !target.starts_with(b"/") {
        return Parsed::Malformed;
    }
    if method != b"GET" {
        return Parsed::OtherMethod;
    }
    let path = target.split(|&byte| byte == b'?').next().unwrap_or_default();
    Parsed::Get(String::from_utf8_lossy(path).into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::*;

    #[test]
    fn a_request_is_known_when_its_head_has_ended() {
        let whole = b"GET /livez?verbose HTTP/1.1\r\nHost: localhost\r\n\r\n";
        for cut in 0..whole.len() {
            assert_eq!(parse(&whole[..cut]), Parsed::Unfinished, "{cut}");
        }
        assert_eq!(parse(whole), Parsed::Get("/livez".to_owned()));
        assert_eq!(parse(b"GET / HTTP/1.0\n\n"), Parsed::Get("/".to_owned()));
        assert_eq!(parse(b"POST /livez HTTP/1.1\r\n\r\n"), Parsed::OtherMethod);
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for bytes in [
            &b"GET /livez\r\n\r\n"[..],
            b"GET  /livez HTTP/1.1\r\n\r\n",
            b"GET livez HTTP/1.1\r\n\r\n",
            b"GET http://elsewhere/livez HTTP/1.1\r\n\r\n",
            b"get /livez HTTP/1.1\r\n\r\n",
            b" /livez HTTP/1.1\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\n",
            b"\r\n\r\n",
            b"\x16\x03\x01\x02",
        ] {
            assert_eq!(parse(bytes), Parsed::Malformed, "{bytes:?}");
        }
        assert_eq!(parse(&vec![b'A'; HEAD_BYTES_MAX]), Parsed::TooLarge);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_answered(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            parse(&bytes);
        }
    }
}
