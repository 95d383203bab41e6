//! The engine's side of resets and backups: commands, loads and cells find their way to gifts, contacts and mailboxes.

use super::api::{ContactId, Event, Meeting, Reply};
use super::contact::{Card, Contact, Pending};
use super::cx::{Alarm, context};
use super::resets::{Next, Purpose, RESTORE_JUMP, replace};
use super::terms::Terms;
use super::{CONTACTS_MAX, Engine};
use super::{inbox, setback};
use crate::backup::{BackupContact, BackupMailbox, BackupState};
use crate::body::{Payload, Resume};
use crate::cell::Cell;
use crate::core::{CommandId, Key, LoadId, Output, Value};
use crate::descriptor::Door;
use crate::error::{ErrorKind, PeerFault};
use crate::gift::Gift;
use crate::identity::RemoteIdentity;
use crate::limits::{TAGS_QUIET, TOLD_MS};
use crate::runs::Runs;
use crate::session::Session;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

impl Engine {
    /// Gives a contact what it needs for a reset, if that is due.
    pub(crate) fn tend_gift(&mut self, id: ContactId) {
        let (descriptor, attached) = (self.mailboxes.descriptor(), self.mailboxes.attached());
        let Self { resets, contacts, setup, inbox, .. } = self;
        let mut cx = context!(self);
        let Some(contact) = contacts.get_mut(&id) else { return };
        let tags = resets.tend(contact, &setup.identity, &descriptor, &attached, &mut cx);
        inbox.expect_reset(id, &tags);
        self.remind(id);
    }

    /// A contact that does not know of the present mailboxes or the newest gift, and was told long ago, is told again.
    fn remind(&mut self, id: ContactId) {
        let descriptor = self.mailboxes.descriptor();
        let offered = self.resets.offer(id, descriptor.mailboxes.len()).is_some();
        let (contacts, mut cx) = self.with_contacts();
        let Some(talk) = contacts.get_mut(&id).and_then(|contact| contact.talk.as_mut()) else { return };
        let long_ago = cx.now.wall_ms.abs_diff(talk.told_ms) >= TOLD_MS;
        if long_ago && (offered || talk.seen_mailboxes < descriptor.seq) {
            talk.owes = true;
            cx.alarm_by(Alarm::Ack(id), 1_000);
        }
    }

    /// Once in a while each contact's gift and knowledge of the mailboxes is looked after.
    pub(crate) fn tend_gifts(&mut self) {
        let ids: Vec<_> = self.contacts.keys().copied().collect();
        ids.into_iter().for_each(|id| self.tend_gift(id));
    }

    /// Begins a reset by command.
    pub(crate) fn reset_session(&mut self, id: ContactId) -> Result<Reply, ErrorKind> {
        let contact = self.contacts.get(&id).ok_or(ErrorKind::NoSuchContact)?;
        if contact.card.pending.is_some() {
            return Ok(Reply::Done);
        }
        if contact.card.meeting != Meeting::Connected || !self.resets.may_try(id) {
            return Err(ErrorKind::Unavailable);
        }
        let (resets, mut cx) = self.with_resets();
        resets.begin(id, &mut cx);
        Ok(Reply::Done)
    }

    /// The alarm of a reset: begin, or try another tag if no relay has taken the greeting.
    pub(crate) fn on_reset_alarm(&mut self, id: ContactId) {
        let Some(contact) = self.contacts.get(&id).filter(|contact| contact.card.pending.is_some()) else {
            return;
        };
        // Relays that can not be reached are no reason: every try uses up a tag.
        let refused =
            contact.out.cells.get(&0).is_none_or(|cell| cell.confirmed() == 0 && cell.is_tag_refused());
        let (resets, mut cx) = self.with_resets();
        if refused && resets.may_try(id) {
            resets.begin(id, &mut cx);
        } else {
            let pause = cx.jitter(super::resets::RETRY_MS);
            cx.alarm_in(Alarm::Reset(id), pause);
        }
    }

