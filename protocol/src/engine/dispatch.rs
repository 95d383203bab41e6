//! The dispatcher: commands, frames, alarms and signals find their machine.

use super::api::{Command, ContactId, ContactInfo, Event, Meeting, Reply, StatusInfo};
use super::changes::{self, What};
use super::contact::{Card, Contact};
use super::cx::{Alarm, Ask, Signal, Token, context};
use super::outbox::{self, Mine};
use super::routes::Lane;
use super::{CONTACTS_MAX, Engine, expiry, gaps, meeting, receipts, safety, setback};
use crate::address::Ticket;
use crate::core::{CommandId, LinkId, LoadId, Output};
use crate::error::ErrorKind;
use crate::group::seed::detects;
use crate::ids::RelayId;
use crate::limits::{NAME_BYTES_MAX, REQUEST_TEXT_BYTES_MAX, TEXT_BYTES_MAX};
use crate::link::{Frame, Kind};

impl Engine {
    pub(crate) fn on_command(&mut self, id: CommandId, command: Command) {
        let result = match command {
            Command::AddDoor(door) => {
                let (doors, mut cx) = self.with_doors();
                if doors.add(&door, &mut cx) { Ok(Reply::Done) } else { Err(ErrorKind::Limit) }
            }
            Command::RemoveDoor(relay) => {
                let (doors, mut cx) = self.with_doors();
                if doors.remove(relay, &mut cx) { Ok(Reply::Done) } else { Err(ErrorKind::NoDoor) }
            }
            Command::Doors => Ok(Reply::Doors(self.door_list())),
            Command::TestDoors(only) => {
                let (doors, mut cx) = self.with_doors();
                Ok(Reply::Tested(doors.test(only, &mut cx)))
            }
            Command::Invite => self.invite(),
            Command::Add { invitation, name, text } => self.add(&invitation, name, text),
            Command::Address => Ok(Reply::Address(self.addresses.text())),
            Command::NewAddress => self.new_address(),
            Command::EndAddress => self.end_address(),
            Command::Requests => {
                let (requests, dropped) = (self.requests.list(), self.requests.dropped());
                Ok(Reply::Requests { requests, dropped })
            }
            Command::Accept { request, name } => self.accept_request(request, name),
            Command::Decline(request) => {
                let (requests, mut cx) = self.with_requests();
                requests.decline(request, &mut cx)
            }
            Command::Block(request) => {
                let (requests, mut cx) = self.with_requests();
                requests.block(request, &mut cx)
            }
            Command::Rename(contact, name) => self.rename(contact, &name),
            Command::Send { contact, text } => self.say_text(contact, text, false),
            Command::Answer { to, text } => self.say_reply(to, text),
            Command::Forward { contact, text } => self.say_text(contact, text, true),
            Command::ForwardEntry { contact, owner, entry } => self.say_entry(contact, owner, entry),
            Command::SendFile { contact, name, media, data, forwarded } => {
                self.say_file(contact, (name, media), &data, forwarded)
            }
            Command::Introduce { contact, name, invitation } => self.introduce(contact, name, &invitation),
            Command::Typing(contact) => self.typing(contact),
            Command::Set(contact, setting) => self.set(contact, setting),
            Command::Safety(contact) => self.safety(contact),
            Command::React(message, emoji) => return self.change(id, &message, What::Sign(emoji)),
            Command::Edit(message, text) => return self.change(id, &message, What::Edit(text)),
            Command::Delete(message) => return self.change(id, &message, What::Delete),
            Command::Contacts => Ok(Reply::Contacts(self.contact_list())),
            Command::Message(message) => {
                self.ask_message(id, &message);
                return;
            }
            Command::Delivery(contact) => match self.contacts.get(&contact) {
                Some(contact) => Ok(Reply::Delivery(contact.delivery())),
                None => Err(ErrorKind::NoSuchContact),
            },
            Command::MarkRead(contact, seq) => self.mark_read(contact, seq),
            Command::Status => Ok(Reply::Status(self.status())),
            Command::Group(command) => self.on_group_command(command).map(Reply::Group),
            Command::Channel(command) => self.on_channel_command(command).map(Reply::Channel),
            Command::Backup => {
                self.back_up(id);
                return;
            }
            Command::Data(command) => self.on_data_command(command),
            Command::Lan(command) => self.on_lan_command(command).map(Reply::Lan),
            Command::Carry(command) => self.on_carry_command(command).map(Reply::Carry),
            Command::Pack(only) => self.pack_for_file(only),
            Command::Unpack(cells) => Ok(self.unpack(&cells)),
            Command::RestoreContacts(state) => self.restore(&state),
            Command::ResetSession(contact) => self.reset_session(contact),
        };
        self.fx.after_stored(Output::Reply(id, result));
    }

