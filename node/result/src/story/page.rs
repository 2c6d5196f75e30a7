//! `run.html`: the story of one run for people. What took how long, how fast it went, what failed.
//! It lies beside the result and is no part of it.

use std::fmt::{Result as Written, Write};

use super::{Stage, StoryFile};
use crate::html::{Cell, write_facts, write_foot, write_head, write_table};
use crate::markup::base64;
use crate::plots::words::grouped;
use crate::plots::{Anchor, Axis, Ink, Item, Picture};

/// Failures told in the page; `run.json` has more.
const FAILURES_TOLD_MAX: usize = 200;

const WIDTH: u32 = 960;
const LEFT: f64 = 150.0;
const RIGHT: f64 = 936.0;
const TOP: f64 = 80.0;
const BAR: f64 = 28.0;
const CURVE_BOTTOM: f64 = 320.0;

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
            let host = story.host.as_deref().unwrap_or("a host without a name");
            format!("Run {} on {host}, {threads} threads", story.job)
        }
        None => format!("Run {} on {} nodes", story.job, story.nodes.len()),
    };
    writeln!(out, "<h1>{}</h1>", crate::markup::escaped(&heading))?;
    let photographs =
        story.inferences + story.quarantined.values().map(|bad| bad.count).sum::<u64>();
    let seconds = story.until_publish_ms as f64 / 1_000.0;
    let mut facts = vec![
        ("photographs", grouped(photographs)),
        ("seconds until publishing", format!("{seconds:.1}")),
        ("photographs a second", format!("{:.0}", photographs as f64 / seconds.max(0.001))),
    ];
    facts.extend(story.gets.map(|gets| ("completed reads", grouped(gets))));
    facts.push(("bytes read", grouped(story.bytes)));
    facts.push(("failed attempts", grouped(story.stages.values().map(|s| s.failed).sum())));
    write_facts(out, &facts)?;
    write_picture(out, "Stages", "When each stage ran", &stages(story))?;
    if let Some(curve) = throughput(story) {
        write_picture(out, "Throughput", "Photographs a second over time", &curve)?;
    }
    write_stages(out, story)?;
    write_nodes(out, story)?;
    write_quarantine(out, story)?;
    write_failures(out, story)?;
    write_foot(out)
}

fn write_picture(out: &mut String, heading: &str, words: &str, picture: &Picture) -> Written {
    let svg = base64(&picture.to_svg());
    writeln!(
        out,
        "<h2>{heading}</h2>\n<img alt=\"{words}\" src=\"data:image/svg+xml;base64,{svg}\">"
    )
}

/// One bar for each stage, from its first beginning to its last end.
fn stages(story: &StoryFile) -> Picture {
    let end = story.stages.values().map(|stage| stage.last_ended_ms).max().unwrap_or(0);
    let axis = Axis::between(0.0, (end.max(1)) as f64 / 1_000.0, LEFT, RIGHT);
    let bottom = TOP + BAR * story.stages.len() as f64;
    let mut picture = Picture {
        width: WIDTH,
        height: (bottom + 56.0) as u32,
        title: "When each stage ran".to_owned(),
        summary: "from its first beginning to its last end; stages overlap".to_owned(),
        items: Vec::new(),
    };
    across(&mut picture, &axis, bottom);
    for ((name, stage), row) in by_time(story).into_iter().zip(0..) {
        let top = TOP + BAR * f64::from(row);
        let from = axis.place(stage.first_began_ms as f64 / 1_000.0);
        let to = axis.place(stage.last_ended_ms as f64 / 1_000.0);
        let sides = [from, top + 6.0, (to - from).max(1.5), BAR - 12.0];
        picture.items.push(Item::Rect(Ink::Kept, sides));
        let at = (LEFT - 12.0, top + BAR / 2.0 + 4.5);
        picture.text(Ink::Text, Anchor::End, at, name.to_owned());
    }
    picture
}

/// The rate between any two moments; nothing for a run that was over before the third.
fn throughput(story: &StoryFile) -> Option<Picture> {
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
    let x = Axis::between(0.0, last, LEFT, RIGHT);
    let y = Axis::between(0.0, most * 1.05, CURVE_BOTTOM, TOP);
    let mut picture = Picture {
        width: WIDTH,
        height: (CURVE_BOTTOM + 56.0) as u32,
        title: "Photographs a second".to_owned(),
        summary: format!("at most {most:.0} a second"),
        items: Vec::new(),
    };
    across(&mut picture, &x, CURVE_BOTTOM);
    for (value, words) in y.ticks() {
        let y = y.place(value);
        picture.items.push(Item::Line(Ink::Grid, 1.0, vec![(LEFT, y), (RIGHT, y)]));
        picture.text(Ink::Quiet, Anchor::End, (LEFT - 12.0, y + 4.5), words);
    }
    let points = rates.iter().map(|(at, rate)| (x.place(*at), y.place(*rate))).collect();
    picture.items.push(Item::Line(Ink::Sum, 2.0, points));
    Some(picture)
}

/// The time axis.
fn across(picture: &mut Picture, axis: &Axis, bottom: f64) {
    for (value, words) in axis.ticks() {
        let x = axis.place(value);
        picture.items.push(Item::Line(Ink::Grid, 1.0, vec![(x, TOP), (x, bottom)]));
        picture.text(Ink::Quiet, Anchor::Middle, (x, bottom + 20.0), words);
    }
    let at = ((LEFT + RIGHT) / 2.0, bottom + 44.0);
    picture.text(Ink::Text, Anchor::Middle, at, "seconds since the run began".to_owned());
}

fn by_time(story: &StoryFile) -> Vec<(&str, &Stage)> {
    let mut stages: Vec<_> = story.stages.iter().map(|(name, at)| (name.as_str(), at)).collect();
    stages.sort_by_key(|(_, stage)| (stage.first_began_ms, stage.last_ended_ms));
    stages
}

fn write_stages(out: &mut String, story: &StoryFile) -> Written {
    out.write_str("<h2>Attempts</h2>\n")?;
    let rows = by_time(story).into_iter().map(|(name, stage)| {
        let seconds = |ms: u64| Cell::Number(format!("{:.2}", ms as f64 / 1_000.0));
        [
            Cell::Text(name.to_owned()),
            Cell::Number(grouped(stage.done)),
            Cell::Number(grouped(stage.failed)),
            seconds(stage.busy_ms),
            seconds(stage.first_began_ms),
            seconds(stage.last_ended_ms),
        ]
    });
    let heads = ["stage", "done", "failed", "seconds in all", "first began", "last ended"];
    write_table(out, &heads, rows)
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
            Cell::Number(grouped(node.bytes)),
            Cell::Number(format!("{:.2}", node.busy_ms as f64 / 1_000.0)),
        ]
    });
    let heads = ["node", "done", "failed", "partitions", "bytes read", "seconds in all"];
    write_table(out, &heads, rows)
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
    write_table(out, &["code", "photographs", "one of them"], rows)
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
            Cell::Number(line.node.to_string()),
            Cell::Text(line.code.to_owned()),
            Cell::Text(line.words.clone()),
        ]
    });
    write_table(out, &["second", "task", "node", "reason", "in words"], rows)?;
    match story.failures.len().saturating_sub(FAILURES_TOLD_MAX) {
        0 => Ok(()),
        more => writeln!(out, "<p class=\"quiet\">And {more} more, in run.json.</p>"),
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
        let svg = String::from_utf8(throughput(&file).expect("a curve").to_svg()).expect("text");
        assert!(svg.contains("at most 1500 a second"), "{svg}");
    }
}
