//! The channels of a person: posting, following, and telling a relay that keeps entries back from an honest one (SPEC §11).

use super::api::Event;
use super::carrier::OWN;
use super::channel_api::{ChannelEvent, ChannelInfo, ChannelNumber, ChannelReply};
use super::channel_state::{Channel, Page, number_of};
use super::cx::{Alarm, Ask, Cx, Signal, Token};
use super::doors::Doors;
use super::groups::check_name;
use super::island::Heard;
use super::routes::{Lane, RouteError};
use super::say::fits;
use super::shard_out::Way;
use crate::body::{Body, Content};
use crate::cell::Cell;
use crate::channel::chain::Placed;
use crate::channel::entry::{Entry, SignedEntry};
use crate::channel::link::ChannelLink;
use crate::core::{Key, Op, Space, Value};
use crate::crypto::LocalSignKey;
use crate::error::{ErrorKind, PeerFault};
use crate::group::seed::detects;
use crate::ids::{EntryId, RelayId, Tag};
use crate::limits::SHARDS;
use crate::rpc::{Reply, Request};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// Channels of one person.
const CHANNELS_MAX: usize = 256;
/// Entries of one channel that are kept; the oldest are given up first.
const ENTRIES_MAX: usize = 10_000;
/// A relay that does not answer is tried again, or another one, after this time, milliseconds.
const RETRY_MS: u64 = 2_000;
/// Another relay than the followed one is asked for the newest entries: first so long after the start, then so far apart, milliseconds.
const LOOK_MS: (u64, u64) = (20_000, 600_000);
/// An entry that another relay has is to come from the followed one within this time, milliseconds.
const WITHHELD_MS: u64 = 60_000;

/// Who brought a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    /// The relay that is followed.
    Followed,
    /// One that was asked beside it.
    Elsewhere,
    /// A neighbour, or a file: no relay owes it.
    Near,
}

/// All channels.
#[derive(Debug, Default)]
pub(crate) struct Channels {
    pub(crate) channels: BTreeMap<ChannelNumber, Channel>,
}

impl Channels {
    /// Takes a stored record.
    pub(crate) fn load(&mut self, key: &Key, value: &Value, cx: &mut Cx<'_>) {
        let good = if key.space == Space::Channel {
            let loaded = u32::try_from(key.seq).map(|number| Channel::load(ChannelNumber(number), value));
            match loaded {
                Ok(Ok(channel)) => {
                    self.channels.insert(channel.number, channel);
                    true
                }
                _ => false,
            }
        } else {
            let channel = self.channels.get_mut(&number_of(key));
            channel.is_some_and(|channel| match key.space {
                Space::ChannelMark => channel.load_mark(key.seq, value).is_some(),
                _ => channel.out.load(key.seq, value).is_some(),
            })
        };
        if !good {
            cx.fault();
        }
    }

    pub(crate) fn numbers(&self) -> Vec<ChannelNumber> {
        self.channels.keys().copied().collect()
    }

    pub(crate) fn get(&mut self, number: ChannelNumber) -> Result<&mut Channel, ErrorKind> {
        self.channels.get_mut(&number).ok_or(ErrorKind::NoSuchChannel)
    }

    pub(crate) fn infos(&self) -> Vec<ChannelInfo> {
        self.channels.values().map(Channel::info).collect()
    }

    fn insert(&mut self, link: ChannelLink, key: Option<LocalSignKey>) -> Result<&mut Channel, ErrorKind> {
        if self.channels.len() >= CHANNELS_MAX {
            return Err(ErrorKind::Limit);
        }
        let number = ChannelNumber(self.channels.last_key_value().map_or(1, |(last, _)| last.0 + 1));
        Ok(self.channels.entry(number).or_insert_with(|| Channel::new(number, link, key)))
    }

