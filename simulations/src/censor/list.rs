//! Lists of addresses that several rules and attackers share and add to while a world runs.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

/// What is on a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entry {
    /// All ports of an address.
    Address(Ipv4Addr),
    /// One port of an address.
    Port(Ipv4Addr, u16),
    /// A network: the address and how many leading bits count.
    Network(Ipv4Addr, u8),
}

impl Entry {
    fn covers(self, ip: Ipv4Addr, port: u16) -> bool {
        match self {
            Self::Address(own) => own == ip,
            Self::Port(own, own_port) => own == ip && own_port == port,
            Self::Network(own, bits) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(bits.min(32))).unwrap_or(0);
                (own.to_bits() ^ ip.to_bits()) & mask == 0
            }
        }
    }
}

/// A list; clones are the same list.
#[derive(Debug, Clone, Default)]
pub struct AddressList(Arc<Mutex<BTreeSet<Entry>>>);

impl AddressList {
    /// A list that starts with `entries`.
    #[must_use]
    pub fn of(entries: impl IntoIterator<Item = Entry>) -> Self {
        Self(Arc::new(Mutex::new(entries.into_iter().collect())))
    }

    fn with<T>(&self, work: impl FnOnce(&mut BTreeSet<Entry>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds an entry; false if it was there.
    pub fn add(&self, entry: Entry) -> bool {
        self.with(|list| list.insert(entry))
    }

    /// Takes an entry away.
    pub fn remove(&self, entry: &Entry) {
        self.with(|list| list.remove(entry));
    }

    /// Whether an entry covers `addr`.
    #[must_use]
    pub fn covers(&self, addr: SocketAddr) -> bool {
        let IpAddr::V4(ip) = addr.ip() else { return false };
        self.with(|list| list.iter().any(|entry| entry.covers(ip, addr.port())))
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.with(|list| list.len())
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_cover_what_they_say() {
        let list = AddressList::of([
            Entry::Address([51, 1, 1, 1].into()),
            Entry::Port([51, 1, 1, 2].into(), 443),
            Entry::Network([34, 7, 0, 0].into(), 16),
        ]);
        let covers = |text: &str| list.covers(text.parse().unwrap());
        assert!(covers("51.1.1.1:80") && covers("51.1.1.2:443") && covers("34.7.200.1:1"));
        assert!(!covers("51.1.1.3:80") && !covers("51.1.1.2:80") && !covers("34.8.0.1:1"));
        assert!(!covers("[::1]:443"));
        assert!(AddressList::of([Entry::Network([0; 4].into(), 0)]).covers("1.2.3.4:5".parse().unwrap()));
        list.remove(&Entry::Address([51, 1, 1, 1].into()));
        assert!(!covers("51.1.1.1:80"));
    }
}
