//! Who gives its place up for a newcomer when all are taken: of the source that has most of them,
//! the newcomer counted, whoever came first. So nobody waits for who is idle, and a flood from one
//! source pushes out no other: a limit per source would only leave places empty besides.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::source::source_of;

/// Places, and who has them.
#[derive(Debug)]
pub(super) struct Seats {
    seats_max: usize,
    /// Sources by number: who came earlier has a lower one.
    taken: BTreeMap<u64, IpAddr>,
    next: u64,
}

impl Seats {
    /// So many places, one at least.
    pub(super) fn new(seats_max: usize) -> Self {
        Self { seats_max: seats_max.max(1), taken: BTreeMap::new(), next: 0 }
    }

    /// Gives a newcomer a place under a number of its own. Where all places were taken, the second
    /// number is that of the one who has lost its place.
    pub(super) fn take(&mut self, address: IpAddr) -> (u64, Option<u64>) {
        let (number, source) = (self.next, source_of(address));
        self.next += 1;
        let ousted = match self.taken.len() < self.seats_max {
            true => None,
            false => self.least_missed(source),
        };
        if let Some(ousted) = ousted {
            self.taken.remove(&ousted);
        }
        self.taken.insert(number, source);
        (number, ousted)
    }

    /// Frees a place, if it is still had.
    pub(super) fn leave(&mut self, number: u64) {
        self.taken.remove(&number);
    }

    fn least_missed(&self, newcomer: IpAddr) -> Option<u64> {
        let mut sources: BTreeMap<IpAddr, (usize, u64)> = BTreeMap::new();
        for (number, source) in &self.taken {
            // Numbers come in order: the first of a source is its oldest.
            sources.entry(*source).or_insert((0, *number)).0 += 1;
        }
        if let Some((seats, _)) = sources.get_mut(&newcomer) {
            *seats += 1;
        }
        let most = sources.values().max_by_key(|(seats, oldest)| (*seats, Reverse(*oldest)));
        most.map(|(_, oldest)| *oldest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn while_there_is_room_nobody_goes() {
        let mut seats = Seats::new(3);
        for number in 0..3 {
            assert_eq!(seats.take(address(1)), (number, None));
        }
        assert_eq!(seats.take(address(2)), (3, Some(0)));
        seats.leave(2);
        // A place that was lost is not freed a second time.
        seats.leave(0);
        assert_eq!(seats.take(address(2)), (4, None));
        assert_eq!(seats.take(address(2)), (5, Some(3)));
    }

    #[test]
    fn a_flood_pushes_out_none_but_its_own() {
        let mut seats = Seats::new(4);
        let (honest, _) = seats.take(address(1));
        for _ in 0..3 {
            seats.take(address(2));
        }
        let mut oldest = honest + 1;
        for _ in 0..1_000 {
            assert_eq!(seats.take(address(2)).1, Some(oldest));
            oldest += 1;
        }
        // Others find room at the cost of the flood, until all have as much as it.
        assert_eq!(seats.take(address(3)).1, Some(oldest));
        assert_eq!(seats.take(address(4)).1, Some(oldest + 1));
        assert_eq!(seats.taken.values().filter(|source| **source == address(2)).count(), 1);
        assert!(seats.taken.contains_key(&honest));
    }

    #[test]
    fn among_equals_the_first_goes_and_who_comes_again_makes_room_itself() {
        let mut seats = Seats::new(3);
        for last in 1..=3 {
            seats.take(address(last));
        }
        // The second of a source counts with its first.
        assert_eq!(seats.take(address(2)).1, Some(1));
        assert_eq!(seats.take(address(4)).1, Some(0));
        assert_eq!(seats.take(address(5)).1, Some(2));
    }

    #[test]
    fn many_addresses_of_one_network_are_one_source() {
        let mut seats = Seats::new(4);
        let (honest, _) = seats.take("2001:db8:0:1::1".parse().unwrap());
        for last in 0..100 {
            let from = format!("2001:db8:0:2::{last:x}");
            assert_ne!(seats.take(from.parse().unwrap()).1, Some(honest));
        }
        assert!(seats.taken.contains_key(&honest));
    }
}
