//! What is said of jobs.

use fruitnode_coordinator::retry::FailureReason;
use fruitnode_proto::v1::{JobStatus, Outage};
use serde::Serialize;

use crate::cli::cluster::show::table::{NOTHING, Set, Table, count, line, span, time};
use crate::cli::plain::plain;
use crate::cli::summary::shell_word;

/// A job, for programs.
#[derive(Debug, Serialize)]
pub(crate) struct JobDocument {
    job: String,
    from: String,
    to: String,
    phase: String,
    /// Photographs listed.
    photographs: u64,
    /// While a source is listed that was cut into ranges.
    listing: Option<ListingDocument>,
    /// Photographs done, those of unfinished partitions included.
    done: u64,
    good: u64,
    quarantined: u64,
    partitions: u32,
    extracted: u32,
    projected: u32,
    components: u32,
    gets: u64,
    gets_per_key: f64,
    inferences: u64,
    inferences_per_good_photograph: f64,
    failed_attempts: u32,
    remade: u32,
    merges: u32,
    leases: u32,
    /// Attempts that make no progress.
    overdue: u32,
    /// While its tasks wait for a store that does not answer.
    outage: Option<OutageDocument>,
    nodes: u32,
    submitted_unix_ms: u64,
    ended_unix_ms: Option<u64>,
    took_s: Option<f64>,
    photographs_per_s: Option<f64>,
    code: Option<&'static str>,
    message: Option<String>,
    success_sha256: Option<String>,
}

/// How far the listing is of a source that was cut, for programs.
#[derive(Debug, Serialize)]
pub(crate) struct ListingDocument {
    /// Photographs in what is listed.
    photographs: u64,
    ranges: u32,
    ranges_listed: u32,
}

/// A store that does not answer, for programs.
#[derive(Debug, Serialize)]
pub(crate) struct OutageDocument {
    job: String,
    message: String,
    since_unix_ms: u64,
    /// Nodes that do not reach it.
    nodes: Vec<u64>,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// Its result is published.
    Succeeded,
    /// It failed, for this reason as far as this release knows it, in these words.
    Failed(Option<FailureReason>, String),
    /// Somebody cancelled it.
    Cancelled,
}

/// How a job ended; nothing of one that runs.
pub(crate) fn end(job: &JobStatus) -> Option<End> {
    match job.phase.as_str() {
        "succeeded" => Some(End::Succeeded),
        "failed" => Some(End::Failed(reason(job.reason), job.detail.clone())),
        "cancelled" => Some(End::Cancelled),
        _ => None,
    }
}

/// Whether it is over.
pub(crate) fn ended(job: &JobStatus) -> bool {
    end(job).is_some()
}

/// The reason behind a code of the wire: reasons stand in the order of their codes, from 1.
pub(crate) fn reason(code: i32) -> Option<FailureReason> {
    let at = usize::try_from(code).ok()?.checked_sub(1)?;
    FailureReason::ALL.get(at).copied()
}

/// For programs.
pub(crate) fn document(job: &JobStatus) -> JobDocument {
    let took_ms = (job.ended_ms > 0).then(|| job.ended_ms.saturating_sub(job.submitted_ms));
    let succeeded = end(job) == Some(End::Succeeded);
    let failed = matches!(end(job), Some(End::Failed(..)));
    let hex = || job.success.iter().map(|byte| format!("{byte:02x}")).collect();
    JobDocument {
        job: job.job.clone(),
        from: job.from.clone(),
        to: job.to.clone(),
        phase: job.phase.clone(),
        photographs: job.keys,
        listing: (job.ranges > 0).then_some(ListingDocument {
            photographs: job.listed,
            ranges: job.ranges,
            ranges_listed: job.ranges_listed,
        }),
        done: job.photographs,
        good: job.good,
        quarantined: job.bad,
        partitions: job.partitions,
        extracted: job.extracted,
        projected: job.projected,
        components: job.components,
        gets: job.gets,
        gets_per_key: ratio(job.gets, job.good + job.bad),
        inferences: job.inferences,
        inferences_per_good_photograph: ratio(job.inferences, job.good),
        failed_attempts: job.failed_attempts,
        remade: job.remade,
        merges: job.merges,
        leases: job.leases,
        overdue: job.overdue,
        outage: job.outage.as_ref().map(outage),
        nodes: job.nodes,
        submitted_unix_ms: job.submitted_ms,
        ended_unix_ms: (job.ended_ms > 0).then_some(job.ended_ms),
        took_s: took_ms.map(|ms| ms as f64 / 1e3),
        photographs_per_s: took_ms
            .filter(|_| succeeded)
            .map(|ms| job.keys as f64 * 1e3 / ms.max(1) as f64),
        code: reason(job.reason).filter(|_| failed).map(FailureReason::code),
        message: failed.then(|| job.detail.clone()),
        success_sha256: succeeded.then(hex),
    }
}

