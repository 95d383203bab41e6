//! Rules that know addresses only: block lists, allow lists, and blocks that come some time after the first use.

use super::list::{AddressList, Entry};
use super::{FlowView, Rule, Verdict};
use crate::det::Rng;
use crate::net::{Side, SimTime};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

/// What happens to a flow that a rule does not want.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Its segments vanish.
    Drop,
    /// Both sides get a reset.
    Reset,
}

impl Action {
    pub(super) const fn verdict(self) -> Verdict {
        match self {
            Self::Drop => Verdict::Drop,
            Self::Reset => Verdict::Reset,
        }
    }
}

/// Blocks flows to servers on a list, old flows too.
#[derive(Debug)]
pub struct AddressBlock {
    list: AddressList,
    action: Action,
}

impl AddressBlock {
    /// Blocks what is on `list`, also what is added later.
    #[must_use]
    pub const fn new(list: AddressList, action: Action) -> Self {
        Self { list, action }
    }

    fn verdict(&self, flow: &FlowView) -> Verdict {
        // A server that is blocked can not be reached and can not reach anybody.
        let listed = self.list.covers(flow.server) || self.list.covers(flow.client);
        if listed { self.action.verdict() } else { Verdict::Pass }
    }
}

impl Rule for AddressBlock {
    fn name(&self) -> &'static str {
        "address block"
    }

    fn open(&mut self, flow: &FlowView, _: &mut Rng) -> Verdict {
        self.verdict(flow)
    }

    fn segment(&mut self, flow: &FlowView, _: Side, _: &[u8], _: bool, _: &mut Rng) -> Verdict {
        self.verdict(flow)
    }
}

/// Lets through flows to listed servers only. As on Russian mobile networks, connections open everywhere and the first bytes vanish.
#[derive(Debug)]
pub struct AllowList {
    list: AddressList,
}

impl AllowList {
    /// Lets through what is on `list`.
    #[must_use]
    pub const fn new(list: AddressList) -> Self {
        Self { list }
    }
}

impl Rule for AllowList {
    fn name(&self) -> &'static str {
        "allow list"
    }

    fn segment(&mut self, flow: &FlowView, _: Side, _: &[u8], _: bool, _: &mut Rng) -> Verdict {
        if self.list.covers(flow.server) { Verdict::Pass } else { Verdict::Freeze }
    }
}

/// Blocks a server some time after enough different clients used it: what a censor does that looks through its records at night.
#[derive(Debug)]
pub struct DelayedBlock {
    after: SimTime,
    clients: usize,
    seen: BTreeMap<SocketAddr, (SimTime, BTreeSet<IpAddr>)>,
}

impl DelayedBlock {
    /// Blocks a server `after` it was first used, once `clients` different addresses have used it.
    #[must_use]
    pub const fn new(after: SimTime, clients: usize) -> Self {
        Self { after, clients, seen: BTreeMap::new() }
    }

    fn verdict(&self, flow: &FlowView) -> Verdict {
        match self.seen.get(&flow.server) {
            Some((first, clients)) if flow.now - first >= self.after && clients.len() >= self.clients => {
                Verdict::Drop
            }
            _ => Verdict::Pass,
        }
    }
}

impl Rule for DelayedBlock {
    fn name(&self) -> &'static str {
        "delayed block"
    }

    fn open(&mut self, flow: &FlowView, _: &mut Rng) -> Verdict {
        let (_, clients) = self.seen.entry(flow.server).or_insert_with(|| (flow.now, BTreeSet::new()));
        clients.insert(flow.client.ip());
        self.verdict(flow)
    }

    fn segment(&mut self, flow: &FlowView, _: Side, _: &[u8], _: bool, _: &mut Rng) -> Verdict {
        self.verdict(flow)
    }
}

/// Learns addresses from inside: a censor's own accounts, or a crawl of public directories.
#[derive(Debug)]
pub struct Learner {
    list: AddressList,
    each: SimTime,
    last: Option<SimTime>,
    /// How many addresses it has learned.
    pub learned: usize,
}

