//! Groups and channels in a backup, and how a device that was restored goes on with them: in a group as another member, in an own channel
//! once it knows what was said there last (SPEC §6d).

use super::Engine;
use super::api::{ContactId, Event};
use super::channel_api::{ChannelEvent, ChannelNumber};
use super::channel_state::{Channel, Recovery};
use super::channels::Channels;
use super::cx::{Alarm, Cx};
use super::doors::Doors;
use super::group_api::{GroupEvent, GroupNumber, Standing};
use super::group_state::{Group, Own};
use super::groups::{Groups, Me};
use crate::backup::{BackupChannel, BackupGroup, BackupState};
use crate::channel::link::ChannelLink;
use crate::core::{Key, Op, Space};
use crate::crypto::LocalSignKey;
use crate::group::log::Log;
use crate::group::op::{Act, Role, SignedOp};
use crate::group::post::SEQ_MAX;
use core::cmp::Reverse;
use zeroize::Zeroizing;

/// Relays at which an owner looks for the own entries before the next one is written: one of them may keep some back.
const ASKED_AT: usize = 2;
/// Numbers left out where no relay has anything as new as the backup: the lost device may have used them.
const JUMP: u64 = 1_000;

impl Engine {
    pub(crate) fn backup_rooms(&self) -> (Vec<BackupGroup>, Vec<BackupChannel>) {
        let groups = self.groups.groups.values().filter_map(Group::backup).collect();
        (groups, self.channels.backup())
    }

    /// Takes groups and channels in; their contacts are there.
    pub(crate) fn restore_rooms(&mut self, state: &BackupState) {
        for saved in &state.groups {
            self.on_groups(|groups, _, me, cx| groups.restore(saved, me, cx));
        }
        for saved in &state.channels {
            let (channels, mut cx) = self.with_channels();
            channels.restore(saved, &mut cx);
        }
    }
}

impl Groups {
    fn restore(&mut self, saved: &BackupGroup, me: Me<'_>, cx: &mut Cx<'_>) {
        let number = GroupNumber(saved.number);
        if self.by_id(saved.group).is_some() || self.groups.contains_key(&number) {
            return;
        }
        let own = Own::from_seeds(&saved.key, &saved.leaf);
        let mut group = Group::new(number, saved.group, Standing::In, own);
        group.muted = saved.muted;
        group.known = saved.known.iter().map(|(member, contact)| (*member, ContactId(*contact))).collect();
        for bytes in &saved.ops {
            let good = match (SignedOp::decode(bytes), group.log.as_mut()) {
                (Ok(signed), Some(log)) => log.take(signed).is_ok(),
                (Ok(signed), None) => Log::found(signed).map(|log| group.log = Some(log)).is_ok(),
                (Err(_), _) => false,
            };
            if !good {
                cx.fault();
            }
        }
        group.come_back(me, cx);
        cx.notify(Event::Group(GroupEvent::Changed(number)));
        cx.alarm_by(Alarm::Group(number), 0);
        self.groups.insert(number, group);
    }
}

impl Group {
    fn backup(&self) -> Option<BackupGroup> {
        let log = self.log.as_ref().filter(|_| self.standing == Standing::In)?;
        Some(BackupGroup {
            number: self.number.0,
            group: self.group,
            muted: self.muted,
            key: self.own.key.seed(),
            leaf: self.own.leaf.to_bytes(),
            known: self.known.iter().map(|(member, contact)| (*member, contact.0)).collect(),
            ops: log.all().map(|signed| signed.bytes().to_vec()).collect(),
        })
    }

    /// The numbers and keys that the lost device used are not known, so this device is another member: an admin takes it in and leaves as
    /// the old one, everybody else asks an admin for that.
    pub(crate) fn come_back(&mut self, me: Me<'_>, cx: &mut Cx<'_>) {
        let Some(log) = self.log.as_ref().filter(|log| log.group() == self.group) else {
            cx.fault();
            return self.stay_out(cx);
        };
        for (place, signed) in (0_u64..).zip(log.all()) {
            let key = Key::of(Space::GroupOp, self.number.records(), place);
            cx.write(Op::Put(key, Zeroizing::new(signed.bytes().to_vec())));
        }
        match log.roster().member(&self.own.id).map(|seat| seat.role) {
            Some(role) if role >= Role::Admin && self.take_in_again(role, me, cx) => {}
            Some(_) => self.ask_back(me, cx),
            None => self.stay_out(cx),
        }
    }

    fn take_in_again(&mut self, role: Role, me: Me<'_>, cx: &mut Cx<'_>) -> bool {
        let new = Own::generate(cx.rng);
        let member = new.member(me.who, me.name);
        let consent = member.consent(self.group, &new.key);
        if self.act(Act::Add { member, role, consent }, cx).is_err() {
            return false;
        }
        // What the lost device wrote since the backup counts as well.
        if self.act(Act::Leave { upto: SEQ_MAX }, cx).is_err() {
            cx.fault();
        }
        self.own = new;
        self.standing = Standing::In;
        self.greeted.clear();
        cx.write(self.save());
        true
    }