    pub(crate) fn create(&mut self, name: &str, cx: &mut Cx<'_>) -> Result<ChannelReply, ErrorKind> {
        check_name(name)?;
        let key = LocalSignKey::from_seed(&crate::crypto::kdf::random(cx.rng));
        let link = ChannelLink {
            owner: key.public().0,
            secret: *crate::crypto::kdf::random(cx.rng),
            shard: (cx.rng.next_u32() % u32::from(SHARDS)) as u16,
        };
        let channel = self.insert(link, Some(key))?;
        name.clone_into(&mut channel.name);
        cx.write(channel.save());
        Ok(ChannelReply::Founded(channel.number))
    }

    pub(crate) fn follow(&mut self, link: ChannelLink, cx: &mut Cx<'_>) -> Result<ChannelReply, ErrorKind> {
        if let Some(known) = self.channels.values().find(|channel| channel.link == link) {
            return Ok(ChannelReply::Founded(known.number));
        }
        let channel = self.insert(link, None)?;
        cx.write(channel.save());
        cx.alarm_by(Alarm::Channel(channel.number), 0);
        // Neighbours may have brought what it says.
        let (shard, key) = channel.ear();
        cx.signal(Signal::ShardKey(shard, key));
        Ok(ChannelReply::Founded(channel.number))
    }

    pub(crate) fn leave(&mut self, number: ChannelNumber, cx: &mut Cx<'_>) -> Result<(), ErrorKind> {
        let mut channel = self.channels.remove(&number).ok_or(ErrorKind::NoSuchChannel)?;
        channel.out.clear(cx);
        let (shard, key) = channel.ear();
        cx.signal(Signal::ShardLeft(shard, key));
        channel.erase().into_iter().for_each(|op| cx.write(op));
        Ok(())
    }
}

impl Channel {
    /// Writes an entry, a text or a small file, and sends it to relays.
    pub(crate) fn post(
        &mut self,
        content: Content,
        doors: &Doors,
        cx: &mut Cx<'_>,
    ) -> Result<ChannelReply, ErrorKind> {
        let Some(key) = &self.key else { return Err(ErrorKind::NotAllowed) };
        if let Content::Text(text) = &content {
            fits(text)?;
        }
        if self.recovery.is_some() {
            // A restored device does not know yet what it said last.
            return Err(ErrorKind::Unavailable);
        }
        let channel = self.link.id();
        let (last, before) = self.chain.newest().unwrap_or((0, EntryId([0; 32])));
        let seq = self.floor.max(last + 1);
        // After numbers that were left out nothing is known to be before.
        let before =
            if seq > 1 && last == 0 { EntryId(*blake3::hash(&channel.0).as_bytes()) } else { before };
        let body = Body::new(cx.now.wall_ms, content).encode();
        let signed = Entry { channel, seq, before, name: self.name.clone(), body }.sign(key);
        let sealed = self.link.call().seal(self.link.shard, &signed.bytes, cx.rng);
        let cell = sealed.map_err(|_| ErrorKind::TooLong)?;
        self.chain.place(&signed);
        self.keep(&signed, false, cx);
        cx.signal(Signal::ShardCell(cell.clone(), OWN, Some(Vec::new())));
        let number = self.out.put(cell, vec![seq], cx);
        self.drive(number, doors, cx);
        Ok(ChannelReply::Queued { id: signed.entry.message_id(), seq })
    }

    /// Writes an entry, and gives up the oldest if there are too many.
    fn keep(&mut self, signed: &SignedEntry, is_near: bool, cx: &mut Cx<'_>) {
        let (records, seq) = (self.number.records(), signed.entry.seq);
        let row = [&cx.now.wall_ms.to_be_bytes()[..], &signed.bytes].concat();
        cx.write(Op::Put(Key::of(Space::ChannelEntry, records, seq), Zeroizing::new(row)));
        let mark = [&signed.id.0[..], &signed.entry.before.0, &[u8::from(is_near)]].concat();
        if is_near {
            self.near.insert(seq);
        }
        cx.write(Op::Put(Key::of(Space::ChannelMark, records, seq), Zeroizing::new(mark)));
        while self.chain.len() > ENTRIES_MAX {
            if let Some(old) = self.chain.forget_first() {
                self.near.remove(&old);
                cx.write(Op::Remove(Key::of(Space::ChannelEntry, records, old)));
                cx.write(Op::Remove(Key::of(Space::ChannelMark, records, old)));
            }
        }
    }

