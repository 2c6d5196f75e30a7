//! Whole jobs over files that no decoder should have to meet.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use bytes::Bytes;

use fruitnode_result::{read_features_part, read_quarantine_part};
use fruitnode_tests::hostile::{corpus, huge_and_cut, write, write_places};
use fruitnode_tests::sandbox::{Ended, Sandbox, files};
use fruitnode_vision::model::profile::Filter;
use fruitnode_vision::suspect::{
    MISBEHAVE, Order, Shrink, SuspectError, decode_alone, decode_suspects,
};
use fruitnode_vision::{DecodeError, Limits, ResizeWorkspace, Rgb, decode, resize};

/// Resident memory that hostile files may cost above ordinary ones.
const EXTRA_KB_MAX: u64 = 200 << 10;

fn sandbox() -> Sandbox {
    Sandbox::new(env!("CARGO_BIN_EXE_under-test"))
}

/// Runs to the end; the highest resident memory that was seen, in KiB.
fn peak_kb(mut command: Command) -> u64 {
    let mut child = command.stdout(Stdio::null()).spawn().expect("the program starts");
    let status_file = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        let status = fs::read_to_string(&status_file).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let seen = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        peak = peak.max(seen.unwrap_or(0));
        if let Some(status) = child.try_wait().expect("a child") {
            assert!(status.success(), "{status}");
            return peak;
        }
        sleep(Duration::from_millis(2));
    }
}

/// Code of each key's only row; `None` for a row of the features.
fn rows(out: &Path) -> BTreeMap<String, Option<String>> {
    let mut found = BTreeMap::new();
    for file in files(out) {
        let name = file.strip_prefix(out).expect("below it").display().to_string();
        let mut row = |path: String, code| {
            assert!(found.insert(path.clone(), code).is_none(), "{path} has two rows");
        };
        if name.starts_with("features/") {
            let part = read_features_part(&Bytes::from(fs::read(&file).expect("a readable part")))
                .expect("a part");
            part.subjects.into_iter().for_each(|subject| row(subject.path, None));
        } else if name.starts_with("_quarantine/") {
            let part =
                read_quarantine_part(&Bytes::from(fs::read(&file).expect("a readable part")))
                    .expect("a part");
            part.into_iter().for_each(|bad| row(bad.subject.path, Some(bad.code)));
        }
    }
    found
}

#[test]
fn every_hostile_file_ends_in_its_own_row_and_costs_no_memory() {
    let sandbox = sandbox();
    let photographs = sandbox.draw("in", 1);
    let flags = ["--pca", "2", "--threads", "2", "--rows-per-part", "50"];
    let run = |to: &str| {
        let mut command = sandbox.command(["run", "--from", "in", "--to", to]);
        command.args(flags);
        command
    };
    let ordinary = peak_kb(run("ordinary"));

    let corpus = corpus();
    assert!(corpus.len() >= 60, "{} files", corpus.len());
    let drawn = fs::read(&files(&photographs)[0]).unwrap();
    write(&photographs, &corpus);
    let places = write_places(&photographs, &drawn);
    let hostile = peak_kb(run("out"));

    let mut found = rows(&sandbox.path("out"));
    let mut complaints = Vec::new();
    let expected = corpus.iter().map(|file| (file.name.clone(), file.code)).chain(places);
    for (name, code) in expected {
        match found.remove(&name) {
            None => complaints.push(format!("{name}: no row")),
            Some(row) if row.as_deref() != code => {
                complaints.push(format!("{name}: {row:?} and not {code:?}"));
            }
            Some(_) => {}
        }
    }
    assert!(complaints.is_empty(), "{complaints:#?}");
    // Eight drawings, and three keys that name what has no plain name.
    let rest: Vec<_> = found.iter().filter(|(_, code)| code.is_some()).collect();
    assert_eq!(found.len() - rest.len(), 8, "{found:?}");
    assert_eq!(rest.len(), 3, "{rest:?}");
    eprintln!("{} files: {hostile} KiB, ordinary ones: {ordinary} KiB", corpus.len());
    assert!(hostile <= ordinary + EXTRA_KB_MAX, "{hostile} KiB, ordinary {ordinary} KiB");
    sandbox.run("verify out").done();
}

