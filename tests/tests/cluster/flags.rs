//! What a hurried user of the cluster's commands gets, before any cluster is reached: one error in
//! words that names the thing, its exit code, and no secret.

use std::fs;

use fruitnode_tests::sandbox::{Ended, Sandbox};

/// A token as one looks, but for its length.
const TOKEN: &str = "FN1.5ec2e7.5ec2e7";

fn sandbox() -> Sandbox {
    Sandbox::new(env!("CARGO_BIN_EXE_under-test"))
}

#[test]
fn every_wrong_flag_of_the_cluster_is_one_error_that_names_it() {
    let sandbox = sandbox();
    let table = [
        ("status", 4, "fruitnode init"),
        ("status --host nowhere", 2, "nowhere"),
        ("status --timeout soon", 2, "soon"),
        ("status --certs-dir absent --host 127.0.0.1:1", 4, "absent"),
        ("init --voters 2 --data-dir n", 2, "1, 3 or 5"),
        ("init --cluster a/b --data-dir n", 2, "a/b"),
        ("init --ttl 0s --data-dir n", 2, "--ttl"),
        ("init --uses 0 --data-dir n", 2, "--uses"),
        ("init --certificate-life 5m --data-dir n", 2, "at least an hour"),
        ("init --certificate-life 400d --data-dir n", 2, "a year at most"),
        ("init --certificate-life soon --data-dir n", 2, "soon"),
        ("init --http 0.0.0.0:7480 --data-dir n", 2, "unencrypted"),
        ("init --listen 7400 --data-dir n", 2, "--listen"),
        ("init --listen 0.0.0.0:7400 --data-dir n", 2, "--advertise"),
        ("init --listen 127.0.0.1:0 --data-dir n", 2, "port"),
        ("init --advertise 0.0.0.0:7400 --no-start --data-dir n", 2, "--advertise"),
        ("join", 2, "HOST:PORT"),
        ("join 127.0.0.1 --token-file t", 2, "HOST:PORT"),
        ("join 192.0.2.1:7400 --token-file absent --data-dir n", 2, "--advertise"),
        ("join 192.0.2.1:7400 --advertise 127.0.0.1:7400 --token-file absent", 5, "absent"),
        ("join 127.0.0.1:1 --data-dir n", 2, "--token-file"),
        ("join 127.0.0.1:1 --token-file absent --data-dir n", 5, "absent"),
        ("join 127.0.0.1:1 --token FN1.5ec2e7.5ec2e7 --data-dir n", 4, "not a token"),
        ("join 127.0.0.1:1 --token FN1.5ec2e7.5ec2e7 --token-file t", 2, "remove one of the two"),
        ("start --data-dir absent", 5, "fruitnode join"),
        ("start --data-dir absent --slots 0", 2, "--slots"),
        ("leave --data-dir absent --yes", 5, "absent"),
        ("recover --data-dir absent", 2, "--unsafe"),
        ("recover --unsafe --yes --data-dir absent", 5, "absent"),
        ("node show three", 2, "three"),
        ("node drain n0", 2, "n0"),
        ("token create --ttl 1mo", 2, "1mo"),
        ("token revoke", 2, "ID"),
        ("client create Maria --to maria", 2, "Maria"),
        ("client create maria", 2, "--to"),
        ("backup", 2, "--to"),
        ("job", 2, "submit"),
        ("job status a/b", 2, "a/b"),
        ("job submit --from in --to s3://fruits/out", 2, "--shared"),
        ("job submit --from s3://fruits/in --to s3://fruits/out --id a.b", 2, "a.b"),
        ("job submit --from s3://fruits/in --to s3://fruits/out --pca many", 2, "many"),
        (
            "job submit --from s3://fruits/in --to s3://fruits/out --weights w.safetensors",
            2,
            "--shared",
        ),
        ("job submit --from s3://fruits/in --to s3://fruits/out", 4, "fruitnode init"),
        ("job watch one --rows --timeout 0s", 2, "--timeout"),
    ];
    for (line, code, names) in table {
        let words = sandbox.run(line).refused(code);
        assert!(words.contains(names), "{line}: {words}");
        let lines = words.lines().filter(|line| line.starts_with("error")).count();
        assert!(lines <= 1, "{line}: {words}");
        assert!(!words.contains("5ec2e7"), "{line} shows the secret: {words}");
        assert!(!words.contains("panicked"), "{line}: {words}");
        assert!(sandbox.names().is_empty(), "{line} left {:?} behind", sandbox.names());
    }
}

