//! How a group uses its shard: seeds and cells out, followed relay and cells in (SPEC §10.6).

use super::api::{ContactId, Event};
use super::carrier::OWN;
use super::contact::Contact;
use super::cx::{Alarm, Ask, Cx, Signal, Token};
use super::doors::Doors;
use super::group_api::{GroupEvent, Standing};
use super::group_state::Group;
use super::groups::RECEIPTS_MAX;
use super::island::Heard;
use super::routes::{Lane, RouteError};
use super::shard_out::Way;
use crate::cbor::{MapWriter, bytes, read_map};
use crate::cell::Cell;
use crate::core::{Key, Op, Space};
use crate::error::PeerFault;
use crate::group::post::{Post, Receipt, message_id};
use crate::group::seed::{Announced, Call, Seed, detects};
use crate::ids::{MemberId, RelayId, Tag};
use crate::rpc::{Reply, Request};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// Up to this many members whose sessions all reach one another, messages go over sessions (DESIGN P7).
const PAIRWISE_MAX: usize = 8;
/// Seeds kept; the oldest is given up first.
const SEEDS_MAX: usize = 8;
/// A receipt leaves so long after the first message it confirms, milliseconds.
const RECEIPT_MS: u64 = 2_000;
/// A member's receipts are so far apart, milliseconds: in groups that might talk over sessions, and in larger ones (DESIGN P7).
const RECEIPTS_APART_MS: (u64, u64) = (5_000, 600_000);
/// A relay that does not answer is tried again, or another one, after this time, milliseconds.
const RETRY_MS: u64 = 2_000;
/// Announcements and cells that wait for operations or a seed.
const WAITING_MAX: usize = 64;
/// By how many cells of its shard a cell may overtake the announcement of its seed.
const OVERTAKES: u64 = 1_000;
/// Bytes of messages in one cell; a file has one of its own.
const BATCH_BYTES: usize = 14_000;

impl Group {
    /// Whether messages go over the shard: somebody can not be reached by session, or there are too many.
    pub(crate) fn by_shard(&self) -> bool {
        let Some(log) = &self.log else { return false };
        let members = log.roster().members().count();
        members > PAIRWISE_MAX || self.reachable().len() + 1 < members
    }

    pub(crate) fn shard(&self) -> u16 {
        self.log.as_ref().map_or(0, |log| log.roster().shard)
    }

    /// What detects the group's cells: announcements, and cells of each seed held.
    fn keys(&self) -> Vec<[u8; 32]> {
        let call = self.log.as_ref().map(Call::of);
        let seeds = self.seeds.iter().map(|(_, seed)| *seed.detect());
        call.iter().map(|call| *call.detect).chain(seeds).collect()
    }

    /// Whether a cell with this tag is the group's.
    pub(crate) fn hears(&self, tag: &Tag) -> bool {
        self.listens() && self.keys().iter().any(|key| detects(key, self.shard(), tag))
    }

    fn listens(&self) -> bool {
        self.log.is_some() && self.standing == Standing::In && self.uses_shard()
    }

    /// By what the group's cells are known, and their shard; nothing while the person is not in it.
    pub(crate) fn ears(&self) -> Vec<(u16, Zeroizing<[u8; 32]>)> {
        let keys = if self.listens() { self.keys() } else { Vec::new() };
        keys.into_iter().map(|key| (self.shard(), Zeroizing::new(key))).collect()
    }

    /// The person is in the group now: announcements may be here already.
    pub(crate) fn call_out(&self, cx: &mut Cx<'_>) {
        if let Some(log) = &self.log {
            cx.signal(Signal::ShardKey(self.shard(), Call::of(log).detect));
        }
    }

    /// Follows the shard at a relay, from where it was left there.
    pub(crate) fn follow(&mut self, doors: &Doors, cx: &mut Cx<'_>) {
        if !self.listens() || self.following.is_live() {
            return;
        }
        match self.following.begin(doors, cx.rng) {
            Some((relay, from)) => self.ask_follow(relay, from, cx),
            None => cx.alarm_by(Alarm::Group(self.number), RETRY_MS),
        }
    }

    fn ask_follow(&mut self, relay: RelayId, from: u64, cx: &mut Cx<'_>) {
        self.following.ask(from);
        let request = Request::Follow { shard: self.shard(), keys: self.keys(), from };
        let lane = Lane::Group(self.number);
        cx.signal(Signal::Ask(lane, relay, Ask::Plain(request), Token::Follow(self.number)));
    }

