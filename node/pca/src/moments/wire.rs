//! Moments as bytes on their way between two nodes of one release. They never outlive a process,
//! so that their form may change with any release; what is kept for longer is protobuf.
//!
//! Eight letters and a version, then count, mean and triangle by bincode: fixed little-endian
//! integers, lengths in front. Whatever bytes come, decoding gives moments or an error.

use bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use bincode::error::DecodeError;
use thiserror::Error;

use crate::moments::{Moments, MomentsError};

/// First bytes.
const MAGIC: [u8; 8] = *b"fnmoment";

/// Raised with every change of what follows.
const VERSION: u32 = 1;

/// Most bytes of one of them: those of 8,000 columns.
pub const MOMENTS_BYTES_MAX: usize = 256 << 20;

/// Bytes that are no moments.
#[derive(Debug, Error)]
pub enum WireError {
    /// More than moments have.
    #[error("received moments of {0} bytes, but the limit is {MOMENTS_BYTES_MAX}")]
    TooLong(usize),
    /// Something else.
    #[error("received bytes that are not moments: check that all nodes run the same release")]
    Magic,
    /// Of another release.
    #[error(
        "received moments of version {0}, but this release supports {VERSION}: check that all \
         nodes run the same release"
    )]
    Version(u32),
    /// Cut short, or otherwise damaged.
    #[error("received damaged moments")]
    Damaged(#[from] DecodeError),
    /// Bytes behind their end.
    #[error("received moments with {0} extra bytes at the end")]
    Longer(usize),
    /// Lengths that do not fit each other.
    #[error(transparent)]
    Moments(#[from] MomentsError),
}

/// Moments as bytes.
pub fn encode_moments(moments: &Moments) -> Vec<u8> {
    let parts = (MAGIC, VERSION, moments.count(), moments.mean(), moments.m2());
    // Room for all of it at once: the triangle alone has megabytes.
    let numbers = 3 + moments.mean().len() + moments.m2().len();
    let mut bytes = Vec::with_capacity(MAGIC.len() + size_of::<u32>() + numbers * 8);
    bincode::encode_into_std_write(parts, &mut bytes, form().with_no_limit())
        .expect("a Vec takes all, and numbers can always be encoded");
    bytes
}

/// Moments from bytes.
///
/// # Errors
/// When they are none, or not of this release.
pub fn decode_moments(bytes: &[u8]) -> Result<Moments, WireError> {
    if bytes.len() > MOMENTS_BYTES_MAX {
        return Err(WireError::TooLong(bytes.len()));
    }
    let head = MAGIC.len() + size_of::<u32>();
    let ((magic, version), _): (([u8; 8], u32), usize) =
        bincode::decode_from_slice(bytes, form()).map_err(|_| WireError::Magic)?;
    if magic != MAGIC {
        return Err(WireError::Magic);
    }
    if version != VERSION {
        return Err(WireError::Version(version));
    }
    let rest = &bytes[head..];
    let ((count, mean, m2), read): ((u64, Vec<f64>, Vec<f64>), usize) =
        bincode::decode_from_slice(rest, form())?;
    match rest.len() - read {
        0 => Ok(Moments::from_parts(count, mean, m2)?),
        more => Err(WireError::Longer(more)),
    }
}

fn form() -> Configuration<LittleEndian, Fixint, Limit<MOMENTS_BYTES_MAX>> {
    bincode::config::standard().with_fixed_int_encoding().with_limit()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn moments() -> Moments {
        Moments::from_parts(3, vec![1.5, -2.0], vec![0.25, 0.0, 1e300]).expect("they fit")
    }

    #[test]
    fn the_form_is_the_one_of_this_version() {
        let hex: String = encode_moments(&moments()).iter().map(|b| format!("{b:02x}")).collect();
        let expected = [
            "666e6d6f6d656e74",
            "01000000",
            "0300000000000000",
            "0200000000000000",
            "000000000000f83f",
            "00000000000000c0",
            "0300000000000000",
            "000000000000d03f",
            "0000000000000000",
            "9c7500883ce4377e",
        ];
        assert_eq!(hex, expected.concat(), "raise VERSION with every change of the form");
    }

    #[test]
    fn what_is_encoded_comes_back_to_the_bit() {
        let odd = f64::from_bits(0x7ff8_0000_0000_0001);
        let odd = Moments::from_parts(u64::MAX, vec![odd, -0.0], vec![f64::INFINITY, odd, 0.0]);
        for moments in [moments(), Moments::empty(0), odd.expect("they fit")] {
            let back = decode_moments(&encode_moments(&moments)).expect("they are moments");
            assert_eq!(back.digest(), moments.digest());
        }
    }

    #[test]
    fn hostile_bytes_are_an_error_wherever_they_are_cut_or_bent() {
        let good = encode_moments(&moments());
        for end in 0..good.len() {
            decode_moments(&good[..end]).expect_err("it is cut");
        }
        let longer = [&good[..], b"x"].concat();
        assert!(matches!(decode_moments(&longer), Err(WireError::Longer(1))));
        let with = |at: usize, bytes: &[u8]| {
            let mut bent = good.clone();
            bent[at..at + bytes.len()].copy_from_slice(bytes);
            decode_moments(&bent).expect_err("it is bent")
        };
        assert!(matches!(with(0, b"F"), WireError::Magic));
        assert!(matches!(with(8, &[2]), WireError::Version(2)));
        // Lengths that nobody has memory for.
        assert!(matches!(with(20, &[0xFF; 8]), WireError::Damaged(_)));
        assert!(matches!(with(20, &(1u64 << 24).to_le_bytes()), WireError::Damaged(_)));
        assert!(matches!(with(20, &[1]), WireError::Damaged(_)));
        assert!(decode_moments(&[0; 64]).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..96),
            headed: bool,
        ) {
            let bytes = match headed {
                true => [&MAGIC[..], &VERSION.to_le_bytes(), &bytes].concat(),
                false => bytes,
            };
            let _ = decode_moments(&bytes);
        }
    }
}
