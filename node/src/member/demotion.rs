//! A node that votes no longer lets go of the authority's key: whoever gets at the machine later
//! finds nothing with which certificates are made.
//!
//! The log stays. Should the node be made a voter again, or should what it heard have been out of
//! date, then it keeps what it promised to the others; and there is no secret in it.

use std::sync::Arc;
use std::time::Duration;

use fruitnode_coordinator::ids::NodeId;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::actors::attend::Standing;
use crate::env::Moment;
use crate::member::MemberError;
use crate::member::data_dir::AUTHORITY_KEY;
use crate::member::node::Shared;
use crate::mesh::roster::Roster;

/// How long the coordinator must have said that the node has no vote.
const DEMOTED_AFTER: Duration = Duration::from_secs(10);

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Stops voting when the coordinator says so, for as long as the node runs.
pub(super) async fn watch(shared: Arc<Shared>, standing: watch::Receiver<Standing>) {
    let mut since: Option<Moment> = None;
    loop {
        sleep(LOOK_EVERY).await;
        if !has_no_vote(shared.me, &standing.borrow(), &shared.book.now()) {
            since = None;
            continue;
        }
        let since = since.get_or_insert_with(Moment::now);
        if since.elapsed() < DEMOTED_AFTER || !holds_a_key(&shared) {
            continue;
        }
        if let Err(error) = let_go(&shared).await {
            tracing::warn!(%error, "the authority's key could not be removed yet");
        }
    }
}

/// What a node that ends leaves behind: not the key, if the cluster does not want it any more.
pub(super) fn at_the_end(
    shared: &Shared,
    outcome: &Result<(), MemberError>,
) -> Result<(), MemberError> {
    let refused = matches!(outcome, Err(MemberError::Refused(_)));
    if refused || shared.book.now().removed.contains(&shared.me) {
        shared.dir.remove(AUTHORITY_KEY)?;
    }
    Ok(())
}

/// Whether the node attends at another one that says that it has no vote.
fn has_no_vote(me: NodeId, standing: &Standing, roster: &Roster) -> bool {
    matches!(standing, Standing::Attending { leader } if *leader != me)
        && !roster.voters.is_empty()
        && !roster.voters.contains(&me)
}

fn holds_a_key(shared: &Shared) -> bool {
    shared.voting.get().is_some() || shared.dir.authority_key().is_file()
}

async fn let_go(shared: &Shared) -> Result<(), MemberError> {
    let _alone = shared.admission.lock().await;
    if shared.book.now().voters.contains(&shared.me) {
        // It was admitted again meanwhile.
        return Ok(());
    }
    if let Some(voting) = shared.voting.take() {
        voting.consensus.stop().await;
    }
    shared.dir.remove(AUTHORITY_KEY)?;
    tracing::info!("this node votes no longer: it has let go of the authority's key");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_has_no_vote_when_another_one_that_leads_says_so() {
        let me = NodeId(2);
        let attending = |leader| Standing::Attending { leader: NodeId(leader) };
        let roster = |voters: &[u64]| Roster {
            voters: voters.iter().copied().map(NodeId).collect(),
            ..Roster::default()
        };
        assert!(has_no_vote(me, &attending(1), &roster(&[1, 3])));
        assert!(!has_no_vote(me, &attending(1), &roster(&[1, 2, 3])));
        assert!(!has_no_vote(me, &attending(1), &roster(&[])));
        assert!(!has_no_vote(me, &attending(2), &roster(&[1, 3])));
        let looking = Standing::Looking { words: String::new() };
        assert!(!has_no_vote(me, &looking, &roster(&[1, 3])));
    }
}