    /// Takes records that were loaded for a reset; `false` if they were not.
    pub(crate) fn on_reset_loaded(&mut self, load: LoadId, rows: &[(Key, Value)]) -> bool {
        let Some(purpose) = self.resets.loaded(load) else { return false };
        match purpose {
            Purpose::Theirs(id) => {
                let Self { resets, contacts, .. } = self;
                let mut cx = context!(self);
                if let Some(contact) = contacts.get(&id) {
                    resets.on_theirs(contact, rows, &mut cx);
                }
            }
            Purpose::Oldest(id, gift, next) => {
                self.greet_anew(id, &gift, next, rows.first().map(|(key, _)| key.seq));
            }
            Purpose::Own(id, mailbox, cell) => match (self.reset_came(id, &cell, rows), mailbox) {
                (Ok(()), _) => {
                    self.inbox.forget(&cell.tag());
                    let (mailboxes, mut cx) = self.with_mailboxes();
                    mailboxes.on_durable(cell.tag().prefix(), &mut cx);
                }
                // A good copy may lie with the others.
                (Err(_), Some(mailbox)) => self.refuse(mailbox, cell.tag().prefix()),
                (Err(_), None) => self.faults += 1,
            },
            Purpose::Backup(command) => {
                let state = self.backup_state(rows);
                self.fx.after_stored(Output::Reply(command, Ok(Reply::Backup(Box::new(state)))));
            }
        }
        true
    }

    fn greet_anew(&mut self, id: ContactId, gift: &Gift, next: Next, oldest: Option<u64>) {
        let descriptor = self.mailboxes.descriptor();
        let Self { resets, contacts, setup, inbox, .. } = self;
        let mut cx = context!(self);
        let Some(contact) = contacts.get_mut(&id) else { return };
        if descriptor.mailboxes.is_empty() {
            // Without a mailbox no answer could come back.
            cx.alarm_in(Alarm::Reset(id), 2_000);
            return;
        }
        if resets.greet(contact, (gift, next), oldest, &setup.identity, &descriptor, &mut cx) {
            inbox.forget_contact(id);
            inbox.expect_contact(contact, 0);
        }
    }

    /// A contact greets anew with a tag of the gift it was given.
    fn reset_came(&mut self, id: ContactId, cell: &Cell, rows: &[(Key, Value)]) -> Result<(), PeerFault> {
        let Self { resets, setup, .. } = self;
        let mut cx = context!(self);
        let (identity, session, payload, resume) = resets.open(id, cell, rows, &setup.identity, &mut cx)?;
        let me = setup.identity.fingerprint();
        let contact = self.contacts.get(&id).ok_or(PeerFault::Mismatch)?;
        if identity.fingerprint() != contact.card.fingerprint {
            return Err(PeerFault::Mismatch);
        }
        let known = contact.card.identity.as_ref().map_or(0, |known| known.cert.list_seq);
        let own_under_way = contact.card.pending.is_some() && contact.talk.is_some();
        let (theirs, ours) = (resume.generation, contact.card.generation);
        // Both greeted anew at once: the higher number counts, then the greeting of the lower fingerprint.
        let tie = own_under_way && theirs == ours && contact.card.fingerprint < me;
        let other_line = resume.line != contact.card.their_line;
        if identity.cert.list_seq < known || theirs <= ours && !tie && !other_line {
            return Err(PeerFault::Replay);
        }
        self.accept(id, identity, session, &payload, resume);
        Ok(())
    }

