//! `fruitnode model`: weights and fitted models told and checked, hostile files refused in words.

use std::fs;

use fruitnode_tests::sandbox::{Sandbox, sha256};

fn sandbox() -> Sandbox {
    Sandbox::new(env!("CARGO_BIN_EXE_under-test"))
}

/// Our own weights in a file, with one change to the bytes.
fn weights(sandbox: &Sandbox, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fruitnode_vision::model::embedded().to_vec();
    change(&mut bytes);
    fs::write(sandbox.path(name), bytes).expect("room for it");
}

#[test]
fn weights_are_told_in_words_and_as_json() {
    let sandbox = sandbox();
    weights(&sandbox, "w.safetensors", |_| {});
    let told = sandbox.run("model inspect w.safetensors -o json").done().json();
    assert_eq!(told["sha256"], sha256(fruitnode_vision::model::embedded()));
    assert_eq!(told["architecture"], "mobilenet_v2");
    assert_eq!(told["naming"], "torchvision/mobilenet_v2");
    assert_eq!((&told["layers"], &told["features"]), (&52.into(), &1_280.into()));
    assert_eq!(told["preprocessing"][0]["value"], "100x100");
    let table = sandbox.run("model inspect w.safetensors").done().stdout;
    for words in ["mobilenet_v2, width 1", "F16", "100x100 (weights)"] {
        assert!(table.contains(words), "{words} in {table}");
    }
}

#[test]
fn a_fitted_model_is_told_and_whether_it_can_be_used_here() {
    let sandbox = sandbox();
    sandbox.draw("in", 2);
    sandbox.run("run --from in --to out --pca 3 --pooling max").done();
    for place in ["out", "out/model"] {
        let told = sandbox.run(&format!("model inspect {place} -o json")).done().json();
        assert_eq!((&told["facts"]["k"], &told["facts"]["rows"]), (&3.into(), &16.into()));
        assert_eq!(told["facts"]["pooling"], "max");
        assert_eq!(told["usable_here"], true);
    }
    let path = sandbox.path("out/model/model.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"cpu-", "\"cpu-0")).unwrap();
    let table = sandbox.run("model inspect out/model").done().stdout;
    assert!(table.contains("no: the model was fitted to features of class cpu-0"), "{table}");
    let words = sandbox.run("model inspect in").refused(5);
    assert!(words.contains("model.json"), "{words}");
}

#[test]
fn sound_weights_pass_and_their_digest_is_compared() {
    let sandbox = sandbox();
    weights(&sandbox, "w.safetensors", |_| {});
    let digest = sha256(fruitnode_vision::model::embedded());
    let line = format!("model verify w.safetensors --sha256 {}", digest.to_uppercase());
    assert!(sandbox.run(&line).done().stdout.contains("valid: w.safetensors"));
    let told = sandbox.run("model verify -o json").done().json();
    assert_eq!((&told["outcome"], &told["sha256"]), (&"passed".into(), &digest.as_str().into()));
    let other = "0".repeat(64);
    let words = sandbox.run(&format!("model verify w.safetensors --sha256 {other}")).refused(1);
    assert!(words.contains(&other) && words.contains(&digest), "{words}");
    let words = sandbox.run("model verify w.safetensors --sha256 abc").refused(2);
    assert!(words.contains("64 hexadecimal digits"), "{words}");
    let words = sandbox.run("model verify absent.safetensors").refused(5);
    assert!(words.contains("absent.safetensors"), "{words}");
}

#[test]
fn hostile_weights_are_refused_in_words() {
    type Damage = fn(&mut Vec<u8>);
    let table: [(&str, Damage, &str); 7] = [
        ("cut", |b| b.truncate(1_000_000), "truncated"),
        ("cut-header", |b| b.truncate(500), "truncated"),
        ("more", |b| b.extend([0; 9]), "9 bytes"),
        ("header-of-2-to-the-63", |b| b[7] = 0x80, "limit"),
        ("nan", |b| b.iter_mut().rev().take(2).for_each(|b| *b = 0x7f), "not a finite number"),
        ("text", |b| *b = b"GIF89a, or something".to_vec(), "safetensors"),
        ("empty", Vec::clear, "too few"),
    ];
    let sandbox = sandbox();
    for (name, damage, expected) in table {
        weights(&sandbox, name, damage);
        let words = sandbox.run(&format!("model verify {name}")).refused(1);
        assert!(words.contains(expected) && words.contains(name), "{name}: {words}");
        let words = sandbox.run(&format!("model inspect {name}")).refused(2);
        assert!(words.contains(expected) && words.contains(name), "{name}: {words}");
    }
}
