//! How far own messages to a group are: with whom, and since when. While somebody is waited for it stands beside the message under way;
//! afterwards one small record of those who have it stays, so that the message's page can name them.

use super::api::{ContactId, Event, MessageState};
use super::contact::Contact;
use super::cx::Cx;
use super::group_api::{GroupEvent, GroupNumber, Reached, Recipient};
use super::group_state::{Group, OutPost};
use super::groups::RECEIPTS_MAX;
use crate::core::{Key, Op, Space};
use crate::ids::{MemberId, first};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// Where the record of those who have message `seq` of this person, `me` in this group, lies.
#[must_use]
pub fn key(group: GroupNumber, me: &MemberId, seq: u64) -> Key {
    Key::of(Space::GroupHas, group.records_of(me), seq)
}

/// What stays of a message that nobody is waited for any more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Has {
    /// Who has it, and since when this device knows it (Unix milliseconds).
    pub members: Vec<(MemberId, u64)>,
    /// It is not on its way any more though members lack it: its author was removed, or nobody stayed who could get it.
    pub given_up: bool,
}

/// In place of a member: the message was given up.
const GIVEN_UP: MemberId = MemberId([0; 16]);

/// Reads the record: `{ member 16 | at 8 }…`, zeros for a message that was given up.
#[must_use]
pub fn decode(value: &[u8]) -> Has {
    let pairs = value.as_chunks::<24>().0.iter().map(|pair| pair.split_at(16));
    let mut members: Vec<(MemberId, u64)> =
        pairs.map(|(member, at)| (MemberId(first(member)), u64::from_be_bytes(first(at)))).collect();
    let all = members.len();
    members.retain(|(member, _)| *member != GIVEN_UP);
    Has { given_up: members.len() < all, members }
}

fn encode(has: &BTreeMap<MemberId, u64>, given_up: bool) -> Zeroizing<Vec<u8>> {
    let given_up = given_up.then_some((&GIVEN_UP, &0));
    let pairs =
        has.iter().chain(given_up).flat_map(|(member, at)| [&member.0[..], &at.to_be_bytes()].concat());
    Zeroizing::new(pairs.collect())
}

/// Notes of an own message that others hold another one under its number.
pub(crate) fn give_up(group: GroupNumber, me: &MemberId, seq: u64, cx: &mut Cx<'_>) {
    cx.write(Op::Put(key(group, me, seq), encode(&BTreeMap::new(), true)));
}

/// What the states with all who are waited for say together; `None` if everybody has it.
fn sum(states: impl Iterator<Item = MessageState>) -> Option<Reached> {
    let (mut delivered, mut of, mut stored) = (0, 0, true);
    for state in states {
        of += 1;
        delivered += usize::from(state == MessageState::Delivered);
        stored &= state >= MessageState::Stored;
    }
    if of >= RECEIPTS_MAX && stored {
        return None;
    }
    (delivered < of).then_some(Reached { delivered: delivered as u32, of: of as u32, stored })
}

impl Group {
    /// How far an own message is with each member who is waited for.
    fn states<'a>(
        &'a self,
        seq: u64,
        post: &'a OutPost,
        contacts: &'a BTreeMap<ContactId, Contact>,
    ) -> impl Iterator<Item = (MemberId, MessageState)> + 'a {
        let has = move |member: &MemberId| {
            post.has.as_ref().is_some_and(|has| has.contains_key(member))
                || self.authors.get(member).is_some_and(|held| seq < held.has_below)
        };
        let direct = post.direct.iter().map(move |(member, contact, number)| {
            let state = match contacts.get(contact) {
                _ if has(member) => MessageState::Delivered,
                Some(contact) => contact.delivery().state(*number),
                None => MessageState::Queued,
            };
            // That a letter counts as read says nothing about the group.
            (*member, state.min(MessageState::Delivered))
        });
        // Nobody says of a message that others pass on that relays hold it for them.
        let passed = if post.stored { MessageState::Stored } else { MessageState::Queued };
        let others = post.others.iter();
        let others =
            others.map(move |member| (*member, if has(member) { MessageState::Delivered } else { passed }));
        direct.chain(others)
    }

    /// How far own message `seq` is; `None` if everybody has it.
    pub(crate) fn reached(&self, seq: u64, contacts: &BTreeMap<ContactId, Contact>) -> Option<Reached> {
        let post = self.out.get(&seq)?;
        let states: BTreeMap<_, _> = self.states(seq, post, contacts).collect();
        let reached = sum(states.values().copied())?;
        // Those who have it and left are not waited for, but they have it.
        let left =
            post.has.iter().flatten().filter(|(member, _)| !states.contains_key(member)).count() as u32;
        Some(Reached { delivered: reached.delivered + left, of: reached.of + left, ..reached })
    }

    /// With whom own message `seq` is how far, those who left and have it included; empty once nobody is waited for.
    pub(crate) fn recipients(&self, seq: u64, contacts: &BTreeMap<ContactId, Contact>) -> Vec<Recipient> {
        let Some(post) = self.out.get(&seq) else { return Vec::new() };
        let has = post.has.iter().flatten().map(|(member, at)| (*member, Some(*at)));
        let mut all: BTreeMap<_, _> =
            has.map(|(member, at)| (member, (MessageState::Delivered, at))).collect();
        for (member, state) in self.states(seq, post, contacts) {
            all.entry(member).or_insert((state, None));
        }
        all.into_iter().map(|(member, (state, at_ms))| Recipient { member, state, at_ms }).collect()
    }

    /// Forgets own messages that everybody has; whether any moved on is not known, so the front end is told.
    pub(crate) fn on_moved(&mut self, contacts: &BTreeMap<ContactId, Contact>, cx: &mut Cx<'_>) {
        if self.out.is_empty() {
            return;
        }
        for seq in self.out.keys().copied().collect::<Vec<_>>() {
            let Some(post) = self.out.get(&seq) else { continue };
            let states: Vec<_> = self.states(seq, post, contacts).collect();
            let mut news = false;
            if let Some(has) = self.out.get_mut(&seq).and_then(|post| post.has.as_mut()) {
                let before = has.len();
                for (member, _) in states.iter().filter(|(_, state)| *state == MessageState::Delivered) {
                    has.entry(*member).or_insert(cx.now.wall_ms);
                }
                news = has.len() > before;
            }
            let done = sum(states.iter().map(|(_, state)| *state)).is_none();
            if done {
                self.finish(seq, false, cx);
            } else if news {
                cx.write(self.save_out(seq));
            }
        }
        self.tend_expiry(cx);
        cx.notify(Event::Group(GroupEvent::Delivery(self.number)));
    }

    /// Nobody is waited for any more: who has the message stays on disk, and whether it was given up.
    pub(crate) fn finish(&mut self, seq: u64, given_up: bool, cx: &mut Cx<'_>) {
        let has = self.out.remove(&seq).and_then(|post| post.has);
        cx.write(self.save_out(seq));
        if let Some(has) = has.filter(|has| given_up || !has.is_empty()) {
            cx.write(Op::Put(key(self.number, &self.own.id, seq), encode(&has, given_up)));
        }
    }
}
