//! `fruitnode model inspect`: a file of weights, or a fitted model, told in a table or as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use indicatif::{HumanBytes, HumanCount};
use serde::Serialize;
use serde_json::json;

use fruitnode_result::model::{ModelFacts, Setting};
use fruitnode_vision::Preprocess;
use fruitnode_vision::model::{About, Extractor, Options};
use fruitnode_vision::preprocess::Flags;

use crate::cli::args::{Format, InspectArgs, TerminalArgs};
use crate::cli::exit::Exit;
use crate::cli::message::CliError;
use crate::cli::plain::{plain, plain_json, plain_lines};
use crate::tasks::{GivenModel, network};

/// What is said of a file of weights.
#[derive(Serialize)]
struct Weights {
    schema_version: u32,
    kind: &'static str,
    file: String,
    bytes: u64,
    sha256: String,
    architecture: &'static str,
    naming: &'static str,
    width: Option<f64>,
    layers: usize,
    parameters: usize,
    features: usize,
    tensors: usize,
    values: usize,
    types: BTreeMap<String, usize>,
    preprocessing: Vec<Setting>,
    metadata: BTreeMap<String, String>,
}

/// Says what is there.
#[allow(clippy::print_stdout, reason = "this is where the command speaks")]
pub(super) fn inspect(args: &InspectArgs, terminal: &TerminalArgs) -> Result<Exit, CliError> {
    let (json, table) = match args.place.is_dir() {
        true => fitted(args)?,
        false => weights(args)?,
    };
    match terminal.output {
        Format::Json => println!("{}", plain_json(&json)),
        Format::Table => print!("{}", plain_lines(&table)),
    }
    Ok(Exit::Done)
}

fn weights(args: &InspectArgs) -> Result<(String, String), CliError> {
    let file = args.place.display().to_string();
    let bytes = network::read(&args.place).map_err(|error| CliError::from(error.failure()))?;
    let unusable = |source| {
        let error = network::NetworkError::Weights { place: file.clone(), source };
        CliError::from(error.failure())
    };
    let about = About::read(&bytes).map_err(&unusable)?;
    let extractor = Extractor::load(&bytes, &Options::default()).map_err(&unusable)?;
    let family = about.family.profile();
    let preprocess = Preprocess::settle(&Flags::default(), &about.declared, &family)
        .map_err(|error| CliError::of(Exit::Usage, "invalid_job", &error))?;
    let preprocessing = preprocess.describe().map(|(name, value, origin)| Setting {
        name: name.to_owned(),
        value,
        origin: origin.to_string(),
    });
    let told = Weights {
        schema_version: 1,
        kind: "weights",
        file,
        bytes: bytes.len() as u64,
        sha256: extractor.sha256().to_owned(),
        architecture: about.family.arch(),
        naming: about.family.name(),
        width: about.width,
        layers: about.layers,
        parameters: about.parameters,
        features: about.channels,
        tensors: about.tensors,
        values: about.values,
        types: about.types,
        preprocessing: preprocessing.into(),
        metadata: about.metadata,
    };
    let json = serde_json::to_string_pretty(&told).expect("all keys are strings");
    Ok((json, weights_table(&told)))
}

fn weights_table(told: &Weights) -> String {
    let mut table = Table::default();
    table.line("file", format!("{} ({})", told.file, HumanBytes(told.bytes)));
    table.line("SHA-256", &told.sha256);
    let width = told.width.map_or_else(|| "other".to_owned(), |width| width.to_string());
    table.line("architecture", format!("{}, width {width}", told.architecture));
    table.line("tensor names", told.naming);
    table.line("layers", format!("{}, {} features", told.layers, told.features));
    table.line("parameters", HumanCount(told.parameters as u64));
    let types: Vec<_> =
        told.types.iter().map(|(dtype, count)| format!("{count} of {dtype}")).collect();
    table.line("tensors", format!("{}: {}", told.tensors, types.join(", ")));
    table.settings(&told.preprocessing);
    for (key, value) in &told.metadata {
        table.line(&format!("says {}", brief(key)), brief(value));
    }
    table.0
}

fn fitted(args: &InspectArgs) -> Result<(String, String), CliError> {
    let given = GivenModel::read_any(&args.place).map_err(|error| error.failure())?;
    let facts = &given.file.facts;
    let share = given.file.view().share();
    let document = json!({
        "schema_version": 1,
        "kind": "fitted model",
        "folder": given.folder.display().to_string(),
        "share": share,
        "facts": facts,
        "figures": given.file.certificate,
        "usable_here": given.usable().is_ok(),
    });
    let mut table = Table::default();
    table.line("folder", given.folder.display());
    describe(&mut table, facts, share);
    table.settings(&facts.preprocessing);
    match given.usable() {
        Ok(()) => table.line("usable here", "yes"),
        Err(error) => table.line("usable here", format!("no: {error}")),
    }
    let json = serde_json::to_string_pretty(&document).expect("all keys are strings");
    Ok((json, table.0))
}

fn describe(table: &mut Table, facts: &ModelFacts, share: f64) {
    table.line("photographs fitted", HumanCount(facts.rows));
    table
        .line("components", format!("{} of {} (requested: {})", facts.k, facts.rank, facts.target));
    table.line("share of the variance", format!("{:.2} %", 100.0 * share));
    let standardize = serde_json::to_value(facts.standardize).expect("a plain enum");
    let word = standardize.as_str().unwrap_or_default();
    table.line("standardize", format!("{word}, convention {}", facts.convention));
    table.line("fit class", &facts.fit_class);
    table.line("compute class", &facts.compute_class);
    let weights = &facts.weights;
    table.line("network", format!("{}, width {}", weights.family, weights.width));
    table.line("weights, SHA-256", &weights.sha256);
    table.line("features", format!("{}, pooling {}", facts.dim, facts.pooling));
}

/// Lines of a name and what is said of it.
#[derive(Default)]
struct Table(String);

impl Table {
    fn line(&mut self, name: &str, text: impl std::fmt::Display) {
        let _ = writeln!(self.0, "  {name:<26}{text}");
    }

    fn settings(&mut self, settings: &[Setting]) {
        for Setting { name, value, origin } in settings {
            self.line(&name.replace('_', " "), format!("{value} ({origin})"));
        }
    }
}

/// Text of somebody's file on one line, and not longer than one.
fn brief(text: &str) -> String {
    const CHARS_MAX: usize = 120;
    let mut brief: String = plain(text).chars().take(CHARS_MAX).collect();
    if text.chars().nth(CHARS_MAX).is_some() {
        brief.push('…');
    }
    brief
}
