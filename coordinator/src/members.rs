//! Who belongs to the cluster: nodes, the tokens that let new ones in, and people.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::ids::{Digest, NodeId};
use crate::node::Node;

/// People's certificates that are remembered; those that ended first are forgotten first. Not by
/// time: a clock that was wrong once must not cost anybody a certificate, nor make good one that
/// was revoked.
pub(crate) const CLIENTS_MAX: usize = 1_000;

/// How long a token that has expired is still remembered, milliseconds: for lists, and for words
/// that say why.
const EXPIRED_KEPT_MS: u64 = 7 * 24 * 3_600_000;

/// Life of nodes' certificates in a cluster that never said another, milliseconds: 30 days.
pub const CERTIFICATE_LIFE_MS: u64 = 30 * 24 * 3_600_000;

/// A node that was let in. It stays known for ever, so that its id and key are never used again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// SHA-256 of its public key.
    pub key: Digest,
    /// Where others reach it.
    pub address: String,
    /// Id of its store.
    pub storage: String,
    /// When it was let in, milliseconds since 1970-01-01 UTC.
    pub joined_ms: u64,
    /// It is given nothing new.
    pub draining: bool,
    /// It is to be removed as soon as it has no vote.
    pub leaving: bool,
    /// It is gone for ever.
    pub removed: bool,
    /// Release that it runs; empty before it has said so.
    pub release: String,
    /// The process that offered its slots last.
    pub process: Process,
}

/// One process of a node. There may be several at a time, on copies of its folder: one counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Process {
    /// How often one was started on the folder, this one included; 0 where nobody counts.
    pub starts: u64,
    /// Drawn at its start.
    pub incarnation: u64,
}

impl Process {
    /// Whether another one of the same node may take its place: itself, or one that was started on
    /// this folder, or on a copy of it, later. Of two copies the one that came second has been
    /// started as often as the first at most.
    pub(crate) fn yields_to(&self, other: &Self) -> bool {
        other.starts == 0 || other.starts > self.starts || other == self
    }
}

/// What lets nodes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// SHA-256 of the secret.
    pub hash: Digest,
    /// Nodes that it still lets in.
    pub uses_left: u32,
    /// When it ends, milliseconds since 1970-01-01 UTC.
    pub expires_ms: u64,
}

/// A person's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The person.
    pub name: String,
    /// When it ends, milliseconds since 1970-01-01 UTC.
    pub expires_ms: u64,
    /// It is good no longer.
    pub revoked: bool,
}

/// Why a token lets nobody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TokenError {
    /// No such token, or it was revoked.
    #[error("unknown or revoked token: create one with `fruitnode token create`")]
    Unknown,
    /// The secret is not that of the token.
    #[error(
        "the secret of the token is wrong: copy the whole token printed by `fruitnode token create`"
    )]
    WrongSecret,
    /// Too late.
    #[error("the token has expired: create another one with `fruitnode token create`")]
    Expired,
    /// As many nodes as it was made for were let in.
    #[error("the token has no uses left: create another one with `fruitnode token create`")]
    UsedUp,
}

/// Who there is, as members need it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Roster {
    /// Index of the entry that changed it last.
    pub index: u64,
    /// Members, those removed left out.
    pub members: Vec<Listed>,
    /// Members that are gone for ever.
    pub removed: Vec<NodeId>,
    /// Serial numbers of people's certificates that are refused.
    pub revoked: Vec<String>,
    /// Serial numbers of people's certificates that are good: no other is.
    pub people: Vec<String>,
}

/// A member, as others need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The node.
    pub node: NodeId,
    /// Where others reach it.
    pub address: String,
    /// SHA-256 of its public key.
    pub key: Digest,
}

/// The cluster as an association. Empty before it is founded: then any node may offer its slots.
#[derive(Debug, Clone, Default)]
pub struct Membership {
    pub(crate) cluster: String,
    pub(crate) name: String,
    pub(crate) voters_wanted: u32,
    pub(crate) members: BTreeMap<NodeId, Member>,
    pub(crate) tokens: BTreeMap<String, Token>,
    /// By the serial number of the certificate.
    pub(crate) clients: BTreeMap<String, Client>,
    pub(crate) roster_index: u64,
    /// As it was founded: 0 where nobody said.
    pub(crate) certificate_life_ms: u64,
}

impl Membership {
    /// Whether there is a cluster.
    pub(crate) fn is_founded(&self) -> bool {
        !self.cluster.is_empty()
    }

