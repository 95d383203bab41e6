//! Looks for plaintext and stable identifiers in every byte of the wire, also across segments.

use super::Alarm;
use crate::net::{FlowId, Segment, Side, Tap};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of a secret by which it is first recognised.
const HEAD: usize = 8;
/// Shorter ones would be found in random bytes by chance.
const SHORTEST: usize = 12;

/// What must not be seen on the wire; more can be added while a world runs.
#[derive(Debug, Clone, Default)]
pub struct WireSecrets(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    /// By their first bytes: name and bytes.
    by_head: HashMap<[u8; HEAD], Vec<(String, Vec<u8>)>>,
    /// A small table that tells most places in the stream apart from the start of a secret without a look into the map.
    bits: Vec<u64>,
    longest: usize,
}

/// Words of the table: enough that among some ten thousand secrets few places are looked at twice.
const BITS_WORDS: usize = 1 << 14;

fn slot(head: [u8; HEAD]) -> (usize, u64) {
    let hash = u64::from_le_bytes(head).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 44;
    (hash as usize / 64 % BITS_WORDS, 1 << (hash % 64))
}

impl Known {
    fn find(&self, bytes: &[u8]) -> Option<&str> {
        for (at, head) in bytes.windows(HEAD).enumerate() {
            let Ok(head) = <[u8; HEAD]>::try_from(head) else { continue };
            let (word, bit) = slot(head);
            if self.bits.get(word).is_none_or(|word| word & bit == 0) {
                continue;
            }
            let rest = bytes.get(at..).unwrap_or_default();
            let candidates = self.by_head.get(&head).into_iter().flatten();
            if let Some((name, _)) = candidates.into_iter().find(|(_, secret)| rest.starts_with(secret)) {
                return Some(name);
            }
        }
        None
    }
}

impl WireSecrets {
    /// Adds `secret`, called `name` in the report. Returns false, and adds nothing, if it is shorter than 12 bytes.
    pub fn add(&self, name: impl Into<String>, secret: &[u8]) -> bool {
        let Some(head) = secret.first_chunk::<HEAD>().filter(|_| secret.len() >= SHORTEST) else {
            return false;
        };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.bits.resize(BITS_WORDS, 0);
        let (word, bit) = slot(*head);
        if let Some(word) = known.bits.get_mut(word) {
            *word |= bit;
        }
        known.longest = known.longest.max(secret.len());
        known.by_head.entry(*head).or_default().push((name.into(), secret.to_vec()));
        true
    }
}

/// The tap that looks for [`WireSecrets`].
#[derive(Debug)]
pub struct WireScan {
    secrets: WireSecrets,
    alarm: Alarm,
    /// The end of what each side of each flow sent, for secrets that lie across segments.
    tails: HashMap<(FlowId, Side), Vec<u8>>,
}

impl WireScan {
    /// Looks for `secrets` and raises `alarm`.
    #[must_use]
    pub fn new(secrets: WireSecrets, alarm: Alarm) -> Self {
        Self { secrets, alarm, tails: HashMap::new() }
    }
}

impl Tap for WireScan {
    fn segment(&mut self, segment: &Segment<'_>) {
        if segment.again || segment.bytes.is_empty() {
            return;
        }
        let known = self.secrets.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.longest == 0 {
            return;
        }
        let tail = self.tails.entry((segment.flow, segment.side)).or_default();
        tail.extend_from_slice(segment.bytes);
        if let Some(name) = known.find(tail) {
            let what = format!("{name} lies open on the wire from {} to {}", segment.client, segment.server);
            self.alarm.raise("wire", segment.at, what);
        }
        let keep = known.longest - 1;
        tail.drain(..tail.len().saturating_sub(keep));
    }

    fn closed(&mut self, flow: FlowId) {
        for side in [Side::Client, Side::Server] {
            self.tails.remove(&(flow, side));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::HostId;

    /// What the oracle says when a node sends these segments.
    fn scan(segments: &[&[u8]]) -> Option<String> {
        let (secrets, alarm) = (WireSecrets::default(), Alarm::default());
        assert!(secrets.add("canary", b"meet me at the station"));
        assert!(secrets.add("relay id", &[7; 16]));
        assert!(!secrets.add("too short", b"short"));
        let mut scan = WireScan::new(secrets, alarm.clone());
        for (n, bytes) in segments.iter().enumerate() {
            let client = "95.0.0.1:1".parse().unwrap();
            let server = "51.0.0.1:2".parse().unwrap();
            scan.segment(&Segment {
                at: n as u64,
                flow: FlowId(1),
                side: Side::Client,
                from: HostId(0),
                client,
                server,
                bytes,
                again: false,
            });
        }
        alarm.first().map(|violation| violation.what)
    }

    #[test]
    fn a_node_that_sends_plaintext_is_found() {
        let words = scan(&[b"..meet me at the station.."]);
        assert!(words.is_some_and(|words| words.starts_with("canary lies open on the wire from 95.0.0.1:1")));
    }

    #[test]
    fn an_identifier_across_three_segments_is_found() {
        assert!(
            scan(&[b"noise", &[7; 5], &[7; 6], &[7; 5]]).is_some_and(|words| words.starts_with("relay id"))
        );
    }

    #[test]
    fn other_bytes_and_halves_of_secrets_pass() {
        assert_eq!(scan(&[b"meet me at the sta", b"dium", &[7; 15], &[8; 40]]), None);
    }
}
