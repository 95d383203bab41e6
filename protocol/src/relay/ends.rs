//! Tunnels that end at this relay: their keys, and which request is under way in them.

use crate::core::LinkId;
use crate::error::PeerFault;
use crate::ids::MailboxId;
use crate::limits::TUNNEL_WINDOW;
use crate::link::{Frame, Kind};
use crate::tunnel::Tunnel;
use std::collections::BTreeMap;

/// A tunnel that ends here; never used twice, unlike its number on the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EndId(u64);

#[derive(Debug)]
pub(super) struct End {
    pub(super) link: LinkId,
    pub(super) tunnel: u32,
    /// The mailbox attached over this tunnel.
    pub(super) mailbox: Option<MailboxId>,
    noise: Tunnel,
    unanswered: usize,
}

#[derive(Debug, Default)]
pub(super) struct Ends {
    by_id: BTreeMap<EndId, End>,
    by_place: BTreeMap<(LinkId, u32), EndId>,
    last: u64,
}

impl Ends {
    pub(super) fn open(&mut self, link: LinkId, tunnel: u32, noise: Tunnel) -> EndId {
        self.last += 1;
        let id = EndId(self.last);
        self.by_id.insert(id, End { link, tunnel, mailbox: None, noise, unanswered: 0 });
        self.by_place.insert((link, tunnel), id);
        id
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn at(&self, link: LinkId, tunnel: u32) -> Option<EndId> {
        self.by_place.get(&(link, tunnel)).copied()
    }

    pub(super) fn get(&self, id: EndId) -> Option<&End> {
        self.by_id.get(&id)
    }

    pub(super) fn hash(&self, id: EndId) -> Option<[u8; 32]> {
        self.by_id.get(&id).map(|end| end.noise.hash())
    }

    pub(super) fn set_mailbox(&mut self, id: EndId, mailbox: MailboxId) -> Option<MailboxId> {
        self.by_id.get_mut(&id).and_then(|end| end.mailbox.replace(mailbox))
    }

    pub(super) fn on_link(&self, link: LinkId) -> Vec<EndId> {
        self.by_place.range((link, 0)..=(link, u32::MAX)).map(|(_, id)| *id).collect()
    }

    pub(super) fn close(&mut self, id: EndId) -> Option<End> {
        let end = self.by_id.remove(&id)?;
        self.by_place.remove(&(end.link, end.tunnel));
        Some(end)
    }

    /// Opens one message; the caller closes the tunnel if that fails.
    pub(super) fn unseal(&mut self, id: EndId, message: &[u8]) -> Result<Vec<u8>, PeerFault> {
        self.by_id.get_mut(&id).ok_or(PeerFault::Mismatch)?.noise.open(message)
    }

    /// Whether one more request may be under way in this tunnel; counts it if so.
    pub(super) fn begin(&mut self, id: EndId) -> bool {
        match self.by_id.get_mut(&id) {
            Some(end) if end.unanswered < TUNNEL_WINDOW => {
                end.unanswered += 1;
                true
            }
            _ => false,
        }
    }

    /// Seals a message that leaves now; `None` if the tunnel is gone.
    pub(super) fn seal(&mut self, id: EndId, plain: &[u8], answers: bool) -> Option<(LinkId, Frame)> {
        let end = self.by_id.get_mut(&id)?;
        if answers {
            end.unanswered = end.unanswered.saturating_sub(1);
        }
        let sealed = end.noise.seal(plain).ok()?;
        Some((end.link, Frame::new(Kind::Data, end.tunnel, sealed)))
    }
}
