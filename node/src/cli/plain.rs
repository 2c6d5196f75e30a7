//! Text that others chose - keys, labels, names, words of a server - made safe for a terminal: it
//! moves no cursor, begins no line, and turns the direction of nothing round it (CVE-2021-42574).

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a terminal or a reader would obey this letter instead of showing it: control characters
/// (C0, DEL, C1), line and paragraph separators, and those that set the direction of text (Unicode
/// Annex 9).
fn obeyed(letter: char) -> bool {
    letter.is_control() || turns(letter)
}

/// Whether a letter sets the direction of text, or ends a line as a reader of Unicode sees it.
fn turns(letter: char) -> bool {
    matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}')
}

/// Lines of a log, whose own colours stay: what logs them has escaped control characters already.
pub(crate) fn plain_log(text: &[u8]) -> Cow<'_, [u8]> {
    match str::from_utf8(text) {
        Ok(line) if line.contains(turns) => {
            Cow::Owned(line.replace(turns, "\u{fffd}").into_bytes())
        }
        _ => Cow::Borrowed(text),
    }
}

/// The text, in one line, with U+FFFD in the place of whatever would be obeyed.
pub(crate) fn plain(text: &str) -> String {
    if !text.contains(obeyed) {
        return text.to_owned();
    }
    text.chars().map(|letter| if obeyed(letter) { '\u{fffd}' } else { letter }).collect()
}

/// The same of a text of several lines, each of which was put together here.
pub(crate) fn plain_lines(text: &str) -> String {
    text.split('\n').map(plain).collect::<Vec<_>>().join("\n")
}

/// A JSON document with all such letters escaped: the same document for whoever parses it.
pub(crate) fn plain_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for letter in json.chars() {
        // Outside of strings there are none but line feeds, and within them JSON escapes those.
        if letter != '\n' && obeyed(letter) {
            let _ = write!(out, "\\u{:04x}", u32::from(letter));
        } else {
            out.push(letter);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_said_moves_no_cursor_and_begins_no_line() {
        assert_eq!(plain("a\u{1b}[1A\r\nb"), "a\u{fffd}[1A\u{fffd}\u{fffd}b");
        assert_eq!(plain_lines("a\u{7}\n\nb\u{9b}2J\n"), "a\u{fffd}\n\nb\u{fffd}2J\n");
        assert_eq!(plain("gnp.\u{202e}jpg\u{2069}\u{2028}"), "gnp.\u{fffd}jpg\u{fffd}\u{fffd}");
        assert_eq!(
            *plain_log("\u{1b}[2ma\u{202e}\n".as_bytes()),
            *"\u{1b}[2ma\u{fffd}\n".as_bytes()
        );
        assert_eq!(plain("Äpfel/кот/猫.jpg"), "Äpfel/кот/猫.jpg");
    }

    #[test]
    fn a_document_says_the_same_with_its_letters_escaped() {
        let name = "gnp.\u{202e}jpg\n\u{9b}2J \u{1b}";
        let json = serde_json::to_string_pretty(&[name]).expect("text is JSON");
        let plain = plain_json(&json);
        assert!(!plain.contains(|letter: char| letter != '\n' && obeyed(letter)), "{plain}");
        let read: Vec<String> = serde_json::from_str(&plain).expect("it is JSON");
        assert_eq!(read, [name]);
    }
}