/// A store that does not answer, for programs.
pub(crate) fn outage(outage: &Outage) -> OutageDocument {
    OutageDocument {
        job: outage.job.clone(),
        message: outage.detail.clone(),
        since_unix_ms: outage.since_ms,
        nodes: outage.nodes.clone(),
    }
}

/// That a job waits for its store, since when, and why; nothing of one that does not.
pub(crate) fn waiting(job: &JobStatus, now_ms: u64) -> Option<String> {
    let outage = job.outage.as_ref().filter(|_| !ended(job))?;
    let seconds = now_ms.saturating_sub(outage.since_ms) / 1_000;
    let since = if seconds < 60 { format!("{seconds} s") } else { span(seconds * 1_000) };
    Some(format!("waiting for the store since {since}: {}", plain(&outage.detail)))
}

/// Where a job is, in a few words.
pub(crate) fn progress(job: &JobStatus, _now_ms: u64) -> String {
    let phase = &job.phase;
    let share = |done: u64, of: u64| match of {
        0 => phase.clone(),
        of => format!("{phase} {} %", (done.min(of) * 100) / of),
    };
    let words = match phase.as_str() {
        "listing" => share(job.ranges_listed.into(), job.ranges.into()),
        "extracting" => share(job.photographs.max(job.good + job.bad), job.keys),
        "projecting" => share(job.projected.into(), job.partitions.into()),
        _ => phase.clone(),
    };
    let waits = if job.outage.is_some() && !ended(job) { ", waiting for the store" } else { "" };
    match job.overdue {
        0 => format!("{words}{waits}"),
        overdue => format!("{words}{waits}, {overdue} overdue"),
    }
}

/// Every job, a line each.
pub(crate) fn table(jobs: &[JobStatus], now_ms: u64, indent: &str) -> String {
    let mut table = Table::new(&[
        ("job", Set::Left),
        ("phase", Set::Left),
        ("photographs", Set::Right),
        ("quarantine", Set::Right),
        ("submitted", Set::Left),
        ("took", Set::Right),
        ("to", Set::Left),
    ]);
    for job in jobs {
        let until = if job.ended_ms > 0 { job.ended_ms } else { now_ms };
        table.row([
            job.job.clone(),
            progress(job, now_ms),
            if job.keys > 0 { count(job.keys) } else { NOTHING.to_owned() },
            count(job.bad),
            time(job.submitted_ms),
            span(until.saturating_sub(job.submitted_ms)),
            job.to.clone(),
        ]);
    }
    table.text(indent)
}

/// One job, a line for each thing that is known: also the summary of one that succeeded.
pub(crate) fn details(job: &JobStatus, now_ms: u64) -> String {
    let mut out = String::new();
    line(&mut out, "job", &job.job);
    line(&mut out, "phase", progress(job, now_ms));
    line(&mut out, "from", &job.from);
    line(&mut out, "to", &job.to);
    body(&mut out, job, now_ms);
    if let Some(End::Failed(reason, words)) = end(job) {
        let code = reason.map_or("unknown", FailureReason::code);
        line(&mut out, "why", format!("{words} ({code})"));
    }
    out
}

/// What a job that succeeded did, and what to do next.
pub(crate) fn summary(job: &JobStatus, now_ms: u64) -> String {
    let mut out = String::new();
    body(&mut out, job, now_ms);
    out.push_str(&format!(
        "\nresult in {}: open report.html first; report.json has the same for programs\n",
        plain(&job.to)
    ));
    out.push_str(&format!("next: fruitnode verify {}\n", shell_word(&plain(&job.to))));
    out.push_str(&format!("      fruitnode job explain {}\n", plain(&job.job)));
    out
}