#[test]
fn a_token_is_no_setting_and_is_never_shown() {
    let sandbox = sandbox();
    let with_token = |words: &[&str]| {
        let mut command = sandbox.command(words);
        command.env("FRUITNODE_TOKEN", TOKEN);
        Ended::of(command)
    };
    for format in ["table", "json"] {
        let shown = with_token(&["config", "show", "--origin", "-o", format]).done().stdout;
        assert!(!shown.contains("5ec2e7"), "{shown}");
        assert!(shown.contains("token-file"), "{shown}");
    }
    let refused = with_token(&["join", "127.0.0.1:1", "--data-dir", "n", "-vv"]).refused(4);
    assert!(refused.contains("not a token") && !refused.contains("5ec2e7"), "{refused}");
    let mut command = sandbox.command(["join", "127.0.0.1:1", "--data-dir", "n"]);
    fs::write(sandbox.path("token"), TOKEN).unwrap();
    command.args(["--token-file", "-"]).stdin(fs::File::open(sandbox.path("token")).unwrap());
    let refused = Ended::of(command).refused(4);
    assert!(refused.contains("not a token") && !refused.contains("5ec2e7"), "{refused}");
    fs::write(sandbox.path("fruitnode.toml"), format!("[join]\ntoken = '{TOKEN}'\n")).unwrap();
    let words = sandbox.run("status").refused(2);
    assert!(words.contains("secret") && !words.contains("5ec2e7"), "{words}");
}

#[test]
fn nodes_and_clients_have_tables_of_their_own_in_a_file() {
    let sandbox = sandbox();
    let file = "[init]\nvoters = 5\n[node]\nlisten = '127.0.0.1:7999'\nslots = 4\n\
                [join]\nslots = 3\n[client]\nhost = ['127.0.0.1:1', '127.0.0.1:2']\n\
                certs-dir = 'absent'\n[client.create]\nhost = '127.0.0.1:3'\n";
    fs::write(sandbox.path("fruitnode.toml"), file).unwrap();
    let shown = sandbox.run("config show").done().stdout;
    for says in
        ["voters = 5", "slots = 3", "slots = 4", "host = [\"127.0.0.1:1\", \"127.0.0.1:2\"]"]
    {
        assert!(shown.contains(says), "{says}: {shown}");
    }
    let words = sandbox.run("status").refused(4);
    assert!(words.contains("absent"), "{words}");
    for (text, says) in [
        ("[node]\nhttp = '10.0.0.1:80'", "unencrypted"),
        ("[init]\nvoters = 4", "1, 3 or 5"),
        ("[client]\ntimeout = 'soon'", "soon"),
        ("[node.remove]\nyes = true", "yes"),
        ("[recover]\nunsafe = true", "unsafe"),
        ("[job.submit]\nid = 'always'", "id"),
    ] {
        fs::write(sandbox.path("fruitnode.toml"), text).unwrap();
        let words = sandbox.run("status").refused(2);
        assert!(words.contains(says) && words.contains("fruitnode.toml:2"), "{text}: {words}");
    }
}

#[test]
fn the_manual_and_the_help_know_every_command_of_the_cluster() {
    let sandbox = sandbox();
    sandbox.run("man --to pages").done();
    for page in [
        "init",
        "join",
        "start",
        "leave",
        "status",
        "backup",
        "recover",
        "node-list",
        "node-show",
        "node-drain",
        "node-remove",
        "token-create",
        "token-list",
        "token-revoke",
        "client-create",
        "client-list",
        "client-revoke",
        "job-submit",
        "job-list",
        "job-status",
        "job-watch",
        "job-cancel",
        "job-explain",
    ] {
        let page = sandbox.path(&format!("pages/fruitnode-{page}.1"));
        assert!(page.exists(), "{}", page.display());
    }
    let help = sandbox.run("job submit --help").done().stdout;
    for says in ["--from", "--pca", "--shared", "--detach", "Exit codes", "Ctrl-C"] {
        assert!(help.contains(says), "{says}: {help}");
    }
    let help = sandbox.run("join --help").done().stdout;
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(!help.contains("FRUITNODE_TOKEN="), "{help}");
    for says in ["for as long as the node runs", "FRUITNODE_TOKEN", "--token-file -"] {
        assert!(help.contains(says), "{says}: {help}");
    }
}
