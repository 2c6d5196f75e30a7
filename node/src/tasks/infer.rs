//! Photographs from outside any job: the same features, and the same coordinates, as a job with the
//! same options gives them.

use std::path::Path;
use std::sync::Arc;

use fruitnode_coordinator::failure::Failure;
use fruitnode_coordinator::retry::FailureReason;
use fruitnode_pca as pca;
use fruitnode_pca::Fitted;
use fruitnode_vision::model::Extractor;
use fruitnode_vision::model::profile::Filter;
use fruitnode_vision::preprocess::Flags;
use fruitnode_vision::{DecodeError, Limits, Preprocess};

use crate::tasks::features::features;
use crate::tasks::{GivenModel, NodeContext, model_place, network};

/// What to do with photographs, in the words of the command line; empty means what the weights say.
#[derive(Debug, Clone, Default)]
pub(crate) struct InferWords {
    /// `avg`, `max` or `none`.
    pub pooling: String,
    /// `N` or `WIDTHxHEIGHT`.
    pub size: String,
    /// Filter.
    pub resize: String,
    /// Profile of the preparation.
    pub preprocess: String,
    /// Place of a fitted model, whose coordinates are wanted instead of features: a folder of this
    /// node, or `s3://BUCKET/PREFIX`. It says how photographs are prepared, whatever is above.
    pub model: String,
}

impl InferWords {
    /// The same, with a model that lies in a bucket fetched into the cache by the node's way to S3.
    ///
    /// # Errors
    /// When the place is none, nothing lies there, or the bucket or the cache cannot be used.
    pub(crate) async fn at_hand(self, node: &NodeContext) -> Result<Self, Failure> {
        if self.model.is_empty() {
            return Ok(self);
        }
        let reading = Box::pin(model_place::folder_of(Path::new(&self.model), node.storage()));
        let folder = reading.await.map_err(|error| error.failure())?;
        Ok(Self { model: folder.display().to_string(), ..self })
    }
}

/// A network, a preparation, and maybe a fit.
#[derive(Debug)]
pub(crate) struct Inference {
    extractor: Arc<Extractor>,
    preprocess: Preprocess,
    dim: usize,
    fitted: Option<Fitted>,
}

fn invalid(error: &dyn std::error::Error) -> Failure {
    Failure::of(FailureReason::InvalidJob, error)
}

impl Inference {
    /// Settles everything, with the weights in this binary, and a model that is at hand.
    ///
    /// # Errors
    /// When a word is not understood, or the model is for other weights.
    pub(crate) fn open(words: &InferWords) -> Result<Self, Failure> {
        let word = |word: &str| (!word.is_empty()).then(|| word.to_owned());
        let given = word(&words.model).map(|folder| GivenModel::read(Path::new(&folder)));
        let given = given.transpose().map_err(|error| error.failure())?;
        // Features pooled otherwise than those that were fitted would have the same width.
        let pooling = match &given {
            Some(given) => given.file.facts.pooling.clone(),
            None => word(&words.pooling).unwrap_or_else(|| "avg".to_owned()),
        };
        let pooling = pooling.parse().map_err(|error| invalid(&error))?;
        let extractor = network::load(None, pooling, None).map_err(|error| error.failure())?;
        let preprocess = match &given {
            Some(given) => given.preprocess().map_err(|error| error.failure())?,
            None => {
                let declared = extractor.declared();
                let flags = flags(words)?;
                Preprocess::settle(&flags, &declared, &extractor.family().profile())
                    .map_err(|error| invalid(&error))?
            }
        };
        let size = preprocess.size;
        let dim = extractor.dim(size.height as usize, size.width as usize);
        let fitted = match &given {
            None => None,
            Some(given) => {
                given.check(&extractor, dim).map_err(|error| error.failure())?;
                Some(given.file.fitted()?)
            }
        };
        Ok(Self { extractor, preprocess, dim, fitted })
    }

    /// One photograph from bytes to its row. The inner error is the photograph's fault.
    ///
    /// # Errors
    /// When the node cannot: memory, threads, or a network that refuses its input.
    pub(crate) async fn row(
        self: &Arc<Self>,
        node: &Arc<NodeContext>,
        photograph: Vec<u8>,
    ) -> Result<Result<Vec<f32>, DecodeError>, Failure> {
        let _room = node.room_for(photograph.len() as u64).await;
        let inference = Arc::clone(self);
        node.compute(move |scratch| {
            let limits = Limits::default();
            let (extractor, preprocess) = (&inference.extractor, &inference.preprocess);
            let features =
                features(extractor, preprocess, (limits, inference.dim), scratch, &photograph)?;
            let (Ok(features), Some(fitted)) = (&features, &inference.fitted) else {
                return Ok(features);
            };
            let mut row = Vec::new();
            pca::project(fitted, features, &mut row)?;
            Ok(Ok(row))
        })
        .await
    }
}

fn flags(words: &InferWords) -> Result<Flags, Failure> {
    let word = |word: &str| (!word.is_empty()).then(|| word.to_owned());
    let filter = |word: String| {
        let words = format!("resize: unknown value `{word}`; use bicubic or bilinear");
        Filter::named(&word).ok_or_else(|| Failure::new(FailureReason::InvalidJob, words))
    };
    let size = word(&words.size).map(|size| size.parse()).transpose();
    let profile = word(&words.preprocess).map(|profile| profile.parse()).transpose();
    Ok(Flags {
        size: size.map_err(|error| invalid(&error))?,
        filter: word(&words.resize).map(filter).transpose()?,
        profile: profile.map_err(|error| invalid(&error))?,
    })
}