fn body(out: &mut String, job: &JobStatus, now_ms: u64) {
    let until = if job.ended_ms > 0 { job.ended_ms } else { now_ms };
    let took = until.saturating_sub(job.submitted_ms);
    if job.keys > 0 {
        line(out, "photographs", count(job.keys));
        line(out, "partitions", {
            let all = count(job.partitions.into());
            if ended(job) { all } else { format!("{} of {all} done", job.extracted) }
        });
    }
    if job.ranges > 0 {
        line(out, "photographs listed", count(job.listed));
        line(out, "ranges", format!("{} of {} listed", job.ranges_listed, job.ranges));
    }
    line(out, "rows of features", count(job.good));
    line(out, "quarantined", count(job.bad));
    if job.components > 0 {
        line(out, "components", job.components.to_string());
    }
    let done = job.good + job.bad;
    if done > 0 {
        line(out, "GETs per photograph", format!("{:.2}", ratio(job.gets, done)));
    }
    if job.good > 0 {
        let rate = ratio(job.inferences, job.good);
        line(out, "inferences per photograph", format!("{rate:.2}"));
    }
    if job.failed_attempts > 0 {
        line(out, "failed attempts", job.failed_attempts.to_string());
    }
    if job.remade > 0 {
        line(out, "moments recomputed", job.remade.to_string());
    }
    if !ended(job) {
        line(out, "leases", format!("{} on {} nodes", job.leases, job.nodes));
    }
    if let Some(words) = waiting(job, now_ms) {
        line(out, "waiting", words.trim_start_matches("waiting "));
    }
    if job.overdue > 0 {
        let words = format!("{} without progress: see `fruitnode job explain`", job.overdue);
        line(out, "overdue", words);
    }
    line(
        out,
        "time",
        match end(job) {
            Some(End::Succeeded) => {
                let rate = job.keys as f64 * 1e3 / took.max(1) as f64;
                format!("{}, {rate:.0} photographs/s overall", span(took))
            }
            _ => span(took),
        },
    );
}

fn ratio(amount: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { amount as f64 / of as f64 }
}

#[cfg(test)]
mod tests {
    use fruitnode_proto::v1;

    use super::*;

    fn job(phase: &str) -> JobStatus {
        JobStatus {
            job: "week-47".to_owned(),
            from: "s3://fruits/week".to_owned(),
            to: "s3://fruits/my out".to_owned(),
            phase: phase.to_owned(),
            keys: 10_260,
            partitions: 11,
            extracted: 4,
            projected: 2,
            good: 10_250,
            bad: 10,
            gets: 10_260,
            inferences: 10_250,
            components: 57,
            photographs: 10_260,
            submitted_ms: 1_700_000_000_000,
            nodes: 3,
            leases: 6,
            ..JobStatus::default()
        }
    }

    const NOW: u64 = 1_700_000_010_260;

    #[test]
    fn a_job_that_succeeded_is_told_as_run_tells_it() {
        let job = JobStatus { ended_ms: NOW, success: vec![0xab; 32], ..job("succeeded") };
        assert_eq!(
            summary(&job, 0),
            "  photographs               10,260
  partitions                11
  rows of features          10,250
  quarantined               10
  components                57
  GETs per photograph       1.00
  inferences per photograph 1.00
  time                      10.3 s, 1000 photographs/s overall

result in s3://fruits/my out: open report.html first; report.json has the same for programs
next: fruitnode verify 's3://fruits/my out'
      fruitnode job explain week-47
"
        );
        let json = serde_json::to_value(document(&job)).unwrap();
        assert_eq!(json["success_sha256"], "ab".repeat(32));
        assert_eq!(json["took_s"], 10.26);
        assert!(json["code"].is_null() && json["message"].is_null());
    }