    pub(crate) fn invite(&mut self) -> Result<Reply, ErrorKind> {
        let descriptor = self.mailboxes.descriptor();
        let Self { invites, setup, doors, .. } = self;
        let (me, doors) = (&setup.identity, &*doors);
        let mut cx = context!(self);
        let issued = invites.issue(me, doors, &descriptor, &mut cx)?;
        self.doors.seek(&issued.locator, &mut context!(self));
        self.inbox.expect_invite(issued.number, self.invites.tags(issued.number));
        Ok(Reply::Invitation { text: issued.text, long: issued.long, expiry_s: issued.expiry_s })
    }

    pub(crate) fn add(&mut self, given: &str, name: String, text: String) -> Result<Reply, ErrorKind> {
        let ticket = Ticket::from_text(given)?;
        let (who, own) = (ticket.who(), self.setup.identity.fingerprint());
        if who == own {
            return Err(ErrorKind::InviteOwn);
        }
        let asking = matches!(ticket, Ticket::Address(_));
        if asking && text.len() > REQUEST_TEXT_BYTES_MAX {
            return Err(ErrorKind::RequestTooLong);
        }
        if text.len() > TEXT_BYTES_MAX {
            return Err(ErrorKind::TooLong);
        }
        if name.len() > NAME_BYTES_MAX {
            return Err(ErrorKind::TooLong);
        }
        let known = self.contacts.values().find(|contact| {
            contact.card.fingerprint == who && !matches!(contact.card.meeting, Meeting::Failed(_))
        });
        if let Some(contact) = known {
            return Ok(Reply::Added(contact.id));
        }
        if self.contacts.len() >= CONTACTS_MAX {
            return Err(ErrorKind::Limit);
        }
        let mut card = Card::new(who, &ticket.talk_secret(&own), true);
        card.name = name;
        card.invitation = Some(ticket.to_text());
        card.asking = asking;
        let id = self.new_contact(card);
        self.note_doors(id, false, ticket.doors().iter().map(|door| door.relay));
        let (contacts, mut cx) = self.with_contacts();
        if let Some(contact) = contacts.get(&id) {
            cx.write(contact.save_card());
            cx.notify(Event::Contact(id));
            cx.alarm_in(Alarm::Meet(id), 0);
        }
        if !text.is_empty() {
            // Durable in the same batch as the contact.
            self.say_text(id, text, false)?;
        }
        Ok(Reply::Added(id))
    }

    fn contact_list(&self) -> Vec<ContactInfo> {
        let info = |contact: &Contact| {
            let (meeting, work_percent) = self.knocks.shown(contact);
            ContactInfo { meeting, work_percent, ..contact.info() }
        };
        self.contacts.values().map(info).collect()
    }

    fn new_address(&mut self) -> Result<Reply, ErrorKind> {
        let descriptor = self.mailboxes.descriptor();
        let Self { addresses, setup, doors, .. } = self;
        addresses.renew(&setup.identity, doors, &descriptor, &mut context!(self))?;
        Ok(Reply::Address(self.addresses.text()))
    }

    fn end_address(&mut self) -> Result<Reply, ErrorKind> {
        let Self { addresses, setup, .. } = self;
        addresses.end(&setup.identity, &mut context!(self));
        Ok(Reply::Done)
    }

    pub(crate) fn new_contact(&mut self, card: Card) -> ContactId {
        let id = ContactId(self.contacts.last_key_value().map_or(1, |(id, _)| id.0 + 1));
        self.contacts.insert(id, Contact::new(id, card));
        id
    }