#[test]
fn a_decoder_that_dies_in_its_own_process_costs_one_photograph() {
    let sandbox = sandbox();
    let photographs = sandbox.draw("in", 1);
    fs::write(photographs.join("huge.png"), huge_and_cut()).unwrap();
    let outcome = |misbehaviour: Option<&str>| {
        let line = "run --from in --to out --pca 2 --threads 2 --mode overwrite";
        let mut command = sandbox.command(line.split(' '));
        command.envs(misbehaviour.map(|word| (MISBEHAVE, word)));
        Ended::of(command).done();
        rows(&sandbox.path("out"))["huge.png"].clone()
    };
    for (misbehaviour, code) in
        [("abort", "decoder_crashed"), ("allocate", "decoder_crashed"), ("loop", "decoder_time")]
    {
        assert_eq!(outcome(Some(misbehaviour)).as_deref(), Some(code), "{misbehaviour}");
    }
    assert_eq!(outcome(None).as_deref(), Some("png_corrupt"), "as the same code would say here");
}

#[test]
fn decoded_alone_a_file_gives_the_pixels_and_the_words_that_it_gives_here() {
    let limits = Limits::default();
    let order = Order { limits, shrink: None };
    for file in corpus() {
        let here = decode(&file.bytes, &limits);
        let alone = decode_alone(Path::new(env!("CARGO_BIN_EXE_under-test")), &file.bytes, &order);
        match (here, alone) {
            (Ok(here), Ok(alone)) => assert!(here == alone, "{}", file.name),
            (Err(here), Err(SuspectError::Photograph(alone))) => {
                assert_eq!(here.code(), alone.code(), "{}", file.name);
                assert_eq!(here.to_string(), alone.to_string(), "{}", file.name);
            }
            (here, alone) => panic!("{}: {here:?}, alone {alone:?}", file.name),
        }
    }
    let strange = decode_alone(Path::new("/bin/true"), b"", &order);
    assert!(matches!(strange, Err(SuspectError::World(_))), "{strange:?}");
}

#[test]
fn suspects_give_the_pixels_and_the_words_that_they_give_here() {
    let program = Some(Path::new(env!("CARGO_BIN_EXE_under-test")));
    let limits = Limits::default();
    let (width, height, filter) = (40, 30, Filter::Bicubic);
    let order = Order { limits, shrink: Some(Shrink { width, height, filter }) };
    let corpus = corpus();
    let files: Vec<&[u8]> = corpus.iter().map(|file| &file.bytes[..]).collect();
    let steps = Cell::new(0);
    let found = decode_suspects(program, &files, &order, &|| steps.set(steps.get() + 1));
    let found = found.expect("children can be had");
    assert_eq!((found.len(), steps.get()), (files.len(), files.len()));
    for (file, found) in corpus.iter().zip(found) {
        let here = decode(&file.bytes, &limits).map(|rgb| {
            let mut shrunk = Rgb::default();
            resize(&rgb, width, height, filter, &mut ResizeWorkspace::default(), &mut shrunk);
            shrunk
        });
        let told = |error: DecodeError| (error.code(), error.to_string());
        assert!(here.map_err(told) == found.map_err(told), "{}", file.name);
    }
    assert!(decode_suspects(program, &[], &order, &|| {}).is_ok_and(|found| found.is_empty()));
    let strange = decode_suspects(Some(Path::new("/bin/true")), &files, &order, &|| {});
    assert!(matches!(strange, Err(SuspectError::World(_))), "{strange:?}");
}

#[test]
fn too_many_bad_photographs_fail_the_job_and_publish_nothing() {
    let sandbox = sandbox();
    let photographs = sandbox.draw("in", 2);
    for name in ["a.jpg", "b.jpg", "c.jpg"] {
        fs::write(photographs.join(name), b"").unwrap();
    }
    for limit in ["2", "15%", "0"] {
        let words = sandbox.run(&format!("run --from in --to out --max-bad {limit}")).refused(7);
        for word in ["3 of 19", limit, "3 empty", "`a.jpg`"] {
            assert!(words.contains(word), "{word}: {words}");
        }
        assert_eq!(sandbox.names(), ["in"], "nothing is published or left behind");
    }
    // One bad row in each part: no part alone exceeds the limit.
    let line = "run --from in --to out --max-bad 2 --rows-per-part 1 --pca off";
    let words = sandbox.run(line).refused(7);
    for word in ["of 19 photographs cannot be used", "--max-bad 2", "empty"] {
        assert!(words.contains(word), "{word}: {words}");
    }
    sandbox.run("run --from in --to out --pca 2 --max-bad some").refused(2);
    for limit in ["3", "16%"] {
        let line = format!("run --from in --to out --pca 2 --mode overwrite --max-bad {limit}");
        sandbox.run(&line).done();
    }
}
