//! `run.html`: the story of one run for people. What took how long, how fast it went, what failed.
//! It lies beside the result and is no part of it.

use std::fmt::{Result as Written, Write};

use super::{Stage, StoryFile};
use crate::html::{
    Cell, Chart, curve_mark, rect_mark, write_facts, write_foot, write_head, write_table,
};
use crate::markup::escaped;
use crate::plots::Axis;
use crate::plots::words::{counted, grouped, instant, sized};

/// Failures told in the page; `run.json` has more.
const FAILURES_TOLD_MAX: usize = 200;
/// Below the time axes.
const SECONDS: &str = "seconds since the start of the run";

/// Height of a stage's bar and the room around it, and of the curve, in pixels.
const BAR: u32 = 26;
const CURVE: u32 = 220;

/// The bytes of the page.
pub fn story_html(story: &StoryFile) -> Vec<u8> {
    let mut out = String::new();
    write_page(&mut out, story).expect("a String takes all");
    out.into_bytes()
}

fn write_page(out: &mut String, story: &StoryFile) -> Written {
    write_head(out, &format!("fruitnode run {}", story.job))?;
    let heading = match story.threads {
        Some(threads) => {
            let host = story.host.as_deref().unwrap_or("an unnamed host");
            let threads = counted(threads as u64, "thread");
            format!("Run {} on {host}, {threads}", story.job)
        }
        None => format!("Run {} on {}", story.job, counted(story.nodes.len() as u64, "node")),
    };
    writeln!(out, "<h1>{}</h1>", escaped(&heading))?;
    let began = i64::try_from(story.began_unix_ms).unwrap_or(i64::MAX / 1_000) * 1_000;
    writeln!(
        out,
        "<p>Started {} (UTC), fruitnode {}. How this run went; the result itself does not depend \
         on it.</p>",
        instant(began),
        story.release
    )?;
    let photographs =
        story.inferences + story.quarantined.values().map(|bad| bad.count).sum::<u64>();
    let seconds = story.until_publish_ms as f64 / 1_000.0;
    let mut facts = vec![
        ("photographs", grouped(photographs)),
        ("seconds before publishing", format!("{seconds:.1}")),
        ("photographs per second", format!("{:.0}", photographs as f64 / seconds.max(0.001))),
    ];
    facts.extend(story.gets.map(|gets| ("completed reads", grouped(gets))));
    facts.push(("read", sized(story.bytes)));
    facts.push(("failed attempts", grouped(story.stages.values().map(|s| s.failed).sum())));
    write_facts(out, &facts)?;
    out.write_str("<h2>Stages</h2>\n")?;
    stages(story).write(out)?;
    write_stages(out, story)?;
    if let Some(curve) = throughput(story) {
        out.write_str("<h2>Throughput</h2>\n")?;
        curve.write(out)?;
    }
    write_nodes(out, story)?;
    write_quarantine(out, story)?;
    write_failures(out, story)?;
    write_foot(out)
}

/// One bar for each stage, from the beginning of its first attempt to the end of its last.
fn stages(story: &StoryFile) -> Chart {
    let end = story.stages.values().map(|stage| stage.last_ended_ms).max().unwrap_or(0);
    let axis = Axis::between(0.0, (end.max(1)) as f64 / 1_000.0, 0.0, 100.0);
    let named = by_time(story);
    let pitch = 100.0 / named.len().max(1) as f64;
    let (mut marks, mut names) = (String::new(), Vec::new());
    for (row, (name, stage)) in named.iter().enumerate() {
        let from = axis.place(stage.first_began_ms as f64 / 1_000.0);
        let to = axis.place(stage.last_ended_ms as f64 / 1_000.0);
        let sides = [from, (row as f64 + 0.2) * pitch, (to - from).max(0.3), 0.6 * pitch];
        rect_mark(&mut marks, "kept", sides).expect("a String takes all");
        names.push(((row as f64 + 0.5) * pitch, (*name).to_owned()));
    }
    Chart {
        words: "When each stage ran. The table below has the same in seconds.".to_owned(),
        room: " named",
        height: BAR * named.len().max(1) as u32,
        x: ticks(&axis),
        y: names,
        uprights: true,
        x_title: SECONDS.to_owned(),
        y_title: "From the start of the first attempt to the end of the last; stages overlap"
            .to_owned(),
        behind: String::new(),
        marks,
    }
}

/// The rate between any two moments; nothing for a run that was over before the third.
fn throughput(story: &StoryFile) -> Option<Chart> {
    let rates: Vec<(f64, f64)> = story
        .throughput
        .windows(2)
        .filter(|pair| pair[1][0] > pair[0][0])
        .map(|pair| {
            let seconds = (pair[1][0] - pair[0][0]) as f64 / 1_000.0;
            let middle = (pair[1][0] + pair[0][0]) as f64 / 2_000.0;
            (middle, pair[1][1].saturating_sub(pair[0][1]) as f64 / seconds)
        })
        .collect();
    let last = rates.last().filter(|_| rates.len() >= 2)?.0;
    let most = rates.iter().fold(1.0, |most: f64, (_, rate)| most.max(*rate));
    let x = Axis::between(0.0, last, 0.0, 100.0);
    let y = Axis::between(0.0, most * 1.05, 100.0, 0.0);
    let mut marks = String::new();
    let points = rates.iter().map(|(at, rate)| (x.place(*at), y.place(*rate)));
    curve_mark(&mut marks, "sum", points).expect("a String takes all");
    let most = format!("{most:.0} at most");
    Some(Chart {
        words: format!("Photographs per second over time, {most}."),
        room: "",
        height: CURVE,
        x: ticks(&x),
        y: ticks(&y),
        uprights: true,
        x_title: SECONDS.to_owned(),
        y_title: format!("Photographs per second, {most}"),
        behind: String::new(),
        marks,
    })
}