    fn drive(&mut self, number: u64, doors: &Doors, cx: &mut Cx<'_>) {
        if cx.spending.rests() {
            return;
        }
        let way = Way { shard: self.link.shard, lane: Lane::Post(self.number), avoid: None };
        self.out.drive(number, way, Token::Post(self.number, number), doors, cx);
        cx.alarm_by(Alarm::Channel(self.number), RETRY_MS);
    }

    pub(crate) fn on_posted(
        &mut self,
        cell: u64,
        relay: RelayId,
        answer: &Result<Reply, RouteError>,
        doors: &Doors,
        cx: &mut Cx<'_>,
    ) {
        if self.out.answered(cell, relay, answer, doors, cx).is_some() {
            cx.notify(Event::Channel(ChannelEvent::Changed(self.number)));
        } else {
            cx.alarm_by(Alarm::Channel(self.number), RETRY_MS);
        }
    }

    /// The regular look: sends what is not stored, follows, and asks another relay now and then.
    pub(crate) fn tend(&mut self, doors: &Doors, cx: &mut Cx<'_>) {
        if cx.spending.rests() {
            // Looked after again when there are more bytes.
            return;
        }
        self.out.numbers().into_iter().for_each(|number| self.drive(number, doors, cx));
        self.try_recover(doors, cx);
        if self.key.is_some() && self.recovery.is_none() {
            return;
        }
        if !self.following.is_live() {
            match self.following.begin(doors, cx.rng) {
                Some((relay, from)) => self.ask_follow(relay, from, cx),
                None => cx.alarm_by(Alarm::Channel(self.number), RETRY_MS),
            }
            self.look_at.get_or_insert(cx.now.mono.after_ms(LOOK_MS.0));
        }
        if self.look_at.is_some_and(|at| at <= cx.now.mono) {
            let pause = cx.jitter(if cx.spending.is_low() { 6 * LOOK_MS.1 } else { LOOK_MS.1 });
            self.look_at = Some(cx.now.mono.after_ms(pause));
            self.look_elsewhere(doors, cx);
        }
        let overdue = |since: &crate::core::Mono| since.after_ms(WITHHELD_MS) <= cx.now.mono;
        if self.awaited.values().any(overdue)
            && let Some(relay) = self.following.relay()
        {
            // It had the time to bring what another relay had; whoever keeps entries back is not followed any more.
            self.awaited.clear();
            self.withheld += 1;
            self.following.shun(relay);
            self.following.lost();
            cx.write(self.save());
            cx.notify(Event::Channel(ChannelEvent::Changed(self.number)));
            cx.alarm_by(Alarm::Channel(self.number), 0);
        }
        let awaited = self.awaited.values().map(|since| since.after_ms(WITHHELD_MS)).min();
        if let Some(at) = self.look_at.into_iter().chain(awaited).min() {
            cx.alarm_by(Alarm::Channel(self.number), at.0.saturating_sub(cx.now.mono.0) / 1_000 + 1);
        }
    }

    fn keys(&self) -> Vec<[u8; 32]> {
        vec![*self.link.call().detect]
    }