impl Learner {
    /// Adds one address to `list` every `each` nanoseconds at most: what its accounts are handed in that time.
    #[must_use]
    pub const fn new(list: AddressList, each: SimTime) -> Self {
        Self { list, each, last: None, learned: 0 }
    }

    /// Is shown what an insider can see at `now`; blocks at most as many new addresses as its rate allows.
    pub fn see(&mut self, now: SimTime, visible: impl IntoIterator<Item = SocketAddr>) {
        let last = *self.last.get_or_insert(now);
        let mut budget = (now - last) / self.each.max(1);
        for addr in visible {
            if budget == 0 {
                return;
            }
            let IpAddr::V4(ip) = addr.ip() else { continue };
            if self.list.add(Entry::Port(ip, addr.port())) {
                budget -= 1;
                self.learned += 1;
                self.last = self.last.map(|last| last + self.each);
            }
        }
        // What could not be used up is not saved for later: there was nothing to learn.
        if budget > 0 {
            self.last = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{flow, open, send};
    use super::*;
    use crate::net::SECOND;

    #[test]
    fn listed_servers_are_cut_off_at_once_and_others_are_not_touched() {
        let list = AddressList::default();
        let mut rule = AddressBlock::new(list.clone(), Action::Reset);
        assert_eq!(send(&mut rule, &flow(1, 0), Side::Client, b"x"), Verdict::Pass);
        list.add(Entry::Address([51, 0, 0, 1].into()));
        assert_eq!(send(&mut rule, &flow(1, 0), Side::Client, b"x"), Verdict::Reset);
        assert_eq!(open(&mut rule, &flow(1, 0)), Verdict::Reset);
        assert_eq!(open(&mut rule, &flow(2, 0)), Verdict::Pass);
    }

    #[test]
    fn an_allow_list_lets_anything_open_and_only_listed_servers_speak() {
        let mut rule = AllowList::new(AddressList::of([Entry::Address([51, 0, 0, 1].into())]));
        assert_eq!(open(&mut rule, &flow(2, 0)), Verdict::Pass);
        assert_eq!(send(&mut rule, &flow(2, 0), Side::Client, b"hello"), Verdict::Freeze);
        assert_eq!(send(&mut rule, &flow(1, 0), Side::Client, b"hello"), Verdict::Pass);
    }

    #[test]
    fn a_server_is_blocked_when_enough_clients_used_it_long_enough() {
        let mut rule = DelayedBlock::new(60 * SECOND, 2);
        let at = |client: u8, time| {
            let mut view = flow(1, time);
            view.client = ([95, 0, 0, client], 20_000).into();
            view
        };
        assert_eq!(open(&mut rule, &at(1, 0)), Verdict::Pass);
        assert_eq!(open(&mut rule, &at(1, 100 * SECOND)), Verdict::Pass, "one client only");
        assert_eq!(open(&mut rule, &at(2, 100 * SECOND)), Verdict::Drop);
        assert_eq!(send(&mut rule, &at(1, 101 * SECOND), Side::Server, b"x"), Verdict::Drop, "old flows too");
        assert_eq!(open(&mut rule, &flow(2, 101 * SECOND)), Verdict::Pass, "another server");
        let mut rule = DelayedBlock::new(60 * SECOND, 2);
        assert_eq!(
            (open(&mut rule, &at(1, 0)), open(&mut rule, &at(2, 59 * SECOND))),
            (Verdict::Pass, Verdict::Pass)
        );
    }

    #[test]
    fn an_insider_blocks_what_it_is_shown_no_faster_than_its_rate() {
        let list = AddressList::default();
        let mut insider = Learner::new(list.clone(), 10 * SECOND);
        let doors: Vec<SocketAddr> = (1..=9).map(|n| ([51, 0, 0, n], 443).into()).collect();
        insider.see(0, doors.clone());
        assert_eq!(list.len(), 0);
        insider.see(35 * SECOND, doors.clone());
        assert_eq!((list.len(), insider.learned), (3, 3));
        insider.see(39 * SECOND, doors.clone());
        assert_eq!(list.len(), 3);
        insider.see(40 * SECOND, doors);
        assert_eq!(list.len(), 4);
        assert!(!list.covers("51.0.0.9:443".parse().unwrap()), "not learned yet");
    }
}
