//! Requests inside tunnels that end here: each is handed to the part that knows the answer.

use super::RelayCore;
use super::cx::Purpose;
use super::ends::EndId;
use super::grants::Claim;
use super::knocks::Knock;
use super::limits::MAILBOX_PERCENT;
use super::links::Role;
use super::mailboxes::Work;
use super::objects::Objects;
use super::shards::Shards;
use crate::cell::Class;
use crate::core::{JobId, JobOutput, Key, LinkId, Value};
use crate::crypto::RemoteSignKey;
use crate::descriptor::flags;
use crate::ids::MailboxId;
use crate::link::{CloseCode, Kind};
use crate::rpc::{Push, Refusal, Reply, Request};
use crate::tunnel::Responder;

/// What the owner of a mailbox signs, before the tunnel's handshake hash.
const ATTACH_LABEL: &str = "karvon/attach";

impl RelayCore {
    /// Answers the first message of a tunnel to this relay, and the request in it.
    pub(super) fn terminate(&mut self, link: LinkId, tunnel: u32, noise: &[u8]) {
        let read = Responder::read(self.onion.id, self.onion.secrets(), noise, &mut *self.cx.rng);
        let opened = read.ok().and_then(|(responder, first)| Some((responder.write(&[]).ok()?, first)));
        let Some(((noise, answer), first)) = opened else {
            // Mostly an onion key that has changed since: no reason to blame the link.
            return self.cx.close(link, tunnel, CloseCode::Crypto);
        };
        let end = self.ends.open(link, tunnel, noise);
        self.cx.send(link, Kind::Opened, tunnel, answer);
        if !first.is_empty() {
            self.on_request(end, &first);
        }
    }

    /// A message in a tunnel that ends here.
    pub(super) fn on_data(&mut self, end: EndId, sealed: &[u8]) {
        match self.ends.unseal(end, sealed) {
            Ok(plain) => self.on_request(end, &plain),
            Err(_) => self.breach(end, CloseCode::Crypto),
        }
    }

    fn on_request(&mut self, end: EndId, plain: &[u8]) {
        let (number, request) = match Request::decode(plain) {
            // Number 0 marks what was not asked for, so nobody can ask under it.
            Ok((number, request)) if number != 0 => (number, request),
            _ => return self.breach(end, CloseCode::Protocol),
        };
        if !self.ends.begin(end) {
            self.cx.count_refused(Refusal::Busy);
            return self.cx.tell(end, number, &Reply::Refused(Refusal::Busy));
        }
        let attached = self.ends.get(end).and_then(|end| end.mailbox);
        let cx = &mut self.cx;
        match (request, attached) {
            (
                Request::Deposit { .. } | Request::Register(_) | Request::Put(_) | Request::Inject { .. },
                _,
            )
            | (Request::Terms(_) | Request::Knock { .. }, _)
                if cx.takes_nothing() =>
            {
                cx.refuse(end, number, Refusal::Full);
            }
            (Request::Deposit { mailbox, cell }, _) => {
                self.mailboxes.ask(mailbox, end, number, Work::Deposit(cell), cx);
            }
            (Request::Attach { key, signature, push }, _) => match self.attach(end, &key, &signature, push) {
                Ok(reply) => self.cx.answer_stored(end, number, &reply),
                Err(refusal) => self.cx.refuse(end, number, refusal),
            },
            (Request::Put(object), _) => {
                let (origin, now) = (self.origin(end), self.cx.now.mono);
                let claim = || self.grants.claim(origin, Claim::Object, now);
                match self.objects.put(&object, claim, &mut self.cx) {
                    Ok(reply) => self.cx.answer_stored(end, number, &reply),
                    Err(refusal) => self.cx.refuse(end, number, refusal),
                }
            }
            (Request::Inject { shard, cell }, _) => self.on_inject(end, number, shard, cell),
            (Request::Follow { shard, keys, from }, _) => {
                self.shards.follow(end, number, (shard, keys, from), cx);
            }
            (Request::Recent { shard, keys, before }, _) => {
                self.shards.recent(end, number, (shard, &keys, before), cx);
            }
            (Request::Get(locator), _) => self.objects.get(end, number, locator, cx),
            (Request::Register(tags), Some(id)) => {
                self.mailboxes.ask(id, end, number, Work::Register(tags), cx);
            }
            (Request::Unregister(tags), Some(id)) => {
                self.mailboxes.ask(id, end, number, Work::Unregister(tags), cx);
            }
            (Request::Remove(tags), Some(id)) => {
                self.mailboxes.ask(id, end, number, Work::Remove(tags), cx);
            }
            (Request::Fetch { from, bytes_max, whole }, Some(id)) => {
                self.mailboxes.fetch(id, end, number, (from, bytes_max, whole), cx);
            }
            (Request::Pieces { prefix, from, count }, Some(id)) => {
                self.mailboxes.pieces(id, (end, number), (prefix, from, count), cx);
            }
            (Request::TakeRequests(on), Some(id)) => {
                self.mailboxes.take_requests(id, on, cx);
                cx.answer_stored(end, number, &Reply::Done);
            }
            (Request::Terms(mailbox) | Request::Knock { mailbox, .. }, _)
                if !self.mailboxes.takes_requests(mailbox) =>
            {
                cx.refuse(end, number, Refusal::NoRequests);
            }
            (Request::Terms(mailbox), _) => {
                let terms = self.knocks.terms(cx);
                self.mailboxes.ask(mailbox, end, number, Work::Terms(terms), cx);
            }
            (Request::Knock { cell, .. }, _) if cell.class() != Class::S => {
                cx.refuse(end, number, Refusal::WrongClass);
            }
            (Request::Knock { mailbox, nonce, answer, cell }, _) => {
                let from = (end, number, self.origin(end));
                let knock = self.knocks.take(from, mailbox, (nonce, answer), cell, &mut self.cx);
                self.let_in(knock);
            }
            (_, None) => cx.refuse(end, number, Refusal::NotAttached),
        }
    }

