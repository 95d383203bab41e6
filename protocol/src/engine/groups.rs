//! The groups of a person: founding, inviting, writing, and what follows from the membership log (SPEC §10).

use super::api::{ContactId, Event, Meeting};
use super::contact::Contact;
use super::cx::{Alarm, Cx, Signal};
use super::group_api::{GroupEvent, GroupInfo, GroupNumber, GroupReply, GroupView, MemberInfo, Standing};
use super::group_state::{Group, Own};
use crate::core::{Key, Op, Space, Value};
use crate::error::ErrorKind;
use crate::group::OPS_WAITING_MAX;
use crate::group::log::{Log, Taken};
use crate::group::op::{Act, Role, SignedOp};
use crate::group::post;
use crate::group::seed::Seed;
use crate::group::wire::Letter;
use crate::ids::{Fingerprint, GroupId, MemberId, MessageId, OpId};
use crate::limits::NAME_BYTES_MAX;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// Receipts are told only in groups up to this size (DESIGN P7).
pub(crate) const RECEIPTS_MAX: usize = 32;
/// Groups of one person, invitations included.
const GROUPS_MAX: usize = 1_000;
/// Invitations to groups that wait for an answer.
const INVITED_MAX: usize = 64;
/// Bytes of operations in one letter.
const LETTER_BYTES: usize = 40_000;
/// Numbers of records of operations that wait begin here; those of the log are its places.
const EARLY: u64 = 1 << 40;
/// A look at a group follows this long after something is missing, milliseconds.
const LOOK_MS: u64 = 2_000;

/// Who this person is to the others.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Me<'a> {
    pub(crate) who: Fingerprint,
    pub(crate) name: &'a str,
}

/// All groups.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    pub(crate) groups: BTreeMap<GroupNumber, Group>,
    pub(crate) loading: BTreeMap<crate::core::LoadId, (GroupNumber, ContactId)>,
    pub(crate) changes: super::group_changes::OwnChanges,
}

impl Groups {
    /// Takes a stored record.
    pub(crate) fn load(&mut self, key: Key, value: &Value, cx: &mut Cx<'_>) {
        if key.space == Space::Group {
            match u32::try_from(key.seq).map(|number| Group::load(GroupNumber(number), value)) {
                Ok(Ok(group)) => drop(self.groups.insert(group.number, group)),
                _ => cx.fault(),
            }
            return;
        }
        let number = GroupNumber(u32::from_be_bytes(crate::ids::first(&key.group)));
        let Some(group) = self.groups.get_mut(&number) else { return cx.fault() };
        let good = match key.space {
            Space::GroupOp => match (SignedOp::decode(value), group.log.as_mut()) {
                (Ok(op), log) if key.seq >= EARLY => {
                    let good = log.is_none_or(|log| log.take(op.clone()).is_ok());
                    group.early_ops.insert(op.id(), (key.seq, op));
                    good
                }
                (Ok(op), None) => Log::found(op).map(|log| group.log = Some(log)).is_ok(),
                (Ok(op), Some(log)) => log.take(op).is_ok(),
                (Err(_), _) => false,
            },
            Space::GroupAuthor => group.load_author(value).is_some(),
            Space::GroupCell => group.cells.load(key.seq, value).is_some(),
            Space::GroupExpiry => group.load_expiry(key.seq, value, cx).is_some(),
            Space::GroupSeed => match Seed::decode(value) {
                Some(seed) => {
                    group.seeds.push((key.seq, seed));
                    true
                }
                None => false,
            },
            _ => {
                group.load_out(key.seq, value);
                true
            }
        };
        if !good {
            cx.fault();
        }
    }

    /// The newest place of a group's conversation.
    pub(crate) fn note_line(&mut self, number: GroupNumber, position: u64) {
        if let Some(group) = self.groups.get_mut(&number) {
            group.position = group.position.max(position.saturating_add(1));
            group.last_shown = group.last_shown.max(position);
        }
    }

    pub(crate) fn numbers(&self) -> Vec<GroupNumber> {
        self.groups.keys().copied().collect()
    }

