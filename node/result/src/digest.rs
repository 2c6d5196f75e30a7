//! SHA-256 as it is computed, printed and read back.

use sha2::{Digest as _, Sha256};

use fruitnode_coordinator::ids::Digest;

/// The SHA-256 of some bytes.
pub fn sha256(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

/// Reads the 64 lower-case hexadecimal digits that [`Digest::hex`] prints, and nothing else.
pub fn parse_hex(text: &str) -> Option<Digest> {
    let digits = text.as_bytes();
    let mut digest = Digest::default();
    if digits.len() != 2 * digest.0.len() {
        return None;
    }
    for (byte, pair) in digest.0.iter_mut().zip(digits.chunks(2)) {
        *byte = (nibble(pair[0])? << 4) | nibble(pair[1])?;
    }
    Some(digest)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_abc_is_that_of_the_standard() {
        // FIPS 180-2, appendix B.1.
        let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(b"abc").hex(), hex);
        assert_eq!(parse_hex(hex), Some(sha256(b"abc")));
    }

    #[test]
    fn anything_but_64_lower_case_digits_is_refused() {
        let hex = sha256(b"abc").hex();
        for text in
            ["", &hex[1..], &format!("{hex}0"), &hex.to_uppercase(), &format!(" {}", &hex[1..])]
        {
            assert_eq!(parse_hex(text), None, "{text}");
        }
        assert_eq!(parse_hex(&"é".repeat(32)), None);
    }
}