    fn rename(&mut self, id: ContactId, name: &str) -> Result<Reply, ErrorKind> {
        if name.len() > NAME_BYTES_MAX {
            return Err(ErrorKind::TooLong);
        }
        let (contacts, mut cx) = self.with_contacts();
        let contact = contacts.get_mut(&id).ok_or(ErrorKind::NoSuchContact)?;
        name.clone_into(&mut contact.card.name);
        cx.write(contact.save_card());
        cx.notify(Event::Contact(id));
        Ok(Reply::Done)
    }

    fn status(&self) -> StatusInfo {
        let mut out = StatusInfo {
            links: self.doors.links_up(),
            doors: self.doors.list().len() as u32,
            mailboxes_attached: self.mailboxes.attached().len() as u32,
            mailboxes: self.mailboxes.count() as u32,
            contacts: self.contacts.len() as u32,
            one_operator: self.mailboxes.one_operator(&self.doors),
            faults: self.faults,
            ..StatusInfo::default()
        };
        for contact in self.contacts.values() {
            let own = contact.next_seq - 1;
            let Some(talk) = &contact.talk else {
                let delivered = contact.pending().delivered_below - 1;
                out.delivered += delivered;
                out.queued += own.saturating_sub(contact.card.skipped.0).saturating_sub(delivered);
                out.received += (contact.receive_next() - 1).saturating_sub(contact.card.skipped.1);
                continue;
            };
            let count = |ranges: &[(u64, u64)]| ranges.iter().map(|(from, to)| to - from + 1).sum::<u64>();
            let delivered = talk.delivered.below - 1 + count(&talk.delivered.ranges);
            let stored = count(&contact.out.stored_ranges());
            let (own_skipped, their_skipped) = contact.card.skipped;
            let delivered = if delivered >= own_skipped { delivered - own_skipped } else { delivered };
            let own = own.saturating_sub(own_skipped);
            out.delivered += delivered;
            out.stored += stored;
            out.queued += own.saturating_sub(delivered + stored);
            out.received +=
                (talk.receive_next - 1).saturating_sub(their_skipped) + contact.early.len() as u64;
        }
        out
    }

    pub(crate) fn on_frame(&mut self, link: LinkId, frame: &Frame) {
        self.spending.received(Frame::size(frame.size_class()).unwrap_or_default());
        let (doors, mut cx) = self.with_doors();
        if !doors.heard(link, frame, &mut cx) {
            return;
        }
        match frame.kind {
            Kind::Opened | Kind::Data | Kind::Close => {
                let Self { routes, doors, .. } = self;
                let mut cx = context!(self);
                routes.on_frame(link, frame, doors, &mut cx);
                routes.on_room(doors, &mut cx);
            }
            _ => doors.on_frame(link, frame, &mut cx),
        }
    }

    pub(crate) fn on_loaded(&mut self, load: LoadId, rows: &[(crate::core::Key, crate::core::Value)]) {
        if self.on_start_loaded(load, rows)
            || self.on_question_loaded(load, rows)
            || self.on_reset_loaded(load, rows)
            || self.on_carried_loaded(load, rows)
        {
            return;
        }
        if self.on_group_loaded(load, rows) {
            return;
        }
        let (contacts, mut cx) = self.with_contacts();
        for contact in contacts.values_mut() {
            if outbox::on_cell_loaded(contact, load, rows, &mut cx) {
                return;
            }
            if changes::on_loaded(contact, load, rows, &mut cx)
                || gaps::on_loaded(contact, load, rows, &mut cx)
                || setback::on_loaded(contact, load, rows, &mut cx)
            {
                return;
            }
            if outbox::on_refill(contact, load, rows, &mut cx) {
                cx.alarm_by(Alarm::Pump(contact.id), 0);
                return;
            }
        }
    }

    /// Runs `act` on a contact with what this side contributes to payloads.
    pub(super) fn with_mine(
        &mut self,
        id: ContactId,
        act: impl FnOnce(&mut Contact, Mine<'_>, &mut super::Cx<'_>),
    ) {
        let mailboxes = self.mailboxes.descriptor();
        let numbers = self.mailboxes.numbers();
        let Self { contacts, resets, setup, .. } = self;
        let mut cx = context!(self);
        if let Some(contact) = contacts.get_mut(&id) {
            let gift = resets.offer(id, numbers.len());
            let mine = Mine {
                mailboxes: &mailboxes,
                numbers: &numbers,
                name: &setup.name,
                gift,
                gift_seen: resets.held(id),
            };
            act(contact, mine, &mut cx);
        }
    }