    /// All groups are looked after at once.
    pub(crate) fn wake(&self, cx: &mut Cx<'_>) {
        for number in self.groups.keys() {
            cx.alarm_by(Alarm::Group(*number), 0);
        }
    }

    pub(crate) fn get(&mut self, number: GroupNumber) -> Result<&mut Group, ErrorKind> {
        self.groups.get_mut(&number).ok_or(ErrorKind::NoSuchGroup)
    }

    pub(crate) fn by_id(&mut self, id: GroupId) -> Option<&mut Group> {
        self.groups.values_mut().find(|group| group.group == id)
    }

    pub(crate) fn next_number(&self) -> Result<GroupNumber, ErrorKind> {
        if self.groups.len() >= GROUPS_MAX {
            return Err(ErrorKind::Limit);
        }
        Ok(GroupNumber(self.groups.last_key_value().map_or(1, |(last, _)| last.0 + 1)))
    }

    pub(crate) fn infos(&self) -> Vec<GroupInfo> {
        self.groups.values().map(Group::info).collect()
    }

    pub(crate) fn create(
        &mut self,
        name: &str,
        me: Me<'_>,
        cx: &mut Cx<'_>,
    ) -> Result<GroupReply, ErrorKind> {
        check_name(name)?;
        let number = self.next_number()?;
        let own = Own::generate(cx.rng);
        let salt = *crate::crypto::kdf::random::<16>(cx.rng);
        let shard = (cx.rng.next_u32() % u32::from(crate::limits::SHARDS)) as u16;
        let founder = own.member(me.who, me.name);
        let act = Act::Create { founder, name: name.to_owned(), salt, shard };
        let op = crate::group::op::Op { group: GroupId([0; 16]), parents: Vec::new(), author: own.id, act };
        let signed = op.sign(&own.key);
        let mut group = Group::new(number, signed.group(), Standing::In, own);
        cx.write(Op::Put(
            Key::of(Space::GroupOp, number.records(), 0),
            Zeroizing::new(signed.bytes().to_vec()),
        ));
        group.log = Log::found(signed).ok();
        cx.write(group.save());
        self.groups.insert(number, group);
        cx.notify(Event::Group(GroupEvent::Changed(number)));
        Ok(GroupReply::Founded(number))
    }

    /// An invitation came from a contact.
    pub(crate) fn invited(
        &mut self,
        by: ContactId,
        (id, name, size, inviter): (GroupId, String, u64, MemberId),
        cx: &mut Cx<'_>,
    ) {
        let waiting = self.groups.values().filter(|group| matches!(group.standing, Standing::Invited(_)));
        let waiting = waiting.count();
        if let Some(group) = self.by_id(id) {
            match group.standing {
                // A second invitation replaces the first; whoever was out comes back with keys of their own.
                Standing::Invited(_) | Standing::Joining(_) => group.standing = Standing::Invited(by),
                Standing::Out => {
                    let own = Own::generate(cx.rng);
                    group.begin_anew(Standing::Invited(by), own, cx);
                }
                Standing::In => return,
            }
            group.name = name;
            group.size = size;
            group.known.insert(inviter, by);
            cx.write(group.save());
            cx.notify(Event::Group(GroupEvent::Changed(group.number)));
            return;
        }
        let Ok(number) = self.next_number() else { return cx.fault() };
        if waiting >= INVITED_MAX {
            return cx.fault();
        }
        let mut group = Group::new(number, id, Standing::Invited(by), Own::generate(cx.rng));
        group.name = name;
        group.size = size;
        group.known.insert(inviter, by);
        cx.write(group.save());
        self.groups.insert(number, group);
        cx.notify(Event::Group(GroupEvent::Changed(number)));
    }

    /// Which group, author and number a message id names.
    pub(crate) fn find(&self, id: &MessageId) -> Option<GroupReply> {
        self.groups.values().find_map(|group| {
            let roster = group.log.as_ref()?.roster();
            roster.seats.keys().find_map(|author| {
                let seq = post::find(group.group, *author, id)?;
                let mine = *author == group.own.id;
                let exists = if mine {
                    (1..group.next_seq).contains(&seq)
                } else {
                    group
                        .authors
                        .get(author)
                        .is_some_and(|held| seq < held.below || held.early.contains_key(&seq))
                };
                exists.then_some(GroupReply::Message {
                    group: group.number,
                    author: *author,
                    seq,
                    reached: None,
                    recipients: Vec::new(),
                    mine,
                })
            })
        })
    }
}

