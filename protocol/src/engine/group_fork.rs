//! Two messages of one author under one number: its device was set back to an older copy of itself, or it tells members different things
//! (SPEC §10.5). Only the author's signature proves either, so nobody can be made to look so.

use super::api::Event;
use super::cx::{Alarm, Cx, Signal};
use super::group_api::{GroupEvent, Standing};
use super::group_reached::give_up;
use super::group_state::{Author, Group};
use super::groups::Me;
use crate::core::{Key, LoadId, Range, Space, Value};
use crate::group::post::Post;
use crate::group::wire::Letter;
use crate::ids::MemberId;

/// Messages of one group that are compared at once; what comes beside them is not.
const COMPARED_MAX: usize = 64;
/// Own messages that are given up when a device was set back.
const GIVEN_UP_MAX: u64 = 1_000;

impl Group {
    /// A signed message came under a number that is here already, or is this person's own: is it the same one?
    pub(crate) fn compare(&mut self, post: &Post, signed: &[u8], cx: &mut Cx<'_>) {
        let known = self.authors.get(&post.author).is_some_and(|author| author.forked);
        if known || self.comparing.len() >= COMPARED_MAX {
            return;
        }
        let at = Key::of(Space::GroupPost, self.number.records_of(&post.author), post.seq);
        let load = cx.load(Range::One(at));
        self.comparing.insert(load, signed.to_vec());
    }

    /// The message under that number was loaded. Returns whether the load was for that.
    pub(crate) fn on_compared(
        &mut self,
        load: LoadId,
        rows: &[(Key, Value)],
        me: Me<'_>,
        cx: &mut Cx<'_>,
    ) -> bool {
        let Some(signed) = self.comparing.remove(&load) else { return false };
        let Ok(post) = Post::read(&signed) else { return true };
        let here = rows.first().and_then(|(_, row)| row.get(18..));
        // Nothing is said of one that was deleted or has disappeared.
        let other = here.filter(|here| *here != signed.as_slice() && Post::read(here).is_ok());
        if post.author == self.own.id {
            if self.standing == Standing::In && (other.is_some() || post.seq >= self.next_seq) {
                self.was_set_back(post.seq, me, cx);
            }
        } else if let Some(other) = other {
            self.forked(post.author, other, cx);
        }
        true
    }

    /// `author` signed two messages with one number, one of which is `here`.
    fn forked(&mut self, author: MemberId, here: &[u8], cx: &mut Cx<'_>) {
        let Some(held) = self.authors.get_mut(&author).filter(|held| !held.forked) else { return };
        held.forked = true;
        if let Some(op) = self.save_author(&author) {
            cx.write(op);
        }
        cx.notify(Event::Group(GroupEvent::Changed(self.number)));
        // Its author, who may not know, is shown what stands here.
        if let Some(contact) = self.known.get(&author) {
            let letter =
                Letter::Posts { group: self.group, reached: vec![author], posts: vec![here.to_vec()] };
            cx.signal(Signal::Post(*contact, letter, None));
        }
    }

    /// This device signed something as number `seq` of which it knows nothing: it was set back. What it wrote from there on lies under
    /// numbers that members have for other messages; it goes on as another member.
    fn was_set_back(&mut self, seq: u64, me: Me<'_>, cx: &mut Cx<'_>) {
        for under_way in self.out.keys().copied().collect::<Vec<_>>() {
            self.finish(under_way, true, cx);
        }
        for lost in (seq..self.next_seq).take(GIVEN_UP_MAX as usize) {
            give_up(self.number, &self.own.id, lost, cx);
        }
        // What the former member wrote here stays, whatever comes under those numbers.
        let (former, below) = (self.own.id, self.next_seq);
        self.come_back(me, cx);
        self.authors.insert(former, Author { below, forked: true, ..Author::default() });
        if let Some(op) = self.save_author(&former) {
            cx.write(op);
        }
        cx.notify(Event::Group(GroupEvent::Changed(self.number)));
        cx.alarm_by(Alarm::Group(self.number), 0);
    }
}
