//! Where a caller comes from, as far as counting goes.

use std::net::{IpAddr, Ipv6Addr};

/// Bits of an address of IPv6 that tell networks apart: within one, a machine takes as many
/// addresses as it likes.
const NETWORK_BITS: u32 = 64;

/// What counts as one caller: an address of IPv4, or a network of IPv6.
pub fn source_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::MAX << (Ipv6Addr::BITS - NETWORK_BITS);
            Ipv6Addr::from_bits(address.to_bits() & network).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_machine_is_one_caller_however_many_addresses_it_takes() {
        let source = |word: &str| source_of(word.parse().unwrap());
        assert_eq!(source("2001:db8:1:2::3"), source("2001:db8:1:2:ffff::4"));
        assert_ne!(source("2001:db8:1:2::3"), source("2001:db8:1:3::3"));
        assert_eq!(source("::ffff:10.0.0.1"), source("10.0.0.1"));
        assert_ne!(source("10.0.0.1"), source("10.0.0.2"));
    }
}