/// The records of a log that begins anew when somebody comes back.
fn forget_log(group: &Group, cx: &mut Cx<'_>) {
    for place in 0..group.log.as_ref().map_or(0, Log::len) as u64 {
        cx.write(Op::Remove(Key::of(Space::GroupOp, group.number.records(), place)));
    }
    for (place, _) in group.early_ops.values() {
        cx.write(Op::Remove(Key::of(Space::GroupOp, group.number.records(), *place)));
    }
}

pub(crate) fn check_name(name: &str) -> Result<(), ErrorKind> {
    match name.len() {
        0 => Err(ErrorKind::Empty),
        1..=NAME_BYTES_MAX => Ok(()),
        _ => Err(ErrorKind::TooLong),
    }
}

impl Group {
    /// Whoever comes back is another member; the conversation goes on after what is there.
    pub(crate) fn begin_anew(&mut self, standing: Standing, own: Own, cx: &mut Cx<'_>) {
        let (position, seen, last_shown) = (self.position, self.seen, self.last_shown);
        let expiry = core::mem::take(&mut self.expiry);
        forget_log(self, cx);
        *self = Self::new(self.number, self.group, standing, own);
        (self.position, self.seen, self.last_shown, self.expiry) = (position, seen, last_shown, expiry);
    }

    pub(crate) fn log_mut(&mut self) -> Result<&mut Log, ErrorKind> {
        match (self.standing, self.log.as_mut()) {
            (Standing::In, Some(log)) => Ok(log),
            _ => Err(ErrorKind::NotMember),
        }
    }

    /// Makes an own operation, keeps it and tells the others.
    pub(crate) fn act(&mut self, act: Act, cx: &mut Cx<'_>) -> Result<(), ErrorKind> {
        let own = self.own.id;
        let log = self.log_mut()?;
        let op = log.next(own, act);
        if !log.roster().may(&op) {
            return Err(ErrorKind::NotAllowed);
        }
        let signed = op.sign(&self.own.key);
        // Whoever is removed is told so as well.
        let mut to = self.reachable();
        self.take_op(signed.clone(), cx).map_err(|_| ErrorKind::Limit)?;
        to.extend(self.reachable());
        to.sort_unstable();
        to.dedup();
        for (_, contact) in to {
            self.send_ops(contact, core::iter::once(&signed), cx);
        }
        Ok(())
    }

    /// Takes an operation into the log and keeps it; returns those that are new with it.
    pub(crate) fn take_op(
        &mut self,
        signed: SignedOp,
        cx: &mut Cx<'_>,
    ) -> Result<Vec<OpId>, crate::error::PeerFault> {
        let before = self.log.as_ref().map_or(0, Log::len);
        let Some(log) = self.log.as_mut() else {
            self.keep_early(signed, cx);
            return Ok(Vec::new());
        };
        let new = match log.take(signed.clone())? {
            Taken::New(new) => new,
            Taken::Waits => {
                self.keep_early(signed, cx);
                return Ok(Vec::new());
            }
            Taken::Known => return Ok(Vec::new()),
        };
        for (place, id) in (before as u64..).zip(&new) {
            if let Some(signed) = log.get(id) {
                let value = Zeroizing::new(signed.bytes().to_vec());
                cx.write(Op::Put(Key::of(Space::GroupOp, self.number.records(), place), value));
            }
            if let Some((place, _)) = self.early_ops.remove(id) {
                cx.write(Op::Remove(Key::of(Space::GroupOp, self.number.records(), place)));
            }
        }
        self.on_log_changed(&new, cx);
        Ok(new)
    }

