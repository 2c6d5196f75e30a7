//! What passes between the node and the child, over pipes: files one way, answers the other way, in
//! the same order.

use std::io::{self, Read, Write};

use crate::decode::{CODES, DecodeError, Rgb};

const MAGIC: &[u8; 4] = b"FRG2";
const HEAD_BYTES: usize = 13;
const GOOD: u8 = 0;
const BAD: u8 = 1;

/// Words of an error are short.
const WORDS_BYTES_MAX: u32 = 1 << 16;

/// A file: its length in bytes, and its bytes.
pub(super) fn write_file(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    out.write_all(&(bytes.len() as u64).to_le_bytes())?;
    out.write_all(bytes)
}

/// The next file, of which no more than one byte over `bytes_max` is kept; nothing at the end.
pub(super) fn read_file(input: &mut impl Read, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 8];
    match input.read(&mut length[..1])? {
        0 => return Ok(None),
        _ => input.read_exact(&mut length[1..])?,
    }
    let length = u64::from_le_bytes(length);
    let kept = length.min(bytes_max.saturating_add(1));
    let mut bytes = Vec::new();
    if input.take(kept).read_to_end(&mut bytes)? as u64 != kept {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    io::copy(&mut input.take(length - kept), &mut io::sink())?;
    Ok(Some(bytes))
}

/// What became of a file.
pub(super) fn write_answer(
    out: &mut impl Write,
    answer: &Result<Rgb, DecodeError>,
) -> io::Result<()> {
    match answer {
        Ok(rgb) => {
            out.write_all(&head(GOOD, rgb.width, rgb.height))?;
            out.write_all(&rgb.pixels)?;
        }
        Err(error) => {
            let (code, words) = (error.code(), error.to_string());
            out.write_all(&head(BAD, code.len() as u32, words.len() as u32))?;
            out.write_all(code.as_bytes())?;
            out.write_all(words.as_bytes())?;
        }
    }
    out.flush()
}

/// The next answer, of so many pixels at most; nothing if none comes, or what comes is none.
pub(super) fn read_answer(
    input: &mut impl Read,
    pixels_max: u64,
) -> Option<Result<Rgb, DecodeError>> {
    let mut head = [0; HEAD_BYTES];
    input.read_exact(&mut head).ok()?;
    let first = u32::from_le_bytes(head[5..9].try_into().ok()?);
    let second = u32::from_le_bytes(head[9..].try_into().ok()?);
    if &head[..4] != MAGIC {
        return None;
    }
    let mut body = |bytes: u64| {
        let mut body = Vec::new();
        let read = input.take(bytes).read_to_end(&mut body).ok()?;
        (read as u64 == bytes).then_some(body)
    };
    match head[4] {
        GOOD => {
            let pixels = u64::from(first) * u64::from(second);
            let pixels = (pixels <= pixels_max).then(|| body(pixels.saturating_mul(3)))??;
            Some(Ok(Rgb { width: first, height: second, pixels }))
        }
        BAD if first <= WORDS_BYTES_MAX && second <= WORDS_BYTES_MAX => {
            let body = body(u64::from(first) + u64::from(second))?;
            let (code, words) = body.split_at_checked(first as usize)?;
            let code =
                CODES.iter().map(|(code, _)| *code).find(|known| known.as_bytes() == code)?;
            let words = String::from_utf8(words.to_vec()).ok()?;
            Some(Err(DecodeError::FoundAlone { code, words }))
        }
        _ => None,
    }
}

fn head(kind: u8, first: u32, second: u32) -> [u8; HEAD_BYTES] {
    let mut head = [0; HEAD_BYTES];
    head[..4].copy_from_slice(MAGIC);
    head[4] = kind;
    head[5..9].copy_from_slice(&first.to_le_bytes());
    head[9..].copy_from_slice(&second.to_le_bytes());
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_answers_come_back_in_order_and_what_is_cut_is_none() {
        let mut files = Vec::new();
        for file in [&b"first"[..], b"", b"too long"] {
            write_file(&mut files, file).unwrap();
        }
        let mut input = &files[..];
        let mut next = || read_file(&mut input, 5).unwrap();
        assert_eq!(next().as_deref(), Some(&b"first"[..]));
        assert_eq!(next().as_deref(), Some(&b""[..]));
        assert_eq!(next().as_deref(), Some(&b"too lo"[..]), "one byte more than may be");
        assert_eq!(next(), None);
        assert!(read_file(&mut &files[..10], 5).is_err());

        let rgb = Rgb { width: 2, height: 1, pixels: vec![1, 2, 3, 4, 5, 6] };
        let mut answers = Vec::new();
        write_answer(&mut answers, &Err(DecodeError::JpegTruncated)).unwrap();
        let first = answers.len();
        write_answer(&mut answers, &Ok(rgb.clone())).unwrap();
        let mut input = &answers[..];
        let error = read_answer(&mut input, 2).unwrap().unwrap_err();
        assert_eq!(error.code(), "jpeg_truncated");
        assert_eq!(error.to_string(), DecodeError::JpegTruncated.to_string());
        assert!(read_answer(&mut input, 2).unwrap().unwrap() == rgb);
        assert!(read_answer(&mut input, 2).is_none());
        assert!(read_answer(&mut &answers[first..], 1).is_none(), "more pixels than asked for");
        for end in 0..first {
            assert!(read_answer(&mut &answers[..end], 2).is_none());
        }
    }
}
