//! What passes: wishes for a door, the guest slot that the relay is asked for, the offer, and slots that are prolonged.

use super::{ANSWER_MS, GAVE_MAX, Guest, Handouts, RENEW_S, WISH_MS, Wish, may_pass};
use crate::address::Ticket;
use crate::body::{Body, Content};
use crate::descriptor::{Door, SlotKey};
use crate::engine::api::{ContactId, DoorInfo};
use crate::engine::contact::Contact;
use crate::engine::cx::{Alarm, Cx, context};
use crate::engine::doors::health::Health;
use crate::engine::doors::{Doors, send};
use crate::engine::message::Marks;
use crate::engine::{Engine, invites, outbox};
use crate::handout::{self, Asker, DoorMark, Giver, Own, Source};
use crate::ids::{RelayId, SlotId};
use crate::limits::DOOR_MARKS_MAX;
use crate::link::{Frame, Kind};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

type Contacts = BTreeMap<ContactId, Contact>;

impl Engine {
    /// Doors with where they are from.
    pub(crate) fn door_list(&self) -> Vec<DoorInfo> {
        let info = |(door, linked): (Door, bool)| DoorInfo {
            from: self.handouts.from(door.relay),
            lost_ms: self.handouts.lost_ms(door.relay),
            door,
            linked,
        };
        self.doors.list().into_iter().map(info).collect()
    }

    /// Looks after the doors of this person and of those whom they gave some.
    pub(crate) fn tend_doors(&mut self) {
        let Self { handouts, doors, contacts, .. } = self;
        let mut cx = context!(self);
        handouts.watch(doors, &mut cx);
        handouts.prolong(doors, contacts, &mut cx);
        handouts.grant(doors, contacts, &mut cx);
        handouts.ask(doors, contacts, &mut cx);
    }

    /// Doors passed by an invitation.
    pub(crate) fn note_doors(
        &mut self,
        contact: ContactId,
        given: bool,
        relays: impl Iterator<Item = RelayId>,
    ) {
        let Self { handouts, .. } = self;
        let mut cx = context!(self);
        relays.for_each(|relay| handouts.note(contact, given, relay, &mut cx));
    }

    /// The contact has answered: this person keeps the doors of the invitation that they need.
    pub(crate) fn take_doors(&mut self, from: ContactId, invitation: Option<Zeroizing<String>>) {
        let ticket = invitation.and_then(|text| Ticket::from_text(&text).ok());
        let Self { handouts, doors, .. } = self;
        let mut cx = context!(self);
        for door in ticket.map_or_else(Vec::new, |ticket| ticket.doors()) {
            handouts.take(from, &door, doors, &mut cx);
        }
    }

    /// Somebody came by an own invitation, and so has a guest slot.
    pub(crate) fn note_guest(&mut self, contact: ContactId, invitation: u64) {
        let Self { handouts, invites, .. } = self;
        let mut cx = context!(self);
        let Some((slot, relays, expiry_s)) = invites.guest(invitation) else { return };
        for relay in relays {
            handouts.note_guest(contact, *relay, slot.clone(), expiry_s);
            handouts.note(contact, true, *relay, &mut cx);
        }
    }

    /// A contact wishes for a door, or gives one.
    pub(crate) fn on_door_word(&mut self, from: ContactId, content: Content) {
        let Self { handouts, doors, contacts, .. } = self;
        let mut cx = context!(self);
        if !contacts.get(&from).is_some_and(may_pass) {
            return;
        }
        match content {
            Content::DoorWish(has) => {
                handouts.on_wish(from, has, &mut cx);
                handouts.grant(doors, contacts, &mut cx);
            }
            Content::DoorOffer { door, .. } => match Door::from_text(&door) {
                Ok(door) => handouts.on_offer(from, &door, doors, &mut cx),
                Err(_) => cx.fault(),
            },
            _ => {}
        }
    }

    /// A relay answered about a guest slot.
    pub(crate) fn on_guest_slot(&mut self, relay: RelayId, slot: SlotId, granted: bool) {
        let Self { handouts, doors, contacts, .. } = self;
        let mut cx = context!(self);
        handouts.on_slot((relay, slot), granted, doors, contacts, &mut cx);
    }
}

impl Handouts {
    /// Asks one contact for a door if there are too few.
    fn ask(&mut self, doors: &Doors, contacts: &mut Contacts, cx: &mut Cx<'_>) {
        let living = self.living(doors);
        if living.len() >= handout::DOORS_WANTED {
            return;
        }
        let open = |id: &ContactId, asked_seq: u64| {
            contacts.get(id).is_some_and(|contact| {
                // Who has not had the last question yet needs no other one.
                let had = contact.talk.as_ref().is_some_and(|talk| asked_seq < talk.delivered.below);
                may_pass(contact) && had
            })
        };
        let some: Vec<_> = self.with.iter().filter(|(id, with)| open(id, with.asked_seq)).collect();
        let theirs = |with: &super::With| {
            let passed = with.ledger.passed.iter();
            passed.filter(|held| !held.given && living.contains(&held.relay)).count()
        };
        let sources: Vec<_> = some
            .iter()
            .map(|(_, with)| Source {
                ledger: &with.ledger,
                from_them: theirs(with),
                asked_ms: with.asked_ms,
            })
            .collect();
        let whom = handout::whom_to_ask(&sources, cx.now.wall_ms);
        let Some(id) = whom.and_then(|at| some.get(at)).map(|(id, _)| **id) else { return };
        let (Some(contact), Some(with)) = (contacts.get_mut(&id), self.with.get_mut(&id)) else { return };
        let marks = doors.health().into_iter();
        let has = marks.map(|(relay, _)| handout::mark(&contact.card.conversation, relay));
        with.asked_ms = cx.now.wall_ms;
        with.asked_seq = tell(contact, Content::DoorWish(has.take(DOOR_MARKS_MAX).collect()), cx);
        self.save(id, cx);
    }