    /// Whether anything may come over the shard: small groups listen as well, because another member may not reach all by session.
    fn uses_shard(&self) -> bool {
        self.log.as_ref().is_some_and(|log| log.roster().members().count() > 2)
    }

    pub(crate) fn on_followed(
        &mut self,
        relay: RelayId,
        answer: &Result<Reply, RouteError>,
        cx: &mut Cx<'_>,
    ) {
        if self.following.relay() != Some(relay) {
            return;
        }
        match answer {
            Ok(Reply::Fetched { next, more }) => {
                let onward = self.following.answered(relay, *next, *more);
                cx.write(self.save());
                if let Some(from) = onward {
                    self.ask_follow(relay, from, cx);
                }
            }
            _ => {
                self.following.shun(relay);
                self.lost_follow(cx);
            }
        }
    }

    /// The tunnel to the followed relay ended.
    pub(crate) fn lost_follow(&mut self, cx: &mut Cx<'_>) {
        self.following.lost();
        let pause = cx.jitter(RETRY_MS);
        cx.alarm_by(Alarm::Group(self.number), pause);
    }

    /// The keys changed: the followed relay is told, from the beginning of what the new one may have brought.
    fn follow_again(&mut self, cx: &mut Cx<'_>) {
        if let Some((relay, from)) = self.following.at().filter(|_| self.following.is_live()) {
            // A cell may overtake the announcement of its seed, but not by much.
            self.ask_follow(relay, from.saturating_sub(OVERTAKES), cx);
        }
    }

    fn keep_seed(&mut self, seed: Seed, cx: &mut Cx<'_>) {
        if self.seeds.iter().any(|(_, held)| held.id() == seed.id()) {
            return;
        }
        cx.signal(Signal::ShardKey(self.shard(), Zeroizing::new(*seed.detect())));
        let at = self.seeds.last().map_or(1, |(at, _)| at + 1);
        self.seeds.push((at, seed));
        self.save_seed(at, cx);
        while self.seeds.len() > SEEDS_MAX {
            let (old, _) = self.seeds.remove(0);
            cx.write(Op::Remove(Key::of(Space::GroupSeed, self.number.records(), old)));
        }
        self.follow_again(cx);
    }

    fn save_seed(&self, at: u64, cx: &mut Cx<'_>) {
        if let Some((_, seed)) = self.seeds.iter().find(|(held, _)| *held == at) {
            cx.write(Op::Put(Key::of(Space::GroupSeed, self.number.records(), at), seed.encode()));
        }
    }

    /// The seed for exactly the members of now; if there is none it is made and announced.
    fn seed_at(&mut self, doors: &Doors, cx: &mut Cx<'_>) -> Result<u64, PeerFault> {
        let Some(log) = &self.log else { return Err(PeerFault::Mismatch) };
        let roster = log.roster();
        let fits = |seed: &Seed| seed.is_for(roster.members().map(|(id, _)| id));
        if let Some((at, _)) = self.seeds.iter().rev().find(|(_, seed)| fits(seed)) {
            return Ok(*at);
        }
        let (seed, signed) = Seed::issue(log, self.own.id, &self.own.key, cx.rng)?;
        let cell = Call::of(log).seal(self.shard(), &signed, cx.rng)?;
        self.keep_seed(seed, cx);
        self.inject(cell, Vec::new(), doors, cx);
        self.seeds.last().map(|(at, _)| *at).ok_or(PeerFault::Mismatch)
    }

    /// Seals own messages and a receipt into one cell and sends it to two relays.
    pub(crate) fn flush(&mut self, doors: &Doors, cx: &mut Cx<'_>) {
        if self.unsent.is_empty() && !self.receipt_due || self.standing != Standing::In {
            return;
        }
        let (mut posts, mut size, mut carried) = (Vec::new(), 0, Vec::new());
        while let Some((seq, signed)) = self.unsent.front() {
            size += signed.len() + 8;
            if size > BATCH_BYTES && !posts.is_empty() {
                break;
            }
            carried.push(*seq);
            posts.extend(self.unsent.pop_front().map(|(_, signed)| signed));
        }
        let mut map = MapWriter::default();
        if !posts.is_empty() {
            map.array(0, &posts.iter().map(|signed| bytes(signed)).collect::<Vec<_>>());
        }
        // With own messages it costs no cell.
        let rides = !posts.is_empty() && self.receipt_wanted.take().is_some();
        if core::mem::take(&mut self.receipt_due) || rides {
            let below = self.authors.iter().map(|(author, held)| (*author, held.below)).collect();
            let receipt = Receipt { group: self.group, member: self.own.id, round: self.round, below };
            self.round += 1;
            self.receipt_at = Some(cx.now.mono);
            map.bytes(1, &receipt.sign(&self.own.key));
        }
        let sealed = self.seed_at(doors, cx).and_then(|at| {
            let (shard, own) = (self.shard(), self.own.id);
            let (_, seed) = self.seeds.iter_mut().find(|(held, _)| *held == at).ok_or(PeerFault::Mismatch)?;
            Ok((at, seed.seal(shard, own, &map.finish(), cx.rng)?))
        });
        match sealed {
            Ok((at, cell)) => {
                self.save_seed(at, cx);
                self.inject(cell, carried, doors, cx);
                cx.write(self.save());
            }
            Err(_) => cx.fault(),
        }
        if !self.unsent.is_empty() {
            cx.alarm_by(Alarm::Group(self.number), 0);
        }
    }

