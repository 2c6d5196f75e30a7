//! Who has room once the grants of a round are made, without a copy of who had it before.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, btree_set};
use std::iter::{self, Peekable};
use std::ops::Bound;

use crate::ids::NodeId;
use crate::slots::{Class, Free, Slots};

/// Where a node stands in the order in which nodes are given something.
type Place = (Reverse<u32>, NodeId);

/// The free slots of a state, and what was taken of them since.
pub(crate) struct Room<'a> {
    slots: &'a Slots,
    /// Nodes that were given something, by what they were given.
    taken: BTreeMap<NodeId, u32>,
    changed: BTreeMap<&'a Class, Changed>,
}

/// What differs in one class of nodes.
#[derive(Default)]
struct Changed {
    /// Nodes that were given something and have room still.
    free: Free,
    /// Every node up to this place of the state's order was given something: whoever is looked for
    /// next is looked for behind it, so that a round is no slower for all that it has given away.
    passed: Option<Place>,
}

/// Nodes in order, either as the state has them, less those that were given something, or these.
struct Source<'b> {
    places: Peekable<btree_set::Range<'b, Place>>,
    is_old: bool,
}

impl<'a> Room<'a> {
    pub(crate) fn new(slots: &'a Slots) -> Self {
        Self { slots, taken: BTreeMap::new(), changed: BTreeMap::new() }
    }

    /// A slot of a node is taken.
    pub(crate) fn take(&mut self, node: NodeId) {
        let Some((class, free)) = self.slots.of(node) else {
            return;
        };
        let taken = self.taken.entry(node).or_default();
        let left = free.saturating_sub(*taken);
        *taken += 1;
        let changed = self.changed.entry(class).or_default();
        changed.free.remove(&(Reverse(left), node));
        if left > 1 {
            changed.free.insert((Reverse(left - 1), node));
        }
        let Some(offers) = self.slots.offers(class) else {
            return;
        };
        let behind = places(&offers.free, changed.passed);
        let given = behind.take_while(|(_, node)| self.taken.contains_key(node));
        if let Some(last) = given.last() {
            changed.passed = Some(*last);
        }
    }

    /// Nodes with room of the classes that fit, those with the most free slots first, then by id.
    pub(crate) fn emptiest_first(
        &self,
        fits: impl Fn(&Class) -> bool,
    ) -> impl Iterator<Item = NodeId> {
        let mut sources = Vec::new();
        for (class, offers) in self.slots.classes().filter(|(class, _)| fits(class)) {
            let changed = self.changed.get(class);
            let passed = changed.and_then(|changed| changed.passed);
            let places = places(&offers.free, passed).peekable();
            sources.push(Source { places, is_old: true });
            sources.extend(changed.map(|changed| Source {
                places: changed.free.range(..).peekable(),
                is_old: false,
            }));
        }
        iter::from_fn(move || {
            let taken = &self.taken;
            let next = |source: &mut Source<'_>| {
                let given = |place: &&Place| source.is_old && taken.contains_key(&place.1);
                while source.places.next_if(given).is_some() {}
                source.places.peek().map(|place| **place)
            };
            let heads = sources.iter_mut().enumerate().filter_map(|(at, source)| {
                let place = next(source)?;
                Some((place, at))
            });
            let (_, at) = heads.min()?;
            sources[at].places.next().map(|(_, node)| *node)
        })
    }
}

/// Behind a place, or all.
fn places(free: &BTreeSet<Place>, passed: Option<Place>) -> btree_set::Range<'_, Place> {
    let behind = passed.map_or(Bound::Unbounded, Bound::Excluded);
    free.range((behind, Bound::Unbounded))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::Node;

    fn node(slots: u32, used: u32, class: &str) -> Node {
        let (compute_class, fit_class) = (class.to_owned(), "f".to_owned());
        Node { slots, used, compute_class, fit_class, incarnation: 1 }
    }

    #[test]
    fn the_order_is_that_of_the_slots_as_they_would_be() {
        let mut slots = Slots::default();
        let mut nodes = BTreeMap::new();
        for id in 1..=40 {
            let class = ["a", "b", "c"][id as usize % 3];
            nodes.insert(NodeId(id), node(1 + id as u32 % 4, 0, class));
            slots.set(NodeId(id), &nodes[&NodeId(id)]);
        }
        let mut room = Room::new(&slots);
        let mut after = slots.clone();
        // The first, and now and then one from the midst, until nobody has room.
        for round in 0.. {
            let fits = |class: &Class| class.compute != "c";
            let found: Vec<_> = room.emptiest_first(fits).collect();
            let fitting = after.classes().filter(|(class, _)| fits(class));
            let places: BTreeSet<Place> =
                fitting.flat_map(|(_, offers)| offers.free.iter().copied()).collect();
            assert_eq!(found, places.iter().map(|(_, node)| *node).collect::<Vec<_>>());
            let Some(given) = found.get((round * 7 % 5).min(found.len().saturating_sub(1))) else {
                assert!(round > 50, "{round}");
                return;
            };
            room.take(*given);
            nodes.get_mut(given).unwrap().used += 1;
            after.set(*given, &nodes[given]);
        }
    }

    #[test]
    fn what_was_given_away_is_passed_over_once() {
        let mut slots = Slots::default();
        (1..=1_000).for_each(|id| slots.set(NodeId(id), &node(1, 0, "a")));
        let mut room = Room::new(&slots);
        for id in 1..=1_000 {
            let next = room.emptiest_first(|_| true).next();
            assert_eq!(next, Some(NodeId(id)));
            room.take(NodeId(id));
            let (class, _) = slots.of(NodeId(id)).unwrap();
            assert_eq!(room.changed[class].passed, Some((Reverse(1), NodeId(id))));
        }
        assert_eq!(room.emptiest_first(|_| true).next(), None);
    }
}
