//! Flows: connections as TCP gives them to programs, with one direction for each side.

use super::{HostId, SimTime};
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::task::Waker;

/// A connection or an attempt at one; numbered in the order of dialling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowId(pub u64);

/// The two ends of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The end that dialled.
    Client,
    /// The end that was dialled.
    Server,
}

impl Side {
    /// The other end.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }

    pub(super) const fn index(self) -> usize {
        self as usize
    }
}

/// One end of a flow: what it sends and what it has received.
#[derive(Debug)]
pub(super) struct End {
    pub(super) host: HostId,
    /// [`super::Host`]'s boot count when the flow began.
    pub(super) boot: u32,
    /// A program holds this end.
    pub(super) held: bool,
    /// Bytes that wait to be read.
    pub(super) inbox: VecDeque<Vec<u8>>,
    /// Bytes of the first element that were read already.
    pub(super) inbox_read: usize,
    /// Nothing more will come.
    pub(super) eof: bool,
    /// What reading and writing answer from now on.
    pub(super) error: Option<io::ErrorKind>,
    /// Bytes sent and not yet read at the other end.
    pub(super) unread: usize,
    /// Nothing sent later may arrive before this.
    pub(super) arrives_from: SimTime,
    /// What did not get through and is sent again; anything sent later waits behind it. An empty element is the end of the stream.
    pub(super) stalled: VecDeque<Vec<u8>>,
    pub(super) stalled_since: SimTime,
    pub(super) retry_after: SimTime,
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
}

impl End {
    pub(super) fn new(host: HostId, boot: u32) -> Self {
        Self {
            host,
            boot,
            held: true,
            inbox: VecDeque::new(),
            inbox_read: 0,
            eof: false,
            error: None,
            unread: 0,
            arrives_from: 0,
            stalled: VecDeque::new(),
            stalled_since: 0,
            retry_after: 0,
            reader: None,
            writer: None,
        }
    }

    /// Takes up to `out.len()` received bytes; returns how many.
    pub(super) fn take(&mut self, out: &mut [u8]) -> usize {
        let mut taken = 0;
        while let Some(chunk) = self.inbox.front() {
            let Some(room) = out.get_mut(taken..).filter(|room| !room.is_empty()) else { break };
            let rest = chunk.get(self.inbox_read..).unwrap_or_default();
            let n = rest.len().min(room.len());
            for (to, from) in room.iter_mut().zip(rest) {
                *to = *from;
            }
            taken += n;
            self.inbox_read += n;
            if self.inbox_read >= chunk.len() {
                self.inbox.pop_front();
                self.inbox_read = 0;
            }
        }
        taken
    }
}

/// How far a flow is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Dialling.
    Opening,
    /// Open for the dialer.
    Open,
}

/// A flow.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) ends: [End; 2],
    pub(super) stage: Stage,
    /// The dialled side knows of the flow.
    pub(super) accepted: bool,
    /// The dialer's address as the other side sees it.
    pub(super) client: SocketAddr,
    /// The address that was dialled.
    pub(super) server: SocketAddr,
    /// Whether a host stands at the dialled address at all.
    pub(super) somewhere: bool,
    /// Both ends are on one LAN: nothing outside touches the flow.
    pub(super) local: bool,
    pub(super) opened_at: SimTime,
    /// Time of the last segment, for NATs that forget.
    pub(super) active_at: SimTime,
    /// A box on the way swallows everything from now on.
    pub(super) frozen: bool,
    /// A NAT has forgotten the flow.
    pub(super) forgotten: bool,
    /// Bytes seen by a box on the way, by side.
    pub(super) seen: [u64; 2],
    /// Waits for the flow to open.
    pub(super) dialer: Option<Waker>,
}

impl Flow {
    pub(super) fn end(&mut self, side: Side) -> &mut End {
        let [client, server] = &mut self.ends;
        match side {
            Side::Client => client,
            Side::Server => server,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_taken_in_order_and_in_any_portions() {
        let mut end = End::new(HostId(0), 0);
        end.inbox.extend([vec![1, 2, 3], vec![4], vec![5, 6]]);
        let mut out = [0; 4];
        assert_eq!((end.take(&mut out[..2]), out), (2, [1, 2, 0, 0]));
        assert_eq!((end.take(&mut out), out), (4, [3, 4, 5, 6]));
        assert_eq!(end.take(&mut out), 0);
    }
}