    /// Keeps an operation until those are there that it rests on. It would not be sent again: its letter is acknowledged.
    fn keep_early(&mut self, signed: SignedOp, cx: &mut Cx<'_>) {
        if self.early_ops.len() >= OPS_WAITING_MAX || self.early_ops.contains_key(&signed.id()) {
            return;
        }
        let place = self.early_ops.values().map(|(place, _)| place + 1).max().unwrap_or(EARLY);
        let value = Zeroizing::new(signed.bytes().to_vec());
        cx.write(Op::Put(Key::of(Space::GroupOp, self.number.records(), place), value));
        self.early_ops.insert(signed.id(), (place, signed));
    }

    /// The log is there: operations that came before it may be taken now.
    pub(crate) fn take_early(&mut self, cx: &mut Cx<'_>) -> Vec<OpId> {
        let mut early: Vec<_> = self.early_ops.values().cloned().collect();
        early.sort_by_key(|(place, _)| *place);
        let mut new = Vec::new();
        for (place, signed) in early {
            let id = signed.id();
            match self.take_op(signed, cx) {
                Ok(taken) => new.extend(taken),
                // A forged one was kept unread.
                Err(_) => {
                    self.early_ops.remove(&id);
                    cx.write(Op::Remove(Key::of(Space::GroupOp, self.number.records(), place)));
                }
            }
        }
        new
    }

    /// What follows from new operations for this device.
    fn on_log_changed(&mut self, new: &[OpId], cx: &mut Cx<'_>) {
        let Some(log) = self.log.as_ref() else { return };
        let joined =
            new.iter().filter_map(|id| log.get(id)).any(|signed| matches!(signed.op().act, Act::Add { .. }));
        let is_in = log.roster().member(&self.own.id).is_some();
        let was = log.roster().seats.contains_key(&self.own.id);
        match (self.standing, is_in, was) {
            // An operation that removed this person may turn out to count for nothing.
            (Standing::Joining(_) | Standing::Invited(_) | Standing::Out, true, _) => {
                self.standing = Standing::In;
                self.call_out(cx);
            }
            (Standing::In, false, true) => {
                self.standing = Standing::Out;
                for seq in self.out.keys().copied().collect::<Vec<_>>() {
                    self.finish(seq, true, cx);
                }
                self.cells.clear(cx);
                for (at, _) in core::mem::take(&mut self.seeds) {
                    cx.write(Op::Remove(Key::of(Space::GroupSeed, self.number.records(), at)));
                }
                self.following.forget();
            }
            _ => {}
        }
        if joined {
            self.base = self.next_seq;
        }
        self.settle(cx);
        cx.write(self.save());
        cx.notify(Event::Group(GroupEvent::Changed(self.number)));
        cx.alarm_by(Alarm::Group(self.number), 0);
    }

    /// Messages that only those lack who left are delivered, if somebody has them.
    fn settle(&mut self, cx: &mut Cx<'_>) {
        let Some(roster) = self.log.as_ref().map(Log::roster) else { return };
        let mut changed = Vec::new();
        for (seq, post) in &mut self.out {
            let before = post.direct.len() + post.others.len();
            post.direct.retain(|(member, ..)| roster.member(member).is_some());
            post.others.retain(|member| roster.member(member).is_some());
            if post.direct.len() + post.others.len() != before {
                changed.push(*seq);
            }
        }
        let idle = self.out.iter().filter(|(_, post)| post.direct.is_empty() && post.others.is_empty());
        let idle: Vec<u64> = idle.map(|(seq, _)| *seq).collect();
        for seq in changed {
            cx.write(self.save_out(seq));
        }
        for seq in idle {
            let nobody =
                self.out.get(&seq).and_then(|post| post.has.as_ref()).is_some_and(BTreeMap::is_empty);
            self.finish(seq, nobody, cx);
        }
    }

