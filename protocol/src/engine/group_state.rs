//! One group on this device: its log, its keys, how far each author is, and the records that keep them.

use super::api::ContactId;
use super::group_api::{GroupInfo, GroupNumber, Standing};
use super::group_expiry::Expiry;
use super::shard_in::ShardIn;
use super::shard_out::ShardOut;
use crate::cbor::{Field, MapWriter, bytes, read_map, uint};
use crate::cell::Cell;
use crate::core::{Key, LoadId, Mono, Op, Range, Space, Value};
use crate::crypto::{LocalDhKey, LocalSignKey};
use crate::error::PeerFault;
use crate::group::link::LinkToken;
use crate::group::log::Log;
use crate::group::op::{Member, SignedOp};
use crate::group::seed::Seed;
use crate::ids::{Fingerprint, GroupId, MemberId, OpId, first};
use crate::limits::NAME_BYTES_MAX;
use rand_core::CryptoRng;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use zeroize::Zeroizing;

/// Messages of one author that may wait for an earlier one.
pub(crate) const EARLY_MAX: usize = 4_096;

/// The own keys in a group.
pub(crate) struct Own {
    pub(crate) key: LocalSignKey,
    pub(crate) leaf: LocalDhKey,
    pub(crate) id: MemberId,
}

impl Own {
    pub(crate) fn generate(rng: &mut dyn CryptoRng) -> Self {
        Self::from_seeds(&crate::crypto::kdf::random(rng), &crate::crypto::kdf::random(rng))
    }

    pub(crate) fn from_seeds(key: &[u8; 32], leaf: &[u8; 32]) -> Self {
        let key = LocalSignKey::from_seed(key);
        let id = MemberId::of(&key.public().0);
        Self { key, leaf: LocalDhKey::from_bytes(leaf), id }
    }

    /// How the others are to know this person.
    pub(crate) fn member(&self, who: Fingerprint, name: &str) -> Member {
        Member { key: self.key.public().0, leaf: self.leaf.public().0, who, name: name.to_owned() }
    }
}

/// How far the messages of an author are here, and the author is with the own ones.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Author {
    /// All messages from the first one meant for this device up to below this number are here; 0: none came yet.
    pub(crate) below: u64,
    /// Later ones, and their places.
    pub(crate) early: BTreeMap<u64, u64>,
    /// The newest receipt of this member.
    pub(crate) round: u64,
    /// By that receipt, all own messages below this number are on the member's disk.
    pub(crate) has_below: u64,
    /// Two messages with one number were signed with this member's key.
    pub(crate) forked: bool,
}

/// An own message that somebody does not have yet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct OutPost {
    /// Two relays of the shard have it on disk.
    pub(crate) stored: bool,
    /// Members it went to over a session, with the number it has there.
    pub(crate) direct: Vec<(MemberId, ContactId, u64)>,
    /// Members whom others pass it on to.
    pub(crate) others: Vec<MemberId>,
    /// If it shows something: who has it, and since when this device knows it (Unix milliseconds).
    pub(crate) has: Option<BTreeMap<MemberId, u64>>,
}

/// In place of a contact in the record of an own message: two relays have it.
const STORED: ContactId = ContactId(u32::MAX);
/// In place of a contact: the member has it, with the time in place of the number; zeros for the member say that this is noted.
const HAS: ContactId = ContactId(u32::MAX - 1);