fn ticks(axis: &Axis) -> Vec<(f64, String)> {
    axis.ticks().into_iter().map(|(value, words)| (axis.place(value), words)).collect()
}

fn by_time(story: &StoryFile) -> Vec<(&str, &Stage)> {
    let mut stages: Vec<_> = story.stages.iter().map(|(name, at)| (name.as_str(), at)).collect();
    stages.sort_by_key(|(_, stage)| (stage.first_began_ms, stage.last_ended_ms));
    stages
}

fn write_stages(out: &mut String, story: &StoryFile) -> Written {
    let rows = by_time(story).into_iter().map(|(name, stage)| {
        let seconds = |ms: u64| Cell::Number(format!("{:.2}", ms as f64 / 1_000.0));
        [
            Cell::Text(name.to_owned()),
            Cell::Number(grouped(stage.done)),
            Cell::Number(grouped(stage.failed)),
            seconds(stage.first_began_ms),
            seconds(stage.last_ended_ms),
            seconds(stage.busy_ms),
        ]
    });
    let heads =
        ["stage", "attempts done", "failed", "started at (s)", "ended at (s)", "time spent (s)"];
    write_table(out, "", &heads, rows)
}

/// What each node did, where there were several.
fn write_nodes(out: &mut String, story: &StoryFile) -> Written {
    if story.nodes.len() < 2 {
        return Ok(());
    }
    out.write_str("<h2>Nodes</h2>\n")?;
    let rows = story.nodes.iter().map(|node| {
        [
            Cell::Text(format!("n{}", node.node)),
            Cell::Number(grouped(node.done)),
            Cell::Number(grouped(node.failed)),
            Cell::Number(grouped(node.partitions)),
            Cell::Number(sized(node.bytes)),
            Cell::Number(format!("{:.2}", node.busy_ms as f64 / 1_000.0)),
        ]
    });
    let heads = ["node", "attempts done", "failed", "partitions", "read", "time spent (s)"];
    write_table(out, "", &heads, rows)
}

fn write_quarantine(out: &mut String, story: &StoryFile) -> Written {
    if story.quarantined.is_empty() {
        return Ok(());
    }
    out.write_str("<h2>Quarantine</h2>\n")?;
    let rows = story.quarantined.iter().map(|(code, bad)| {
        let (code, example) = (Cell::Text(code.clone()), Cell::Code(bad.example.clone()));
        [code, Cell::Number(grouped(bad.count)), example]
    });
    write_table(out, "", &["code", "photographs", "example"], rows)
}

fn write_failures(out: &mut String, story: &StoryFile) -> Written {
    out.write_str("<h2>Failed attempts</h2>\n")?;
    if story.failures.is_empty() {
        return out.write_str("<p>None.</p>\n");
    }
    let rows = story.failures.iter().take(FAILURES_TOLD_MAX).map(|line| {
        [
            Cell::Number(format!("{:.1}", line.at_ms as f64 / 1_000.0)),
            Cell::Text(format!("{}, attempt {}", line.task, line.attempt)),
            Cell::Text(format!("n{}", line.node)),
            Cell::Text(line.code.to_owned()),
            Cell::Text(line.words.clone()),
        ]
    });
    write_table(out, "", &["failed at (s)", "task", "node", "code", "reason"], rows)?;
    match story.failures.len().saturating_sub(FAILURES_TOLD_MAX) {
        0 => Ok(()),
        more => writeln!(
            out,
            "<p class=\"quiet\">{} more in run.json.</p>",
            counted(more as u64, "failed attempt")
        ),
    }
}

#[cfg(test)]
mod tests {
    use fruitnode_coordinator::failure::Failure;
    use fruitnode_coordinator::ids::{Attempt, NodeId, PartitionId};
    use fruitnode_coordinator::retry::FailureReason;
    use fruitnode_coordinator::task::Task;
    use fruitnode_env::Moment;

    use super::*;
    use crate::story::Story;

    #[test]
    fn the_page_tells_stages_and_failures_and_escapes_their_words() {
        let story = Story::begin(Moment::now(), 0);
        let failure = Failure::new(FailureReason::StorageUnavailable, "<b>no reply</b>");
        let task = (Task::Extract(PartitionId(3)), Attempt(2));
        story.ended(NodeId(7), task, Moment::now(), Some(&failure));
        story.ended(NodeId(7), task, Moment::now(), None);
        let page = story_html(&story.file("job-1", None, 4));
        let page = String::from_utf8(page).expect("a page is text");
        for words in
            ["Run job-1", "storage_unavailable", "&lt;b&gt;no reply", "extract", "attempt 2"]
        {
            assert!(page.contains(words), "{words}: {page}");
        }
        assert!(!page.contains("<b>no reply") && !page.contains("<script"));
    }

    #[test]
    fn a_curve_is_drawn_from_three_moments_on() {
        let mut file = Story::begin(Moment::now(), 0).file("job-1", None, 1);
        file.throughput = vec![[0, 0, 0], [1_000, 500, 0]];
        assert!(throughput(&file).is_none());
        file.throughput.push([2_000, 2_000, 0]);
        let page = String::from_utf8(story_html(&file)).expect("a page is text");
        assert!(page.contains("Photographs per second, 1500 at most"), "{page}");
    }
}
