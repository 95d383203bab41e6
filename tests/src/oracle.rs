//! What a stream of messages must look like on the other side: nothing lost, nothing twice, nothing out of order.

use std::collections::BTreeMap;

/// What a sender tried to send, in order.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    tried: Vec<(String, bool)>,
}

/// What the other side's list shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Acknowledged as durable by the sender's node, and not there.
    pub lost: Vec<String>,
    /// There more than once.
    pub twice: Vec<String>,
    /// After one that was sent later.
    pub out_of_order: Vec<String>,
    /// Never sent.
    pub unknown: Vec<String>,
}

impl Verdict {
    /// Whether all is well.
    #[must_use]
    pub fn clean(&self) -> bool {
        *self == Self::default()
    }
}

impl Ledger {
    /// A text was handed over; `durable` if the sender's node said so. One that was cut off by a kill may or may not arrive.
    pub fn sent(&mut self, text: impl Into<String>, durable: bool) {
        self.tried.push((text.into(), durable));
    }

    /// Texts that must arrive.
    #[must_use]
    pub fn durable(&self) -> usize {
        self.tried.iter().filter(|(_, durable)| *durable).count()
    }

    /// All texts handed over.
    #[must_use]
    pub fn tried(&self) -> usize {
        self.tried.len()
    }

    /// Whether `received` has at least everything that must arrive.
    #[must_use]
    pub fn complete(&self, received: &[String]) -> bool {
        self.judge(received).lost.is_empty()
    }

    /// Judges what the other side lists, oldest first. Texts must be distinct.
    #[must_use]
    pub fn judge(&self, received: &[String]) -> Verdict {
        let place: BTreeMap<&str, usize> =
            self.tried.iter().enumerate().map(|(place, (text, _))| (text.as_str(), place)).collect();
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        let mut verdict = Verdict::default();
        let mut highest = None;
        for text in received {
            let Some(at) = place.get(text.as_str()) else {
                verdict.unknown.push(text.clone());
                continue;
            };
            let count = counts.entry(text).or_default();
            *count += 1;
            if *count > 1 {
                verdict.twice.push(text.clone());
            } else if highest.is_some_and(|highest| highest > *at) {
                verdict.out_of_order.push(text.clone());
            }
            highest = highest.max(Some(*at));
        }
        let missing =
            self.tried.iter().filter(|(text, durable)| *durable && !counts.contains_key(text.as_str()));
        verdict.lost = missing.map(|(text, _)| text.clone()).collect();
        verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(received: &[&str]) -> Verdict {
        let mut ledger = Ledger::default();
        ledger.sent("a", true);
        ledger.sent("b", false);
        ledger.sent("c", true);
        ledger.judge(&received.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_text_that_was_not_acknowledged_may_be_there_or_not() {
        assert!(judged(&["a", "b", "c"]).clean());
        assert!(judged(&["a", "c"]).clean());
    }

    #[test]
    fn each_fault_is_named() {
        assert_eq!(judged(&["a", "b"]).lost, ["c"]);
        assert_eq!(judged(&["a", "b", "b", "c"]).twice, ["b"]);
        assert_eq!(judged(&["c", "a"]).out_of_order, ["a"]);
        assert_eq!(judged(&["a", "x", "c"]).unknown, ["x"]);
    }
}
