//! The pictures of a result. They are drawn by compute threads: those of the reactor must be free
//! to answer, whatever is drawn.

use std::sync::Arc;

use fruitnode_coordinator::failure::Failure;
use fruitnode_coordinator::task::Winner;
use fruitnode_result as output;
use fruitnode_result::fitted_file::FittedFile;
use fruitnode_result::html::Look;
use fruitnode_result::plots::{Extremes, Sample, scatter};
use fruitnode_result::thumbnails::{is_sampled, read_strip};
use fruitnode_result::{names, scree};

use crate::tasks::{JobContext, NodeContext, objects};

/// Names of the files, and their bytes.
pub(super) type Drawings = Vec<(&'static str, Vec<u8>)>;

/// Draws spectrum, first components and their extremes, and gives the page what it shows of them.
pub(super) async fn draw(
    node: &NodeContext,
    job: &JobContext,
    winners: &[Winner],
    fitted: &Arc<FittedFile>,
    listed: u64,
    look: Look,
) -> Result<(Drawings, Look), Failure> {
    let (sample, extremes) = gather(node, job, winners, listed).await?;
    let fitted = Arc::clone(fitted);
    node.compute(move |_| {
        let view = fitted.view();
        let picture = scatter(&sample, &view);
        let (spectrum, plane) = (scree::scree_svg(&view)?, picture.to_svg());
        let ends = extremes.to_png(&view)?;
        let look = Look {
            scree: Some(spectrum.clone()),
            scatter: Some(plane.clone()),
            extremes: Some(ends.clone()),
            ends: extremes.keys(),
            ..look
        };
        let drawings = vec![
            (names::SCREE_SVG, spectrum),
            (names::SCREE_PNG, scree::scree_png(&view)?),
            (names::SCATTER_SVG, plane),
            (names::SCATTER_PNG, picture.to_png()?),
            (names::EXTREMES_PNG, ends),
        ];
        Ok((drawings, look))
    })
    .await
}

/// Goes through the scores once, one partition at a time.
async fn gather(
    node: &NodeContext,
    job: &JobContext,
    winners: &[Winner],
    listed: u64,
) -> Result<(Sample, Extremes), Failure> {
    let (mut sample, mut extremes) = (Sample::default(), Extremes::default());
    for winner in winners {
        let Some((attempt, digest, _)) = winner.scores else { continue };
        let name = objects::scores(&job.id, winner.partition, attempt);
        let object = job.get_checked(&name, digest).await?;
        let (seen, rows, shown) = node
            .compute(move |_| {
                let rows = output::read_scores_part(&object)?;
                sample.push(&rows);
                let shown = rows.subjects.iter().any(|row| is_sampled(&row.path, listed));
                Ok((sample, rows, shown))
            })
            .await?;
        sample = seen;
        let strip = match shown {
            false => None,
            true => {
                let attempt = winner.features_attempt;
                let name = objects::thumbnails(&job.id, winner.partition, attempt);
                Some(job.sink.get(&name).await?)
            }
        };
        extremes = node
            .compute(move |_| {
                let thumbnails = strip.map(|strip| read_strip(&strip)).transpose()?;
                extremes.push(&rows, thumbnails.unwrap_or_default(), listed)?;
                Ok(extremes)
            })
            .await?;
    }
    Ok((sample, extremes))
}
