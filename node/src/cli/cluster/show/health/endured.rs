//! What a cluster endures while its jobs go on: nodes that do not reach each other, nodes that a
//! store refuses, stores that do not answer.

use fruitnode_proto::v1::{ClusterStatus, Outage, SetAside, UnreachablePair};

use super::nodes::names;
use super::notice::{Notice, State};
use crate::cli::cluster::show::node;
use crate::cli::cluster::show::table::{span, time};
use crate::cli::plain::plain;

/// All of it.
pub(super) fn notice(status: &ClusterStatus, notices: &mut Vec<Notice>) {
    notices.extend(status.outages.iter().map(|it| outage(status, it)));
    notices.extend(status.set_aside.iter().map(|it| set_aside(status, it)));
    notices.extend(status.unreachable_pairs.iter().map(|it| unreachable(status, it)));
}

fn for_ms(status: &ClusterStatus, since_ms: u64) -> u64 {
    status.now_ms.saturating_sub(since_ms)
}

fn outage(status: &ClusterStatus, outage: &Outage) -> Notice {
    let (job, for_ms) = (plain(&outage.job), for_ms(status, outage.since_ms));
    let nodes = match outage.nodes.as_slice() {
        [] => String::new(),
        nodes => format!(" {}", names(nodes.iter().copied())),
    };
    let brief = format!("the store of job {job} does not answer");
    let words = format!(
        "the store of job {job} has not answered{nodes} for {}: {}. Tasks wait and continue \
         automatically once it does; there is nothing to do here",
        span(for_ms),
        plain(&outage.detail)
    );
    Notice::of("outage", State::Degraded, brief)
        .about(outage.nodes.iter().copied())
        .of_job(&outage.job, for_ms)
        .saying(words)
}

fn set_aside(status: &ClusterStatus, aside: &SetAside) -> Notice {
    let (id, job) = (node::id(aside.node), plain(&aside.job));
    let for_ms = for_ms(status, aside.since_ms);
    let again = match aside.until_ms.checked_sub(status.now_ms) {
        None | Some(0) => "It is retried now".to_owned(),
        Some(left) => format!("It is retried in {}, at {}", span(left), time(aside.until_ms)),
    };
    let words = format!(
        "the store of job {job} has rejected {id} for {}: {}. Other nodes do its part. On {id}, \
         check the credentials (environment, profile, role), the clock and --region. {again}",
        span(for_ms),
        plain(&aside.detail)
    );
    Notice::of("set_aside", State::Degraded, format!("{id} set aside for job {job}"))
        .about([aside.node])
        .of_job(&aside.job, for_ms)
        .saying(words)
}

fn unreachable(status: &ClusterStatus, pair: &UnreachablePair) -> Notice {
    let (from, to) = (node::id(pair.from), node::id(pair.to));
    let address = |id: u64| status.nodes.iter().find(|node| node.node == id);
    let address = |id: u64| address(id).map_or("", |node| node.address.as_str());
    let for_ms = for_ms(status, pair.since_ms);
    let port = match address(pair.to).rsplit_once(':') {
        Some((host, port)) => {
            let caller = address(pair.from).rsplit_once(':').map(|(host, _)| host);
            let caller = caller.map(|host| format!(" ({host})")).unwrap_or_default();
            format!("open port {port} of {host} to {from}{caller}")
        }
        None => format!("open the port of {to} to {from}"),
    };
    let words = format!(
        "{from} has not been able to reach {to} for {}: {port}. Job {} uses a detour meanwhile",
        span(for_ms),
        plain(&pair.job)
    );
    Notice::of("unreachable_pair", State::Degraded, format!("{from} cannot reach {to}"))
        .about([pair.from, pair.to])
        .of_job(&pair.job, for_ms)
        .saying(words)
}
