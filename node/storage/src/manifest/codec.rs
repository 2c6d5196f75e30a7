//! Entries as bytes and back. Hostile bytes are errors, and never a large allocation.

use sha2::{Digest as _, Sha256};

use fruitnode_coordinator::ids::Digest;

use crate::manifest::{Damage, KEY_BYTES_MAX, VALIDATOR_BYTES_MAX};
use crate::source::{Entry, Problem};

/// Bytes still to be read.
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

/// Appends what a listing says of the content: all but the validator.
pub(super) fn write_subject(out: &mut Vec<u8>, entry: &Entry) {
    write_text(out, &entry.key);
    write_varint(out, entry.size);
    write_varint(out, zigzag(entry.modified_us));
}

/// Appends a whole entry, whose subject is `subject`.
pub(super) fn write_entry(out: &mut Vec<u8>, subject: &[u8], entry: &Entry) {
    out.extend_from_slice(subject);
    write_text(out, &entry.validator);
    out.push(problem_code(entry.problem));
}

/// 0 for none; a problem's position from 1 on.
pub(super) fn problem_code(problem: Option<Problem>) -> u8 {
    match problem {
        None => 0,
        Some(Problem::NameNotUtf8) => 1,
        Some(Problem::LinkDangling) => 2,
        Some(Problem::LinkDenied) => 3,
        Some(Problem::FolderDenied) => 4,
    }
}

pub(super) fn sha256(parts: &[&[u8]]) -> Digest {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    Digest(hasher.finalize().into())
}

impl<'a> Cursor<'a> {
    /// Reads an entry.
    pub(super) fn entry(&mut self) -> Result<Entry, Damage> {
        Ok(Entry {
            key: self.text(KEY_BYTES_MAX)?,
            size: self.varint()?,
            modified_us: unzigzag(self.varint()?),
            validator: self.text(VALIDATOR_BYTES_MAX)?,
            problem: match self.array::<1>()?[0] {
                0 => None,
                code => Some(
                    Problem::ALL
                        .into_iter()
                        .find(|problem| problem_code(Some(*problem)) == code)
                        .ok_or(Damage::Range)?,
                ),
            },
        })
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Damage> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(Damage::Short)?;
        self.0 = rest;
        Ok(*head)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Damage> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, Damage> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn text(&mut self, bytes_max: usize) -> Result<String, Damage> {
        let length = usize::try_from(self.varint()?).map_err(|_| Damage::Range)?;
        if length > bytes_max {
            return Err(Damage::Range);
        }
        let (head, rest) = self.0.split_at_checked(length).ok_or(Damage::Short)?;
        self.0 = rest;
        str::from_utf8(head).map(str::to_owned).map_err(|_| Damage::Text)
    }

    fn varint(&mut self) -> Result<u64, Damage> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            let bits = u64::from(byte & 0x7F);
            if shift == 63 && byte > 1 {
                return Err(Damage::Range);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Damage::Range)
    }
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    write_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn write_varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7F {
        out.push((value & 0x7F) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Small numbers of either sign become small numbers, as in protobuf.
fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::{Cursor, unzigzag, write_varint, zigzag};
    use crate::manifest::Damage;

    #[test]
    fn numbers_come_back_at_their_limits() {
        for value in [0, 1, 127, 128, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
            let mut bytes = Vec::new();
            write_varint(&mut bytes, value);
            assert_eq!(Cursor(&bytes).varint(), Ok(value));
        }
        for value in [0, -1, 1, i64::MIN, i64::MAX] {
            assert_eq!(unzigzag(zigzag(value)), value);
        }
    }

    #[test]
    fn numbers_that_do_not_fit_or_do_not_end_are_refused() {
        assert_eq!(Cursor(&[0xFF; 11]).varint(), Err(Damage::Range));
        let mut over = [0xFF; 10];
        over[9] = 2;
        assert_eq!(Cursor(&over).varint(), Err(Damage::Range));
        assert_eq!(Cursor(&[0x80]).varint(), Err(Damage::Short));
    }
}