/// A group.
pub(crate) struct Group {
    pub(crate) number: GroupNumber,
    pub(crate) group: GroupId,
    pub(crate) standing: Standing,
    /// As the invitation said, until the log is there.
    pub(crate) name: String,
    pub(crate) size: u64,
    pub(crate) own: Own,
    pub(crate) log: Option<Log>,
    /// Members whose session confirmed who they are.
    pub(crate) known: BTreeMap<MemberId, ContactId>,
    /// Members who were told over their session which member this person is.
    pub(crate) greeted: BTreeSet<MemberId>,
    /// Contacts who were invited.
    pub(crate) invited: BTreeSet<ContactId>,
    /// Tokens of links that nobody has used yet, oldest first.
    pub(crate) links: Vec<LinkToken>,
    /// Contacts who said which member they are before that member was known.
    pub(crate) claims: Vec<(ContactId, MemberId)>,
    pub(crate) authors: BTreeMap<MemberId, Author>,
    /// The next own number, and the first one since somebody joined.
    pub(crate) next_seq: u64,
    pub(crate) base: u64,
    pub(crate) out: BTreeMap<u64, OutPost>,
    /// The next place in the conversation, and the last one seen.
    pub(crate) position: u64,
    pub(crate) seen: u64,
    /// Place of the last message that shows something.
    pub(crate) last_shown: u64,
    pub(crate) muted: bool,
    /// The next own receipt, and whether one is owed.
    pub(crate) round: u64,
    pub(crate) owes_receipt: bool,
    /// Operations that came before those that they rest on, with the numbers of their records: letters may overtake one another.
    pub(crate) early_ops: BTreeMap<OpId, (u64, SignedOp)>,
    /// What came before the operation that its author rests on: contact and signed bytes.
    pub(crate) held: Vec<(ContactId, Vec<u8>)>,
    /// Whether the next look at the group asks for what is missing.
    pub(crate) asks: bool,
    /// Keys were announced of which this member's own could not be opened: what is said under them is asked for, as nothing tells of it.
    pub(crate) deaf: bool,
    /// When that was asked for last.
    pub(crate) deaf_asked: Option<Mono>,
    /// Seeds held, oldest first, by the number of their record.
    pub(crate) seeds: Vec<(u64, Seed)>,
    /// Where the shard is followed.
    pub(crate) following: ShardIn,
    /// Own cells on their way to it.
    pub(crate) cells: ShardOut,
    /// Own messages that no cell carries yet; only within one turn.
    pub(crate) unsent: VecDeque<(u64, Vec<u8>)>,
    /// A receipt leaves with the next cell; when one is wanted; when the last one left.
    pub(crate) receipt_due: bool,
    pub(crate) receipt_wanted: Option<Mono>,
    pub(crate) receipt_at: Option<Mono>,
    /// Announcements that wait for operations.
    pub(crate) waiting: Vec<Cell>,
    /// Messages that will disappear.
    pub(crate) expiry: Expiry,
    /// Signed messages that are held against the ones under the same numbers.
    pub(crate) comparing: BTreeMap<LoadId, Vec<u8>>,
}

impl core::fmt::Debug for Group {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Group({:?}, {:?})", self.number, self.standing)
    }
}

/// What to load for the newest place of a group's conversation.
pub(crate) fn newest_line(number: GroupNumber) -> Range {
    Range::Group {
        space: Space::GroupLine,
        group: number.records(),
        from: 0,
        to: u64::MAX,
        limit: 1,
        newest: true,
    }
}

impl Group {
    pub(crate) fn new(number: GroupNumber, group: GroupId, standing: Standing, own: Own) -> Self {
        Self {
            number,
            group,
            standing,
            name: String::new(),
            size: 0,
            own,
            log: None,
            known: BTreeMap::new(),
            greeted: BTreeSet::new(),
            invited: BTreeSet::new(),
            links: Vec::new(),
            claims: Vec::new(),
            authors: BTreeMap::new(),
            next_seq: 1,
            base: 1,
            out: BTreeMap::new(),
            position: 1,
            seen: 0,
            last_shown: 0,
            muted: false,
            round: 1,
            owes_receipt: false,
            early_ops: BTreeMap::new(),
            held: Vec::new(),
            asks: false,
            deaf: false,
            deaf_asked: None,
            seeds: Vec::new(),
            following: ShardIn::default(),
            cells: ShardOut::new(Space::GroupCell, number.records()),
            unsent: VecDeque::new(),
            receipt_due: false,
            receipt_wanted: None,
            receipt_at: None,
            waiting: Vec::new(),
            expiry: Expiry::default(),
            comparing: BTreeMap::new(),
        }
    }

    pub(crate) fn info(&self) -> GroupInfo {
        let roster = self.log.as_ref().map(Log::roster);
        GroupInfo {
            group: self.number,
            name: roster.map_or_else(|| self.name.clone(), |roster| roster.name.clone()),
            standing: self.standing,
            members: roster.map_or(self.size, |roster| roster.members().count() as u64) as u32,
            role: roster.and_then(|roster| roster.member(&self.own.id)).map(|seat| seat.role),
            unread: (self.position - 1).saturating_sub(self.seen),
            muted: self.muted,
            timer_s: roster.map_or(0, |roster| roster.timer_s),
            deaf: self.deaf && self.standing == Standing::In,
        }
    }

    /// Members that pass on what comes: who took this person in, and whom this person took in.
    pub(crate) fn neighbours(&self) -> Vec<(MemberId, ContactId)> {
        let Some(roster) = self.log.as_ref().map(Log::roster) else { return Vec::new() };
        let by = roster.seats.get(&self.own.id).map(|seat| seat.by);
        let near = |id: &MemberId| {
            *id != self.own.id
                && (by == Some(*id) || roster.member(id).is_some_and(|seat| seat.by == self.own.id))
        };
        self.reachable().into_iter().filter(|(id, _)| near(id)).collect()
    }

