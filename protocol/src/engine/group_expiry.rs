//! Messages to a group that disappear: each device removes them by its own clocks, the reader's from when they were seen, the author's
//! from when nobody is waited for any more. As in [`super::expiry`], what is left of the time runs by the monotonic clock.

use super::Engine;
use super::api::Event;
use super::cx::{Alarm, Cx};
use super::expiry::EXPIRY_MAX_S;
use super::group_api::GroupEvent;
use super::group_marks::{self, Mark, MarkKind};
use super::group_reached;
use super::group_state::Group;
use crate::core::{Key, LoadId, Mono, Op, Range, Space, Value};
use crate::group::post::message_id;
use crate::ids::{MemberId, first};
use crate::limits::CBOR_ITEMS_MAX;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// A message that will disappear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Timed {
    author: MemberId,
    seq: u64,
    seconds: u64,
}

/// What the disk is asked before something goes.
#[derive(Debug, Clone, Copy)]
enum Asked {
    /// The marks of the message at this place, whose time is over.
    Marks(u64, Timed),
    /// The message that an edit with this number changes: if nothing is left of it, nothing of the edit is to stay.
    Edited(MemberId, u64),
}

/// Messages of one group that will disappear, by their places.
#[derive(Debug, Default)]
pub(crate) struct Expiry {
    /// Not seen, or still under way.
    waiting: BTreeMap<u64, Timed>,
    running: BTreeMap<u64, (Timed, Mono)>,
    loads: BTreeMap<LoadId, Asked>,
}

impl Expiry {
    /// Whether a load was made for this group.
    pub(crate) fn waits_for(&self, load: LoadId) -> bool {
        self.loads.contains_key(&load)
    }
}

impl Group {
    fn expiry_key(&self, place: u64) -> Key {
        Key::of(Space::GroupExpiry, self.number.records(), place)
    }

    /// `seconds 8 | Unix milliseconds at which it goes 8 | author 16 | number 8`; the time is 0 while it waits.
    fn save_expiry(&self, place: u64, timed: Timed, until_ms: u64) -> Op {
        let mut row = Zeroizing::new([timed.seconds.to_be_bytes(), until_ms.to_be_bytes()].concat());
        row.extend_from_slice(&timed.author.0);
        row.extend_from_slice(&timed.seq.to_be_bytes());
        Op::Put(self.expiry_key(place), row)
    }

    /// A message was written or came that is to disappear after `seconds`; 0 keeps it.
    pub(crate) fn expire(
        &mut self,
        (place, author, seq): (u64, MemberId, u64),
        seconds: u64,
        cx: &mut Cx<'_>,
    ) {
        if seconds > 0 {
            let timed = Timed { author, seq, seconds: seconds.min(EXPIRY_MAX_S) };
            cx.write(self.save_expiry(place, timed, 0));
            self.expiry.waiting.insert(place, timed);
        }
    }

    /// More was seen or has arrived: the time of those messages begins. Removes those whose time is over.
    pub(crate) fn tend_expiry(&mut self, cx: &mut Cx<'_>) {
        let mut begun = Vec::new();
        for (place, timed) in &self.expiry.waiting {
            let begins = if timed.author == self.own.id {
                !self.out.contains_key(&timed.seq)
            } else {
                let below = self.authors.get(&timed.author).map_or(0, |held| held.below);
                *place <= self.seen && timed.seq < below
            };
            if begins {
                begun.push((*place, *timed));
            }
        }
        for (place, timed) in begun {
            let ms = timed.seconds.saturating_mul(1_000);
            cx.write(self.save_expiry(place, timed, cx.now.wall_ms.saturating_add(ms).max(1)));
            self.expiry.waiting.remove(&place);
            self.expiry.running.insert(place, (timed, cx.now.mono.after_ms(ms)));
        }
        let over = self.expiry.running.iter().filter(|(_, (_, at))| *at <= cx.now.mono);
        let over: Vec<_> = over.map(|(place, (timed, _))| (*place, *timed)).collect();
        for (place, timed) in over {
            self.expiry.running.remove(&place);
            self.ask_marks(place, timed, cx);
        }
        if let Some(next) = self.expiry.running.values().map(|(_, at)| *at).min() {
            let ms = next.0.saturating_sub(cx.now.mono.0) / 1_000 + 1;
            cx.alarm_by(Alarm::Group(self.number), ms);
        }
    }

