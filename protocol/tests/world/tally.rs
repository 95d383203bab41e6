//! Counts what crosses the links of people, by kind and size of frame: what an idle device costs is seen here. And doors that carry nothing.

use super::Host;
use karvon_protocol::link::{Frame, Kind};
use std::collections::BTreeMap;

/// Frames by person, direction, kind and size in bytes.
#[derive(Debug, Default, Clone)]
pub struct Tally {
    counts: BTreeMap<(usize, bool, u8, usize), (Kind, u64)>,
    /// Bytes that each relay, as a door, sent to each person.
    pub by_door: BTreeMap<(usize, usize), usize>,
    /// This relay, as a door, is there and passes nothing of any tunnel on to people.
    pub muffled: Option<usize>,
}

impl Tally {
    /// Counts a frame. Returns whether it goes no further.
    pub fn swallows(&mut self, from: Host, to: Host, frame: &Frame) -> bool {
        self.note(from, to, frame);
        let muffled = self.muffled.is_some_and(|relay| from == Host::Relay(relay));
        muffled && matches!(to, Host::Person(_)) && matches!(frame.kind, Kind::Opened | Kind::Data)
    }

    pub fn clear(&mut self) {
        self.counts.clear();
        self.by_door.clear();
    }

    fn note(&mut self, from: Host, to: Host, frame: &Frame) {
        if let (Host::Relay(door), Host::Person(n)) = (from, to) {
            *self.by_door.entry((n, door)).or_default() += frame.encode().len();
        }
        let (person, up) = match (from, to) {
            (Host::Person(n), _) => (n, true),
            (_, Host::Person(n)) => (n, false),
            _ => return,
        };
        let key = (person, up, frame.kind as u8, frame.encode().len());
        self.counts.entry(key).or_insert((frame.kind, 0)).1 += 1;
    }

    /// Frames of a person, both ways, and their bytes.
    pub fn of(&self, person: usize) -> (u64, u64) {
        let own = self.counts.iter().filter(|((n, ..), _)| *n == person);
        own.fold((0, 0), |(frames, bytes), ((.., size), (_, count))| {
            (frames + count, bytes + count * *size as u64)
        })
    }

    /// Frames of one kind that a person sent.
    pub fn sent(&self, person: usize, kind: Kind) -> u64 {
        self.one_way(person, true, kind)
    }

    /// Frames of one kind that came to a person.
    pub fn received(&self, person: usize, kind: Kind) -> u64 {
        self.one_way(person, false, kind)
    }

    fn one_way(&self, person: usize, way: bool, kind: Kind) -> u64 {
        let own = self
            .counts
            .iter()
            .filter(|((n, up, number, _), _)| (*n, *up, *number) == (person, way, kind as u8));
        own.map(|(_, (_, count))| count).sum()
    }

    /// A line for each kind, direction and size.
    pub fn lines(&self, person: usize) -> String {
        let own = self.counts.iter().filter(|((n, ..), _)| *n == person);
        let line = |((_, up, _, size), (kind, count)): (&(usize, bool, u8, usize), &(Kind, u64))| {
            format!("{} {kind:?} {size} x {count}", if *up { "sent" } else { "received" })
        };
        own.map(line).collect::<Vec<_>>().join("; ")
    }
}
