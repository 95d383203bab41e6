//! What letters of other members' devices do to a group.

use super::api::{ContactId, Event};
use super::contact::Contact;
use super::cx::{Alarm, Cx, Signal};
use super::group_api::{GroupEvent, Standing};
use super::group_state::{EARLY_MAX, Group};
use super::groups::Groups;
use crate::body::Body;
use crate::core::{Range, Space};
use crate::error::PeerFault;
use crate::group::log::Log;
use crate::group::op::{Act, Member, Role, SignedOp};
use crate::group::post::{Post, Receipt, SEQ_MAX};
use crate::group::wire::Letter;
use crate::ids::{MemberId, OpId};
use std::collections::BTreeMap;

/// Authors whose messages are asked for, and answered, in one letter.
const ASKED_POSTS_MAX: usize = 32;
/// Milliseconds between two questions of a member who can not read the group's keys.
const DEAF_MS: u64 = 600_000;
/// Messages that wait for the operation that made their author a member.
const HELD_MAX: usize = 256;
/// Claims that wait for the operation that made somebody a member.
const CLAIMS_MAX: usize = 64;
/// A receipt waits this long for more to confirm, milliseconds.
const RECEIPT_MS: u64 = 300;
/// Operations asked for at once.
const ASKED_MAX: usize = 512;
/// Messages sent again for one question.
pub(crate) const RESENT_MAX: usize = 64;
/// Bytes of them; one file always fits.
pub(crate) const RESENT_BYTES_MAX: usize = 256 << 10;

impl Groups {
    /// A letter came from a contact; everything it changes goes into this turn's batch.
    pub(crate) fn on_letter(
        &mut self,
        from: &Contact,
        letter: Letter,
        contacts: &BTreeMap<ContactId, Contact>,
        cx: &mut Cx<'_>,
    ) -> Result<(), PeerFault> {
        let id = letter.group();
        if let Letter::Invite { group, name, members, me } = letter {
            self.invited(from.id, (group, name, members, me), cx);
            return Ok(());
        }
        // A group that this device has forgotten: nobody is to blame.
        let Some(group) = self.by_id(id) else { return Ok(()) };
        match letter {
            Letter::Invite { .. } => {}
            Letter::Join { member, consent, token, .. } => {
                group.redeem(from.id, token);
                group.on_join(from, member, consent, cx)?;
            }
            Letter::Decline(_) => group.on_decline(from.id, cx),
            Letter::Ops { ops, .. } => group.on_ops(from.id, &ops, cx)?,
            Letter::Posts { reached, posts, .. } => {
                for signed in &posts {
                    group.on_post(from.id, &reached, signed, cx)?;
                }
            }
            Letter::Hello { me, .. } => group.on_hello(from, me, cx)?,
            Letter::Receipt { receipt, .. } => {
                group.on_receipt(from.id, &receipt, cx)?;
                group.on_moved(contacts, cx);
            }
            Letter::Ask { ops, posts, .. } => {
                if !group.known.values().any(|known| *known == from.id) {
                    return Err(PeerFault::Mismatch);
                }
                group.answer_ops(from.id, &ops, cx);
                let number = group.number;
                for (author, first) in posts.into_iter().take(ASKED_POSTS_MAX) {
                    let range = Range::Group {
                        space: Space::GroupPost,
                        group: number.records_of(&author),
                        from: first,
                        to: u64::MAX,
                        limit: RESENT_MAX,
                        newest: false,
                    };
                    let load = cx.load(range);
                    self.loading.insert(load, (number, from.id));
                }
            }
        }
        Ok(())
    }
}

impl Group {
    /// Somebody who was invited wants in.
    fn on_join(
        &mut self,
        from: &Contact,
        member: Member,
        consent: [u8; 64],
        cx: &mut Cx<'_>,
    ) -> Result<(), PeerFault> {
        if member.who != from.card.fingerprint {
            return Err(PeerFault::Mismatch);
        }
        let Some(log) = self.log.as_ref().filter(|_| self.standing == Standing::In) else { return Ok(()) };
        let id = member.id();
        if log.roster().member(&id).is_some() && self.known.get(&id) == Some(&from.id) {
            // The answer may be lost; everything again does no harm.
            self.send_ops(from.id, log.all(), cx);
            return Ok(());
        }
        let before = self.returning(from.id);
        if !self.invited.contains(&from.id) && before.is_empty() {
            // The invitation was withdrawn, or its author is an admin no more.
            cx.signal(Signal::Post(from.id, Letter::Decline(self.group), None));
            return Ok(());
        }
        member.verify_consent(self.group, &consent)?;
        // The newcomer gets the whole log; the others the one operation.
        if self.act(Act::Add { member, role: Role::Member, consent }, cx).is_err() {
            cx.signal(Signal::Post(from.id, Letter::Decline(self.group), None));
            return Ok(());
        }
        for member in before {
            // What the lost device wrote counts, also what has not come here yet. Whose role is above this person's own stays.
            let _ = self.act(Act::Remove { member, upto: SEQ_MAX }, cx);
            self.known.remove(&member);
        }
        self.known.insert(id, from.id);
        self.greeted.insert(id);
        self.invited.remove(&from.id);
        cx.write(self.save());
        if let Some(log) = &self.log {
            self.send_ops(from.id, log.all(), cx);
        }
        Ok(())
    }

