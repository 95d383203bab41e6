//! Rules that read bytes: patterns in the first bytes of a flow, and what looks like nothing at all.

use super::address::Action;
use super::{FlowView, Rule, Verdict};
use crate::det::Rng;
use crate::net::{FlowId, Side};
use std::collections::HashMap;

/// Blocks flows whose first bytes, put together over segments, hold one of some patterns.
#[derive(Debug)]
pub struct BytePattern {
    patterns: Vec<Vec<u8>>,
    depth: usize,
    action: Action,
    /// The first bytes of each side of each flow that is not decided yet.
    heads: HashMap<FlowId, [Vec<u8>; 2]>,
}

impl BytePattern {
    /// Looks for `patterns` in the first `depth` bytes of each direction.
    #[must_use]
    pub fn new(patterns: impl IntoIterator<Item = Vec<u8>>, depth: usize, action: Action) -> Self {
        let patterns = patterns.into_iter().filter(|pattern| !pattern.is_empty()).collect();
        Self { patterns, depth, action, heads: HashMap::new() }
    }

    /// What gives away every stock libp2p transport over TCP: multistream's first line in plaintext.
    #[must_use]
    pub fn stock_libp2p(action: Action) -> Self {
        Self::new([b"/multistream/1.0.0".to_vec()], 256, action)
    }
}

impl Rule for BytePattern {
    fn name(&self) -> &'static str {
        "byte pattern"
    }

    fn segment(&mut self, flow: &FlowView, side: Side, bytes: &[u8], again: bool, _: &mut Rng) -> Verdict {
        let heads = self.heads.entry(flow.flow).or_default();
        let Some(head) = heads.get_mut(usize::from(side == Side::Server)) else { return Verdict::Pass };
        if !again {
            let room = self.depth.saturating_sub(head.len());
            head.extend_from_slice(bytes.get(..room.min(bytes.len())).unwrap_or_default());
        }
        let found = |pattern: &Vec<u8>| head.windows(pattern.len()).any(|part| part == pattern.as_slice());
        if self.patterns.iter().any(found) { self.action.verdict() } else { Verdict::Pass }
    }

    fn closed(&mut self, flow: FlowId) {
        self.heads.remove(&flow);
    }
}

/// Blocks what looks like nothing: the rule measured at the Chinese border in 2023 (Wu and others, USENIX Security 2023).
#[derive(Debug, Default)]
pub struct LooksRandom;

impl LooksRandom {
    /// Whether the first bytes of a client would be blocked.
    #[must_use]
    pub fn blocks(first: &[u8]) -> bool {
        let printable = |byte: &u8| (0x20..=0x7e).contains(byte);
        let ones: u32 = first.iter().map(|byte| byte.count_ones()).sum();
        let ones_per_byte = f64::from(ones) / first.len().max(1) as f64;
        let longest = first.split(|byte| !printable(byte)).map(<[u8]>::len).max().unwrap_or(0);
        let share = first.iter().filter(|byte| printable(byte)).count() * 2 > first.len();
        let tls = matches!(first, [0x16 | 0x17, 0x03, 0x00..=0x09, ..]);
        let http = [&b"GET "[..], b"PUT ", b"POST ", b"HEAD "].iter().any(|word| first.starts_with(word));
        let exempt = ones_per_byte <= 3.4
            || ones_per_byte >= 4.6
            || first.get(..6).is_some_and(|six| six.iter().all(printable))
            || share
            || longest > 20
            || tls
            || http;
        !exempt
    }
}

impl Rule for LooksRandom {
    fn name(&self) -> &'static str {
        "looks random"
    }

    fn segment(&mut self, flow: &FlowView, side: Side, bytes: &[u8], again: bool, _: &mut Rng) -> Verdict {
        let [from_client, _] = flow.seen;
        if side == Side::Client && from_client == 0 && !again && Self::blocks(bytes) {
            Verdict::Freeze
        } else {
            Verdict::Pass
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{flow, send};
    use super::*;

    #[test]
    fn a_pattern_is_found_in_one_segment_and_across_two() {
        let mut rule = BytePattern::stock_libp2p(Action::Reset);
        assert_eq!(send(&mut rule, &flow(1, 0), Side::Client, b"\x13/multistream/1.0.0\n"), Verdict::Reset);
        let other = flow(2, 0);
        assert_eq!(send(&mut rule, &other, Side::Server, b"\x13/multistr"), Verdict::Pass);
        assert_eq!(
            send(&mut rule, &other, Side::Client, b"eam/1.0.0\n"),
            Verdict::Pass,
            "the other direction"
        );
        assert_eq!(send(&mut rule, &other, Side::Server, b"eam/1.0.0\n"), Verdict::Reset);
    }

    #[test]
    fn bytes_behind_the_depth_and_other_bytes_pass() {
        let mut rule = BytePattern::new([b"secret".to_vec()], 10, Action::Drop);
        assert_eq!(send(&mut rule, &flow(1, 0), Side::Client, b"0123456789secret"), Verdict::Pass);
        assert_eq!(send(&mut rule, &flow(2, 0), Side::Client, b"public"), Verdict::Pass);
        assert_eq!(send(&mut rule, &flow(3, 0), Side::Client, b"a secret"), Verdict::Drop);
        rule.closed(flow(3, 0).flow);
        assert_eq!(send(&mut rule, &flow(3, 0), Side::Client, b"again"), Verdict::Pass);
    }

    #[test]
    fn random_first_bytes_are_frozen_and_tls_http_and_text_are_not() {
        let mut random = [0; 200];
        Rng::new(1).fill(&mut random);
        assert_eq!(send(&mut LooksRandom, &flow(1, 0), Side::Client, &random), Verdict::Freeze);
        assert_eq!(send(&mut LooksRandom, &flow(1, 0), Side::Server, &random), Verdict::Pass, "the answer");
        let mut later = flow(1, 0);
        later.seen = [1, 0];
        assert_eq!(send(&mut LooksRandom, &later, Side::Client, &random), Verdict::Pass, "not the first");
        let mut tls = vec![0x16, 0x03, 0x01];
        tls.extend(random);
        let mut http = b"GET /".to_vec();
        http.extend(random);
        for passes in [&tls[..], &http, b"hello, how are you?", &[0; 100], &[0xff; 100]] {
            assert!(!LooksRandom::blocks(passes));
        }
    }
}
