//! How answers of relays find the machine that asked.

use super::api::ContactId;
use super::cx::{Alarm, Ask, Signal, Token, context};
use super::outbox::{self, Mine};
use super::routes::{Lane, RouteError};
use super::{Engine, meeting};
use crate::ids::RelayId;
use crate::rpc::{self, Request};
use crate::tags::class_of;

/// Tags registered with one request.
const REGISTER_MAX: u64 = 512;

impl Engine {
    pub(super) fn on_answer(
        &mut self,
        token: Token,
        relay: RelayId,
        answer: &Result<rpc::Reply, RouteError>,
    ) {
        match token {
            Token::Attach(number) => {
                let (mailboxes, mut cx) = self.with_mailboxes();
                if mailboxes.on_attach(number, answer, &mut cx) {
                    let ids: Vec<_> = self.contacts.keys().copied().collect();
                    ids.into_iter().for_each(|id| self.register_tags(id, Some(number)));
                    self.tend_invites();
                }
                self.tell_network();
            }
            Token::Register(mailbox, id, upto, session) => {
                let (contacts, mut cx) = self.with_contacts();
                let Some(contact) = contacts.get_mut(&id) else { return };
                contact.registering.retain(|asked| *asked != (mailbox, session));
                // Tags of a session that was replaced meanwhile say nothing about those of the present one.
                let talk = contact.talk.as_mut().filter(|_| session == contact.sessions);
                if let (Ok(rpc::Reply::Done), Some(talk)) = (answer, talk) {
                    talk.set_registered(mailbox, upto);
                    if let Some(op) = contact.save_talk() {
                        cx.write(op);
                    }
                    cx.signal(Signal::TagsRegistered(id));
                    self.register_tags(id, Some(mailbox));
                }
            }
            Token::InviteTags(mailbox, number) => {
                let (invites, mut cx) = self.with_invites();
                invites.on_tags((mailbox, relay), number, answer, &mut cx);
            }
            Token::Bundle(number) => {
                let (invites, mut cx) = self.with_invites();
                invites.on_bundle(number, relay, answer, &mut cx);
            }
            Token::CanaryTag(number) => {
                let (mailboxes, mut cx) = self.with_mailboxes();
                mailboxes.on_canary_tag(number, answer, &mut cx);
            }
            Token::ResetTags(mailbox, id) => {
                let (resets, mut cx) = self.with_resets();
                if resets.on_tags(mailbox, id, answer, &mut cx) {
                    let (contacts, mut cx) = self.with_contacts();
                    if let Some(talk) = contacts.get_mut(&id).and_then(|contact| contact.talk.as_mut()) {
                        talk.owes = true;
                        cx.alarm_by(Alarm::Ack(id), 1_000);
                    }
                }
            }
            Token::BeaconPut(id) => self.beacons.on_put(id, relay, answer),
            Token::BeaconGet(id) => {
                let (contacts, mut cx) = self.with_contacts();
                if let Some(contact) = contacts.get_mut(&id) {
                    super::beacons::on_found(contact, answer, &mut cx);
                }
            }
            Token::Canary(number) => {
                let (mailboxes, mut cx) = self.with_mailboxes();
                mailboxes.on_canary(number, answer, &mut cx);
            }
            Token::Fetch(number) => {
                let (mailboxes, mut cx) = self.with_mailboxes();
                mailboxes.on_fetched(number, answer, &mut cx);
            }
            Token::Pieces(wish) => {
                let (mailboxes, mut cx) = self.with_mailboxes();
                mailboxes.on_pieces(wish, answer, &mut cx);
            }
            Token::Deposit(id, number) => {
                let (contacts, mut cx) = self.with_contacts();
                if let Some(contact) = contacts.get_mut(&id) {
                    outbox::on_deposit(contact, number, relay, answer, &mut cx);
                }
            }
            Token::Lookup(id) => {
                let descriptor = self.mailboxes.descriptor();
                let numbers = self.mailboxes.numbers();
                let Self { contacts, setup, .. } = self;
                let mut cx = context!(self);
                let mine = Mine {
                    mailboxes: &descriptor,
                    numbers: &numbers,
                    name: &setup.name,
                    gift: None,
                    gift_seen: None,
                };
                let Some(contact) = contacts.get_mut(&id) else { return };
                if meeting::on_object(contact, answer, &setup.identity, mine, &mut cx) {
                    self.inbox.expect_contact(contact, 0);
                }
            }
            Token::Terms(id) => {
                let (knocks, mut cx) = self.with_knocks();
                knocks.on_terms(id, relay, answer, &mut cx);
            }
            Token::AddressObject(number) => {
                let (addresses, mut cx) = self.with_addresses();
                addresses.on_object(number, relay, answer, &mut cx);
            }
            Token::TakesRequests(mailbox) => {
                let (addresses, mut cx) = self.with_addresses();
                addresses.on_told(mailbox, answer, &mut cx);
            }
            Token::Follow(number) => self.on_group_followed(number, relay, answer),
            Token::Inject(number, cell) => self.on_group_injected(number, cell, relay, answer),
            Token::FollowChannel(number) => {
                self.on_channel(number, |channel, _, cx| channel.on_followed(relay, answer, cx));
            }
            Token::PageChannel(number) => {
                self.on_channel(number, |channel, _, cx| channel.on_page(relay, answer, cx));
            }
            Token::Post(number, cell) => self.on_channel(number, |channel, doors, cx| {
                channel.on_posted(cell, relay, answer, doors, cx);
            }),
            Token::Nobody => {}
        }
    }

    /// Registers a contact's tags where they are wanted and not yet registered: at one mailbox or at all attached ones.
    pub(super) fn register_tags(&mut self, id: ContactId, only: Option<u32>) {
        let attached = self.mailboxes.attached();
        let (contacts, mut cx) = self.with_contacts();
        let Some(contact) = contacts.get_mut(&id) else { return };
        let Some(talk) = &contact.talk else { return };
        for (mailbox, relay) in
            attached.into_iter().filter(|(number, _)| only.is_none_or(|only| only == *number))
        {
            let from = talk.registered_at(mailbox).max(talk.wanted.saturating_sub(2 * outbox::TAG_SPAN));
            let to = talk.wanted.min(from + REGISTER_MAX);
            if from >= to || contact.registering.contains(&(mailbox, contact.sessions)) {
                continue;
            }
            contact.registering.push((mailbox, contact.sessions));
            let tags = talk.session.receive_tags().tags(from..to);
            let tags = tags.into_iter().map(|(index, tag)| (class_of(index) as u8, tag.prefix())).collect();
            let ask = Ask::Plain(Request::Register(tags));
            let token = Token::Register(mailbox, id, to, contact.sessions);
            cx.signal(Signal::Ask(Lane::Mailbox(mailbox), relay, ask, token));
        }
    }
}