    fn on_wish(&mut self, from: ContactId, has: Vec<DoorMark>, cx: &mut Cx<'_>) {
        // With whom nothing passed yet there is nothing to judge by.
        if let Some(with) = self.with.get_mut(&from) {
            with.wish = Some(Wish { has, since_ms: cx.now.wall_ms });
            self.save(from, cx);
        }
    }

    /// Grants what the rule allows now.
    fn grant(&mut self, doors: &Doors, contacts: &Contacts, cx: &mut Cx<'_>) {
        let now_ms = cx.now.wall_ms;
        let wishing = self.with.iter().filter(|(_, with)| with.wish.is_some()).map(|(id, _)| *id);
        let wishing: Vec<_> = wishing.collect();
        for id in wishing {
            let Some(contact) = contacts.get(&id).filter(|contact| may_pass(contact)) else { continue };
            let own = self.own(id, contact, doors);
            let Some(with) = self.with.get(&id) else { continue };
            let Some(wish) = &with.wish else { continue };
            let old = wish.since_ms.saturating_add(WISH_MS) <= now_ms
                || wish.since_ms > now_ms.saturating_add(WISH_MS);
            let giver = Giver {
                age_ms: if self.since_ms == 0 { 0 } else { now_ms.saturating_sub(self.since_ms) },
                delivered: contacts
                    .values()
                    .filter_map(|contact| contact.talk.as_ref())
                    .map(|talk| talk.delivered.below - 1)
                    .sum(),
                gave_ms: &self.gave_ms,
            };
            let talked =
                contact.talk.as_ref().map_or(0, |talk| talk.delivered.below.min(talk.receive_next) - 1);
            let chosen = handout::choose(&giver, &Asker { ledger: &with.ledger, talked }, &own, now_ms);
            match chosen {
                Some(relay) => self.give(id, relay, doors, cx),
                None if old => {
                    if let Some(with) = self.with.get_mut(&id) {
                        with.wish = None;
                        self.save(id, cx);
                    }
                }
                None => {}
            }
        }
    }

    /// The doors that could be given to a contact now.
    fn own(&self, id: ContactId, contact: &Contact, doors: &Doors) -> Vec<Own> {
        let has = self.with.get(&id).and_then(|with| with.wish.as_ref()).map_or(&[][..], |wish| &wish.has);
        let given_to = |relay: RelayId| {
            self.with
                .values()
                .filter(|with| {
                    with.ledger
                        .passed
                        .iter()
                        .any(|held| held.given && held.relay == relay && held.lost_ms.is_none())
                })
                .count()
        };
        let own = |door: &Door| Own {
            relay: door.relay,
            asker_has: has.contains(&handout::mark(&contact.card.conversation, door.relay)),
            given_to: given_to(door.relay),
        };
        // Behind a pluggable transport the relay itself need not be reachable.
        doors.hosts().iter().filter(|door| door.pt.is_none()).copied().map(own).collect()
    }

    /// Asks the relay for a slot for the contact; the offer leaves when the relay has it.
    fn give(&mut self, id: ContactId, relay: RelayId, doors: &Doors, cx: &mut Cx<'_>) {
        let expiry_s = invites::expiry_s(doors, cx);
        let Some(with) = self.with.get_mut(&id) else { return };
        with.wish = None;
        let held = with.guests.iter().find(|guest| guest.relay == relay);
        let slot = held.map_or_else(
            || {
                let (mut slot, mut key) = (SlotId([0; 8]), Zeroizing::new([0; 32]));
                cx.rng.fill_bytes(&mut slot.0);
                cx.rng.fill_bytes(&mut key[..]);
                SlotKey { slot, key }
            },
            |guest| guest.slot.clone(),
        );
        if !with.ledger.has_given(relay) {
            if self.gave_ms.len() >= GAVE_MAX {
                self.gave_ms.remove(0);
            }
            self.gave_ms.push(cx.now.wall_ms);
        }
        with.keep(Guest { relay, slot, expiry_s, told: false, asked_s: 0 });
        self.save(id, cx);
        self.save_own(cx);
        // A frame rests on what was written before it: a slot whose key this device may have forgotten would be nobody's.
        if let Some(guest) = self.with.get_mut(&id).and_then(|with| with.guests.last_mut()) {
            guest.put(expiry_s, doors, cx);
        }
    }

