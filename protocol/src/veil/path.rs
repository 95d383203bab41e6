//! The web path that lets a carrier in: made of a door's secret, good once, and like any other wrong path to everybody else (DESIGN N3).
//!
//! `slot_day_id 8 | nonce 12 | MAC 16`, base64url. The MAC also covers what both ends know of the TLS connection, where it ends at the
//! relay itself: a box that breaks TLS open in the middle can then neither pass the path on nor use it later.

use crate::crypto::kdf::hmac;
use crate::descriptor::SlotKey;
use crate::ids::{SlotId, first};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use std::collections::{BTreeMap, HashMap, HashSet};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Bytes of a path.
const PATH_BYTES: usize = 36;
/// Days around today whose paths are taken: clocks are wrong.
const DAYS: u32 = 1;
/// Paths of one day that are remembered; beyond that nobody is let in by path for the rest of the day.
const SPENT_MAX: usize = 1 << 20;

/// Number of the day of a Unix time in seconds.
#[must_use]
pub const fn day_of(unix_s: u64) -> u32 {
    (unix_s / 86_400) as u32
}

fn day_id(key: &SlotKey, day: u32) -> [u8; 8] {
    first(&*hmac(&key.key, &[b"karvon/0 door day", &day.to_be_bytes()[..]].concat()))
}

fn mac(key: &SlotKey, day: u32, nonce: &[u8; 12], binding: &[u8]) -> [u8; 16] {
    let said = [b"karvon/0 door path", &day.to_be_bytes()[..], nonce, binding].concat();
    first(&*hmac(&key.key, &said))
}

fn answer(key: &SlotKey, nonce: &[u8; 12], binding: &[u8]) -> String {
    let said = [b"karvon/0 door answer", &nonce[..], binding].concat();
    // The length of what a web socket's server answers.
    BASE64.encode(&first::<20>(&*hmac(&key.key, &said)))
}

/// What a dialler asks for, and what only the door can answer.
pub struct Asked {
    /// The request's path, with its slash.
    pub path: Zeroizing<String>,
    /// The `Sec-WebSocket-Accept` of a door that knows the secret.
    pub answer: String,
}

/// The path of today for the holder of `key`. `binding` is what both ends export from the TLS connection, empty behind another server.
#[must_use]
pub fn ask(key: &SlotKey, day: u32, nonce: &[u8; 12], binding: &[u8]) -> Asked {
    let bytes = Zeroizing::new([&day_id(key, day)[..], nonce, &mac(key, day, nonce, binding)].concat());
    let path = Zeroizing::new(format!("/{}", BASE64URL_NOPAD.encode(&bytes)));
    Asked { path, answer: answer(key, nonce, binding) }
}

/// The secrets of a relay's slots, by what a path shows of them, and the paths that were used.
#[derive(Default)]
pub struct DoorTable {
    slots: HashMap<SlotId, SlotKey>,
    /// For each day near today: slots by their name of that day.
    days: BTreeMap<u32, HashMap<[u8; 8], SlotId>>,
    spent: BTreeMap<u32, HashSet<[u8; 12]>>,
}

impl DoorTable {
    /// Lets the holders of a slot in.
    pub fn insert(&mut self, key: SlotKey) {
        for (day, names) in &mut self.days {
            names.insert(day_id(&key, *day), key.slot);
        }
        self.slots.insert(key.slot, key);
    }

    /// Lets them in no more.
    pub fn remove(&mut self, slot: SlotId) {
        if let Some(key) = self.slots.remove(&slot) {
            for (day, names) in &mut self.days {
                names.remove(&day_id(&key, *day));
            }
        }
    }

    /// Checks a request's path at `today`; on success uses it up and returns the slot and the answer that proves this door.
    pub fn admit(&mut self, path: &str, today: u32, binding: &[u8]) -> Option<(SlotId, String)> {
        self.turn_to(today);
        let bytes = path.strip_prefix('/').and_then(|text| BASE64URL_NOPAD.decode(text.as_bytes()).ok());
        let known = bytes.as_deref().and_then(split);
        // Whoever guesses costs as much as whoever knows, and as whoever asks for a page or comes a second time.
        let (name, nonce, shown) = known.unwrap_or_default();
        let found = self.days.iter().find_map(|(day, names)| names.get(&name).map(|slot| (*day, *slot)));
        let nobody = SlotKey { slot: SlotId([0; 8]), key: Zeroizing::new([0; 32]) };
        let (day, slot) = found.unwrap_or((today, nobody.slot));
        let key = self.slots.get(&slot).unwrap_or(&nobody);
        let right = bool::from(mac(key, day, &nonce, binding).ct_eq(&shown));
        let answer = answer(key, &nonce, binding);
        if !right || found.is_none() || known.is_none() {
            return None;
        }
        let spent = self.spent.entry(day).or_default();
        (spent.len() < SPENT_MAX && spent.insert(nonce)).then_some((slot, answer))
    }

