//! The active prober: connects to servers that look suspicious, says something, and blocks those that answer wrongly.

use super::list::{AddressList, Entry};
use super::{FlowView, Rule, Verdict};
use crate::det::Rng;
use crate::net::{FlowId, HostId, Net, Side};
use futures::{AsyncReadExt, AsyncWriteExt};
use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::sync::mpsc;

/// Suspicious servers that wait to be probed; more are passed over.
const WAITING_MAX: usize = 1_024;
/// How long a probe waits for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of an answer that are looked at.
const ANSWER_MAX: usize = 1_024;

/// What a server said to a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It could not be reached.
    Unreachable,
    /// Nothing until patience ended.
    Silence,
    /// It closed or reset the connection without a word.
    Closed,
    /// These bytes came first.
    Said(Vec<u8>),
}

/// A word to say to a suspicious server and a way to judge the answer.
pub struct Probe {
    /// What to send.
    pub say: Vec<u8>,
    /// Whether a server that answers so is to be blocked.
    pub guilty: fn(&Answer) -> bool,
}

impl Probe {
    /// Speaks libp2p and blocks who answers in kind.
    #[must_use]
    pub fn libp2p() -> Self {
        Self {
            say: b"\x13/multistream/1.0.0\n".to_vec(),
            guilty: |answer| matches!(answer, Answer::Said(bytes) if bytes.starts_with(b"\x13/multistream")),
        }
    }
}

/// The passive half: sees flows and hands over their servers. It blocks nothing itself: an [`super::AddressBlock`] over the prober's
/// list does.
#[derive(Debug)]
pub struct Suspicion {
    looks: fn(&[u8]) -> bool,
    handed: BTreeSet<SocketAddr>,
    first: HashMap<FlowId, ()>,
    out: mpsc::Sender<SocketAddr>,
}

impl Suspicion {
    /// Suspects servers to which a client's first segment `looks` suspicious. The other half goes to [`probe`].
    #[must_use]
    pub fn new(looks: fn(&[u8]) -> bool) -> (Self, mpsc::Receiver<SocketAddr>) {
        let (out, suspects) = mpsc::channel(WAITING_MAX);
        (Self { looks, handed: BTreeSet::new(), first: HashMap::new(), out }, suspects)
    }
}

impl Rule for Suspicion {
    fn name(&self) -> &'static str {
        "suspicion"
    }

    fn segment(&mut self, flow: &FlowView, side: Side, bytes: &[u8], _: bool, _: &mut Rng) -> Verdict {
        let first = side == Side::Client && self.first.insert(flow.flow, ()).is_none();
        if first && (self.looks)(bytes) && self.handed.insert(flow.server) {
            // A full queue means that one is passed over, as in life.
            let _ = self.out.try_send(flow.server);
        }
        Verdict::Pass
    }

    fn closed(&mut self, flow: FlowId) {
        self.first.remove(&flow);
    }
}

/// The active half: runs as a task, probes each suspect from `host` after `delay`, and puts the guilty on `list`.
pub async fn probe(
    net: Net,
    host: HostId,
    delay: Duration,
    probe: Probe,
    mut suspects: mpsc::Receiver<SocketAddr>,
    list: AddressList,
) {
    while let Some(suspect) = suspects.recv().await {
        tokio::time::sleep(delay).await;
        let answer = ask(&net, host, suspect, &probe.say).await;
        if let (true, IpAddr::V4(ip)) = ((probe.guilty)(&answer), suspect.ip()) {
            list.add(Entry::Port(ip, suspect.port()));
        }
    }
}

/// Connects, says `words` and listens.
pub async fn ask(net: &Net, host: HostId, to: SocketAddr, words: &[u8]) -> Answer {
    let talk = async {
        let Ok(mut stream) = net.connect(host, to).await else { return Answer::Unreachable };
        if stream.write_all(words).await.is_err() || stream.flush().await.is_err() {
            return Answer::Closed;
        }
        let mut answer = vec![0; ANSWER_MAX];
        match stream.read(&mut answer).await {
            Ok(0) | Err(_) => Answer::Closed,
            Ok(len) => {
                answer.truncate(len);
                Answer::Said(answer)
            }
        }
    };
    tokio::time::timeout(PATIENCE, talk).await.unwrap_or(Answer::Silence)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{flow, send};
    use super::*;

    #[test]
    fn each_suspicious_server_is_handed_over_once_and_others_never() {
        let (mut rule, mut suspects) = Suspicion::new(|bytes| bytes.starts_with(b"?"));
        for (server, bytes) in [(1, &b"?a"[..]), (1, b"?b"), (2, b"plain"), (3, b"?c")] {
            assert_eq!(send(&mut rule, &flow(server, 0), Side::Client, bytes), Verdict::Pass);
            rule.closed(flow(server, 0).flow);
        }
        assert_eq!(send(&mut rule, &flow(4, 0), Side::Client, b"first"), Verdict::Pass);
        assert_eq!(send(&mut rule, &flow(4, 0), Side::Client, b"?second"), Verdict::Pass);
        let handed: Vec<_> = std::iter::from_fn(|| suspects.try_recv().ok()).collect();
        assert_eq!(handed, [flow(1, 0).server, flow(3, 0).server]);
    }
}