    fn on_ops(&mut self, from: ContactId, ops: &[Vec<u8>], cx: &mut Cx<'_>) -> Result<(), PeerFault> {
        if !self.known.values().any(|known| *known == from) {
            return Err(PeerFault::Mismatch);
        }
        let mut fresh = Vec::new();
        for bytes in ops {
            let signed = SignedOp::decode(bytes)?;
            if signed.group() != self.group {
                return Err(PeerFault::Mismatch);
            }
            if self.log.is_none() {
                if !matches!(self.standing, Standing::Joining(by) if by == from) {
                    return Ok(());
                }
                if !matches!(signed.op().act, Act::Create { .. }) {
                    // A letter has overtaken the one with the beginning of the log.
                    self.take_op(signed, cx)?;
                    continue;
                }
                let value = zeroize::Zeroizing::new(bytes.clone());
                self.log = Some(Log::found(signed)?);
                let key = crate::core::Key::of(Space::GroupOp, self.number.records(), 0);
                cx.write(crate::core::Op::Put(key, value));
                fresh.extend(self.take_early(cx));
                continue;
            }
            fresh.extend(self.take_op(signed, cx)?);
        }
        self.pass_ops(from, &fresh, cx);
        self.try_again(cx);
        if self.log.as_ref().is_some_and(|log| !log.missing().is_empty()) {
            self.look_soon(cx);
        }
        Ok(())
    }

    /// Passes new operations on to those whom their author may not reach.
    fn pass_ops(&self, from: ContactId, fresh: &[OpId], cx: &mut Cx<'_>) {
        let Some(log) = &self.log else { return };
        for (member, contact) in self.neighbours() {
            let ops = fresh.iter().filter_map(|id| log.get(id));
            let ops = ops.filter(|signed| signed.op().author != member);
            if contact != from {
                self.send_ops(contact, ops, cx);
            }
        }
    }

    /// What waited for operations may be taken now.
    fn try_again(&mut self, cx: &mut Cx<'_>) {
        for (contact, signed) in core::mem::take(&mut self.held) {
            // Forged ones were not worth keeping.
            let _ = self.on_post(contact, &[], &signed, cx);
        }
        cx.alarm_by(Alarm::Group(self.number), 0);
    }

    fn on_post(
        &mut self,
        from: ContactId,
        reached: &[MemberId],
        signed: &[u8],
        cx: &mut Cx<'_>,
    ) -> Result<(), PeerFault> {
        let Some(log) = &self.log else { return Ok(()) };
        let author = Post::read(signed)?.author;
        if log.key_of(&author).is_none() {
            if self.held.len() < HELD_MAX {
                self.held.push((from, signed.to_vec()));
            }
            self.look_soon(cx);
            return Ok(());
        }
        let post = Post::open(signed, |author| log.key_of(author))?;
        if post.group != self.group {
            return Err(PeerFault::Mismatch);
        }
        if post.view.iter().any(|id| !log.has(id)) {
            self.look_soon(cx);
        }
        if author == self.own.id || !self.note(&post, signed, cx)? {
            self.compare(&post, signed, cx);
            return Ok(());
        }
        // Whoever its author does not reach gets it from here.
        for (member, contact) in self.neighbours() {
            // Nobody gets what was written before its author knew of them.
            let meant = self.log.as_ref().is_some_and(|log| log.knows(&post.view, &member));
            if meant && contact != from && member != author && !reached.contains(&member) {
                let reached = reached.iter().copied().chain([self.own.id]).collect();
                let letter = Letter::Posts { group: self.group, reached, posts: vec![signed.to_vec()] };
                cx.signal(Signal::Post(contact, letter, None));
            }
        }
        if !self.known.contains_key(&author) || self.known.get(&author) != Some(&from) {
            self.owes_receipt = true;
            cx.alarm_by(Alarm::Group(self.number), RECEIPT_MS);
        }
        Ok(())
    }