    /// A relay has a guest's slot, or refused it.
    fn on_slot(
        &mut self,
        (relay, slot): (RelayId, SlotId),
        granted: bool,
        doors: &Doors,
        contacts: &mut Contacts,
        cx: &mut Cx<'_>,
    ) {
        let is_it = |guest: &Guest| guest.relay == relay && guest.slot.slot == slot;
        let Some((id, with)) = self.with.iter_mut().find(|(_, with)| with.guests.iter().any(is_it)) else {
            return;
        };
        let id = *id;
        let Some(guest) = with.guests.iter_mut().find(|guest| is_it(guest)) else { return };
        if guest.asked_s == 0 {
            // An invitation's, which is asked for elsewhere.
            return;
        }
        if !granted {
            // It is no slot of this person's any more, or the relay has too many.
            with.guests.retain(|guest| !is_it(guest));
            return self.save(id, cx);
        }
        guest.expiry_s = core::mem::take(&mut guest.asked_s);
        let door = doors.hosts().into_iter().find(|door| door.relay == relay);
        if let (false, Some(door), Some(contact)) = (guest.told, door, contacts.get_mut(&id)) {
            let SlotKey { slot, key } = guest.slot.clone();
            let line = Door { slot, key, ..door.clone() }.to_text();
            // A transport of this device is of no use to another one.
            let line = line.split_whitespace().next().unwrap_or_default();
            let door = Zeroizing::new(line.to_owned());
            tell(contact, Content::DoorOffer { door, expiry_s: guest.expiry_s }, cx);
            guest.told = true;
            with.ledger.note(relay, true, cx.now.wall_ms);
        }
        self.save(id, cx);
    }

    /// Prolongs the slots of guests, and asks again for those that no answer came to.
    fn prolong(&mut self, doors: &Doors, contacts: &Contacts, cx: &mut Cx<'_>) {
        let expiry_s = invites::expiry_s(doors, cx);
        let now_s = doors.relays_time_s().unwrap_or(cx.now.wall_ms / 1_000);
        let now_ms = cx.now.wall_ms;
        for (id, with) in &mut self.with {
            let trusted = with.ledger.young_deaths(now_ms) < handout::YOUNG_DEATHS_MAX;
            if !trusted || !contacts.get(id).is_some_and(may_pass) {
                continue;
            }
            for guest in &mut with.guests {
                let ends = guest.expiry_s < now_s.saturating_add(RENEW_S) && guest.expiry_s < expiry_s;
                if !guest.told || ends {
                    guest.put(expiry_s, doors, cx);
                }
            }
        }
    }

    /// A contact gives a door.
    fn on_offer(&mut self, from: ContactId, door: &Door, doors: &mut Doors, cx: &mut Cx<'_>) {
        let now_ms = cx.now.wall_ms;
        let asked = self.with.get(&from).map_or(0, |with| with.asked_ms);
        let answers = asked != 0 && now_ms < asked.saturating_add(ANSWER_MS);
        let reachable = door.addr.is_global() || doors.are_private();
        if answers && reachable {
            self.take(from, door, doors, cx);
            self.note(from, false, door.relay, cx);
        } else {
            cx.fault();
        }
    }

    /// Keeps a door of a contact if it is needed: nobody needs more than three that work, or more than two of one person.
    fn take(&mut self, from: ContactId, door: &Door, doors: &mut Doors, cx: &mut Cx<'_>) {
        let living = self.living(doors);
        let passed = self.with.get(&from).map_or(&[][..], |with| &with.ledger.passed);
        let theirs = passed.iter().filter(|held| !held.given && living.contains(&held.relay)).count();
        let few = theirs < handout::FROM_ONE_MAX && living.len() < handout::DOORS_WANTED;
        let health = doors.health();
        let works = health.iter().any(|(relay, how)| *relay == door.relay && *how != Health::Failing);
        if few && !works && !doors.add(door, cx) {
            // Too many: the one that is lost longest makes room.
            let lost = self.failing.iter().max_by_key(|(_, held)| held.minutes).map(|(relay, _)| *relay);
            if lost.is_some_and(|lost| doors.remove(lost, cx)) {
                doors.add(door, cx);
            }
        }
    }
}

impl Guest {
    /// Asks the relay to keep the slot until then, if it is reached now.
    fn put(&mut self, expiry_s: u64, doors: &Doors, cx: &mut Cx<'_>) {
        if let Some(link) = doors.link_of(self.relay) {
            self.asked_s = expiry_s;
            let payload = [&self.slot.slot.0[..], &self.slot.key[..], &expiry_s.to_be_bytes()].concat();
            send(link, Frame::new(Kind::SlotPut, 0, payload), cx);
        }
    }
}

/// Queues what no conversation shows; returns its number.
fn tell(contact: &mut Contact, content: Content, cx: &mut Cx<'_>) -> u64 {
    let seq = outbox::queue(contact, Body::new(0, content), Marks::hidden(), cx);
    cx.alarm_by(Alarm::Pump(contact.id), 0);
    seq
}