    /// Keeps a cell and sends it to relays until two have confirmed.
    fn inject(&mut self, cell: Cell, carried: Vec<u64>, doors: &Doors, cx: &mut Cx<'_>) {
        self.offer(&cell, &carried, cx);
        let number = self.cells.put(cell, carried, cx);
        self.drive(number, doors, cx);
    }

    fn offer(&self, cell: &Cell, carried: &[u64], cx: &mut Cx<'_>) {
        let ids = carried.iter().map(|seq| message_id(self.group, self.own.id, *seq)).collect();
        cx.signal(Signal::ShardCell(cell.clone(), OWN, Some(ids)));
    }

    /// Own cells that wait for relays are for neighbours as well.
    pub(crate) fn offer_waiting(&self, cx: &mut Cx<'_>) {
        self.cells.waiting().for_each(|(cell, carried)| self.offer(cell, carried, cx));
    }

    /// Asks relays until two have the cell or are asked.
    fn drive(&mut self, number: u64, doors: &Doors, cx: &mut Cx<'_>) {
        let way = Way { shard: self.shard(), lane: Lane::Inject(self.number), avoid: self.following.relay() };
        self.cells.drive(number, way, Token::Inject(self.number, number), doors, cx);
        cx.alarm_by(Alarm::Group(self.number), RETRY_MS);
    }

    pub(crate) fn on_injected(
        &mut self,
        number: u64,
        relay: RelayId,
        answer: &Result<Reply, RouteError>,
        doors: &Doors,
        cx: &mut Cx<'_>,
    ) {
        let Some(carried) = self.cells.answered(number, relay, answer, doors, cx) else {
            // Asked again after a while, or another one.
            return cx.alarm_by(Alarm::Group(self.number), RETRY_MS);
        };
        for seq in carried {
            if let Some(post) = self.out.get_mut(&seq) {
                post.stored = true;
                cx.write(self.save_out(seq));
            }
        }
        cx.notify(Event::Group(GroupEvent::Delivery(self.number)));
    }

    /// A cell came from the followed relay.
    pub(crate) fn on_shard_cell(
        &mut self,
        relay: RelayId,
        seq: u64,
        cell: &Cell,
        contacts: &BTreeMap<ContactId, Contact>,
        cx: &mut Cx<'_>,
    ) {
        self.following.came(relay, seq);
        match self.take_cell(cell, contacts, cx) {
            Ok(heard) => heard.kept(cell, cx),
            Err(_) => cx.fault(),
        }
    }

    /// A neighbour brought a cell, or it came in a file.
    pub(crate) fn on_near_cell(
        &mut self,
        cell: &Cell,
        contacts: &BTreeMap<ContactId, Contact>,
        cx: &mut Cx<'_>,
    ) -> Heard {
        self.take_cell(cell, contacts, cx).unwrap_or_else(|_| {
            cx.fault();
            Heard::Nothing
        })
    }

