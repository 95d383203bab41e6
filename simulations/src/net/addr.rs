//! Addresses: plausible public ones by region, spread over many networks, and private ones behind NATs.

use super::link::Region;
use std::net::Ipv4Addr;

/// Hosts that share one public address of a carrier.
const PER_CARRIER_ADDRESS: u32 = 64;

/// The public address number `n` of `region`. Neighbouring numbers lie in different /16 networks.
pub(super) const fn public(region: Region, n: u32) -> Ipv4Addr {
    let first = match region {
        Region::CentralAsia => 91,
        Region::Russia => 95,
        Region::Europe => 51,
        Region::America => 34,
    };
    Ipv4Addr::new(first, (n % 251) as u8, (n / 251 % 251) as u8, (1 + n / 63_001 % 250) as u8)
}

/// The address that carrier customer number `n` of `region` is seen under.
pub(super) const fn carrier(region: Region, n: u32) -> Ipv4Addr {
    let first = match region {
        Region::CentralAsia => 109,
        Region::Russia => 178,
        Region::Europe => 80,
        Region::America => 72,
    };
    let shared = n / PER_CARRIER_ADDRESS;
    Ipv4Addr::new(first, (shared % 251) as u8, (shared / 251 % 251) as u8, 1)
}

/// The private address of host number `n`; unique in the world, which no real network is, and simpler.
pub(super) const fn private(n: u32) -> Ipv4Addr {
    Ipv4Addr::new(10, (n / 64_516 % 254) as u8, (n / 254 % 254) as u8, (1 + n % 254) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn addresses_are_unique_and_spread_over_networks() {
        let all: BTreeSet<_> = (0..20_000).map(|n| public(Region::Russia, n)).collect();
        assert_eq!(all.len(), 20_000);
        let networks: BTreeSet<_> = (0..200).map(|n| public(Region::Russia, n).octets()[1]).collect();
        assert_eq!(networks.len(), 200);
        let private: BTreeSet<_> = (0..20_000).map(private).collect();
        assert_eq!(private.len(), 20_000);
    }

    #[test]
    fn carrier_customers_share_addresses() {
        assert_eq!(carrier(Region::Russia, 0), carrier(Region::Russia, 63));
        assert_ne!(carrier(Region::Russia, 0), carrier(Region::Russia, 64));
    }
}
