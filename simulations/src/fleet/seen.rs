//! What the screens of all people have shown of groups and channels, and when: kept outside the devices, so that crashes can not touch it.

use crate::det::{NodeId, current_node};
use crate::net::SimTime;
use crate::oracle::{Fact, Message, Person};
use crate::world::World;
use karvon_protocol::core::Key;
use karvon_protocol::engine::channel_api::ChannelNumber;
use karvon_protocol::engine::group_api::GroupNumber;
use karvon_protocol::ids::MemberId;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use zeroize::Zeroizing;

/// What one person has seen of one group.
#[derive(Debug, Default)]
struct Page {
    /// Where each message stands.
    places: BTreeMap<(MemberId, u64), u64>,
    /// The first number of each author that was not shown; numbers start at 1.
    next: BTreeMap<MemberId, u64>,
}

#[derive(Debug, Default)]
struct Inner {
    members: BTreeMap<MemberId, Person>,
    pages: BTreeMap<(Person, GroupNumber), Page>,
    posts: BTreeMap<Message, SimTime>,
    /// Entries of channels by reader, with the first time and how often they came as new.
    entries: BTreeMap<(Person, ChannelNumber, u64), (SimTime, u64)>,
}

/// See the module; clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Seen(Arc<Mutex<Inner>>);

impl Seen {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says whose key a member is. Messages of members who were not named are not judged.
    pub fn name(&self, member: MemberId, person: Person) {
        self.lock().members.insert(member, person);
    }

    /// Messages to groups by author, reader and the author's number, and when each was shown.
    #[must_use]
    pub fn posts(&self) -> BTreeMap<Message, SimTime> {
        self.lock().posts.clone()
    }

    /// How many messages to groups were shown, each reader for itself.
    #[must_use]
    pub fn posts_shown(&self) -> usize {
        self.lock().posts.len()
    }

    /// Entries of channels by reader and number, and when each came. A person follows one channel in these worlds.
    #[must_use]
    pub fn entries(&self) -> BTreeMap<(Person, u64), SimTime> {
        self.lock().entries.iter().map(|((person, _, seq), (at, _))| ((*person, *seq), *at)).collect()
    }

    /// How many entries came as new more than once.
    #[must_use]
    pub fn entries_twice(&self) -> usize {
        self.lock().entries.values().filter(|(_, times)| *times > 1).count()
    }

    /// Lines of groups lie on the disk of `reader`: shown are those whose author's earlier ones are there as well. A line that was seen
    /// before at the same place is the same one; at another place it is a second copy.
    pub(super) fn lines(&self, world: &World, reader: Person, rows: &[(Key, Zeroizing<Vec<u8>>)]) {
        let mut facts = Vec::new();
        let now = world.now();
        let mut inner = self.lock();
        let Inner { members, pages, posts, .. } = &mut *inner;
        for (key, line) in rows {
            let Some((group, author, seq)) = parse(key, line) else { continue };
            let Some(from) = members.get(&author).copied().filter(|from| *from != reader) else { continue };
            let message = |number| Message { from, to: reader, number };
            let page = pages.entry((reader, group)).or_default();
            match page.places.insert((author, seq), key.seq) {
                Some(place) if place == key.seq => continue,
                Some(_) => facts.push(Fact::Shown(message(seq))),
                None => {}
            }
            let next = page.next.entry(author).or_insert(1);
            if seq > *next {
                facts.push(Fact::Held(message(seq)));
            }
            while page.places.contains_key(&(author, *next)) {
                posts.insert(message(*next), now);
                facts.push(Fact::Shown(message(*next)));
                *next += 1;
            }
        }
        drop(inner);
        facts.iter().for_each(|fact| world.fact(fact));
    }

    /// An entry came as new.
    pub(super) fn entry(&self, world: &World, reader: Person, channel: ChannelNumber, seq: u64) {
        let times = {
            let mut inner = self.lock();
            let (_, times) = inner.entries.entry((reader, channel, seq)).or_insert((world.now(), 0));
            *times += 1;
            *times
        };
        let node = current_node().unwrap_or(NodeId(0));
        world.fact(&Fact::Measured { node, what: "times that an entry came as new", value: times, bound: 1 });
    }

    /// Entries that are on the disk of `reader` at a start: they count as shown, even if the device was killed before it could say so.
    pub(super) fn on_disk(&self, world: &World, reader: Person, rows: &[(Key, Zeroizing<Vec<u8>>)]) {
        let mut inner = self.lock();
        for (key, _) in rows {
            let number = ChannelNumber(number_of(key));
            inner.entries.entry((reader, number, key.seq)).or_insert((world.now(), 1));
        }
    }
}

fn number_of(key: &Key) -> u32 {
    key.group.first_chunk::<4>().map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

/// Group, author and number of a line: `author 16 | seq 8 | …`.
fn parse(key: &Key, line: &[u8]) -> Option<(GroupNumber, MemberId, u64)> {
    let (author, rest) = line.split_first_chunk::<16>()?;
    let seq = u64::from_be_bytes(*rest.first_chunk()?);
    Some((GroupNumber(number_of(key)), MemberId(*author), seq))
}

#[cfg(test)]
mod tests {
    use super::*;
    use karvon_protocol::core::Space;

    /// The line of message `seq` of `author` at this place.
    fn line(place: u64, author: u8, seq: u64) -> (Key, Zeroizing<Vec<u8>>) {
        let value = [&[author; 16][..], &seq.to_be_bytes(), &[0; 16]].concat();
        (Key::of(Space::GroupLine, GroupNumber(1).records(), place), Zeroizing::new(value))
    }

    /// Numbers of the first person's messages that the second one was shown, in order, and what an oracle says.
    fn look(looks: &[&[(u64, u64)]]) -> (Vec<u64>, Option<String>) {
        let looks: Vec<Vec<_>> = looks
            .iter()
            .map(|look| look.iter().map(|(place, seq)| line(*place, 7, *seq)).collect())
            .collect();
        crate::det::run(1, move || async move {
            let (world, seen) = (World::new(1, 1), Seen::default());
            seen.name(MemberId([7; 16]), Person(1));
            for rows in &looks {
                seen.lines(&world, Person(2), rows);
            }
            let shown = seen.posts().keys().map(|message| message.number).collect();
            (shown, world.alarm().first().map(|violation| violation.oracle.to_owned()))
        })
        .unwrap()
    }

    #[test]
    fn a_message_is_shown_once_its_authors_earlier_ones_are_there() {
        assert_eq!(look(&[&[(1, 1)], &[(3, 3)]]), (vec![1], None));
        assert_eq!(look(&[&[(1, 1)], &[(3, 3)], &[(2, 2), (3, 3)]]), (vec![1, 2, 3], None));
    }

    #[test]
    fn a_second_copy_is_found_and_a_second_look_is_none() {
        assert_eq!(look(&[&[(1, 1)], &[(1, 1)]]), (vec![1], None));
        assert_eq!(look(&[&[(1, 1)], &[(2, 1)]]), (vec![1], Some("nothing twice".to_owned())));
    }
}
