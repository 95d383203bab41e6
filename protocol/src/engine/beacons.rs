//! Beacons of all contacts: put out for those who may have lost sight of this person, looked up for those who are lost from here.

use super::api::ContactId;
use super::contact::Contact;
use super::cx::{Ask, Cx, Signal, Token};
use super::doors::Doors;
use super::outbox;
use super::routes::{Lane, RouteError};
use crate::beacon::BeaconKeys;
use crate::body::MailboxDescriptor;
use crate::identity::LocalIdentity;
use crate::ids::RelayId;
use crate::limits::INVITE_TTL_S;
use crate::rpc::{Refusal, Reply, Request};
use std::collections::{BTreeMap, BTreeSet};

/// Contacts whose beacon is put out, and contacts whose beacon is looked up, in one round: each needs tunnels of its own.
const CONTACTS_A_ROUND: usize = 4;
/// Relays near a beacon that are asked for it in one round.
const ASKED_A_ROUND: usize = 3;
/// Rounds after which a beacon is put out once more: a week.
const ROUNDS_AGAIN: u64 = 2_016;
/// Relays near a beacon that did not take it, or came since, are asked in the next round and then once in so many: an hour.
const ROUNDS_MISSING: u64 = 12;

/// The beacon that was put out for a contact.
#[derive(Debug)]
struct Shown {
    /// Number of the descriptor in it.
    seq: u64,
    round: u64,
    /// Relays that have it.
    at: BTreeSet<RelayId>,
}

/// Which beacons were put out since start, and how often each lost contact was looked for.
#[derive(Debug, Default)]
pub(crate) struct Beacons {
    shown: BTreeMap<ContactId, Shown>,
    tries: BTreeMap<ContactId, u64>,
    round: u64,
}

impl Beacons {
    /// One round: some beacons are put out, and for some of the contacts that are lost some more relays are asked. `now` is where this
    /// person's mailboxes are and whether they were elsewhere before.
    pub(crate) fn on_round(
        &mut self,
        contacts: &BTreeMap<ContactId, Contact>,
        now: (&MailboxDescriptor, bool),
        me: &LocalIdentity,
        doors: &mut Doors,
        cx: &mut Cx<'_>,
    ) {
        self.round += 1;
        if doors.links_up() == 0 {
            return;
        }
        let (mailboxes, moved) = now;
        let known = || contacts.values().filter(|contact| contact.card.pair.iter().any(|byte| *byte != 0));
        let behind = |contact: &&Contact| {
            contact.talk.as_ref().is_some_and(|talk| talk.seen_mailboxes < mailboxes.seq)
        };
        if moved {
            let due = |contact: &&Contact| behind(contact) && self.is_due(contact, mailboxes.seq, doors);
            let due: Vec<_> = known().filter(due).take(CONTACTS_A_ROUND).collect();
            due.into_iter().for_each(|contact| self.show(contact, mailboxes, me, doors, cx));
        }
        let stranded = |contact: &&Contact| contact.talk.is_some() && contact.out.is_stranded();
        let mut lost: Vec<_> = known().filter(stranded).collect();
        self.tries.retain(|id, _| lost.iter().any(|contact| contact.id == *id));
        // Who was looked for least comes first.
        lost.sort_by_key(|contact| self.tries.get(&contact.id).copied().unwrap_or(0));
        lost.truncate(CONTACTS_A_ROUND);
        lost.into_iter().for_each(|contact| self.look_up(contact, doors, cx));
    }

    fn is_due(&self, contact: &Contact, seq: u64, doors: &Doors) -> bool {
        let Some(shown) = self.shown.get(&contact.id).filter(|shown| shown.seq == seq) else { return true };
        let age = self.round - shown.round;
        if age >= ROUNDS_AGAIN || shown.at.is_empty() {
            return true;
        }
        (age == 1 || age.is_multiple_of(ROUNDS_MISSING)) && {
            let keys = BeaconKeys::new(&contact.card.pair, contact.card.initiator);
            doors.nearest(&keys.locator).iter().any(|relay| !shown.at.contains(relay))
        }
    }

    fn show(
        &mut self,
        contact: &Contact,
        mailboxes: &MailboxDescriptor,
        me: &LocalIdentity,
        doors: &mut Doors,
        cx: &mut Cx<'_>,
    ) {
        let keys = BeaconKeys::new(&contact.card.pair, contact.card.initiator);
        let expiry_s = cx.now.wall_ms / 1_000 + INVITE_TTL_S;
        let Ok(object) = keys.seal(me, mailboxes, expiry_s, cx.rng) else {
            cx.fault();
            return;
        };
        let round = self.round;
        let fresh = |shown: &Shown| shown.seq == mailboxes.seq && round < shown.round + ROUNDS_AGAIN;
        if !self.shown.get(&contact.id).is_some_and(fresh) {
            self.shown.insert(contact.id, Shown { seq: mailboxes.seq, round, at: BTreeSet::new() });
        }
        let held = self.shown.get(&contact.id).map(|shown| &shown.at);
        doors.seek(&keys.locator, cx);
        for relay in doors.nearest(&keys.locator) {
            if held.is_none_or(|held| !held.contains(&relay)) {
                let ask = Ask::Plain(Request::Put(object.bytes().to_vec()));
                cx.signal(Signal::Ask(Lane::Beacon(contact.id), relay, ask, Token::BeaconPut(contact.id)));
            }
        }
    }

    /// A relay's word on a beacon that was put out.
    pub(crate) fn on_put(&mut self, contact: ContactId, relay: RelayId, answer: &Result<Reply, RouteError>) {
        if let (Some(shown), Ok(Reply::Done) | Err(RouteError::Refused(Refusal::Stale))) =
            (self.shown.get_mut(&contact), answer)
        {
            shown.at.insert(relay);
        }
    }

    fn look_up(&mut self, contact: &Contact, doors: &mut Doors, cx: &mut Cx<'_>) {
        let keys = BeaconKeys::new(&contact.card.pair, !contact.card.initiator);
        doors.seek(&keys.locator, cx);
        let near = doors.nearest(&keys.locator);
        let tries = self.tries.entry(contact.id).or_default();
        let turn = (*tries as usize).saturating_mul(ASKED_A_ROUND);
        *tries += 1;
        for relay in near.iter().cycle().skip(turn).take(ASKED_A_ROUND.min(near.len())) {
            let ask = Ask::Plain(Request::Get(keys.locator));
            cx.signal(Signal::Ask(Lane::Beacon(contact.id), *relay, ask, Token::BeaconGet(contact.id)));
        }
    }
}

/// A beacon of a contact, perhaps: if it is newer than what is known, cells go where it points.
pub(crate) fn on_found(contact: &mut Contact, answer: &Result<Reply, RouteError>, cx: &mut Cx<'_>) {
    let Ok(Reply::Object(bytes)) = answer else { return };
    let keys = BeaconKeys::new(&contact.card.pair, !contact.card.initiator);
    let Ok(mailboxes) = keys.open(bytes, &contact.card.fingerprint) else {
        // A relay that shows a wrong object must not lead anybody astray; another copy may be good.
        cx.fault();
        return;
    };
    let Some(talk) = contact.talk.as_mut().filter(|talk| mailboxes.seq > talk.their.seq) else { return };
    if mailboxes.mailboxes.is_empty() {
        return;
    }
    talk.moved(mailboxes, cx.now.wall_ms);
    outbox::on_moved(contact, cx);
    if let Some(op) = contact.save_talk() {
        cx.write(op);
    }
}