    /// Names the slots for the days around today and forgets other days.
    fn turn_to(&mut self, today: u32) {
        let near = today.saturating_sub(DAYS)..=today.saturating_add(DAYS);
        self.days.retain(|day, _| near.contains(day));
        self.spent.retain(|day, _| near.contains(day));
        for day in near {
            let slots = &self.slots;
            self.days
                .entry(day)
                .or_insert_with(|| slots.values().map(|key| (day_id(key, day), key.slot)).collect());
        }
    }
}

impl core::fmt::Debug for DoorTable {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "DoorTable({} slots)", self.slots.len())
    }
}

fn split(bytes: &[u8]) -> Option<([u8; 8], [u8; 12], [u8; 16])> {
    if bytes.len() != PATH_BYTES {
        return None;
    }
    let (name, rest) = bytes.split_first_chunk::<8>()?;
    let (nonce, rest) = rest.split_first_chunk::<12>()?;
    Some((*name, *nonce, rest.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u8) -> SlotKey {
        SlotKey { slot: SlotId([number; 8]), key: Zeroizing::new([number; 32]) }
    }

    #[test]
    fn a_path_lets_its_slot_in_once_and_proves_the_door() {
        let mut table = DoorTable::default();
        table.insert(key(1));
        table.insert(key(2));
        let asked = ask(&key(2), 100, &[5; 12], b"tls");
        assert_eq!(asked.path.len(), 49);
        assert_eq!(table.admit(&asked.path, 100, b"tls"), Some((key(2).slot, asked.answer.clone())));
        assert_eq!(table.admit(&asked.path, 100, b"tls"), None, "replayed");
        let next = ask(&key(2), 100, &[6; 12], b"tls");
        assert_ne!(next.answer, asked.answer);
        assert_eq!(table.admit(&next.path, 101, b"tls").map(|(slot, _)| slot), Some(key(2).slot));
    }

    #[test]
    fn others_are_not_let_in() {
        let mut table = DoorTable::default();
        table.insert(key(1));
        let path = |number, day, nonce| ask(&key(number), day, &[nonce; 12], b"a").path;
        assert_eq!(table.admit(&path(3, 100, 1), 100, b"a"), None, "no such slot");
        assert_eq!(table.admit(&path(1, 98, 1), 100, b"a"), None, "two days old");
        assert_eq!(table.admit(&path(1, 102, 1), 100, b"a"), None, "two days ahead");
        assert_eq!(table.admit(&path(1, 100, 1), 100, b"b"), None, "another connection");
        for text in ["", "/", "/index.html", "/%00", "/\u{e9}"] {
            assert_eq!(table.admit(text, 100, b"a"), None);
        }
        let good = path(1, 100, 2);
        for at in 1..good.len() {
            let other = if good.as_bytes()[at] == b'A' { "B" } else { "A" };
            let mut bent = good.to_string();
            bent.replace_range(at..=at, other);
            assert_eq!(table.admit(&bent, 100, b"a"), None, "letter {at}");
        }
        table.remove(key(1).slot);
        assert_eq!(table.admit(&good, 100, b"a"), None, "revoked");
        table.insert(key(1));
        assert!(table.admit(&good, 100, b"a").is_some(), "a refused path was not used up");
    }

    #[test]
    fn a_used_path_stays_used_over_midnight() {
        let mut table = DoorTable::default();
        table.insert(key(1));
        let asked = ask(&key(1), 100, &[1; 12], b"");
        assert!(table.admit(&asked.path, 100, b"").is_some());
        assert_eq!(table.admit(&asked.path, 101, b""), None);
        assert_eq!(table.admit(&asked.path, 102, b""), None);
    }
}
