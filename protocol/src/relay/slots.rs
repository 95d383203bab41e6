//! Slots: who may use this relay as a door, the guest slots they pass on, and how much each may send.

use super::api::{RelayEvent, Subtree};
use super::cx::Cx;
use super::limits::{BLOCKED_MAX, GUEST_TTL_S, GUESTS_PER_ROOT_MAX, SLOTS_MAX};
use crate::core::{Key, Mono, Op, Space, Value};
use crate::descriptor::SlotKey;
use crate::error::PeerFault;
use crate::ids::SlotId;
use crate::limits::GUEST_SLOTS_MAX;
use crate::link::Hello;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

const VERSION: u8 = 0;

struct Slot {
    key: Zeroizing<[u8; 32]>,
    /// Unix seconds; `None`: for ever.
    expiry_s: Option<u64>,
    /// The slot that made this guest slot; `None`: made here.
    parent: Option<SlotId>,
    /// The slot made here from which this one descends (itself if made here).
    root: SlotId,
    guests: usize,
    /// How often the operator found a door of this subtree blocked; counted at the slot made here.
    blocked: u8,
}

/// What a slot has used; forgotten with a restart.
#[derive(Debug, Default)]
struct Used {
    day: Mono,
    bytes: u64,
    minute: Mono,
    opens: u32,
}

#[derive(Default)]
pub(super) struct Slots {
    slots: BTreeMap<SlotId, Slot>,
    /// Guests that descend from each slot made here.
    descendants: BTreeMap<SlotId, usize>,
    used: BTreeMap<SlotId, Used>,
}

const fn key(slot: SlotId) -> Key {
    Key::single(Space::RelaySlot, u64::from_be_bytes(slot.0))
}

