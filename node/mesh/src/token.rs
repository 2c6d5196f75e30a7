//! Tokens: what lets a new node in. One holds the hash of the authority's key, so that its secret
//! is sent to nobody else.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use thiserror::Error;

use fruitnode_coordinator::ids::hex;
use fruitnode_env as env;

/// What a token begins with: its form, in its first version.
const FORM: &str = "FN1";

/// Hexadecimal digits of a token's id.
const ID_DIGITS: usize = 8;

/// A token. It is written out whole by `Display` alone, for the one time it is shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// SHA-256 of the public key of the authority, as `SubjectPublicKeyInfo` in DER.
    pub pin: [u8; 32],
    /// Its name, which is no secret: 8 hexadecimal digits.
    pub id: String,
    /// What proves that somebody was given it.
    pub secret: [u8; 32],
}

/// A text that is no token. It does not hold the text, which may be most of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "this is not a token: copy the whole token that `fruitnode token create` printed, `FN1.` and \
     three groups of hexadecimal digits"
)]
pub struct TokenError;

impl Token {
    /// A new one for the authority whose key has this hash.
    pub fn create(pin: [u8; 32]) -> Self {
        Self { pin, id: hex(&env::secret_bytes::<4>()), secret: env::secret_bytes() }
    }

    /// What the cluster keeps of the secret.
    pub fn hash(&self) -> [u8; 32] {
        hash(&self.secret)
    }
}

impl FromStr for Token {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let parts: Vec<&str> = text.trim().split('.').collect();
        let [FORM, pin, id, secret] = parts[..] else {
            return Err(TokenError);
        };
        let known = id.len() == ID_DIGITS && bytes::<4>(id).is_some();
        match (bytes(pin), known, bytes(secret)) {
            (Some(pin), true, Some(secret)) => Ok(Self { pin, id: id.to_owned(), secret }),
            _ => Err(TokenError),
        }
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{FORM}.{}.{}.{}", hex(&self.pin), self.id, hex(&self.secret))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What the cluster keeps of a secret.
pub fn hash(secret: &[u8]) -> [u8; 32] {
    Sha256::digest(secret).into()
}

/// Whether this secret is the one whose hash was kept, in a time that does not tell how much of
/// it is right.
pub fn is_secret(secret: &[u8], kept: &[u8]) -> bool {
    hash(secret).ct_eq(kept).into()
}

/// Bytes from lower-case hexadecimal digits.
fn bytes<const COUNT: usize>(text: &str) -> Option<[u8; COUNT]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let pairs = text.as_bytes().chunks_exact(2);
    if text.len() != COUNT * 2 {
        return None;
    }
    let mut bytes = [0; COUNT];
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written() {
        let token = Token::create([7; 32]);
        assert_eq!(token.to_string().parse(), Ok(token.clone()));
        assert_eq!(format!(" {token}\n").parse(), Ok(token));
    }

    #[test]
    fn what_is_cut_or_changed_is_no_token() {
        let whole = Token::create([7; 32]).to_string();
        assert_eq!(whole.len(), 3 + 1 + 64 + 1 + 8 + 1 + 64);
        for wrong in [
            String::new(),
            whole[..whole.len() - 1].to_owned(),
            format!("{whole}0"),
            format!("{whole}.00"),
            whole.replacen("FN1", "FN2", 1),
            whole.to_uppercase(),
            whole.replace('.', ":"),
        ] {
            assert_eq!(wrong.parse::<Token>(), Err(TokenError), "{wrong}");
        }
    }

    #[test]
    fn what_is_logged_of_a_token_holds_no_secret() {
        let token = Token::create([7; 32]);
        let shown = format!("{token:?} {token:#?}");
        assert!(shown.contains(&token.id));
        assert!(!shown.contains(&hex(&token.secret)[..8]), "{shown}");
        assert!(!TokenError.to_string().contains(&token.id));
    }

    #[test]
    fn a_secret_is_known_by_its_hash_alone() {
        let token = Token::create([7; 32]);
        assert!(is_secret(&token.secret, &token.hash()));
        assert!(!is_secret(&[0; 32], &token.hash()));
        assert!(!is_secret(&token.secret, &token.secret));
        assert!(!is_secret(&[], &[]));
        assert_ne!(Token::create([7; 32]).secret, token.secret);
    }
}