    /// At a relay that was followed before all since then comes; at another one what comes from now on, and the newest entries, until
    /// they join those that are here.
    fn ask_follow(&mut self, relay: RelayId, from: u64, cx: &mut Cx<'_>) {
        let new = from == 0;
        self.following.ask(from);
        let from = if new { u64::MAX } else { from };
        let request = Request::Follow { shard: self.link.shard, keys: self.keys(), from };
        let (lane, token) = (Lane::Channel(self.number), Token::FollowChannel(self.number));
        cx.signal(Signal::Ask(lane, relay, Ask::Plain(request), token));
        if new {
            self.paging.before = None;
            self.ask_page(relay, !self.chain.is_empty(), cx);
        }
    }

    fn ask_page(&mut self, relay: RelayId, joins: bool, cx: &mut Cx<'_>) {
        let before = self.paging.before.unwrap_or(u64::MAX);
        self.paging.asked = Some(Page { joins, ..Page::default() });
        let request = Request::Recent { shard: self.link.shard, keys: self.keys(), before };
        let (lane, token) = (Lane::Channel(self.number), Token::PageChannel(self.number));
        cx.signal(Signal::Ask(lane, relay, Ask::Plain(request), token));
    }

    /// The person wants older entries.
    pub(crate) fn older(&mut self, cx: &mut Cx<'_>) -> Result<(), ErrorKind> {
        match self.following.relay().filter(|_| self.following.is_live()) {
            Some(relay) => {
                if self.paging.asked.is_none() {
                    self.ask_page(relay, false, cx);
                }
                Ok(())
            }
            None => Err(ErrorKind::Unavailable),
        }
    }

