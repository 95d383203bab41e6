//! Doors that pass between this person and contacts: who has which, who is asked for another one, and what they answer. What is decided is
//! the rule of [`crate::handout`]; nobody has to do anything.

mod exchange;
mod record;

use super::api::ContactId;
use super::contact::Contact;
use super::cx::Cx;
use super::doors::Doors;
use super::doors::health::Health;
use crate::core::{Key, Op, Space, Value};
use crate::descriptor::SlotKey;
use crate::handout::{DoorMark, Ledger};
use crate::ids::RelayId;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// Minutes between two looks; see [`super::moves::TICK_MS`].
const TICK_MIN: u32 = (super::moves::TICK_MS / 60_000) as u32;
/// A door that failed for so many minutes of this device's own time, while another one worked, is lost.
const LOST_MIN: u32 = 180;
/// Without any door for so many minutes of this device's own time, contacts are asked although there is no path now: bundle files may be one.
const DARK_MIN: u32 = 720;
/// A door that is lost for so many minutes goes once there are enough others.
const FORGET_MIN: u32 = 7 * 1_440;
/// How often the state of a failing door is written down, minutes.
const SAVE_MIN: u32 = 30;
/// A guest's slot is prolonged when it ends in less than this, seconds.
const RENEW_S: u64 = 30 * 86_400;
/// A wish that can not be granted now is kept so long, milliseconds: who still has it asks again.
const WISH_MS: u64 = 2 * 86_400_000;
/// What comes later than this after a question is no answer to it, milliseconds.
const ANSWER_MS: u64 = 40 * 86_400_000;
/// Guest slots that are remembered of one contact.
const SLOTS_MAX: usize = 8;
/// When doors were given that is remembered.
const GAVE_MAX: usize = 16;

/// A slot at a relay that a contact got from this person.
struct Guest {
    relay: RelayId,
    slot: SlotKey,
    /// Unix seconds.
    expiry_s: u64,
    /// The relay has it, and the contact was told.
    told: bool,
    /// The end that the relay was asked for.
    asked_s: u64,
}

/// What a contact wished for.
struct Wish {
    has: Vec<DoorMark>,
    since_ms: u64,
}

/// One contact in the matter of doors.
#[derive(Default)]
struct With {
    ledger: Ledger,
    guests: Vec<Guest>,
    /// When they were asked last, Unix milliseconds, and the number of that body.
    asked_ms: u64,
    asked_seq: u64,
    wish: Option<Wish>,
}

/// How long a door has been failing.
#[derive(Debug, Default, Clone, Copy)]
struct Failing {
    minutes: u32,
    since_ms: u64,
}

/// All that passed.
#[derive(Default)]
pub(crate) struct Handouts {
    with: BTreeMap<ContactId, With>,
    failing: BTreeMap<RelayId, Failing>,
    /// When this person gave doors away, Unix milliseconds.
    gave_ms: Vec<u64>,
    /// Since when this person has had a door, Unix milliseconds; 0: never.
    since_ms: u64,
    dark_min: u32,
}

impl core::fmt::Debug for Handouts {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Handouts({} contacts)", self.with.len())
    }
}

const fn key_of(contact: ContactId) -> Key {
    Key::single(Space::Handout, contact.0 as u64)
}

const fn key_of_door(relay: RelayId) -> Key {
    Key::of(Space::Handout, relay.0, 0)
}

/// Contacts have numbers of 32 bits.
const OWN: Key = Key::single(Space::Handout, 1 << 40);

impl Handouts {
    /// Takes a stored record; a damaged one is passed over and counted.
    pub(crate) fn load(&mut self, key: Key, value: &Value, cx: &mut Cx<'_>) {
        let taken = if key == OWN {
            self.decode_own(value)
        } else if key.group == [0; 16] {
            With::decode(value).map(|with| drop(self.with.insert(ContactId(key.seq as u32), with)))
        } else {
            record::failing(value).map(|failing| {
                self.failing.insert(RelayId(key.group), failing);
            })
        };
        if taken.is_err() {
            cx.fault();
        }
    }

    fn save(&self, contact: ContactId, cx: &mut Cx<'_>) {
        if let Some(with) = self.with.get(&contact) {
            cx.write(Op::Put(key_of(contact), Zeroizing::new(with.encode())));
        }
    }

    fn save_own(&self, cx: &mut Cx<'_>) {
        cx.write(Op::Put(OWN, Zeroizing::new(self.encode_own())));
    }

    /// A door passed between this person and a contact by an invitation: nothing else shows who had which.
    pub(crate) fn note(&mut self, contact: ContactId, given: bool, relay: RelayId, cx: &mut Cx<'_>) {
        self.with.entry(contact).or_default().ledger.note(relay, given, cx.now.wall_ms);
        self.save(contact, cx);
    }

