//! A store that runs as a program is looked into, and told what to break, by lines on its standard
//! input: past the network, which may be what is broken.

use std::io::{self, BufRead, Write};
use std::time::Duration;

use super::server::Store;
use super::switches::Which;

/// What may be said.
const HELP: &[&str] = &[
    "get KEY               LENGTH and the bytes of an object, or `none`",
    "keys PREFIX           COUNT and the keys that begin so, a line each",
    "environment           COUNT and what lets a client in, NAME=VALUE, a line each",
    "slow-down-every N     503 SlowDown to every n-th request; 0 for none",
    "delay-ms N            wait before each request is carried out",
];

/// Obeys the lines of `input` until it ends. Each is answered on `output`; one that is not
/// understood by `error: …`.
///
/// # Errors
/// When input or output fail.
pub fn obey(store: &Store, input: impl BufRead, mut output: impl Write) -> io::Result<()> {
    for line in input.lines() {
        let line = line?;
        let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
        match word {
            "get" => match store.object(rest) {
                Some(object) => {
                    writeln!(output, "{}", object.body.len())?;
                    output.write_all(&object.body)?;
                }
                None => writeln!(output, "none")?,
            },
            "keys" => list(&store.keys(rest), &mut output)?,
            "environment" => {
                let pairs = store.environment().into_iter();
                let lines: Vec<_> = pairs.map(|(name, value)| format!("{name}={value}")).collect();
                list(&lines, &mut output)?;
            }
            "help" => {
                list(&HELP.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>(), &mut output)?
            }
            "slow-down-every" | "delay-ms" => match rest.parse::<u64>() {
                Ok(number) => {
                    switch(store, word, number);
                    writeln!(output, "done")?;
                }
                Err(_) => writeln!(output, "error: `{rest}` is no number")?,
            },
            _ => writeln!(output, "error: `{word}` is no command: see `help`")?,
        }
        output.flush()?;
    }
    Ok(())
}

fn list(lines: &[String], output: &mut impl Write) -> io::Result<()> {
    writeln!(output, "{}", lines.len())?;
    lines.iter().try_for_each(|line| writeln!(output, "{line}"))
}

fn switch(store: &Store, word: &str, number: u64) {
    store.switch(|switches| match (word, number) {
        ("delay-ms", _) => switches.delay = Duration::from_millis(number),
        (_, 0) => switches.slow_down = Which::Never,
        (_, every) => switches.slow_down = Which::Every(every),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(store: &Store, lines: &str) -> String {
        let mut output = Vec::new();
        obey(store, lines.as_bytes(), &mut output).unwrap();
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn objects_are_looked_at_and_faults_are_switched_on_and_off() {
        let store = Store::new();
        store.put("out/a", "pear", 0);
        store.put("out/b", "plum", 0);
        assert_eq!(
            said(&store, "get out/a\nget out/c\nkeys out/\n"),
            "4\npearnone\n2\nout/a\nout/b\n"
        );
        let environment = said(&store, "environment\n");
        assert!(environment.contains(&format!("AWS_ENDPOINT_URL={}\n", store.url())));
        assert_eq!(said(&store, "slow-down-every 3\ndelay-ms 20\n"), "done\ndone\n");
        store.switch(|switches| {
            assert_eq!(switches.slow_down, Which::Every(3));
            assert_eq!(switches.delay, Duration::from_millis(20));
        });
        said(&store, "slow-down-every 0\n");
        store.switch(|switches| assert_eq!(switches.slow_down, Which::Never));
        let errors = said(&store, "burn\ndelay-ms soon\n");
        assert!(errors.starts_with("error: `burn`") && errors.contains("`soon`"), "{errors}");
        assert_eq!(said(&store, "help\n").lines().count(), 1 + HELP.len());
    }
}