    /// Members over whose session this device can reach them.
    pub(crate) fn reachable(&self) -> Vec<(MemberId, ContactId)> {
        let Some(roster) = self.log.as_ref().map(Log::roster) else { return Vec::new() };
        self.known
            .iter()
            .filter(|(id, _)| roster.member(id).is_some() && **id != self.own.id)
            .map(|(id, contact)| (*id, *contact))
            .collect()
    }

    pub(crate) fn save(&self) -> Op {
        let (standing, with) = match self.standing {
            Standing::Invited(by) => (0, by.0),
            Standing::Joining(by) => (1, by.0),
            Standing::In => (2, 0),
            Standing::Out => (3, 0),
        };
        let contacts =
            |set: &BTreeSet<ContactId>| set.iter().map(|id| uint(u64::from(id.0))).collect::<Vec<_>>();
        let known: Vec<_> = self
            .known
            .iter()
            .flat_map(|(member, contact)| [bytes(&member.0), uint(u64::from(contact.0))])
            .collect();
        let mut map = MapWriter::default();
        map.bytes(0, &self.group.0)
            .uint(1, standing)
            .uint(2, u64::from(with))
            .text(3, &self.name)
            .uint(4, self.size)
            .bytes(5, &*self.own.key.seed())
            .bytes(6, &*self.own.leaf.to_bytes())
            .uint(7, self.next_seq)
            .uint(8, self.base)
            .uint(9, self.seen)
            .uint(10, u64::from(self.muted))
            .uint(11, self.round)
            .uint(12, u64::from(self.owes_receipt))
            .array(13, &known)
            .array(14, &self.greeted.iter().map(|member| bytes(&member.0)).collect::<Vec<_>>())
            .array(15, &contacts(&self.invited))
            .array(17, &self.links.iter().map(|token| bytes(&token.0[..])).collect::<Vec<_>>());
        if let Some(at) = self.following.encode() {
            map.bytes(16, &at);
        }
        if self.deaf {
            map.uint(18, 1);
        }
        if self.receipt_wanted.is_some() || self.receipt_due {
            map.uint(19, 1);
        }
        let key = Key::single(Space::Group, u64::from(self.number.0));
        Op::Put(key, Zeroizing::new(map.finish()))
    }

