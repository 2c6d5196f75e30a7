//! A whole source listed by one process that needs no order and leaves no trace: the survey, then
//! its ranges side by side.

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::mpsc;

use crate::select::Selection;
use crate::source::{Entry, KeyRange, ListError, ListSummary, Source};
use crate::tally::conclude;

/// Ranges that are listed side by side.
const RANGES_AT_ONCE: usize = 8;

/// Sends every selected object of a source, each once, in blocks of any size. Blocks of one range
/// are in key order; those of two come as they come.
///
/// # Errors
/// When the source cannot be listed, or holds nothing that was asked for.
pub async fn list_whole(
    source: &dyn Source,
    selection: &Selection,
    blocks: mpsc::Sender<Vec<Entry>>,
) -> Result<ListSummary, ListError> {
    let Some(survey) = source.survey(selection).await? else {
        let summary = source.list(selection, &KeyRange::default(), blocks).await?;
        return conclude(source, selection, summary);
    };
    if !survey.entries.is_empty() {
        let stopped = |_| ListError::Stopped { from: source.uri().to_owned() };
        blocks.send(survey.entries).await.map_err(stopped)?;
    }
    let mut listed: Vec<(usize, ListSummary)> = stream::iter(survey.ranges.into_iter().enumerate())
        .map(|(at, range)| {
            let blocks = blocks.clone();
            async move { Ok::<_, ListError>((at, source.list(selection, &range, blocks).await?)) }
        })
        .buffer_unordered(RANGES_AT_ONCE)
        .try_collect()
        .await?;
    listed.sort_by_key(|(at, _)| *at);
    let mut summary = survey.summary;
    listed.into_iter().for_each(|(_, next)| summary.append(next));
    conclude(source, selection, summary)
}