    #[test]
    fn what_a_job_is_called_and_where_it_goes_stays_in_its_line() {
        let strange = "s3://fruits/out\n\u{1b}[2Jdone".to_owned();
        let job = JobStatus { to: strange.clone(), job: strange, ..job("succeeded") };
        let text = summary(&job, 0);
        assert!(!text.contains('\u{1b}') && !text.contains("\ndone"), "{text}");
        assert_eq!(text.matches("s3://fruits/out\u{fffd}\u{fffd}[2Jdone").count(), 3, "{text}");
    }

    #[test]
    fn a_job_that_failed_says_why_with_its_code() {
        let failed = JobStatus {
            reason: v1::FailureReason::StorageRefused.into(),
            detail: "s3://fruits: access denied".to_owned(),
            ended_ms: NOW,
            ..job("failed")
        };
        let refused = FailureReason::StorageRefused;
        assert_eq!(end(&failed), Some(End::Failed(Some(refused), failed.detail.clone())));
        assert!(details(&failed, 0).contains("access denied (storage_refused)"));
        assert_eq!(serde_json::to_value(document(&failed)).unwrap()["code"], "storage_refused");
        let newer = JobStatus { reason: 99, ..failed };
        assert!(details(&newer, 0).contains("(unknown)"));
    }

    #[test]
    fn every_reason_has_the_code_of_the_wire() {
        for reason in FailureReason::ALL {
            let name = reason.code().to_uppercase();
            let wire = v1::FailureReason::from_str_name(&format!("FAILURE_REASON_{name}"));
            let code = i32::from(wire.expect("both sides know the reason"));
            assert_eq!(super::reason(code), Some(reason));
        }
        assert_eq!(reason(0), None);
        assert_eq!(reason(-1), None);
    }

    #[test]
    fn a_running_job_says_how_far_it_is() {
        for (phase, words) in [
            ("listing", "listing"),
            ("extracting", "extracting 100 %"),
            ("reducing", "reducing"),
            ("projecting", "projecting 18 %"),
            ("publishing", "publishing"),
        ] {
            assert_eq!(progress(&job(phase), NOW), words);
            assert!(!ended(&job(phase)));
        }
        let cut = JobStatus { listed: 9_000, ranges: 8, ranges_listed: 3, ..job("listing") };
        assert_eq!(progress(&cut, NOW), "listing 37 %");
        let text = details(&cut, NOW);
        assert!(text.contains("photographs listed        9,000"), "{text}");
        assert!(text.contains("ranges                    3 of 8 listed"), "{text}");
        assert_eq!(serde_json::to_value(document(&cut)).unwrap()["listing"]["ranges_listed"], 3);
        assert!(serde_json::to_value(document(&job("reducing"))).unwrap()["listing"].is_null());
        let text = details(&job("extracting"), NOW);
        assert!(text.contains("4 of 11 done") && text.contains("6 on 3 nodes"), "{text}");
        assert!(!text.contains("overdue"), "{text}");
        let outage = Outage {
            job: "week-47".to_owned(),
            detail: "connection\nrefused".to_owned(),
            since_ms: NOW - 12_400,
            nodes: vec![2],
        };
        let waits = JobStatus { outage: Some(outage), ..job("extracting") };
        assert_eq!(progress(&waits, NOW), "extracting 100 %, waiting for the store");
        let words = "waiting for the store since 12 s: connection\u{fffd}refused";
        assert_eq!(waiting(&waits, NOW).as_deref(), Some(words));
        assert!(details(&waits, NOW).contains("for the store since 12 s"));
        assert_eq!(serde_json::to_value(document(&waits)).unwrap()["outage"]["nodes"][0], 2);
        assert_eq!(waiting(&JobStatus { phase: "failed".to_owned(), ..waits }, NOW), None);
        let late = JobStatus { overdue: 2, ..job("extracting") };
        assert_eq!(progress(&late, NOW), "extracting 100 %, 2 overdue");
        assert!(details(&late, 0).contains("2 without progress"));
        assert_eq!(serde_json::to_value(document(&late)).unwrap()["overdue"], 2);
        assert_eq!(
            table(&[job("reducing")], NOW, ""),
            "\
job      phase     photographs  quarantine  submitted               took  to
week-47  reducing       10,260          10  2023-11-14T22:13:20Z  10.3 s  s3://fruits/my out
"
        );
    }
}