    fn ask_back(&mut self, me: Me<'_>, cx: &mut Cx<'_>) {
        let Some(roster) = self.log.as_ref().map(Log::roster) else { return };
        let by = roster.member(&self.own.id).map(|seat| seat.by);
        let (name, size, muted) = (roster.name.clone(), roster.members().count() as u64, self.muted);
        let mut admins: Vec<_> = self
            .reachable()
            .into_iter()
            .filter_map(|(id, contact)| {
                let seat = roster.member(&id).filter(|seat| seat.role >= Role::Admin)?;
                // Whoever took this person in first.
                Some((Some(id) != by, Reverse(seat.role), id, contact))
            })
            .collect();
        admins.sort_unstable();
        let Some((_, _, admin, contact)) = admins.first().copied() else { return self.stay_out(cx) };
        self.begin_anew(Standing::Joining(contact), Own::generate(cx.rng), cx);
        (self.name, self.size, self.muted) = (name, size, muted);
        self.known.insert(admin, contact);
        self.ask_in(contact, me, None, cx);
    }

    /// Nobody can take this person in again: somebody has to invite them.
    fn stay_out(&mut self, cx: &mut Cx<'_>) {
        self.standing = Standing::Out;
        cx.write(self.save());
    }

    /// A contact who is a member wants in as another one: a device that was restored (see [`Group::come_back`]). Which members it was.
    pub(crate) fn returning(&self, from: ContactId) -> Vec<crate::ids::MemberId> {
        self.reachable().into_iter().filter(|(_, contact)| *contact == from).map(|(id, _)| id).collect()
    }
}

impl Channels {
    fn backup(&self) -> Vec<BackupChannel> {
        let saved = self.channels.values().map(|channel| BackupChannel {
            number: channel.number.0,
            link: channel.link.encode(),
            key: channel.key.as_ref().map(LocalSignKey::seed),
            name: channel.name.clone(),
            seen: channel.seen,
            newest: match &channel.recovery {
                Some(recovery) => recovery.head,
                None => channel.chain.head(),
            },
        });
        saved.collect()
    }

    fn restore(&mut self, saved: &BackupChannel, cx: &mut Cx<'_>) {
        let number = ChannelNumber(saved.number);
        let key = saved.key.as_ref().map(|seed| LocalSignKey::from_seed(seed));
        let Ok(link) = ChannelLink::decode(&saved.link) else { return cx.fault() };
        let known = self.channels.values().any(|channel| channel.link == link);
        if key.as_ref().is_some_and(|key| key.public().0 != link.owner) {
            return cx.fault();
        }
        if known || self.channels.contains_key(&number) {
            return;
        }
        let mut channel = Channel::new(number, link, key);
        channel.name.clone_from(&saved.name);
        channel.seen = saved.seen;
        channel.recovery = channel.key.is_some().then(|| Recovery::of(saved.newest));
        cx.write(channel.save());
        cx.alarm_by(Alarm::Channel(number), 0);
        cx.notify(Event::Channel(ChannelEvent::Changed(number)));
        self.channels.insert(number, channel);
    }
}

impl Channel {
    /// Whether what came from the relay that is being asked reaches back to what the backup knew.
    pub(crate) fn reaches_back(&self, recovery: &Recovery) -> bool {
        let head = recovery.head.map_or(0, |(seq, ..)| seq);
        self.chain.first().is_some_and(|first| first <= head.max(1))
    }

    /// A relay has told all it has: now another one, until enough have.
    pub(crate) fn recovered_at(&mut self, relay: crate::ids::RelayId, cx: &mut Cx<'_>) {
        if let Some(recovery) = &mut self.recovery {
            recovery.asked.insert(relay);
            self.following.shun(relay);
            self.following.lost();
            cx.alarm_by(Alarm::Channel(self.number), 0);
        }
    }

    /// The owner may write again once enough relays were asked. Where they have nothing as new as the backup, some numbers are left out:
    /// two entries with one number would be a fork to whoever has both.
    pub(crate) fn try_recover(&mut self, doors: &Doors, cx: &mut Cx<'_>) {
        let Some(recovery) = &self.recovery else { return };
        let asked = recovery.asked.len();
        if asked < ASKED_AT && (asked == 0 || doors.carriers().len() > asked) {
            return;
        }
        let head = recovery.head;
        self.recovery = None;
        let last = head.map_or(0, |(seq, ..)| seq);
        if self.chain.newest().is_none_or(|(newest, _)| newest < last.max(1)) {
            self.floor = last.saturating_add(1 + JUMP);
            if let Some((seq, id, before)) = head {
                self.chain.restore(seq, id, before);
                let mark = Zeroizing::new([&id.0[..], &before.0, &[0]].concat());
                cx.write(Op::Put(Key::of(Space::ChannelMark, self.number.records(), seq), mark));
            }
        }
        self.following.forget();
        cx.write(self.save());
        cx.notify(Event::Channel(ChannelEvent::Changed(self.number)));
    }
}