    /// Keeps a message that is new; `false` if it was here.
    pub(crate) fn note(&mut self, post: &Post, signed: &[u8], cx: &mut Cx<'_>) -> Result<bool, PeerFault> {
        let held = self.authors.entry(post.author).or_default();
        if held.below == 0 {
            held.below = post.base;
        }
        if post.seq < held.below || held.early.contains_key(&post.seq) {
            return Ok(false);
        }
        let ahead = post.seq - held.below;
        if ahead >= EARLY_MAX as u64 || held.early.len() >= EARLY_MAX {
            return Err(PeerFault::Bound);
        }
        let body = Body::decode(&post.body).ok();
        // What can not be read is shown as such.
        let shown = body.as_ref().is_none_or(|body| body.content.is_shown());
        let position = self.take_place(post.author, post.seq, shown);
        let place = shown.then_some(position);
        self.last_shown = self.last_shown.max(place.unwrap_or(0));
        let sent_ms = body.as_ref().map_or(0, |body| body.sent_ms);
        self.keep_post(post, signed, (place, sent_ms), 0, cx);
        if let (Some(body), Some(place)) = (&body, place) {
            self.expire((place, post.author, post.seq), body.expires_s, cx);
        }
        if let Some(body) = &body {
            self.apply(post.author, post.seq, body, cx);
        }
        let held = self.authors.entry(post.author).or_default();
        let mut news: Option<(u64, u64)> = None;
        while let Some(position) = held.early.remove(&held.below) {
            if shown || held.below != post.seq {
                let (from, to) = news.unwrap_or((position, position));
                news = Some((from.min(position), to.max(position)));
            }
            held.below += 1;
        }
        let gap = !held.early.is_empty();
        if let Some(op) = self.save_author(&post.author) {
            cx.write(op);
        }
        if let Some((from, to)) = news {
            cx.notify(Event::Group(GroupEvent::Received { group: self.number, from, to }));
        }
        if gap {
            self.look_soon(cx);
        }
        Ok(true)
    }

    /// Counts a number of an author as come, and gives it a place if it shows something.
    fn take_place(&mut self, author: MemberId, seq: u64, shown: bool) -> u64 {
        let held = self.authors.entry(author).or_default();
        // Messages that are still missing keep their places, right before the one that came early.
        let later = held.early.range(seq..).next();
        let later = later.map(|(later, position)| position.saturating_sub(later - seq));
        let position = later.unwrap_or_else(|| {
            let last = held.early.last_key_value().map_or(held.below, |(last, _)| last + 1);
            let position = self.position + (seq - last);
            self.position = position + u64::from(shown);
            position
        });
        held.early.insert(seq, position);
        position
    }

    /// There is nothing under this number any more: it counts as come.
    pub(crate) fn pass_over(&mut self, author: MemberId, seq: u64) {
        let held = self.authors.entry(author).or_default();
        if seq >= held.below && !held.early.contains_key(&seq) {
            self.take_place(author, seq, false);
        }
    }

    fn on_hello(&mut self, from: &Contact, me: MemberId, cx: &mut Cx<'_>) -> Result<(), PeerFault> {
        let Some(roster) = self.log.as_ref().map(Log::roster) else { return Ok(()) };
        match roster.seats.get(&me) {
            Some(seat) if seat.member.who == from.card.fingerprint => {
                if self.known.insert(me, from.id) != Some(from.id) {
                    cx.write(self.save());
                    cx.notify(Event::Group(GroupEvent::Changed(self.number)));
                    cx.alarm_by(Alarm::Group(self.number), 0);
                }
                Ok(())
            }
            Some(_) => Err(PeerFault::Mismatch),
            None => {
                if self.claims.len() < CLAIMS_MAX {
                    self.claims.push((from.id, me));
                }
                Ok(())
            }
        }
    }

    fn on_receipt(&mut self, from: ContactId, signed: &[u8], cx: &mut Cx<'_>) -> Result<(), PeerFault> {
        let Some(member) = self.take_receipt(signed, cx)? else { return Ok(()) };
        for (neighbour, contact) in self.neighbours() {
            if contact != from && neighbour != member {
                let letter = Letter::Receipt { group: self.group, receipt: signed.to_vec() };
                cx.signal(Signal::Post(contact, letter, None));
            }
        }
        Ok(())
    }

    /// Takes a receipt; whose it is, if it is news.
    pub(crate) fn take_receipt(
        &mut self,
        signed: &[u8],
        cx: &mut Cx<'_>,
    ) -> Result<Option<MemberId>, PeerFault> {
        let Some(log) = &self.log else { return Ok(None) };
        let receipt = Receipt::open(signed, |member| log.key_of(member))?;
        if receipt.group != self.group {
            return Err(PeerFault::Mismatch);
        }
        let held = self.authors.entry(receipt.member).or_default();
        if receipt.round <= held.round || receipt.member == self.own.id {
            return Ok(None);
        }
        held.round = receipt.round;
        let own = receipt.below.iter().find(|(author, _)| *author == self.own.id);
        if let Some((_, below)) = own {
            if *below > self.next_seq {
                return Err(PeerFault::Bound);
            }
            held.has_below = held.has_below.max(*below);
        }
        if let Some(op) = self.save_author(&receipt.member) {
            cx.write(op);
        }
        Ok(Some(receipt.member))
    }

