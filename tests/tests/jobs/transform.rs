//! New photographs through a fitted pipeline: the same scores as in the run that fitted it, and
//! words for every model that cannot be used.

use std::fs;
use std::path::Path;

use fruitnode_tests::sandbox::{Ended, Sandbox, files, sha256};

const TRANSFORM: &str = "transform --model out/model --from in --to again";

fn sandbox() -> Sandbox {
    Sandbox::new(env!("CARGO_BIN_EXE_under-test"))
}

/// A sandbox with photographs in `in` and what a run with these flags made of them in `out`.
fn fitted(per_kind: u32, flags: &str) -> Sandbox {
    let sandbox = sandbox();
    sandbox.draw("in", per_kind);
    sandbox.run(&format!("run --from in --to out {flags}")).done();
    sandbox
}

fn json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(path).expect("a file")).expect("JSON")
}

/// Replaces words in a file that holds them.
fn forge(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).expect("a file of text");
    assert!(text.contains(from), "{} has no {from}", path.display());
    fs::write(path, text.replace(from, to)).expect("room for it");
}

#[test]
fn the_photographs_of_the_fit_get_the_scores_that_run_published_to_the_byte() {
    for flags in [
        "--rows-per-part 20",
        "--rows-per-part 20 --pca 7 --like spark --standardize none --pooling max",
        "--rows-per-part 20 --size 64x48 --resize bilinear --preprocess caffe --pca 0.5",
    ] {
        let sandbox = fitted(6, flags);
        fs::write(sandbox.path("in/Kiwi-broken.jpg"), b"no photograph").unwrap();
        sandbox.run(&format!("run --from in --to out {flags} --mode overwrite")).done();
        sandbox.run(&format!("{TRANSFORM} --rows-per-part 20")).done();
        let (of_run, mut of_transform) = (sandbox.digests("out"), sandbox.digests("again"));
        for (name, digest) in of_run {
            let same = of_transform.remove(&name).as_ref() == Some(&digest);
            // These tell of the fit, and hold digests of each other.
            let tells = ["report.json", "report.html", "_SUCCESS"].contains(&name.as_str());
            assert_eq!(same, !tells, "{flags}: {name}");
        }
        assert!(of_transform.is_empty(), "{of_transform:?}");
        let said = sandbox.run("verify again").done().stdout;
        assert!(said.contains("not certified against these features"), "{said}");
        let report = json(&sandbox.path("again/report.json"));
        assert_eq!(report["pca"]["given"], true);
        assert_eq!(report["options"]["pca"], serde_json::Value::Null);
    }
}

#[test]
fn threads_batches_and_the_way_the_model_is_named_change_no_byte() {
    let sandbox = fitted(3, "--pca 3");
    sandbox.run(TRANSFORM).done();
    let first = sandbox.digests("again");
    let whole = "transform --model out --from in --to again --mode overwrite";
    sandbox.run(&format!("{whole} --threads 1 --batch 1 --kernel portable")).done();
    assert_eq!(sandbox.digests("again"), first);
    // Only these two files are read: the others follow from them.
    fs::create_dir(sandbox.path("copied")).unwrap();
    for name in ["model.json", "pca.safetensors"] {
        fs::copy(sandbox.path("out/model").join(name), sandbox.path("copied").join(name)).unwrap();
    }
    let line = "transform --model copied --from in --to again --mode overwrite --threads 3";
    sandbox.run(line).done();
    assert_eq!(sandbox.digests("again"), first);
}

