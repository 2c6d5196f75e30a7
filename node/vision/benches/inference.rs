//! Photographs per second through the extractor alone, with the embedded weights.
//!
//! `cargo bench --workspace --bench inference -- --size 224 --threads 2 --kernel avx512`
//! Each thread takes photographs of its own, as in the node; the median of the rounds is printed.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![allow(clippy::print_stdout, reason = "a benchmark prints its result")]

use std::thread;
use std::time::Instant;

use anyhow::{Context, bail};

use fruitnode_vision::model::{Extractor, Options, embedded};

/// What to measure.
struct Plan {
    size: usize,
    threads: usize,
    rounds: usize,
    images: usize,
    options: Options,
}

fn main() -> anyhow::Result<()> {
    let plan = plan(std::env::args().skip(1))?;
    let extractor = Extractor::load(embedded(), &plan.options)?;
    let mut rates = Vec::new();
    // The first round warms caches and memory and is not counted.
    for round in 0..=plan.rounds {
        let begin = Instant::now();
        thread::scope(|scope| {
            for thread in 0..plan.threads {
                let (plan, extractor) = (&plan, &extractor);
                scope.spawn(move || work(extractor, plan, thread));
            }
        });
        let rate = (plan.images * plan.threads) as f64 / begin.elapsed().as_secs_f64();
        if round > 0 {
            rates.push(rate);
        }
    }
    rates.sort_by(f64::total_cmp);
    println!(
        "fruitnode kernel={} threads={} size={}: median {:.1} best {:.1} images/s",
        extractor.kernel(),
        plan.threads,
        plan.size,
        rates[rates.len() / 2],
        rates[rates.len() - 1],
    );
    Ok(())
}

/// Runs one thread's share of a round.
fn work(extractor: &Extractor, plan: &Plan, thread: usize) {
    let size = plan.size;
    let input: Vec<f32> =
        (0..size * size * 3).map(|i| ((i * 7 + thread) % 255) as f32 / 127.5 - 1.0).collect();
    let mut out = vec![0.0; extractor.dim(size, size)];
    for _ in 0..plan.images {
        extractor.features(&input, size, size, &mut out).expect("the input is finite");
    }
}

/// Reads the arguments; `--bench` is what cargo adds.
fn plan(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<Plan> {
    let mut plan =
        Plan { size: 224, threads: 1, rounds: 9, images: 64, options: Options::default() };
    while let Some(flag) = arguments.next() {
        if flag == "--bench" {
            continue;
        }
        let value = arguments.next().with_context(|| format!("{flag} needs a value"))?;
        match flag.as_str() {
            "--size" => plan.size = value.parse()?,
            "--threads" => plan.threads = value.parse()?,
            "--rounds" => plan.rounds = value.parse()?,
            "--images" => plan.images = value.parse()?,
            "--kernel" => plan.options.kernel = Some(value.parse()?),
            _ => bail!("unknown flag {flag}: use --size --threads --rounds --images --kernel"),
        }
    }
    Ok(plan)
}