    /// A proof of work was checked.
    pub(super) fn on_checked(&mut self, job: JobId, output: &JobOutput) {
        let knock = self.knocks.on_checked(job, output, &mut self.cx);
        self.let_in(knock);
    }

    /// A first contact was paid for: now it is a matter of its mailbox.
    fn let_in(&mut self, knock: Option<Knock>) {
        let Some(Knock { end, number, mailbox, cell, used, .. }) = knock else { return };
        if self.cx.takes_nothing() {
            return self.cx.refuse(end, number, Refusal::Full);
        }
        self.mailboxes.ask(mailbox, end, number, Work::Knock { cell, used }, &mut self.cx);
    }

    fn attach(
        &mut self,
        end: EndId,
        key: &[u8; 32],
        signature: &[u8; 64],
        push: Push,
    ) -> Result<Reply, Refusal> {
        let hash = self.ends.hash(end).ok_or(Refusal::NotAttached)?;
        RemoteSignKey(*key).verify(ATTACH_LABEL, &hash, signature).map_err(|_| Refusal::NotAttached)?;
        let keeps = self.onion.flags() & flags::MAILBOX != 0;
        let short = self.cx.counts.pressure.traffic || self.cx.is_filled(MAILBOX_PERCENT);
        let (origin, now) = (self.origin(end), self.cx.now.mono);
        let make = || match keeps {
            false => Err(Refusal::NoMailboxes),
            true if short => Err(Refusal::Full),
            true if self.grants.claim(origin, Claim::Mailbox, now) => Ok(()),
            true => Err(Refusal::Busy),
        };
        let id = MailboxId::of(key);
        let reply = self.mailboxes.attach(id, end, push, make, &mut self.cx)?;
        if let Some(other) = self.ends.set_mailbox(end, id).filter(|other| *other != id) {
            self.mailboxes.detach(other, end);
        }
        Ok(reply)
    }

    /// All that is known of who is at the far side of a tunnel.
    pub(super) fn origin(&self, end: EndId) -> Role {
        let link = self.ends.get(end).and_then(|end| self.links.get(end.link));
        link.map_or(Role::NewLeaf, |(_, role)| role)
    }

    /// Ends a tunnel whose far side broke the rules. A mesh link carries many people's tunnels and is not blamed for one of them.
    fn breach(&mut self, end: EndId, code: CloseCode) {
        self.cx.counts.faults += 1;
        let Some(link) = self.ends.get(end).map(|end| end.link) else { return };
        self.close_end(end, Some(code));
        if self.links.is_leaf(link) {
            self.blame(link);
        }
    }

    /// Forgets a tunnel that ends here; `code` is told to the far side.
    pub(super) fn close_end(&mut self, id: EndId, code: Option<CloseCode>) {
        let Some(end) = self.ends.close(id) else { return };
        self.shards.forget(id);
        if let Some(mailbox) = end.mailbox {
            self.mailboxes.detach(mailbox, id);
        }
        if let Some(code) = code {
            self.cx.close(end.link, end.tunnel, code);
        }
    }

    /// What was loaded for a request or for upkeep.
    pub(super) fn on_loaded(&mut self, purpose: Purpose, rows: Vec<(Key, Value)>) {
        let cx = &mut self.cx;
        match purpose {
            Purpose::Tags(id) => self.mailboxes.tags_loaded(id, &rows, cx),
            Purpose::Reap(id) => self.mailboxes.reap(id, &rows, cx),
            Purpose::Fetch { end, number, mailbox, whole } => {
                self.mailboxes.cells_loaded(mailbox, (end, number, whole), rows, cx);
            }
            Purpose::Pieces { end, number, prefix, from, count } => {
                self.mailboxes.pieces_loaded((end, number), (prefix, from, count), rows, cx);
            }
            Purpose::Object { end, number } => Objects::loaded(end, number, rows, cx),
            Purpose::Handed { link } => self.handed(link, &rows),
            Purpose::ShardCell { end, seq, answer } => Shards::loaded(end, seq, answer, rows, cx),
            Purpose::UnitHead { link, shard, seq } => Self::unit_head(link, shard, seq, &rows, cx),
            Purpose::UnitCell { link, shard, seq, head } => self.unit_cell(link, shard, seq, &head, rows),
            start => self.on_restored(start, rows),
        }
    }
}
