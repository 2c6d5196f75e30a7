//! Rust source with everything blanked that is no code, so that rules see code alone.
//!
//! Blanked characters become spaces and line breaks stay, so that line numbers keep their meaning.

/// The text without comments and without what stands in string and character literals.
pub fn code(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < letters.len() {
        let end = match letters[at] {
            '/' => comment_end(&letters, at),
            '"' => string_end(&letters, at),
            '\'' => character_end(&letters, at),
            'r' | 'b' | 'c' if !follows_word(&letters, at) => prefixed_end(&letters, at),
            _ => at,
        };
        if end == at {
            code.push(letters[at]);
            at += 1;
        } else {
            code.extend(letters[at..end].iter().map(|&letter| blank(letter)));
            at = end;
        }
    }
    code
}

/// The code without items under `#[cfg(test)]`.
pub fn without_tests(code: &str) -> String {
    let mut kept = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(start) = rest.find("#[cfg(test)]") {
        let (before, item) = rest.split_at(start);
        kept.push_str(before);
        let (item, after) = item.split_at(item_end(item));
        kept.extend(item.chars().map(blank));
        rest = after;
    }
    kept + rest
}

/// Byte offset behind the first item: behind its `;`, or behind the brace that closes it.
fn item_end(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, letter) in text.char_indices() {
        match letter {
            ';' if depth == 0 => return at + 1,
            '{' => depth += 1,
            '}' if depth <= 1 => return at + 1,
            '}' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

fn blank(letter: char) -> char {
    if letter == '\n' { '\n' } else { ' ' }
}

fn follows_word(letters: &[char], at: usize) -> bool {
    at > 0 && (letters[at - 1].is_alphanumeric() || letters[at - 1] == '_')
}

fn comment_end(letters: &[char], start: usize) -> usize {
    match letters.get(start + 1) {
        Some('/') => position(letters, start, |letter| letter == '\n').unwrap_or(letters.len()),
        Some('*') => {
            let (mut depth, mut at) = (0_usize, start);
            while at + 1 < letters.len() {
                match (letters[at], letters[at + 1]) {
                    ('/', '*') => depth += 1,
                    ('*', '/') if depth == 1 => return at + 2,
                    ('*', '/') => depth -= 1,
                    _ => {
                        at += 1;
                        continue;
                    }
                }
                at += 2;
            }
            letters.len()
        }
        _ => start,
    }
}

fn string_end(letters: &[char], start: usize) -> usize {
    let mut at = start + 1;
    while at < letters.len() {
        match letters[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    letters.len()
}

/// `'x'` and `'\n'` are characters; `'a` without a second quote is a lifetime.
fn character_end(letters: &[char], start: usize) -> usize {
    match (letters.get(start + 1), letters.get(start + 2)) {
        (Some('\\'), Some(_)) => position(letters, start + 3, |letter| letter == '\'')
            .map_or(letters.len(), |end| end + 1),
        (Some(_), Some('\'')) => start + 3,
        _ => start,
    }
}

/// Literals that begin with letters: `r"…"`, `r#"…"#`, `b"…"`, `br#"…"#`, `b'…'`.
fn prefixed_end(letters: &[char], start: usize) -> usize {
    let Some(open) = position(letters, start, |letter| !matches!(letter, 'r' | 'b' | 'c')) else {
        return start;
    };
    let raw = letters[start..open].contains(&'r');
    let hashes = letters[open..].iter().take_while(|&&letter| letter == '#').count();
    match letters.get(open + hashes) {
        Some('"') if raw => {
            let mut at = open + hashes + 1;
            while at < letters.len() {
                let closing = letters[at + 1..].iter().take(hashes);
                if letters[at] == '"' && closing.filter(|&&letter| letter == '#').count() == hashes
                {
                    return at + 1 + hashes;
                }
                at += 1;
            }
            letters.len()
        }
        Some('"') if hashes == 0 => string_end(letters, open),
        Some('\'') if hashes == 0 && !raw => character_end(letters, open),
        _ => start,
    }
}

fn position(letters: &[char], start: usize, wanted: fn(char) -> bool) -> Option<usize> {
    let from = letters.get(start..)?;
    from.iter().position(|&letter| wanted(letter)).map(|at| start + at)
}

#[cfg(test)]
mod tests {
    use super::{code, without_tests};

    #[test]
    fn comments_and_literals_are_blanked_and_lines_stay() {
        let text =
            "a /* x /* y */ z */ b // c\n\"d \\\" e\" f r#\"g \" h\"# i 'j' '\\'' k<'l> b\"m\"";
        let code = code(text);
        assert_eq!(code.split_whitespace().collect::<Vec<_>>(), ["a", "b", "f", "i", "k<'l>"]);
        assert_eq!(code.chars().count(), text.chars().count());
        assert_eq!(code.lines().count(), 2);
    }

    #[test]
    fn a_word_that_ends_like_a_prefix_does_not_open_a_literal() {
        assert_eq!(code("for r in b { c }"), "for r in b { c }");
        assert_eq!(code("iter\"x\""), "iter   ");
    }

    #[test]
    fn items_for_tests_are_cut_out_and_what_follows_is_kept() {
        let text = "a();\n#[cfg(test)]\nmod t { fn f() { x } }\nb();\n#[cfg(test)]\nmod u;\nc();";
        let kept = without_tests(text);
        assert_eq!(kept.split_whitespace().collect::<Vec<_>>(), ["a();", "b();", "c();"]);
        assert_eq!(kept.lines().count(), text.lines().count());
    }
}