    /// Sends operations to a contact, in letters that fit.
    pub(crate) fn send_ops<'a>(
        &self,
        to: ContactId,
        ops: impl Iterator<Item = &'a SignedOp>,
        cx: &mut Cx<'_>,
    ) {
        let (mut batch, mut size) = (Vec::new(), 0);
        let group = self.group;
        for signed in ops {
            if size + signed.bytes().len() > LETTER_BYTES {
                cx.signal(Signal::Post(to, Letter::Ops { group, ops: core::mem::take(&mut batch) }, None));
                size = 0;
            }
            size += signed.bytes().len() + 4;
            batch.push(signed.bytes().to_vec());
        }
        if !batch.is_empty() {
            cx.signal(Signal::Post(to, Letter::Ops { group, ops: batch }, None));
        }
    }

    pub(crate) fn invite(&mut self, to: &Contact, cx: &mut Cx<'_>) -> Result<(), ErrorKind> {
        if to.card.meeting != Meeting::Connected {
            return Err(ErrorKind::NotConnected);
        }
        let me = self.own.id;
        let log = self.log_mut()?;
        let roster = log.roster();
        if roster.member(&me).is_none_or(|seat| seat.role < Role::Admin) {
            return Err(ErrorKind::NotAllowed);
        }
        if roster.members().any(|(_, seat)| seat.member.who == to.card.fingerprint) {
            return Err(ErrorKind::AlreadyMember);
        }
        if roster.members().count() >= crate::group::MEMBERS_MAX {
            return Err(ErrorKind::Limit);
        }
        let letter = Letter::Invite {
            group: log.group(),
            name: roster.name.clone(),
            members: roster.members().count() as u64,
            me,
        };
        self.invited.insert(to.id);
        cx.write(self.save());
        cx.signal(Signal::Post(to.id, letter, None));
        Ok(())
    }

    pub(crate) fn accept(&mut self, me: Me<'_>, cx: &mut Cx<'_>) -> Result<(), ErrorKind> {
        let (Standing::Invited(by) | Standing::Joining(by)) = self.standing else {
            return if self.standing == Standing::In { Ok(()) } else { Err(ErrorKind::NotMember) };
        };
        self.ask_in(by, me, None, cx);
        Ok(())
    }

    pub(crate) fn leave(&mut self, cx: &mut Cx<'_>) -> Result<(), ErrorKind> {
        match self.standing {
            Standing::In => self.act(Act::Leave { upto: self.next_seq - 1 }, cx),
            Standing::Invited(by) | Standing::Joining(by) => {
                self.standing = Standing::Out;
                cx.write(self.save());
                cx.signal(Signal::Post(by, Letter::Decline(self.group), None));
                cx.notify(Event::Group(GroupEvent::Changed(self.number)));
                Ok(())
            }
            Standing::Out => Err(ErrorKind::NotMember),
        }
    }

    pub(crate) fn remove(&mut self, member: MemberId, cx: &mut Cx<'_>) -> Result<(), ErrorKind> {
        // What has come of theirs stays; a message that waits for an earlier one counts as come.
        let upto = self.authors.get(&member).map_or(0, |author| {
            author.early.last_key_value().map_or(author.below.saturating_sub(1), |(last, _)| *last)
        });
        self.act(Act::Remove { member, upto }, cx)
    }

    pub(crate) fn view(&self, contacts: &BTreeMap<ContactId, Contact>) -> GroupView {
        let seats = self.log.as_ref().map(|log| &log.roster().seats);
        let members = seats.into_iter().flatten().map(|(id, seat)| {
            let contact = self.known.get(id).copied();
            let local =
                contact.and_then(|id| contacts.get(&id)).map(Contact::name).filter(|name| !name.is_empty());
            MemberInfo {
                member: *id,
                name: local.unwrap_or(&seat.member.name).to_owned(),
                role: seat.role,
                by: seat.by,
                contact,
                fingerprint: seat.member.who,
                me: *id == self.own.id,
                left: seat.left,
                below: if *id == self.own.id {
                    self.next_seq
                } else {
                    self.authors.get(id).map_or(0, |author| author.below)
                },
                forked: self.authors.get(id).is_some_and(|author| author.forked),
            }
        });
        GroupView {
            group: self.group,
            info: self.info(),
            members: members.collect(),
            under_way: self
                .out
                .keys()
                .filter_map(|seq| Some((*seq, self.reached(*seq, contacts)?)))
                .collect(),
        }
    }

    /// Something is missing: looks after it soon.
    pub(crate) fn look_soon(&mut self, cx: &mut Cx<'_>) {
        self.asks = true;
        cx.alarm_by(Alarm::Group(self.number), LOOK_MS);
    }
}