impl Slots {
    /// `version 1 | key 32 | expiry 8 (0: none) | parent 8 | root 8 | blocked 1`, parent equal to the slot itself if made here.
    fn encode(id: SlotId, slot: &Slot) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend_from_slice(&slot.key[..]);
        out.extend_from_slice(&slot.expiry_s.unwrap_or(0).to_be_bytes());
        out.extend_from_slice(&slot.parent.unwrap_or(id).0);
        out.extend_from_slice(&slot.root.0);
        out.push(slot.blocked);
        out
    }

    fn decode(id: SlotId, bytes: &[u8]) -> Option<Slot> {
        let ([VERSION], rest) = bytes.split_first_chunk()? else { return None };
        let (key, rest) = rest.split_first_chunk::<32>()?;
        let (expiry, rest) = rest.split_first_chunk::<8>()?;
        let (parent, rest) = rest.split_first_chunk::<8>()?;
        let (root, [blocked]) = rest.split_first_chunk::<8>()? else { return None };
        let expiry_s = Some(u64::from_be_bytes(*expiry)).filter(|expiry| *expiry != 0);
        let parent = Some(SlotId(*parent)).filter(|parent| *parent != id);
        Some(Slot {
            key: Zeroizing::new(*key),
            expiry_s,
            parent,
            root: SlotId(*root),
            guests: 0,
            blocked: *blocked,
        })
    }

    pub(super) fn restore(&mut self, rows: &[(Key, Value)]) {
        for (key, value) in rows.iter().take(SLOTS_MAX) {
            let id = SlotId(key.seq.to_be_bytes());
            if let Some(slot) = Self::decode(id, value) {
                self.slots.insert(id, slot);
            }
        }
        let guests: Vec<_> =
            self.slots.values().filter_map(|slot| slot.parent.map(|parent| (parent, slot.root))).collect();
        for (parent, root) in guests {
            self.count(parent, root, true);
        }
    }

    fn count(&mut self, parent: SlotId, root: SlotId, more: bool) {
        let step = |count: usize| if more { count + 1 } else { count.saturating_sub(1) };
        if let Some(parent) = self.slots.get_mut(&parent) {
            parent.guests = step(parent.guests);
        }
        let all = self.descendants.entry(root).or_default();
        *all = step(*all);
        if *all == 0 {
            self.descendants.remove(&root);
        }
    }

    /// Tells the shell of all slots, once they are loaded.
    pub(super) fn announce(&self, cx: &mut Cx) {
        for (id, slot) in &self.slots {
            cx.notify(RelayEvent::SlotLives(SlotKey { slot: *id, key: slot.key.clone() }));
        }
    }

    /// Makes a slot here: its id and secret, or `None` if there are too many.
    pub(super) fn make(&mut self, cx: &mut Cx) -> Option<(SlotId, Zeroizing<[u8; 32]>)> {
        if self.slots.len() >= SLOTS_MAX {
            return None;
        }
        let (mut id, mut secret) = (SlotId([0; 8]), Zeroizing::new([0; 32]));
        cx.rng.fill_bytes(&mut id.0);
        cx.rng.fill_bytes(&mut secret[..]);
        if self.slots.contains_key(&id) {
            return None;
        }
        let slot =
            Slot { key: secret.clone(), expiry_s: None, parent: None, root: id, guests: 0, blocked: 0 };
        cx.put(key(id), Self::encode(id, &slot));
        cx.notify(RelayEvent::SlotLives(SlotKey { slot: id, key: secret.clone() }));
        self.slots.insert(id, slot);
        Some((id, secret))
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Slots made here.
    pub(super) fn made_here(&self) -> Vec<SlotId> {
        self.slots.iter().filter(|(_, slot)| slot.parent.is_none()).map(|(id, _)| *id).collect()
    }

    /// The slots made here, with the guests under each and how often it was found blocked.
    pub(super) fn subtrees(&self) -> Vec<Subtree> {
        let made_here = self.slots.iter().filter(|(_, slot)| slot.parent.is_none());
        let subtree = |(id, slot): (&SlotId, &Slot)| Subtree {
            slot: *id,
            guests: self.descendants.get(id).copied().unwrap_or(0) as u64,
            blocked: slot.blocked,
        };
        made_here.map(subtree).collect()
    }

    /// The operator found the door of this slot made here blocked (or it was a mistake: `undo`). Returns how often now; `None` if there is
    /// no such slot.
    pub(super) fn note_blocked(&mut self, id: SlotId, undo: bool, cx: &mut Cx) -> Option<u8> {
        let slot = self.slots.get_mut(&id).filter(|slot| slot.parent.is_none())?;
        slot.blocked = if undo { slot.blocked.saturating_sub(1) } else { slot.blocked.saturating_add(1) };
        cx.put(key(id), Self::encode(id, slot));
        Some(slot.blocked)
    }

    /// Whether a leaf's first frame shows that it knows a living slot.
    pub(super) fn admit(&self, hello: &Hello, leaf_key: &[u8; 32], relay_key: &[u8; 32], now_s: u64) -> bool {
        self.slots.get(&hello.slot).is_some_and(|slot| {
            slot.expiry_s.is_none_or(|expiry| expiry > now_s) && hello.verify(&slot.key, leaf_key, relay_key)
        })
    }

    /// Takes `SlotPut`: `slot 8 | key 32 | expiry 8`. Returns the slot and whether it is stored; the same put again is stored.
    ///
    /// # Errors
    /// [`PeerFault::Length`].
    pub(super) fn put_guest(
        &mut self,
        parent: SlotId,
        payload: &[u8],
        cx: &mut Cx,
    ) -> Result<(SlotId, bool), PeerFault> {
        let (id, rest) = payload.split_first_chunk::<8>().ok_or(PeerFault::Length)?;
        let (secret, rest) = rest.split_first_chunk::<32>().ok_or(PeerFault::Length)?;
        let expiry: [u8; 8] = rest.try_into().map_err(|_| PeerFault::Length)?;
        let id = SlotId(*id);
        // The inviter's clock may run ahead: a longer life is cut to the longest one.
        let expiry_s = u64::from_be_bytes(expiry).min(cx.now_s().saturating_add(GUEST_TTL_S));
        let Some(host) = self.slots.get(&parent) else { return Ok((id, false)) };
        let root = host.root;
        let held = self.slots.get(&id);
        if held.is_some_and(|held| held.parent != Some(parent)) || expiry_s <= cx.now_s() {
            return Ok((id, false));
        }
        if held.is_none() {
            let descendants = self.descendants.get(&root).copied().unwrap_or(0);
            let suspect = self.slots.get(&root).is_some_and(|slot| slot.blocked >= BLOCKED_MAX);
            let full = host.guests >= GUEST_SLOTS_MAX || descendants >= GUESTS_PER_ROOT_MAX || suspect;
            if full || self.slots.len() >= SLOTS_MAX {
                return Ok((id, false));
            }
            self.count(parent, root, true);
        }
        let guests = self.slots.get(&id).map_or(0, |held| held.guests);
        let slot = Slot {
            key: Zeroizing::new(*secret),
            expiry_s: Some(expiry_s),
            parent: Some(parent),
            root,
            guests,
            blocked: 0,
        };
        cx.put(key(id), Self::encode(id, &slot));
        cx.notify(RelayEvent::SlotLives(SlotKey { slot: id, key: slot.key.clone() }));
        self.slots.insert(id, slot);
        Ok((id, true))
    }

    /// Whether `slot` is a guest slot that `parent` made; slots that do not exist count as its own, so that ending one twice succeeds.
    pub(super) fn may_drop(&self, parent: SlotId, slot: SlotId) -> bool {
        self.slots.get(&slot).is_none_or(|held| held.parent == Some(parent))
    }

    /// Ends a slot and all guest slots that descend from it; returns those that ended.
    pub(super) fn drop(&mut self, slot: SlotId, cx: &mut Cx) -> Vec<SlotId> {
        let mut ended = Vec::new();
        let mut next = vec![slot];
        while let Some(id) = next.pop() {
            let Some(gone) = self.slots.remove(&id) else { continue };
            if let Some(parent) = gone.parent {
                self.count(parent, gone.root, false);
            }
            if gone.guests > 0 {
                let guest = |(guest, held): (&SlotId, &Slot)| (held.parent == Some(id)).then_some(*guest);
                next.extend(self.slots.iter().filter_map(guest));
            }
            self.used.remove(&id);
            cx.fx.write(Op::Remove(key(id)));
            cx.notify(RelayEvent::SlotEnded(id));
            ended.push(id);
        }
        ended
    }

    /// Slots whose time is over.
    pub(super) fn expired(&self, now_s: u64) -> Vec<SlotId> {
        let over = |slot: &Slot| slot.expiry_s.is_some_and(|expiry| expiry <= now_s);
        self.slots.iter().filter(|(_, slot)| over(slot)).map(|(id, _)| *id).collect()
    }

    /// Charges bytes that pass through a tunnel of `slot`; false once its day's budget is used up.
    pub(super) fn charge(&mut self, slot: SlotId, bytes: usize, cx: &Cx) -> bool {
        let used = self.used.entry(slot).or_insert_with(|| Used { day: cx.now.mono, ..Used::default() });
        if used.day.after_ms(86_400_000) <= cx.now.mono {
            (used.day, used.bytes) = (cx.now.mono, 0);
        }
        used.bytes = used.bytes.saturating_add(bytes as u64);
        used.bytes <= cx.limits.slot_bytes_per_day
    }

    /// Charges the opening of a tunnel; false if the slot opens too many in a minute.
    pub(super) fn charge_open(&mut self, slot: SlotId, cx: &Cx) -> bool {
        let used = self.used.entry(slot).or_insert_with(|| Used { day: cx.now.mono, ..Used::default() });
        if used.minute.after_ms(60_000) <= cx.now.mono {
            (used.minute, used.opens) = (cx.now.mono, 0);
        }
        used.opens = used.opens.saturating_add(1);
        used.opens <= cx.limits.slot_opens_per_minute
    }
}