    /// Id of the cluster, which certificates name.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// Name for people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many should decide: 1, 3 or 5.
    pub fn voters_wanted(&self) -> u32 {
        self.voters_wanted
    }

    /// Life of nodes' certificates, milliseconds.
    pub fn certificate_life_ms(&self) -> u64 {
        match self.certificate_life_ms {
            0 => CERTIFICATE_LIFE_MS,
            life => life,
        }
    }

    /// A member, removed ones included.
    pub fn member(&self, node: NodeId) -> Option<&Member> {
        self.members.get(&node)
    }

    /// Members in the order of their ids, removed ones included.
    pub fn members(&self) -> impl Iterator<Item = (NodeId, &Member)> {
        self.members.iter().map(|(&node, member)| (node, member))
    }

    /// The node with this public key, be it removed or not.
    pub fn node_of_key(&self, key: &Digest) -> Option<NodeId> {
        self.members().find(|(_, member)| member.key == *key).map(|(node, _)| node)
    }

    /// Tokens by their ids, some that have expired included.
    pub fn tokens(&self) -> impl Iterator<Item = (&str, &Token)> {
        self.tokens.iter().map(|(id, token)| (id.as_str(), token))
    }

    /// People's certificates by their serial numbers, some that have expired included.
    pub fn clients(&self) -> impl Iterator<Item = (&str, &Client)> {
        self.clients.iter().map(|(serial, client)| (serial.as_str(), client))
    }

    /// Who there is, as members need it.
    pub fn roster(&self) -> Roster {
        let (removed, present): (Vec<_>, Vec<_>) =
            self.members().partition(|(_, member)| member.removed);
        let listed = |(node, member): (NodeId, &Member)| {
            let (address, key) = (member.address.clone(), member.key);
            Listed { node, address, key }
        };
        let serials = |revoked: bool| {
            let found = self.clients().filter(move |(_, client)| client.revoked == revoked);
            found.map(|(serial, _)| serial.to_owned()).collect()
        };
        Roster {
            index: self.roster_index,
            members: present.into_iter().map(listed).collect(),
            removed: removed.into_iter().map(|(id, _)| id).collect(),
            revoked: serials(true),
            people: serials(false),
        }
    }

    /// Index of the entry that changed last what a roster tells.
    pub(crate) fn roster_index(&self) -> u64 {
        self.roster_index
    }

    /// Whether a node may offer its slots.
    pub(crate) fn admits(&self, node: NodeId) -> bool {
        !self.is_founded() || self.members.get(&node).is_some_and(|member| !member.removed)
    }

    /// Whether a node is given nothing new.
    pub(crate) fn is_draining(&self, node: NodeId) -> bool {
        self.members.get(&node).is_some_and(|member| member.draining)
    }

    /// Whether a member that takes work may come back: it is not among those that are present.
    pub(crate) fn is_anybody_away(&self, present: &BTreeMap<NodeId, Node>) -> bool {
        let takes_work = |member: &Member| !(member.removed || member.leaving || member.draining);
        self.members.iter().any(|(id, member)| takes_work(member) && !present.contains_key(id))
    }

    pub(crate) fn may_enroll(
        &self,
        token: &str,
        is_secret: impl FnOnce(&Digest) -> bool,
        now_ms: u64,
    ) -> Result<(), TokenError> {
        let token = self.tokens.get(token).ok_or(TokenError::Unknown)?;
        // Asked first: what else there is to say is only for those who know the secret.
        if !is_secret(&token.hash) {
            return Err(TokenError::WrongSecret);
        }
        if token.expires_ms <= now_ms {
            return Err(TokenError::Expired);
        }
        if token.uses_left == 0 {
            return Err(TokenError::UsedUp);
        }
        Ok(())
    }

    /// Begins the association; whether there was none, and the id is one.
    pub(crate) fn found(
        &mut self,
        cluster: &str,
        name: &str,
        voters_wanted: u32,
        index: u64,
    ) -> bool {
        if self.is_founded() || cluster.is_empty() {
            return false;
        }
        cluster.clone_into(&mut self.cluster);
        name.clone_into(&mut self.name);
        self.voters_wanted = odd(voters_wanted);
        self.roster_index = index;
        true
    }

    /// Lets a node in, under the next id.
    pub(crate) fn let_in(&mut self, member: Member, index: u64) {
        let node = NodeId(self.members.len() as u64 + 1);
        self.members.insert(node, member);
        self.roster_index = index;
    }