    /// Reads what [`Group::save`] wrote.
    pub(crate) fn load(number: GroupNumber, value: &Value) -> Result<Self, PeerFault> {
        let mut numbers = [0; 16];
        let (mut group, mut name) = (GroupId([0; 16]), String::new());
        let (mut key, mut leaf) = (Zeroizing::new([0; 32]), Zeroizing::new([0; 32]));
        let mut known = BTreeMap::new();
        let (mut greeted, mut invited) = (BTreeSet::new(), BTreeSet::new());
        let (mut at_relay, mut links, mut deaf, mut receipt) = (None, Vec::new(), false, false);
        let contact = |field: &mut Field<'_>| Ok::<_, PeerFault>(ContactId(field.uint()? as u32));
        read_map(value, |at, field| {
            match at {
                0 => group = GroupId(field.fixed()?),
                3 => field.text(NAME_BYTES_MAX)?.clone_into(&mut name),
                5 => *key = field.fixed()?,
                6 => *leaf = field.fixed()?,
                13 => {
                    let mut member = None;
                    field.array(2 * crate::group::MEMBERS_MAX, |item| {
                        match member.take() {
                            None => member = Some(MemberId(item.fixed()?)),
                            Some(member) => drop(known.insert(member, contact(item)?)),
                        }
                        Ok(())
                    })?;
                }
                14 => {
                    greeted
                        .extend(field.array(crate::group::MEMBERS_MAX, |item| Ok(MemberId(item.fixed()?)))?);
                }
                15 => invited.extend(field.array(crate::limits::CBOR_ITEMS_MAX, contact)?),
                16 => at_relay = Some(field.fixed::<24>()?),
                18 => deaf = field.uint()? == 1,
                19 => receipt = field.uint()? == 1,
                17 => {
                    links = {
                        let token = |field: &mut Field<'_>| {
                            Ok::<_, PeerFault>(LinkToken(Zeroizing::new(field.fixed()?)))
                        };
                        field.array(super::group_links::LINKS_MAX, token)?
                    }
                }
                at => match numbers.get_mut(at as usize) {
                    Some(number) => *number = field.uint()?,
                    None => return Ok(false),
                },
            }
            Ok(true)
        })?;
        let [_, standing, with, _, size, _, _, next_seq, base, seen, muted, round, owes, ..] = numbers;
        let with = ContactId(with as u32);
        let standing = match standing {
            0 => Standing::Invited(with),
            1 => Standing::Joining(with),
            2 => Standing::In,
            _ => Standing::Out,
        };
        let mut out = Self::new(number, group, standing, Own::from_seeds(&key, &leaf));
        if let Some(at) = at_relay {
            out.following.restore(&at);
        }
        Ok(Self {
            name,
            size,
            known,
            greeted,
            invited,
            links,
            next_seq,
            base,
            seen,
            muted: muted == 1,
            round,
            owes_receipt: owes == 1,
            // It was owed when this device went off: it leaves with the first look.
            receipt_wanted: receipt.then(Mono::default),
            deaf,
            position: {
                out.position = out.position.max(seen + 1);
                out.position
            },
            ..out
        })
    }

    /// The record of an author: `member 16 | below 8 | round 8 | has 8 | { seq 8 | place 8 }…`.
    pub(crate) fn save_author(&self, id: &MemberId) -> Option<Op> {
        let author = self.authors.get(id)?;
        let mut out = Zeroizing::new(id.0.to_vec());
        for number in [author.below, author.round, author.has_below] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        for (seq, position) in &author.early {
            out.extend_from_slice(&seq.to_be_bytes());
            out.extend_from_slice(&position.to_be_bytes());
        }
        // A lone byte behind the pairs.
        out.extend(author.forked.then_some(1));
        // The first bytes of a key's hash tell the members of one group apart.
        let at = u64::from_be_bytes(first(&id.0));
        Some(Op::Put(Key::of(Space::GroupAuthor, self.number.records(), at), out))
    }

    pub(crate) fn load_author(&mut self, value: &Value) -> Option<()> {
        let (member, rest) = value.split_first_chunk::<16>()?;
        let (numbers, rest) = rest.split_first_chunk::<24>()?;
        let number = |at: usize| numbers.get(at..).map(|from| u64::from_be_bytes(first(from)));
        let (pairs, forked) = rest.as_chunks::<16>();
        let mut author = Author {
            below: number(0)?,
            round: number(8)?,
            has_below: number(16)?,
            early: BTreeMap::new(),
            forked: forked == [1],
        };
        for pair in pairs {
            let (seq, position) = pair.split_at(8);
            let position = u64::from_be_bytes(first(position));
            author.early.insert(u64::from_be_bytes(first(seq)), position);
            // Places up to here are kept for messages that are still missing.
            self.position = self.position.max(position);
        }
        self.authors.insert(MemberId(*member), author);
        Some(())
    }

    /// The record of an own message under way: `{ member 16 | contact 4 | seq 8 }…`, contact 0 for those whom others reach; see [`STORED`]
    /// and [`HAS`].
    pub(crate) fn save_out(&self, seq: u64) -> Op {
        let key = Key::of(Space::GroupOut, self.number.records(), seq);
        let Some(post) = self.out.get(&seq) else { return Op::Remove(key) };
        let mut out = Zeroizing::new(Vec::new());
        let others = post.others.iter().map(|member| (*member, ContactId(0), 0));
        let stored = post.stored.then_some((MemberId([0; 16]), STORED, 1));
        let noted = post.has.as_ref().map(|_| (MemberId([0; 16]), HAS, 0));
        let has = post.has.iter().flatten().map(|(member, at)| (*member, HAS, *at));
        let others = others.chain(stored).chain(noted).chain(has);
        for (member, contact, seq) in post.direct.iter().copied().chain(others) {
            out.extend_from_slice(&member.0);
            out.extend_from_slice(&contact.0.to_be_bytes());
            out.extend_from_slice(&seq.to_be_bytes());
        }
        Op::Put(key, out)
    }

    pub(crate) fn load_out(&mut self, seq: u64, value: &Value) {
        let mut post = OutPost::default();
        for entry in value.as_chunks::<28>().0 {
            let (member, rest) = entry.split_at(16);
            let (contact, number) = rest.split_at(4);
            let (member, contact) = (MemberId(first(member)), ContactId(u32::from_be_bytes(first(contact))));
            match contact {
                ContactId(0) => post.others.push(member),
                STORED => post.stored = true,
                HAS => {
                    let has = post.has.get_or_insert_default();
                    if member != MemberId([0; 16]) {
                        has.insert(member, u64::from_be_bytes(first(number)));
                    }
                }
                contact => post.direct.push((member, contact, u64::from_be_bytes(first(number)))),
            }
        }
        self.out.insert(seq, post);
    }
}