#[test]
fn one_photograph_is_enough_and_gets_the_scores_it_has_among_others() {
    let sandbox = fitted(3, "--pca 4");
    let photograph = files(&sandbox.path("in"))[5].clone();
    let label = photograph.parent().unwrap().file_name().unwrap().to_owned();
    let alone = sandbox.path("one").join(label);
    fs::create_dir_all(&alone).unwrap();
    let copy = alone.join(photograph.file_name().unwrap());
    fs::copy(&photograph, &copy).unwrap();
    let summary = sandbox.run("transform --model out/model --from one --to scores -o json").done();
    assert_eq!(summary.json()["good"], 1);
    sandbox.run("verify scores").done();
    let key = copy.strip_prefix(sandbox.path("one")).unwrap().display().to_string();
    let row = |table: &str| {
        let csv = fs::read_to_string(sandbox.path(table)).unwrap();
        let row = csv.lines().find(|row| row.starts_with(&key)).unwrap().to_owned();
        // Path, label, then scores; whatever stands between is of the file, not of its pixels.
        row.rsplitn(5, ',').take(4).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(row("scores/pca.csv"), row("out/pca.csv"));
    for name in ["model/model.json", "model/pca.safetensors", "model/pca.npz", "model/README.md"] {
        let of = |out: &str| sha256(&fs::read(sandbox.path(out).join(name)).unwrap());
        assert_eq!(of("scores"), of("out"), "{name}");
    }
}

#[test]
fn weights_of_another_digest_are_refused_and_both_digests_said() {
    let sandbox = fitted(2, "--pca 2");
    let ours = fruitnode_vision::model::embedded();
    fs::write(sandbox.path("ours.safetensors"), ours).unwrap();
    sandbox.run(&format!("{TRANSFORM} --weights ours.safetensors")).done();
    // One value of the last tensor moves by its lowest bit.
    let mut others = ours.to_vec();
    *others.iter_mut().nth_back(1).unwrap() ^= 1;
    fs::write(sandbox.path("others.safetensors"), &others).unwrap();
    let line = format!("{TRANSFORM} --mode overwrite --weights others.safetensors");
    let words = sandbox.run(&line).refused(2);
    for digest in [sha256(ours), sha256(&others)] {
        assert!(words.contains(&digest), "{words}");
    }
    assert!(words.contains("--weights"), "{words}");
}

#[test]
fn a_model_that_cannot_be_used_is_refused_in_words_before_a_photograph_is_read() {
    type Damage = fn(&Path);
    let table: [(&str, Damage, i32, &str); 10] = [
        ("absent", |m| fs::remove_file(m.join("model.json")).unwrap(), 5, "model.json"),
        ("no tensors", |m| fs::remove_file(m.join("pca.safetensors")).unwrap(), 5, "safetensors"),
        ("no json", |m| fs::write(m.join("model.json"), b"{").unwrap(), 2, "model.json"),
        ("cut", |m| fs::write(m.join("pca.safetensors"), b"\x08").unwrap(), 2, "safetensors"),
        ("class", |m| forge(&m.join("model.json"), "\"cpu-", "\"cpu-0"), 2, "cpu-0"),
        ("filter", |m| forge(&m.join("model.json"), "bicubic", "lanczos"), 2, "lanczos"),
        ("order", |m| forge(&m.join("model.json"), "applied", "ignored"), 2, "exif_orientation"),
        ("pooling", |m| forge(&m.join("model.json"), "\"avg\"", "\"sum\""), 2, "sum"),
        ("schema", |m| forge(&m.join("model.json"), "_version\": 1", "_version\": 9"), 2, "9"),
        ("facts", |m| forge(&m.join("model.json"), "\"spark\"", "\"centred\""), 2, "model"),
    ];
    let sandbox = fitted(2, "--pca 2 --like spark");
    sandbox.run(TRANSFORM).done();
    for (case, damage, code, names) in table {
        let model = sandbox.path("damaged");
        fs::create_dir_all(&model).unwrap();
        for file in files(&sandbox.path("out/model")) {
            fs::copy(&file, model.join(file.file_name().unwrap())).unwrap();
        }
        damage(&model);
        let words = sandbox.run("transform --model damaged --from in --to no").refused(code);
        assert!(words.contains(names), "{case}: {words}");
        assert_eq!(words.lines().filter(|line| line.starts_with("error")).count(), 1, "{words}");
        assert!(!sandbox.path("no").exists(), "{case}");
    }
}

#[test]
fn components_that_were_turned_or_stretched_are_no_model() {
    let sandbox = fitted(2, "--pca 2");
    let path = sandbox.path("out/model/pca.safetensors");
    let whole = fs::read(&path).unwrap();
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let mut stretched = whole;
    // The first component's first loading, which lies first, becomes 1.
    stretched[header..header + 8].copy_from_slice(&1.0f64.to_le_bytes());
    fs::write(&path, stretched).unwrap();
    let words = sandbox.run(TRANSFORM).refused(2);
    assert!(words.contains("orthonormality"), "{words}");
}

#[test]
fn the_result_that_holds_the_model_is_never_overwritten_with_it() {
    let sandbox = fitted(2, "--pca 2");
    let before = sandbox.digests("out");
    for model in ["out/model", "out"] {
        let line = format!("transform --model {model} --from in --to out --mode overwrite");
        let words = sandbox.run(&line).refused(6);
        assert!(words.contains("contains the model"), "{words}");
    }
    assert_eq!(sandbox.digests("out"), before);
}

#[test]
fn a_result_without_components_and_a_place_that_is_none_say_what_to_name() {
    let sandbox = fitted(1, "--pca off");
    for model in ["out", "out/model", "nowhere", "in/../out/report.json"] {
        let words = sandbox.run(&format!("transform --model {model} --from in --to x")).refused(5);
        assert!(words.contains("model.json"), "{model}: {words}");
    }
    let words = Ended::of(sandbox.command(["transform", "--from", "in", "--to", "x"])).refused(2);
    assert!(words.contains("--model"), "{words}");
}

#[test]
fn verify_finds_scores_that_are_not_those_of_the_given_model() {
    let sandbox = fitted(2, "--pca 2");
    sandbox.run("run --from in --to other --pca 2 --standardize mean").done();
    sandbox.run(TRANSFORM).done();
    // The model of another run, with every digest made to agree: only the arithmetic can tell.
    for name in ["model.json", "pca.safetensors", "pca.npz", "README.md"] {
        let (from, to) = (sandbox.path("other/model"), sandbox.path("again/model"));
        for place in ["_SUCCESS", "report.json"] {
            let digest = |dir: &Path| sha256(&fs::read(dir.join(name)).unwrap());
            forge(&sandbox.path("again").join(place), &digest(&to), &digest(&from));
        }
        fs::copy(from.join(name), to.join(name)).unwrap();
    }
    let ended = sandbox.run("verify again");
    assert_eq!(ended.code, Some(1), "{}", ended.stdout);
    assert!(ended.stdout.contains("scores do not match the model"), "{}", ended.stdout);
}
