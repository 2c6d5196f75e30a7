//! The store of the tests as a program: S3 in memory, on loopback, until it is killed.

use std::error::Error;
use std::io::{BufRead, Write, stdin, stdout};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use clap::Parser;
use fruitnode_tests::front::{Front, Way};
use fruitnode_tests::store::{Object, Setup, Store, Switches, Which, obey};

const EXAMPLES: &str = "\
Examples:
  test-store --seed photographs                  objects fruit/KIND/…, on a free port
  test-store --seed photographs --times 5 --delay-ms 20
  test-store --synthetic 1000000                 keys alone, one body for all of them
  curl http://127.0.0.1:PORT/_test/counters      what was asked so far, as JSON
  test-store --console                           is told what to break while it runs

It prints one line: its URL. Let a client in with
  export AWS_ACCESS_KEY_ID=AKIAIOSFODNN7OWNER00
  export AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYOWNERS0KEY
  export AWS_REGION=us-east-1
  fruitnode run --endpoint URL --from s3://fruit/photographs/ --to s3://fruit/result/";

/// S3 in memory, on loopback, for tests.
#[derive(Debug, Parser)]
#[command(after_help = EXAMPLES)]
struct Arguments {
    /// Address to listen at: it checks signatures and encrypts nothing.
    #[arg(long, default_value_t = Ipv4Addr::LOCALHOST.into())]
    listen: IpAddr,
    /// Port there; 0 for a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Name of the one bucket.
    #[arg(long, default_value = "fruit")]
    bucket: String,
    /// Region of the bucket.
    #[arg(long, default_value = "us-east-1")]
    region: String,
    /// Folder whose files become objects below `photographs/`.
    #[arg(long)]
    seed: Option<PathBuf>,
    /// How often: each copy under a prefix of its own, `photographs/NN/NNN/`.
    #[arg(long, default_value_t = 1)]
    times: usize,
    /// Objects of some bytes that are no photograph, below `synthetic/`.
    #[arg(long, default_value_t = 0)]
    synthetic: usize,
    /// Wait before each request is carried out.
    #[arg(long, default_value_t = 0)]
    delay_ms: u64,
    /// Keys in a page of a listing at most.
    #[arg(long, default_value_t = 1_000)]
    page: usize,
    /// Ignore If-Match and If-None-Match on writes in silence, as Garage does.
    #[arg(long)]
    ignore_conditions: bool,
    /// Answer 503 SlowDown to every n-th request.
    #[arg(long)]
    slow_down_every: Option<u64>,
    /// Answer 503 SlowDown to so many requests of a hundred.
    #[arg(long, conflicts_with = "slow_down_every")]
    slow_down_percent: Option<u64>,
    /// Put a way before it which can be shut: a line `refused`, `ended`, `stalled` or `open` on
    /// standard input makes it so. `secured` speaks TLS; the second line that is printed names the
    /// file of its certificate, for SSL_CERT_FILE.
    #[arg(long, value_name = "plain|secured")]
    front: Option<String>,
    /// Lose the reply to every n-th write after it was carried out.
    #[arg(long)]
    lose_reply_every: Option<u64>,
    /// Cut the body of every n-th read in the middle.
    #[arg(long)]
    cut_body_every: Option<u64>,
    /// Obey commands on standard input, until it ends: `help` lists them.
    #[arg(long, conflicts_with = "front")]
    console: bool,
}

fn main() -> ExitCode {
    match serve(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let every = |number: Option<u64>| number.map_or(Which::Never, Which::Every);
    let switches = Switches {
        page_keys_max: arguments.page,
        delay: Duration::from_millis(arguments.delay_ms),
        ignore_if_match: arguments.ignore_conditions,
        ignore_if_none_match: arguments.ignore_conditions,
        slow_down: arguments
            .slow_down_percent
            .map_or_else(|| every(arguments.slow_down_every), Which::Percent),
        lose_reply: every(arguments.lose_reply_every),
        cut_body: every(arguments.cut_body_every),
        ..Switches::default()
    };
    let store = Store::start(Setup {
        bucket: arguments.bucket,
        region: arguments.region,
        address: arguments.listen,
        port: arguments.port,
        switches,
    })?;
    if let Some(folder) = &arguments.seed {
        if !folder.is_dir() {
            return Err(format!("--seed: {} is not a folder", folder.display()).into());
        }
        store.put_folder("photographs/", folder)?;
        repeat(&store, arguments.times);
    }
    let body = Bytes::from_static(b"no photograph");
    let object = Object::new(body, 1_600_000_000);
    for number in 0..arguments.synthetic {
        let key = format!("synthetic/{:02}/{:03}/{number:08}.jpg", number % 37, number % 1_009);
        store.put_object(key, object.clone());
    }
    let front = front(arguments.front.as_deref())?;
    let said = match &front {
        None => vec![store.url()],
        Some(front) => {
            front.lead_to(&store.url());
            // The address comes last there, and first here.
            front.environment().into_iter().rev().map(|(_, value)| value).collect()
        }
    };
    writeln!(stdout(), "{}", said.join("\n"))?;
    stdout().flush()?;
    if arguments.console {
        return Ok(obey(&store, stdin().lock(), stdout().lock())?);
    }
    if let Some(front) = &front {
        for line in stdin().lock().lines() {
            front.turn(match line?.trim() {
                "open" => Way::Open,
                "refused" => Way::Refused,
                "ended" => Way::Ended,
                "stalled" => Way::Stalled,
                other => return Err(format!("`{other}` is no way to a store").into()),
            });
        }
    }
    loop {
        std::thread::park();
    }
}

/// The way before the store, if there is to be one.
fn front(kind: Option<&str>) -> Result<Option<Front>, Box<dyn Error>> {
    Ok(match kind {
        None => None,
        Some("plain") => Some(Front::plain()),
        Some("secured") => Some(Front::secured()),
        Some(other) => {
            return Err(format!("--front: `{other}` is neither plain nor secured").into());
        }
    })
}

/// Moves what is there below prefixes, so often; the bytes are shared.
fn repeat(store: &Store, times: usize) {
    if times < 2 {
        return;
    }
    for key in store.keys("photographs/") {
        let Some(object) = store.object(&key) else { continue };
        let name = key.strip_prefix("photographs/").unwrap_or(&key);
        for copy in 0..times {
            let key = format!("photographs/{:02}/{copy:03}/{name}", copy % 7);
            store.put_object(key, object.clone());
        }
        store.remove(&key);
    }
}