    fn ask_marks(&mut self, place: u64, timed: Timed, cx: &mut Cx<'_>) {
        let group = group_marks::records(self.number, &timed.author, timed.seq);
        let (space, limit) = (Space::GroupMark, CBOR_ITEMS_MAX);
        let load = cx.load(Range::Group { space, group, from: 0, to: u64::MAX, limit, newest: false });
        self.expiry.loads.insert(load, Asked::Marks(place, timed));
    }

    /// Edit `seq` of `author` came: nothing of it stays if its message is gone.
    pub(crate) fn check_edited(&mut self, author: MemberId, number: u64, seq: u64, cx: &mut Cx<'_>) {
        let held = self.authors.get(&author);
        if held.is_some_and(|held| number < held.below || held.early.contains_key(&number)) {
            let load = cx.load(Range::One(self.post_key(&author, number)));
            self.expiry.loads.insert(load, Asked::Edited(author, seq));
        }
    }

    fn on_expiry_loaded(&mut self, load: LoadId, rows: &[(Key, Value)], cx: &mut Cx<'_>) {
        match self.expiry.loads.remove(&load) {
            Some(Asked::Edited(author, seq)) if rows.first().is_none_or(|(_, row)| row.len() <= 18) => {
                self.erase_post(&author, seq, cx);
            }
            Some(Asked::Marks(place, timed)) => {
                for (key, row) in rows {
                    // Signs stay as messages of those who put them there: others may ask for them.
                    if let Some(Mark { by, seq, kind: MarkKind::Edit }) = Mark::decode(row) {
                        self.erase_post(&by, seq, cx);
                    }
                    cx.write(Op::Remove(*key));
                }
                self.erase_post(&timed.author, timed.seq, cx);
                cx.write(Op::Remove(Key::of(Space::GroupLine, self.number.records(), place)));
                cx.write(Op::Remove(self.expiry_key(place)));
                if timed.author == self.own.id {
                    cx.write(Op::Remove(group_reached::key(self.number, &self.own.id, timed.seq)));
                }
                let id = message_id(self.group, timed.author, timed.seq);
                cx.notify(Event::Group(GroupEvent::Message(self.number, id)));
            }
            Some(Asked::Edited(..)) | None => {}
        }
    }

    /// Takes a record at start.
    pub(crate) fn load_expiry(&mut self, place: u64, value: &Value, cx: &Cx<'_>) -> Option<()> {
        let (seconds, rest) = value.split_first_chunk::<8>()?;
        let (until, rest) = rest.split_first_chunk::<8>()?;
        let (author, seq) = rest.split_first_chunk::<16>()?;
        let seconds = u64::from_be_bytes(*seconds).min(EXPIRY_MAX_S);
        let seq = u64::from_be_bytes(first(seq));
        let timed = Timed { author: MemberId(*author), seq, seconds };
        match u64::from_be_bytes(*until) {
            0 => drop(self.expiry.waiting.insert(place, timed)),
            until_ms => {
                // A clock that is set back prolongs nothing beyond the whole time.
                let left_ms = until_ms.saturating_sub(cx.now.wall_ms).min(seconds.saturating_mul(1_000));
                self.expiry.running.insert(place, (timed, cx.now.mono.after_ms(left_ms)));
            }
        }
        Some(())
    }
}

impl Engine {
    /// What is to go came from disk; `false` if the load was for something else.
    pub(crate) fn on_group_expiry_loaded(&mut self, load: LoadId, rows: &[(Key, Value)]) -> bool {
        let (groups, mut cx) = self.with_groups();
        let found = groups.groups.values_mut().find(|group| group.expiry.waits_for(load));
        let Some(group) = found else { return false };
        group.on_expiry_loaded(load, rows, &mut cx);
        true
    }
}