    /// Takes what a cell says.
    fn take_cell(
        &mut self,
        cell: &Cell,
        contacts: &BTreeMap<ContactId, Contact>,
        cx: &mut Cx<'_>,
    ) -> Result<Heard, PeerFault> {
        let Some(log) = &self.log else { return Ok(Heard::Waits) };
        let (shard, tag) = (self.shard(), cell.tag());
        let call = Call::of(log);
        if detects(&call.detect, shard, &tag) {
            let signed = call.open(cell)?;
            let read = Seed::read(&signed, log, self.own.id, &self.own.leaf);
            if matches!(read, Err(PeerFault::Decrypt)) && !self.deaf {
                // Its author left this member out, or the key here is damaged; either way others have what is said.
                self.deaf = true;
                self.asks = true;
                cx.write(self.save());
                cx.alarm_by(Alarm::Group(self.number), 0);
            }
            return match read? {
                Announced::Seed(seed) => {
                    self.keep_seed(seed, cx);
                    Ok(Heard::Taken(Vec::new()))
                }
                Announced::NotForMe => Ok(Heard::Taken(Vec::new())),
                Announced::Waits => {
                    self.wait(cell, cx);
                    Ok(Heard::Waits)
                }
            };
        }
        let found = self.seeds.iter().position(|(_, seed)| detects(seed.detect(), shard, &tag));
        let Some((at, seed)) = found.and_then(|at| self.seeds.get_mut(at)) else { return Ok(Heard::Nothing) };
        let (author, payload) = match seed.open(cell) {
            Ok(opened) => opened,
            // An own cell, or one that came before: from two relays, or again after a restart.
            Err(PeerFault::Replay) => return Ok(Heard::Nothing),
            Err(fault) => return Err(fault),
        };
        let at = *at;
        self.save_seed(at, cx);
        self.take_payload(author, &payload, contacts, cx)
    }

    fn take_payload(
        &mut self,
        author: MemberId,
        payload: &[u8],
        contacts: &BTreeMap<ContactId, Contact>,
        cx: &mut Cx<'_>,
    ) -> Result<Heard, PeerFault> {
        let (mut posts, mut receipt) = (Vec::new(), None);
        let (mut ids, mut old) = (Vec::new(), false);
        read_map(payload, |key, field| {
            match key {
                0 => posts = field.array(1_024, |item| item.bytes(50_000).map(<[u8]>::to_vec))?,
                1 => receipt = Some(field.bytes(50_000)?.to_vec()),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        for signed in &posts {
            let log = self.log.as_ref().ok_or(PeerFault::Mismatch)?;
            let post = Post::open(signed, |author| log.key_of(author))?;
            if post.group != self.group || post.author != author {
                return Err(PeerFault::Mismatch);
            }
            if post.view.iter().any(|id| !log.has(id)) {
                self.look_soon(cx);
            }
            ids.push(post.id());
            if author == self.own.id || !self.note(&post, signed, cx)? {
                // It may be one that was taken back before it came.
                old = true;
                self.compare(&post, signed, cx);
            } else {
                self.owe_receipt(cx);
            }
        }
        if let Some(signed) = receipt {
            self.take_receipt(&signed, cx)?;
            self.on_moved(contacts, cx);
        }
        Ok(if old { Heard::Nothing } else { Heard::Taken(ids) })
    }

    /// A receipt leaves after a while, with whatever else is to be said then.
    fn owe_receipt(&mut self, cx: &mut Cx<'_>) {
        let members = self.log.as_ref().map_or(0, |log| log.roster().members().count());
        if members > RECEIPTS_MAX || self.receipt_wanted.is_some() {
            return;
        }
        let soon = cx.jitter(RECEIPT_MS);
        let soonest = cx.now.mono.after_ms(soon);
        let apart = if members <= PAIRWISE_MAX { RECEIPTS_APART_MS.0 } else { RECEIPTS_APART_MS.1 };
        let at = self.receipt_at.map_or(soonest, |last| last.after_ms(apart).max(soonest));
        self.receipt_wanted = Some(at);
        cx.write(self.save());
        cx.alarm_by(Alarm::Group(self.number), (at.0 - cx.now.mono.0) / 1_000);
    }

    fn wait(&mut self, cell: &Cell, cx: &mut Cx<'_>) {
        if self.waiting.len() < WAITING_MAX && !self.waiting.iter().any(|held| held.hash() == cell.hash()) {
            self.waiting.push(cell.clone());
        }
        self.look_soon(cx);
    }

    /// The regular look at the shard.
    pub(crate) fn look_at_shard(
        &mut self,
        doors: &Doors,
        contacts: &BTreeMap<ContactId, Contact>,
        cx: &mut Cx<'_>,
    ) {
        for cell in core::mem::take(&mut self.waiting) {
            if self.take_cell(&cell, contacts, cx).is_err() {
                cx.fault();
            }
        }
        if self.receipt_wanted.is_some_and(|at| at <= cx.now.mono) && !cx.spending.is_for_texts() {
            self.receipt_wanted = None;
            self.receipt_due = true;
        }
        if let Some(at) = self.receipt_wanted.filter(|at| *at > cx.now.mono) {
            cx.alarm_by(Alarm::Group(self.number), at.0.saturating_sub(cx.now.mono.0) / 1_000 + 1);
        }
        self.follow(doors, cx);
        self.flush(doors, cx);
        self.cells.numbers().into_iter().for_each(|number| self.drive(number, doors, cx));
    }
}
