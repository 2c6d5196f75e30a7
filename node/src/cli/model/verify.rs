//! `fruitnode model verify`: whether a file of weights is the one that is meant, is whole, and
//! computes the same features in two ways.

use serde_json::json;

use fruitnode_vision::demo;
use fruitnode_vision::model::{self, Extractor, Options, PARITY_MAX, parity};
use fruitnode_vision::preprocess::Flags;
use fruitnode_vision::{Preprocess, PreprocessWorkspace};

use crate::cli::args::{Format, TerminalArgs, VerifyModelArgs};
use crate::cli::exit::Exit;
use crate::cli::message::CliError;
use crate::cli::model::pull::digest;
use crate::tasks::network::{self, NetworkError};

/// Checks, and says what was found.
#[allow(clippy::print_stdout, reason = "this is where the command speaks")]
pub(super) fn verify(args: &VerifyModelArgs, terminal: &TerminalArgs) -> Result<Exit, CliError> {
    let expected = args.sha256.as_deref().map(|text| digest("--sha256", text)).transpose()?;
    let (place, bytes) = match &args.file {
        None => ("the built-in weights".to_owned(), model::embedded().to_vec()),
        Some(path) => {
            let bytes = network::read(path).map_err(|error| CliError::from(error.failure()))?;
            (path.display().to_string(), bytes)
        }
    };
    let extractor = Extractor::load(&bytes, &Options::default()).map_err(|source| {
        let error = NetworkError::Weights { place: place.clone(), source };
        CliError::new(Exit::Failed, "unsound", error.failure().words)
    })?;
    let found = extractor.sha256();
    if let Some(expected) = expected.filter(|expected| expected != found) {
        let words = format!("{place} has SHA-256 {found}, not {expected}: download it again");
        return Err(CliError::new(Exit::Failed, "digest_mismatch", words));
    }
    let apart = compare(&bytes, &extractor, &place)?;
    let (name, dim) = (extractor.family().name(), extractor.dim(224, 224));
    match terminal.output {
        Format::Json => {
            let document = json!({
                "schema_version": 1,
                "outcome": "passed",
                "file": place,
                "sha256": found,
                "naming": name,
                "features": dim,
                "difference": apart,
                "difference_max": PARITY_MAX,
            });
            println!("{document:#}");
        }
        Format::Table if terminal.quiet => {}
        Format::Table => {
            println!("SHA-256      {found}");
            println!(
                "complete     ok       every tensor of {name} is present, has the right shape and \
                 is finite"
            );
            println!(
                "parity       ok       fused and plain implementation agree within {apart:.1e} of \
                 the maximum"
            );
            println!("valid: {place}");
        }
    }
    Ok(Exit::Done)
}

/// One photograph through both ways.
fn compare(bytes: &[u8], extractor: &Extractor, place: &str) -> Result<f32, CliError> {
    let unsound = |words: String| CliError::new(Exit::Failed, "unsound", words);
    let family = extractor.family().profile();
    let preprocess = Preprocess::settle(&Flags::default(), &extractor.declared(), &family)
        .map_err(|error| CliError::of(Exit::Failed, "unsound", &error))?;
    let mut input = Vec::new();
    let mut workspace = PreprocessWorkspace::default();
    preprocess.apply(&demo::photograph(), &mut workspace, &mut input);
    let (height, width) = (preprocess.size.height as usize, preprocess.size.width as usize);
    let apart = parity(bytes, extractor, &input, (height, width))
        .map_err(|error| unsound(format!("{place}: {error}")))?;
    if apart <= PARITY_MAX {
        return Ok(apart);
    }
    Err(unsound(format!(
        "{place}: features of the fused kernels and of the plain graph differ by {apart:e} of the \
         maximum, and at most {PARITY_MAX:e} is allowed: train or export the weights again, or \
         report this as a bug in fruitnode"
    )))
}
