//! A token on its way from the command line to the mesh.

use std::io::Read;
use std::path::Path;

use crate::cli::args::Secret;
use crate::cli::exit::Exit;
use crate::cli::message::CliError;

/// Longest file of a token, in bytes. A token has about 150.
const TOKEN_FILE_BYTES_MAX: u64 = 4 << 10;

/// The name of standard input where a file is named.
const STANDARD_INPUT: &str = "-";

/// The token that was given, one way or another.
pub(super) fn token(word: Option<&Secret>, file: Option<&Path>) -> Result<Secret, CliError> {
    let usage = |words: &str| CliError::new(Exit::Usage, "bad_flag", words);
    let token = match (word.filter(|word| !word.reveal().is_empty()), file) {
        (Some(word), None) => word.clone(),
        (None, Some(file)) => Secret::of(&read(file)?),
        (Some(_), Some(_)) => {
            return Err(usage(
                "--token and --token-file are both set, here or in the environment: remove one of \
                 the two",
            ));
        }
        (None, None) => {
            return Err(usage(
                "no token given: use --token-file FILE (`-` for standard input), FRUITNODE_TOKEN \
                 or --token; `fruitnode token create` creates one",
            ));
        }
    };
    Ok(token)
}

fn read(file: &Path) -> Result<String, CliError> {
    let mut bytes = Vec::new();
    let taken = match file.to_str() {
        Some(STANDARD_INPUT) => {
            std::io::stdin().lock().take(TOKEN_FILE_BYTES_MAX).read_to_end(&mut bytes)
        }
        _ => std::fs::File::open(file)
            .and_then(|file| file.take(TOKEN_FILE_BYTES_MAX).read_to_end(&mut bytes)),
    };
    taken.map_err(|error| {
        let (exit, code) = match error.kind() {
            std::io::ErrorKind::NotFound => (Exit::NotFound, "input_missing"),
            _ => (Exit::Refused, "storage_refused"),
        };
        let words = format!("cannot read --token-file {}: {error}", file.display());
        CliError::new(exit, code, words)
    })?;
    let text = String::from_utf8(bytes).ok().map(|text| text.trim().to_owned());
    text.filter(|text| !text.is_empty()).ok_or_else(|| {
        let words = format!(
            "--token-file {} is empty: write the token of `fruitnode token create` into it",
            file.display()
        );
        CliError::new(Exit::Usage, "bad_flag", words)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_way_to_say_a_token_is_taken_and_none_or_two_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "FN1.from.a.file\n").unwrap();
        let word = Secret::of("FN1.from.a.flag");
        let words = |taken: Result<Secret, CliError>| match taken {
            Ok(secret) => secret.reveal().to_owned(),
            Err(error) => format!("{error:?}"),
        };
        assert_eq!(words(token(Some(&word), None)), "FN1.from.a.flag");
        assert_eq!(words(token(None, Some(&file))), "FN1.from.a.file");
        let both = words(token(Some(&word), Some(&file)));
        assert!(both.contains("remove one of the two") && !both.contains("FN1"), "{both}");
        let none = words(token(Some(&Secret::of("")), None));
        assert!(none.contains("fruitnode token create"), "{none}");
        std::fs::write(&file, " \n").unwrap();
        assert!(words(token(None, Some(&file))).contains("is empty"));
        assert!(words(token(None, Some(&folder.path().join("absent")))).contains("absent"));
    }
}