    pub(crate) fn on_alarm(&mut self, alarm: Alarm) {
        match alarm {
            Alarm::Pump(id) => self.with_mine(id, outbox::pump),
            Alarm::Ack(id) => self.with_mine(id, outbox::on_ack_due),
            Alarm::Prepare(id) => {
                let (contacts, cx) = self.with_contacts();
                if let Some(talk) = contacts.get_mut(&id).and_then(|contact| contact.talk.as_mut()) {
                    talk.session.prepare(cx.rng);
                }
            }
            Alarm::Receipt(id) | Alarm::Expiry(id) | Alarm::Gap(id) => {
                let (contacts, mut cx) = self.with_contacts();
                let Some(contact) = contacts.get_mut(&id) else { return };
                let leaves = match alarm {
                    Alarm::Receipt(_) => receipts::on_alarm(contact),
                    Alarm::Gap(_) => gaps::on_alarm(contact, &mut cx),
                    _ => {
                        expiry::on_alarm(contact, &mut cx);
                        false
                    }
                };
                if leaves {
                    safety::owe(contact, &mut cx);
                }
            }
            Alarm::Cell(id, number) => {
                let (contacts, mut cx) = self.with_contacts();
                if let Some(contact) = contacts.get_mut(&id) {
                    outbox::on_cell_alarm(contact, number, &mut cx);
                }
            }
            Alarm::Meet(id) => self.meet(id),
            Alarm::Dial(door) => {
                let (doors, mut cx) = self.with_doors();
                doors.on_dial(door, &mut cx);
            }
            Alarm::Link(link) => {
                let (doors, mut cx) = self.with_doors();
                doors.on_link_alarm(link, &mut cx);
            }
            Alarm::Tunnel(tunnel) => {
                let (routes, mut cx) = self.with_routes();
                if let Some(link) = routes.on_alarm(tunnel, &mut cx) {
                    let (doors, mut cx) = self.with_doors();
                    doors.suspect(link, &mut cx);
                }
                let Self { routes, doors, .. } = self;
                routes.on_room(doors, &mut context!(self));
            }
            Alarm::Spread => {
                let Self { routes, doors, .. } = self;
                routes.spread(doors, &mut context!(self));
            }
            Alarm::Directory => {
                let (doors, mut cx) = self.with_doors();
                doors.ask_directory(None, &mut cx);
                self.network_changed(false);
            }
            Alarm::Attach(number) => {
                let (mailboxes, mut cx) = self.with_mailboxes();
                mailboxes.attach(number, &mut cx);
            }
            Alarm::Removals => {
                let (mailboxes, mut cx) = self.with_mailboxes();
                mailboxes.on_removals(&mut cx);
            }
            Alarm::Moves => {
                let met = self.contacts.values().filter(|contact| contact.card.meeting == Meeting::Connected);
                let held = met.filter_map(|contact| contact.talk.as_ref()).map(|talk| talk.seen_mailboxes);
                let acked = held.min().unwrap_or(u64::MAX);
                let Self { mailboxes, doors, .. } = self;
                let mut cx = context!(self);
                mailboxes.on_moves(doors, acked, &mut cx);
                self.age_keys();
                if self.spending.rests() {
                    return;
                }
                self.tend_gifts();
                let (descriptor, moved) = (self.mailboxes.descriptor(), self.mailboxes.has_moved());
                let Self { beacons, contacts, setup, doors, .. } = self;
                let mut cx = context!(self);
                beacons.on_round(contacts, (&descriptor, moved), &setup.identity, doors, &mut cx);
                self.tend_doors();
            }
            Alarm::Day => self.on_day(),
            Alarm::Gift(id) => self.tend_gift(id),
            Alarm::Reset(id) => self.on_reset_alarm(id),
            Alarm::SetBack(id) => {
                let (contacts, mut cx) = self.with_contacts();
                if contacts.get_mut(&id).is_some_and(|contact| setback::on_alarm(contact, &mut cx)) {
                    cx.alarm_by(Alarm::Ack(id), 0);
                }
            }
            Alarm::Canary(number) => {
                let (mailboxes, mut cx) = self.with_mailboxes();
                mailboxes.on_canary_due(number, &mut cx);
            }
            Alarm::Invites => {
                self.invites.on_alarm();
                self.tend_invites();
            }
            Alarm::Address => {
                let descriptor = self.mailboxes.descriptor();
                let Self { addresses, setup, .. } = self;
                addresses.on_alarm(&setup.identity, &descriptor, &mut context!(self));
                self.tend_invites();
            }
            Alarm::Group(number) => self.tend_group(number),
            Alarm::Channel(number) => self.on_channel(number, |channel, doors, cx| channel.tend(doors, cx)),
        }
    }