    fn accept(
        &mut self,
        id: ContactId,
        identity: RemoteIdentity,
        session: Session,
        payload: &Payload,
        resume: Resume,
    ) {
        let (contacts, mut cx) = self.with_contacts();
        let Some(contact) = contacts.get_mut(&id) else { return };
        let mut pending = contact.pending();
        let ack = payload.ack.as_ref();
        let foreign = ack.filter(|ack| setback::is_foreign(contact, ack, payload.ack_run));
        if let Some(ack) = ack {
            // What the other side lost since it last acknowledged is sent once more.
            let doubtful = foreign.is_some() || contact.setback.doubt.is_some();
            let most = if doubtful { pending.delivered_below } else { contact.next_seq };
            pending.delivered_below = ack.below.clamp(1, most);
        }
        contact.card.identity = Some(identity);
        contact.card.generation = resume.generation;
        let other_line = core::mem::replace(&mut contact.card.their_line, resume.line) != resume.line;
        let their = payload.mailboxes.clone().unwrap_or_default();
        replace(contact, session, their, &pending, &mut cx);
        setback::tell(contact, false, &mut cx);
        if let Some(ack) = foreign {
            setback::notice(contact, ack.highest().saturating_add(1), &mut cx);
        }
        contact.setback.tell = payload.asks_held;
        let jumps = contact.talk.as_ref().is_some_and(|talk| {
            other_line && resume.void_from < resume.void_to && talk.receive_next >= resume.void_from
        });
        if jumps {
            setback::on_jump(contact, &mut cx);
        }
        if let Some(talk) = contact.talk.as_mut() {
            // The greeting grants the first tags of its sender.
            talk.credit = TAGS_QUIET;
            talk.owes = true;
            if resume.void_from < resume.void_to {
                talk.void = (resume.void_from, resume.void_to);
                if jumps {
                    // Numbers of another restored device may have been higher: those of this one begin here all the same.
                    let jump = resume.void_to.saturating_sub(talk.receive_next);
                    contact.card.skipped.1 = contact.card.skipped.1.saturating_add(jump);
                    talk.receive_next = resume.void_to;
                    contact.early.clear();
                }
            }
            talk.skip_void(&mut contact.early, &mut contact.card.skipped.1);
        }
        inbox::connected(contact, &mut cx);
        if let Some(op) = contact.save_talk() {
            cx.write(op);
        }
        cx.signal(super::cx::Signal::TagsWanted(id));
        cx.alarm_by(Alarm::Ack(id), 20);
        cx.alarm_by(Alarm::Pump(id), 0);
        cx.notify(Event::Delivery(id, contact.delivery()));
        let Self { inbox, contacts, .. } = self;
        inbox.forget_contact(id);
        if let Some(contact) = contacts.get(&id) {
            inbox.expect_contact(contact, 0);
        }
    }

    /// Asks for what a backup holds; the answer follows when the gifts are loaded.
    pub(crate) fn back_up(&mut self, command: CommandId) {
        let (resets, mut cx) = self.with_resets();
        resets.back_up(command, &mut cx);
    }

    fn backup_state(&self, rows: &[(Key, Value)]) -> BackupState {
        let gifts: BTreeMap<_, _> = rows.iter().map(|(key, value)| ((key.group, key.seq), value)).collect();
        let doors = self.doors.list().into_iter().map(|(door, _)| door.to_text()).collect();
        let mailboxes = self.mailboxes.keys();
        let mailboxes = mailboxes
            .map(|(number, relay, seed)| BackupMailbox { number, relay, seed: seed.clone() })
            .collect();
        let contacts = self.contacts.values().filter_map(|contact| {
            let talk = contact.talk.as_ref()?;
            let card = &contact.card;
            let theirs = gifts.get(&(contact.id.group(), super::resets::THEIRS));
            let pending = contact.pending();
            Some(BackupContact {
                id: contact.id.0,
                name: card.name.clone(),
                remote_name: card.remote_name.clone(),
                fingerprint: card.fingerprint,
                identity: card.identity.clone(),
                conversation: card.conversation.clone(),
                pair: card.pair.clone(),
                initiator: card.initiator,
                verified: card.verified,
                seen_upto: card.seen_upto,
                their: talk.their.clone(),
                generation: card.generation,
                next_seq: pending.next_seq,
                delivered_below: pending.delivered_below,
                receive_next: pending.receive_next,
                runs: [card.runs.entries().to_vec(), card.their_runs.entries().to_vec()],
                theirs: theirs.and_then(|value| Gift::decode(value.get(1..)?).ok()),
                own: gifts.get(&(contact.id.group(), super::resets::OWN)).map(|value| (*value).clone()),
                terms: contact.terms.encode(),
            })
        });
        let (groups, channels) = self.backup_rooms();
        BackupState {
            identity: self.setup.identity.encode(),
            name: self.setup.name.clone(),
            doors,
            mailboxes,
            contacts: contacts.collect(),
            groups,
            channels,
        }
    }

