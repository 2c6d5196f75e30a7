//! The pictures of a result. They are drawn by compute threads: those of the reactor must be free
//! to answer, whatever is drawn.

use std::sync::Arc;

use fruitnode_coordinator::failure::Failure;
use fruitnode_coordinator::task::Winner;
use fruitnode_result as output;
use fruitnode_result::fitted_file::FittedFile;
use fruitnode_result::html::{Look, figures};
use fruitnode_result::plots::{Cloud, Extremes, Sample, scatter};
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
    let model = Arc::clone(fitted);
    let cloud = node.compute(move |_| Ok(Cloud::of(&model.view()))).await?;
    let gathered = Gathered { sample: Sample::against(cloud), ..Gathered::default() };
    let Gathered { sample, extremes, modified } =
        gather(node, job, winners, listed, gathered).await?;
    let (fitted, given) = (Arc::clone(fitted), job.given.is_some());
    node.compute(move |_| {
        let view = fitted.view();
        let plane = scatter(&sample, &view);
        let figures = Some(figures(&sample, &extremes, &view, given)?);
        let modified_us = [look.modified_us, modified].into_iter().flatten().reduce(wider);
        let drawings = vec![
            (names::SCREE_SVG, scree::scree_svg(&view)?),
            (names::SCREE_PNG, scree::scree_png(&view)?),
            (names::SCATTER_SVG, plane.to_svg()),
            (names::SCATTER_PNG, plane.to_png()?),
            (names::EXTREMES_PNG, extremes.to_png(&view)?),
        ];
        Ok((drawings, Look { figures, modified_us, ..look }))
    })
    .await
}

/// What is drawn, and when the photographs were modified.
#[derive(Default)]
struct Gathered {
    sample: Sample,
    extremes: Extremes,
    modified: Option<(i64, i64)>,
}

/// The span that holds both.
pub(super) fn wider(one: (i64, i64), other: (i64, i64)) -> (i64, i64) {
    (one.0.min(other.0), one.1.max(other.1))
}

/// Goes through the scores once, one partition at a time.
async fn gather(
    node: &NodeContext,
    job: &JobContext,
    winners: &[Winner],
    listed: u64,
    mut so_far: Gathered,
) -> Result<Gathered, Failure> {
    for winner in winners {
        let Some((attempt, digest, _)) = winner.scores else { continue };
        let name = objects::scores(&job.id, winner.partition, attempt);
        let object = job.get_checked(&name, digest).await?;
        let (seen, rows, shown) = node
            .compute(move |_| {
                let rows = output::read_scores_part(&object)?;
                so_far.sample.push(&rows);
                let times = rows.subjects.iter().map(|row| (row.modified_us, row.modified_us));
                so_far.modified = so_far.modified.into_iter().chain(times).reduce(wider);
                let shown = rows.subjects.iter().any(|row| is_sampled(&row.path, listed));
                Ok((so_far, rows, shown))
            })
            .await?;
        so_far = seen;
        let strip = match shown {
            false => None,
            true => {
                let attempt = winner.features_attempt;
                let name = objects::thumbnails(&job.id, winner.partition, attempt);
                Some(job.sink.get(&name).await?)
            }
        };
        so_far = node
            .compute(move |_| {
                let thumbnails = strip.map(|strip| read_strip(&strip)).transpose()?;
                so_far.extremes.push(&rows, thumbnails.unwrap_or_default(), listed)?;
                Ok(so_far)
            })
            .await?;
    }
    Ok(so_far)
}