    fn answer_ops(&self, to: ContactId, wanted: &[OpId], cx: &mut Cx<'_>) {
        let Some(log) = &self.log else { return };
        // In the order of the log, so that parents come first.
        self.send_ops(to, log.all().filter(|signed| wanted.contains(&signed.id())), cx);
    }

    /// The regular look: greets members who may be contacts, tells how far this device is, asks for what is missing.
    pub(crate) fn look(&mut self, contacts: &BTreeMap<ContactId, Contact>, cx: &mut Cx<'_>) {
        for (contact, claimed) in core::mem::take(&mut self.claims) {
            if let Some(contact) = contacts.get(&contact) {
                let _ = self.on_hello(contact, claimed, cx);
            }
        }
        let Some(log) = self.log.as_ref().filter(|_| self.standing == Standing::In) else { return };
        let roster = log.roster();
        let connected = |who| {
            contacts.values().find(|contact| {
                contact.card.meeting == super::api::Meeting::Connected && contact.card.fingerprint == who
            })
        };
        let mut greeted = false;
        for (id, seat) in roster.members().filter(|(id, _)| **id != self.own.id) {
            if let Some(contact) = connected(seat.member.who).filter(|_| !self.greeted.contains(id)) {
                let letter = Letter::Hello { group: self.group, me: self.own.id };
                cx.signal(Signal::Post(contact.id, letter, None));
                self.greeted.insert(*id);
                greeted = true;
            }
        }
        if !cx.spending.is_for_texts() && core::mem::take(&mut self.owes_receipt) {
            self.send_receipt(cx);
            greeted = true;
        }
        if greeted {
            cx.write(self.save());
        }
        if core::mem::take(&mut self.asks) {
            self.ask(cx);
        }
    }

    fn send_receipt(&mut self, cx: &mut Cx<'_>) {
        let below = self.authors.iter().map(|(author, held)| (*author, held.below)).collect();
        let receipt = Receipt { group: self.group, member: self.own.id, round: self.round, below };
        self.round += 1;
        let signed = receipt.sign(&self.own.key);
        for (_, contact) in self.reachable() {
            let letter = Letter::Receipt { group: self.group, receipt: signed.clone() };
            cx.signal(Signal::Post(contact, letter, None));
        }
    }

    fn ask(&mut self, cx: &mut Cx<'_>) {
        let Some(log) = &self.log else { return };
        let mut ops = log.missing();
        ops.truncate(ASKED_MAX);
        let mut posts: Vec<_> = self
            .authors
            .iter()
            .filter(|(_, held)| !held.early.is_empty())
            .map(|(author, held)| (*author, held.below))
            .collect();
        let gaps = !ops.is_empty() || !posts.is_empty() || !self.held.is_empty();
        let now = cx.now.mono;
        let listens = self.deaf && self.deaf_asked.is_none_or(|asked| asked.after_ms(DEAF_MS) <= now);
        if listens {
            self.deaf_asked = Some(now);
            let others = log.roster().members().map(|(id, _)| *id).filter(|id| *id != self.own.id);
            let below = |id| self.authors.get(&id).map_or(1, |held| held.below.max(1));
            let mut others: Vec<_> = others.map(|id| (id, below(id))).collect();
            // Not all are answered for at once.
            let start = cx.rng.next_u64() as usize % others.len().max(1);
            others.rotate_left(start);
            posts.extend(others);
            posts.truncate(ASKED_POSTS_MAX);
        }
        if !gaps && !listens {
            return self.listen_later(cx);
        }
        // One after the other, so that not everybody answers the same question.
        let reachable = self.reachable();
        let choice = cx.rng.next_u64() as usize % reachable.len().max(1);
        if let Some((_, contact)) = reachable.get(choice) {
            let letter = Letter::Ask { group: self.group, ops, posts };
            cx.signal(Signal::Post(*contact, letter, None));
        }
        if gaps {
            self.look_soon(cx);
        } else {
            self.listen_later(cx);
        }
    }

    /// Whoever can not read the group's keys asks again after a while.
    fn listen_later(&mut self, cx: &mut Cx<'_>) {
        if self.deaf {
            self.asks = true;
            cx.alarm_by(Alarm::Group(self.number), DEAF_MS + 1);
        }
    }
}