    /// Takes a backup in.
    pub(crate) fn restore(&mut self, state: &BackupState) -> Result<Reply, ErrorKind> {
        if self.contacts.len() + state.contacts.len() > CONTACTS_MAX {
            return Err(ErrorKind::Limit);
        }
        for held in &state.mailboxes {
            let (mailboxes, mut cx) = self.with_mailboxes();
            mailboxes.restore(held.number, held.relay, &held.seed, &mut cx);
        }
        for text in &state.doors {
            if let Ok(door) = Door::from_text(text) {
                let (doors, mut cx) = self.with_doors();
                doors.add(&door, &mut cx);
            }
        }
        for saved in &state.contacts {
            self.restore_contact(saved);
        }
        self.restore_rooms(state);
        Ok(Reply::Done)
    }

    fn restore_contact(&mut self, saved: &BackupContact) {
        let id = ContactId(saved.id);
        let known = self.contacts.values().any(|contact| contact.card.fingerprint == saved.fingerprint);
        if known || self.contacts.contains_key(&id) {
            return;
        }
        let Self { resets, contacts, inbox, .. } = self;
        let mut cx = context!(self);
        let mut card = Card::new(saved.fingerprint, &[0; 16], saved.initiator);
        card.name.clone_from(&saved.name);
        card.remote_name.clone_from(&saved.remote_name);
        card.identity.clone_from(&saved.identity);
        card.conversation = saved.conversation.clone();
        card.pair = saved.pair.clone();
        card.verified = saved.verified;
        card.seen_upto = saved.seen_upto;
        card.generation = saved.generation;
        card.line = cx.rng.next_u64().max(1);
        // Apart from what the lost device used since the backup, and from what another restored one uses.
        card.floor = saved.next_seq.saturating_add(RESTORE_JUMP).saturating_add(cx.rng.next_u64() >> 24);
        card.skipped.0 = card.floor - saved.next_seq;
        let [own, theirs] = saved.runs.clone().map(Runs::from_entries);
        (card.runs, card.their_runs) = (own, theirs);
        // What the lost device wrote since is under these numbers.
        card.runs.begin(saved.next_seq, 0);
        card.pending = Some(Pending {
            next_seq: saved.next_seq,
            delivered_below: saved.delivered_below,
            receive_next: saved.receive_next,
        });
        card.meeting = if saved.theirs.is_some() {
            Meeting::Greeting
        } else {
            // Nothing was given before the backup was made: only a new invitation helps.
            Meeting::Failed(ErrorKind::InviteExpired)
        };
        let mut contact = Contact::new(id, card);
        contact.next_seq = contact.card.floor;
        match Terms::decode(&saved.terms) {
            Ok(terms) => contact.terms = terms,
            Err(_) => cx.fault(),
        }
        cx.write(contact.terms.save(id));
        let own: Option<Zeroizing<Vec<u8>>> = saved.own.clone();
        let tags = resets.restore(id, saved.theirs.as_ref(), own.as_ref(), &mut cx);
        inbox.expect_reset(id, &tags);
        cx.write(contact.save_card());
        cx.notify(Event::Contact(id));
        // A few at a time: each greeting costs several key agreements.
        let pause = u64::from(saved.id % 64) * 20;
        cx.alarm_in(Alarm::Reset(id), pause);
        contacts.insert(id, contact);
    }

    /// Whatever the store could not give back at start is formed again.
    pub(crate) fn mend_sessions(&mut self) {
        let ids: Vec<_> = self.contacts.keys().copied().collect();
        for id in ids {
            let holds = self.resets.may_try(id);
            let (contacts, mut cx) = self.with_contacts();
            let Some(contact) = contacts.get_mut(&id) else { continue };
            // The newest of the history may be gone; a number that was sent is never given out again.
            let packed = contact.talk.as_ref().map_or(1, |talk| talk.next_pack);
            contact.next_seq = contact.next_seq.max(contact.card.floor).max(packed);
            if contact.talk.is_none() && contact.card.meeting == Meeting::Connected && holds {
                contact.card.pending = Some(contact.pending());
                contact.card.meeting = Meeting::Greeting;
                cx.write(contact.save_card());
            }
            if contact.setback.doubt.is_some() {
                cx.alarm_in(Alarm::SetBack(id), 200);
            }
            if contact.card.pending.is_some() {
                cx.alarm_in(Alarm::Reset(id), 100);
            }
        }
    }
}