    /// The slot of a guest of an invitation: it is prolonged from here from now on.
    pub(crate) fn note_guest(&mut self, contact: ContactId, relay: RelayId, slot: SlotKey, expiry_s: u64) {
        let with = self.with.entry(contact).or_default();
        with.keep(Guest { relay, slot, expiry_s, told: true, asked_s: 0 });
    }

    /// Since when the door of `relay` has been failing while others worked, if it is lost, Unix milliseconds.
    pub(crate) fn lost_ms(&self, relay: RelayId) -> Option<u64> {
        self.failing.get(&relay).filter(|held| held.minutes >= LOST_MIN).map(|held| held.since_ms)
    }

    /// Who gave the door of `relay`.
    pub(crate) fn from(&self, relay: RelayId) -> Option<ContactId> {
        let gave = |with: &With| with.ledger.passed.iter().any(|held| !held.given && held.relay == relay);
        self.with.iter().find(|(_, with)| gave(with)).map(|(contact, _)| *contact)
    }

    /// One look at all doors: which fail, which are lost, and what that says of those who have them.
    fn watch(&mut self, doors: &mut Doors, cx: &mut Cx<'_>) {
        let (up, health) = (doors.links_up() > 0, doors.health());
        let now_ms = cx.now.wall_ms;
        if up && self.since_ms == 0 {
            self.since_ms = now_ms;
            self.save_own(cx);
        }
        let dark = if up { 0 } else { self.dark_min.saturating_add(TICK_MIN) };
        let told = dark.is_multiple_of(SAVE_MIN) && dark != self.dark_min;
        self.dark_min = dark;
        if told {
            self.save_own(cx);
        }
        for (relay, health) in &health {
            match health {
                Health::Up => {
                    if self.failing.remove(relay).is_some_and(|held| held.minutes >= SAVE_MIN) {
                        cx.write(Op::Remove(key_of_door(*relay)));
                    }
                }
                Health::Failing if up => {
                    let held = self.failing.entry(*relay).or_default();
                    if held.minutes == 0 {
                        held.since_ms = now_ms;
                    }
                    held.minutes = held.minutes.saturating_add(TICK_MIN);
                    if held.minutes.is_multiple_of(SAVE_MIN) {
                        let value = record::of_failing(held);
                        cx.write(Op::Put(key_of_door(*relay), Zeroizing::new(value)));
                    }
                }
                Health::Failing | Health::Idle => {}
            }
        }
        self.forget(&health, doors, cx);
        // What this person's own doors to the same relays say of those whom they were given to.
        let judged: Vec<_> = health
            .iter()
            .filter(|(relay, health)| *health == Health::Up || self.lost_ms(*relay).is_some())
            .map(|(relay, _)| (*relay, self.lost_ms(*relay)))
            .collect();
        let mut changed = Vec::new();
        for (contact, with) in &mut self.with {
            // Each one counts; any of them is new or none is.
            if judged.iter().filter(|(relay, lost)| with.ledger.judge(*relay, *lost)).count() > 0 {
                changed.push(*contact);
            }
        }
        changed.into_iter().for_each(|contact| self.save(contact, cx));
    }

    /// Forgets doors that were lost long ago while there are enough others, and what is known of doors that are gone.
    fn forget(&mut self, health: &[(RelayId, Health)], doors: &mut Doors, cx: &mut Cx<'_>) {
        let enough =
            health.iter().filter(|(_, health)| *health == Health::Up).count() >= crate::handout::DOORS_WANTED;
        for (relay, _) in health {
            let long = self.failing.get(relay).is_some_and(|held| held.minutes >= FORGET_MIN);
            if enough && long {
                doors.remove(*relay, cx);
            }
        }
        let gone: Vec<_> = self.failing.keys().copied().filter(|relay| !doors.has(*relay)).collect();
        for relay in gone {
            self.failing.remove(&relay);
            cx.write(Op::Remove(key_of_door(relay)));
        }
    }

    /// Doors that are not lost; none while no door has opened for long.
    fn living(&self, doors: &Doors) -> Vec<RelayId> {
        if self.dark_min >= DARK_MIN {
            return Vec::new();
        }
        let all = doors.health().into_iter().map(|(relay, _)| relay);
        all.filter(|relay| self.lost_ms(*relay).is_none()).collect()
    }
}

impl With {
    fn keep(&mut self, guest: Guest) {
        self.guests.retain(|held| held.relay != guest.relay);
        if self.guests.len() >= SLOTS_MAX {
            self.guests.remove(0);
        }
        self.guests.push(guest);
    }
}

/// Whether doors pass between this person and a contact.
fn may_pass(contact: &Contact) -> bool {
    let connected = contact.card.meeting == super::api::Meeting::Connected && contact.talk.is_some();
    connected && !contact.terms.blocked && !contact.terms.keys_changed
}