    /// Lets a node in by a token, unless its key is known already.
    pub(crate) fn enroll(&mut self, token: &str, member: Member, index: u64) {
        let allowed = self.may_enroll(token, |_| true, member.joined_ms).is_ok();
        if !allowed || self.node_of_key(&member.key).is_some() {
            return;
        }
        if let Some(token) = self.tokens.get_mut(token) {
            token.uses_left -= 1;
        }
        self.let_in(member, index);
    }

    pub(crate) fn create_token(&mut self, id: &str, token: Token, now_ms: u64) {
        self.tokens.retain(|_, known| known.expires_ms.saturating_add(EXPIRED_KEPT_MS) > now_ms);
        if self.is_founded() {
            self.tokens.entry(id.to_owned()).or_insert(token);
        }
    }

    pub(crate) fn revoke_token(&mut self, id: &str) {
        self.tokens.remove(id);
    }

    pub(crate) fn register_client(
        &mut self,
        serial: &str,
        client: Client,
        (now_ms, index): (u64, u64),
    ) {
        let good = |known: &Client| !known.revoked && known.expires_ms > now_ms;
        if !self.is_founded()
            || self.clients.contains_key(serial)
            || self.clients.values().any(|known| known.name == client.name && good(known))
        {
            return;
        }
        while self.clients.len() >= CLIENTS_MAX {
            let least =
                self.clients.iter().min_by_key(|(_, known)| (good(known), known.expires_ms));
            let Some(least) = least.map(|(serial, _)| serial.clone()) else { break };
            self.clients.remove(&least);
        }
        self.clients.insert(serial.to_owned(), client);
        self.roster_index = index;
    }

    pub(crate) fn revoke_client(&mut self, name: &str, index: u64) {
        for client in self.clients.values_mut() {
            if client.name == name && !client.revoked {
                client.revoked = true;
                self.roster_index = index;
            }
        }
    }

    /// Whether this process of a node may offer its slots: once there is a cluster, only that of a
    /// member, and not if another one came after it.
    pub fn takes(&self, node: NodeId, process: &Process) -> bool {
        let stands = |member: &Member| !member.removed && member.process.yields_to(process);
        !self.is_founded() || self.members.get(&node).is_some_and(stands)
    }

    /// Takes note of what the present process of a node says of itself.
    pub(crate) fn heard(
        &mut self,
        node: NodeId,
        process: Process,
        (address, release): (&str, &str),
        index: u64,
    ) {
        let Some(member) = self.members.get_mut(&node) else {
            return;
        };
        if process.starts > 0 {
            member.process = process;
        }
        if member.address != address {
            address.clone_into(&mut member.address);
            self.roster_index = index;
        }
        if member.release != release {
            release.clone_into(&mut member.release);
        }
    }

    /// A node is given nothing new, or leases again; there is no way back for one that leaves.
    pub(crate) fn drain(&mut self, node: NodeId, undo: bool, leaving: bool) {
        if let Some(member) = self.members.get_mut(&node)
            && !member.removed
        {
            member.leaving |= leaving && !undo;
            member.draining = !undo || member.leaving;
        }
    }

    /// Members that are to be removed as soon as they have no vote.
    pub fn leaving(&self) -> impl Iterator<Item = NodeId> {
        let leaving = self.members().filter(|(_, member)| member.leaving && !member.removed);
        leaving.map(|(node, _)| node)
    }

    /// Members that belong to the cluster for as long as nobody asks them to go.
    pub fn staying(&self) -> impl Iterator<Item = NodeId> {
        let staying = self.members().filter(|(_, member)| !member.leaving && !member.removed);
        staying.map(|(node, _)| node)
    }

    /// Takes a node out for ever. Those that were to leave stay when nobody else is left: a cluster
    /// that went on with one of them alone could never let it go.
    pub(crate) fn remove(&mut self, node: NodeId, index: u64) {
        if let Some(member) = self.members.get_mut(&node)
            && !member.removed
        {
            member.removed = true;
            self.roster_index = index;
        }
        if self.staying().next().is_none() {
            for member in self.members.values_mut().filter(|member| !member.removed) {
                (member.leaving, member.draining) = (false, false);
            }
        }
    }
}

/// The largest possible number of voters that is not above the wanted one.
fn odd(wanted: u32) -> u32 {
    match wanted {
        0..=2 => 1,
        3 | 4 => 3,
        5.. => 5,
    }
}
