//! A snapshot's message in pieces that fit into a stream, and joined again.

use thiserror::Error;

/// Longest piece: 1 MiB, as much as any message of the mesh carries.
pub const PIECE_BYTES_MAX: usize = 1 << 20;

/// Longest message: 256 MiB. A snapshot of 10,000 partitions has about 1 MiB.
pub const MESSAGE_BYTES_MAX: usize = 256 << 20;

/// The message as pieces, in order; at least one, so that an empty message arrives too.
pub fn split(message: &[u8]) -> impl Iterator<Item = &[u8]> {
    let empty = message.is_empty().then_some(message);
    empty.into_iter().chain(message.chunks(PIECE_BYTES_MAX))
}

/// Why pieces make no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PieceError {
    /// One piece is longer than any that is sent.
    #[error(
        "a chunk of a snapshot has {0} bytes, more than {PIECE_BYTES_MAX}: its sender does not run \
         this release"
    )]
    Piece(usize),
    /// All of them are longer than any snapshot that is sent.
    #[error(
        "a snapshot has more than {MESSAGE_BYTES_MAX} bytes, which this release never sends: check \
         its sender"
    )]
    Message,
}

/// Pieces that have come so far. Memory grows with what came, not with what was announced.
#[derive(Debug, Default)]
pub struct Joined {
    message: Vec<u8>,
}

impl Joined {
    /// Adds the next piece.
    pub fn add(&mut self, piece: &[u8]) -> Result<(), PieceError> {
        if piece.len() > PIECE_BYTES_MAX {
            return Err(PieceError::Piece(piece.len()));
        }
        if self.message.len() + piece.len() > MESSAGE_BYTES_MAX {
            return Err(PieceError::Message);
        }
        self.message.extend_from_slice(piece);
        Ok(())
    }

    /// The message, after the last piece.
    pub fn finish(self) -> Vec<u8> {
        self.message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_any_length_comes_out_as_it_went_in() {
        for length in [0, 1, PIECE_BYTES_MAX - 1, PIECE_BYTES_MAX, 2 * PIECE_BYTES_MAX + 3] {
            let message: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let mut joined = Joined::default();
            let mut pieces = 0;
            for piece in split(&message) {
                joined.add(piece).expect("our own pieces");
                pieces += 1;
            }
            assert_eq!(pieces, length.div_ceil(PIECE_BYTES_MAX).max(1));
            assert_eq!(joined.finish(), message);
        }
    }

    #[test]
    fn pieces_that_are_too_long_or_too_many_are_refused_in_words() {
        let piece = vec![0; PIECE_BYTES_MAX + 1];
        let error = Joined::default().add(&piece).expect_err("too long");
        assert!(error.to_string().contains("1048577 bytes"), "{error}");
        let mut joined = Joined::default();
        for _ in 0..MESSAGE_BYTES_MAX / PIECE_BYTES_MAX {
            joined.add(&piece[1..]).expect("up to the limit");
        }
        assert_eq!(joined.add(&[0]), Err(PieceError::Message));
    }
}