    fn look_elsewhere(&mut self, doors: &Doors, cx: &mut Cx<'_>) {
        let followed = self.following.relay();
        let others: Vec<_> = doors.carriers().into_iter().filter(|relay| Some(*relay) != followed).collect();
        let choice = cx.rng.next_u64() as usize % others.len().max(1);
        if let Some(relay) = others.get(choice) {
            let request = Request::Recent { shard: self.link.shard, keys: self.keys(), before: u64::MAX };
            let (lane, token) = (Lane::Look(self.number), Token::Nobody);
            cx.signal(Signal::Ask(lane, *relay, Ask::Plain(request), token));
        }
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
                self.lost(cx);
            }
        }
    }

    pub(crate) fn on_page(&mut self, relay: RelayId, answer: &Result<Reply, RouteError>, cx: &mut Cx<'_>) {
        let Some(page) = self.paging.asked.take() else { return };
        let Ok(Reply::Fetched { next, more }) = answer else {
            if self.recovery.is_some() && self.following.relay() == Some(relay) {
                self.following.shun(relay);
                self.lost(cx);
            }
            return cx.notify(Event::Channel(ChannelEvent::Older { channel: self.number, more: true }));
        };
        if self.following.relay() != Some(relay) {
            return;
        }
        self.paging.before = Some(*next);
        // A shard is looked through in pieces: one without an entry of this channel is no page.
        let enough = match &self.recovery {
            Some(recovery) => self.reaches_back(recovery),
            None if page.joins => page.joined,
            None => page.fresh,
        };
        if *more && !enough {
            return self.ask_page(relay, page.joins, cx);
        }
        self.recovered_at(relay, cx);
        cx.notify(Event::Channel(ChannelEvent::Older { channel: self.number, more: *more }));
    }

    /// The tunnel to the followed relay ended.
    pub(crate) fn lost(&mut self, cx: &mut Cx<'_>) {
        self.following.lost();
        self.paging.asked = None;
        // Whoever is not reached keeps nothing back.
        self.awaited.clear();
        let pause = cx.jitter(RETRY_MS);
        cx.alarm_by(Alarm::Channel(self.number), pause);
    }

    /// A cell came: from the followed relay, or (`elsewhere`) from one that was asked beside it.
    pub(crate) fn on_cell(&mut self, relay: RelayId, at: u64, cell: &Cell, elsewhere: bool, cx: &mut Cx<'_>) {
        let pages = self.paging.asked.is_some();
        // A page brings old ones; where to go on after a break is told by those that come by themselves. It is written with what the
        // cell brings: coming twice does no harm.
        if !elsewhere && !pages {
            self.following.came(relay, at);
        }
        let from = if elsewhere { From::Elsewhere } else { From::Followed };
        match self.take(cell, from, cx) {
            // One that was here need not be written again.
            Ok(true) => Heard::Taken(Vec::new()).kept(cell, cx),
            Ok(false) => {}
            Err(_) => cx.fault(),
        }
    }

    /// Own cells that wait for relays are for neighbours as well.
    pub(crate) fn offer_waiting(&self, cx: &mut Cx<'_>) {
        for (cell, _) in self.out.waiting() {
            cx.signal(Signal::ShardCell(cell.clone(), OWN, Some(Vec::new())));
        }
    }

    /// Whether a cell with this tag is the channel's. An owner who has to find out what was said last asks relays alone.
    pub(crate) fn hears(&self, tag: &Tag) -> bool {
        self.recovery.is_none() && detects(&self.link.call().detect, self.link.shard, tag)
    }

    /// By what the channel's cells are known, and their shard.
    pub(crate) fn ear(&self) -> (u16, Zeroizing<[u8; 32]>) {
        (self.link.shard, self.link.call().detect)
    }

    /// A neighbour brought a cell, or it came in a file. Also an entry that was here is carried on.
    pub(crate) fn on_near_cell(&mut self, cell: &Cell, cx: &mut Cx<'_>) -> Heard {
        match self.take(cell, From::Near, cx) {
            Ok(_) => Heard::Taken(Vec::new()),
            Err(_) => {
                cx.fault();
                Heard::Nothing
            }
        }
    }

    /// Takes what a cell says; whether it is an entry that was not here.
    fn take(&mut self, cell: &Cell, from: From, cx: &mut Cx<'_>) -> Result<bool, PeerFault> {
        let call = self.link.call();
        if !detects(&call.detect, self.link.shard, &cell.tag()) {
            return Ok(false);
        }
        let signed = SignedEntry::open(&call.open(cell)?, self.link.id(), &self.link.owner)?;
        let seq = signed.entry.seq;
        let placed = self.chain.place(&signed);
        if from == From::Followed {
            self.awaited.remove(&seq);
            if let Some(page) = &mut self.paging.asked {
                // Below one that a neighbour brought there may be others that only relays have.
                page.joined |= placed == Placed::Known && !self.near.contains(&seq);
                page.fresh |= placed == Placed::New;
            } else {
                self.near.remove(&seq);
            }
        }
        match placed {
            Placed::Known => {}
            Placed::New => {
                let newest = self.chain.newest().is_some_and(|(newest, _)| newest == seq);
                if from == From::Elsewhere && newest {
                    self.awaited.insert(seq, cx.now.mono);
                    cx.alarm_by(Alarm::Channel(self.number), WITHHELD_MS + 1);
                }
                if newest {
                    self.name.clone_from(&signed.entry.name);
                }
                self.keep(&signed, from == From::Near, cx);
                cx.write(self.save());
                cx.notify(Event::Channel(ChannelEvent::Received { channel: self.number, seq }));
            }
            Placed::Forks(other) => self.on_fork(&signed, other, cx),
        }
        Ok(placed == Placed::New)
    }

    /// The owner signed two things that contradict each other: both are kept, and the person is told.
    fn on_fork(&mut self, signed: &SignedEntry, other: u64, cx: &mut Cx<'_>) {
        if self.forked {
            return;
        }
        self.forked = true;
        let records = self.number.records();
        let row = |seq: u64| [&other.to_be_bytes()[..], &seq.to_be_bytes(), &signed.bytes].concat();
        cx.write(Op::Put(Key::of(Space::ChannelFork, records, 0), Zeroizing::new(row(signed.entry.seq))));
        cx.write(self.save());
        cx.notify(Event::Channel(ChannelEvent::Changed(self.number)));
    }
}