    fn meet(&mut self, id: ContactId) {
        let attached = self.mailboxes.attached().len();
        let Self { contacts, doors, .. } = self;
        let mut cx = context!(self);
        if let Some(contact) = contacts.get_mut(&id) {
            meeting::look_up(contact, doors, attached, &mut cx);
        }
    }

    pub(super) fn tend_invites(&mut self) {
        if self.spending.rests() {
            return;
        }
        let descriptor = self.mailboxes.descriptor();
        let attached = self.mailboxes.attached();
        let Self { invites, addresses, setup, doors, .. } = self;
        let mut cx = context!(self);
        addresses.on_network(&setup.identity, doors, &descriptor, &attached, &mut cx);
        for number in invites.on_network(&setup.identity, doors, &descriptor, &attached, &mut cx) {
            self.inbox.expect_invite(number, self.invites.tags(number));
        }
    }

    pub(crate) fn pass_signals(&mut self) {
        while let Some(signal) = self.signals.pop_front() {
            self.on_signal(signal);
        }
    }

    fn on_signal(&mut self, signal: Signal) {
        match signal {
            Signal::Ask(lane, relay, ask, token) => self.ask(lane, relay, ask, token),
            Signal::Answer(token, relay, answer) => self.on_answer(token, relay, &answer),
            Signal::MailboxLost(number) => {
                let (mailboxes, mut cx) = self.with_mailboxes();
                mailboxes.on_lost(number, &mut cx);
                self.tell_network();
            }
            Signal::Item(mailbox, cell) => self.on_cell(mailbox, &cell),
            Signal::Notice(mailbox, prefix, class) => {
                let (mailboxes, mut cx) = self.with_mailboxes();
                mailboxes.on_notice(mailbox, prefix, class, &mut cx);
            }
            Signal::Unheard(mailbox) => {
                let link = self.routes.link_of(Lane::Mailbox(mailbox));
                let (doors, mut cx) = self.with_doors();
                link.into_iter().for_each(|link| doors.suspect(link, &mut cx));
            }
            Signal::Piece(mailbox, place, bytes) => {
                let (mailboxes, mut cx) = self.with_mailboxes();
                mailboxes.on_piece(mailbox, place, &bytes, &mut cx);
            }
            Signal::Echo(link, probe) => {
                let (routes, mut cx) = self.with_routes();
                routes.on_echo(link, probe, &mut cx);
            }
            Signal::Quiet(link) => {
                let Self { routes, doors, .. } = self;
                let carried = routes.check(link, doors, &mut context!(self));
                let (doors, mut cx) = self.with_doors();
                doors.on_quiet(link, carried, &mut cx);
            }
            Signal::NetworkChanged => self.network_changed(true),
            Signal::SlotAck(relay, slot, granted) => {
                let (invites, mut cx) = self.with_invites();
                invites.on_slot(relay, slot, granted, &mut cx);
                self.on_guest_slot(relay, slot, granted);
            }
            Signal::TagsWanted(id) => self.register_tags(id, None),
            Signal::TagsRegistered(id) => {
                let numbers = self.mailboxes.numbers();
                let (contacts, mut cx) = self.with_contacts();
                if let Some(contact) = contacts.get_mut(&id) {
                    meeting::on_registered(contact, &numbers, &mut cx);
                }
            }
            Signal::Durable(prefix) => {
                let (mailboxes, mut cx) = self.with_mailboxes();
                mailboxes.on_durable(prefix, &mut cx);
            }
            Signal::Letter(from, kind, letter) => self.on_letter(from, kind, &letter),
            Signal::DoorWord(from, content) => self.on_door_word(from, content),
            // Without a gift of theirs the contact's own reset, or a new invitation, is what remains.
            Signal::SetBack(contact) => drop(self.reset_session(contact)),
            Signal::Connected => {
                let (groups, mut cx) = self.with_groups();
                groups.wake(&mut cx);
            }
            Signal::Renumbered(contact, numbers) => self.renumber_letters(contact, &numbers),
            Signal::Unmet(contact) => self.on_groups(|groups, _, _, cx| groups.on_unmet(contact, cx)),
            Signal::Post(to, letter, carries) => self.post_letter(to, &letter, carries),
            Signal::ShardItem(number, relay, seq, cell) => self.on_shard_item(number, relay, seq, &cell),
            Signal::ShardCell(cell, by, posts) => self.keep_shard(cell, by, posts),
            Signal::ShardLeft(shard, key) => {
                let (carrier, mut cx) = self.with_carrier();
                carrier.forget_tagged(|tag| detects(&key, shard, tag), &mut cx);
            }
            Signal::Forgotten(id) => self.on_forgotten(&id),
            Signal::ShardKey(shard, key) => self.on_shard_key(shard, &key),
            Signal::FollowLost(number) => {
                let (groups, mut cx) = self.with_groups();
                if let Ok(group) = groups.get(number) {
                    group.lost_follow(&mut cx);
                }
            }
            Signal::ChannelItem(number, relay, seq, cell, elsewhere) => {
                self.on_channel(number, |channel, _, cx| channel.on_cell(relay, seq, &cell, elsewhere, cx));
            }
            Signal::ChannelLost(number) => self.on_channel(number, |channel, _, cx| channel.lost(cx)),
            Signal::Moved(id) => self.on_contact_moved(id),
            Signal::Unsay(message) => self.unsay(&message),
            Signal::MailboxDropped(number) => {
                let (routes, mut cx) = self.with_routes();
                routes.drop_mailbox(number, &mut cx);
            }
            Signal::Reported(id, seq, relays) => {
                let (mailboxes, mut cx) = self.with_mailboxes();
                mailboxes.claim(id, seq, &relays, &mut cx);
            }
            Signal::Claimed(number, id, seq) => {
                if self.contacts.get(&id).is_some_and(|contact| !contact.has_received(seq)) {
                    let (mailboxes, mut cx) = self.with_mailboxes();
                    mailboxes.lost(number, &mut cx);
                }
            }
            Signal::Knock(knock) => self.on_knock(*knock),
            Signal::MailboxesChanged => {
                let (contacts, mut cx) = self.with_contacts();
                for contact in contacts.values_mut() {
                    if let Some(talk) = contact.talk.as_mut() {
                        talk.owes = true;
                        cx.alarm_by(Alarm::Ack(contact.id), 1_000);
                    }
                }
            }
        }
    }

    fn ask(&mut self, lane: Lane, relay: RelayId, ask: Ask, token: Token) {
        let Self { routes, doors, .. } = self;
        let mut cx = context!(self);
        routes.on_ask(lane, relay, ask, token, doors, &mut cx);
    }

    /// Links or relays changed. `fresh`: also what waits for a path is tried again.
    fn network_changed(&mut self, fresh: bool) {
        let Self { routes, doors, mailboxes, contacts, .. } = self;
        let mut cx = context!(self);
        routes.on_network(doors, &mut cx);
        mailboxes.on_network(doors, fresh, &mut cx);
        if fresh && doors.links_up() > 0 {
            for contact in contacts.values_mut() {
                meeting::on_network(contact, &mut cx);
            }
            self.groups.wake(&mut cx);
            for number in self.channels.numbers() {
                cx.alarm_by(Alarm::Channel(number), 0);
            }
        }
        self.tend_invites();
        self.tell_network();
    }

    pub(super) fn tell_network(&mut self) {
        let now = (self.doors.links_up(), self.mailboxes.attached().len() as u32);
        if now != self.network {
            self.network = now;
            let event = Event::Network { links: now.0, mailboxes_attached: now.1 };
            self.fx.after_stored(Output::Notify(event));
        }
    }
}
