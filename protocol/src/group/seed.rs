//! Group seeds: one random secret for all members of one roster, from which each author's chain of message keys follows (SPEC §10.6).
//!
//! A seed is made anew whenever the roster has changed before the next message is written: whoever was removed has no slot in it, and
//! whoever joined has none in earlier ones. Seeds made at the same time live beside each other; there is nothing to agree on.

use super::log::Log;
use super::op::read_ids;
use crate::cbor::{MapWriter, array, bytes, canonical, read_map};
use crate::cell::{Cell, Class, OUTER_BYTES};
use crate::crypto::kdf::{derive, hmac, random};
use crate::crypto::labels::{GROUP_CALL, GROUP_CHAIN, GROUP_MSG, GROUP_SEED, GROUP_SLOT, SIGN_GROUP_SEED};
use crate::crypto::{LocalDhKey, LocalSignKey, RemoteDhKey, RemoteSignKey, SIGNATURE_BYTES, aead};
use crate::error::PeerFault;
use crate::ids::{GroupId, MemberId, OpId, Tag, first};
use rand_core::CryptoRng;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// Message keys of one author that are passed over at once, and kept for messages that come late.
const SKIP_MAX: u32 = 2_000;
/// Bytes of the sealed header: author 16, number 4, zeros 12, and the tag.
const HEADER_BYTES: usize = 48;
/// Bytes of a cell beside its payload and the two bytes of its length.
const OVERHEAD: usize = OUTER_BYTES + 24 + HEADER_BYTES + aead::TAG_BYTES + 2;
/// Bytes of a slot: a secret and its tag.
const SLOT_BYTES: usize = 48;

/// A seed's name: first half of BLAKE3 over its announcement.
pub type SeedId = [u8; 16];

/// Longest payload of a group cell of `class`.
#[must_use]
pub const fn capacity(class: Class) -> usize {
    class.bytes() - OVERHEAD
}

/// What members subscribe to: `hint = r 8 | keyed BLAKE3(detect key, r | shard)[..8]` (DESIGN D6).
#[must_use]
pub fn hint(detect: &[u8; 32], shard: u16, r: [u8; 8]) -> Tag {
    let mut mac = blake3::Hasher::new_keyed(detect);
    mac.update(&r).update(&shard.to_be_bytes());
    Tag(first(&[&r[..], &mac.finalize().as_bytes()[..8]].concat()))
}

/// Whether a cell with this tag is for whoever knows `detect`.
#[must_use]
pub fn detects(detect: &[u8; 32], shard: u16, tag: &Tag) -> bool {
    hint(detect, shard, first(&tag.0)) == *tag
}

/// What all members know since they joined: announcements of seeds come under it.
pub struct Call {
    /// What announcements are detected by.
    pub detect: Zeroizing<[u8; 32]>,
    seal: Zeroizing<[u8; 32]>,
}

impl Call {
    /// Both keys from 64 bytes.
    #[must_use]
    pub fn new(keys: &[u8; 64]) -> Self {
        let (detect, seal) = keys.split_at(32);
        Self { detect: Zeroizing::new(first(detect)), seal: Zeroizing::new(first(seal)) }
    }

    /// Follows from the operation that founds the group, which only members know.
    #[must_use]
    pub fn of(log: &Log) -> Self {
        Self::new(&derive::<64>(&log.group().0, &log.secret(), GROUP_CALL))
    }

    /// Seals an announcement, or an entry of a channel.
    ///
    /// # Errors
    /// [`PeerFault::Length`] if it does not fit the largest cell.
    pub fn seal(&self, shard: u16, announcement: &[u8], rng: &mut dyn CryptoRng) -> Result<Cell, PeerFault> {
        let class = class_for(announcement.len())?;
        let tag = hint(&self.detect, shard, *random::<8>(rng));
        let outer = Cell::outer(class, &tag, 0);
        let salt = random::<24>(rng);
        // The room of the header stays random: from outside all cells of a group look alike.
        let filler = random::<HEADER_BYTES>(rng);
        let (key, nonce) = message_key(&self.seal, &salt);
        let plain = padded(announcement, capacity(class))?;
        let aad = [&outer[..], &filler[..]].concat();
        let body = aead::seal(&key, &nonce, &aad, &plain);
        Cell::parse([&outer[..], &salt[..], &filler[..], &body].concat())
    }

    /// Opens what [`Call::seal`] sealed.
    ///
    /// # Errors
    /// [`PeerFault::Decrypt`] and others.
    pub fn open(&self, cell: &Cell) -> Result<Zeroizing<Vec<u8>>, PeerFault> {
        let parts = Parts::of(cell)?;
        let (key, nonce) = message_key(&self.seal, &parts.salt);
        let aad = [parts.outer, parts.header].concat();
        unpadded(aead::open(&key, &nonce, &aad, parts.body)?)
    }
}

struct Parts<'a> {
    outer: &'a [u8],
    salt: [u8; 24],
    header: &'a [u8],
    body: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(cell: &'a Cell) -> Result<Self, PeerFault> {
        let (outer, rest) = cell.bytes().split_at_checked(OUTER_BYTES).ok_or(PeerFault::Length)?;
        let (salt, rest) = rest.split_first_chunk::<24>().ok_or(PeerFault::Length)?;
        let (header, body) = rest.split_at_checked(HEADER_BYTES).ok_or(PeerFault::Length)?;
        Ok(Self { outer, salt: *salt, header, body })
    }
}

fn class_for(length: usize) -> Result<Class, PeerFault> {
    Class::ALL.into_iter().find(|class| capacity(*class) >= length).ok_or(PeerFault::Length)
}

fn padded(payload: &[u8], room: usize) -> Result<Zeroizing<Vec<u8>>, PeerFault> {
    let length = u16::try_from(payload.len()).map_err(|_| PeerFault::Length)?;
    let mut plain = Zeroizing::new(vec![0; room + 2]);
    let content = length.to_be_bytes().into_iter().chain(payload.iter().copied());
    plain.iter_mut().zip(content).for_each(|(to, from)| *to = from);
    Ok(plain)
}

fn unpadded(plain: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>, PeerFault> {
    let (length, rest) = plain.split_first_chunk::<2>().ok_or(PeerFault::Length)?;
    let length = usize::from(u16::from_be_bytes(*length));
    let (payload, padding) = rest.split_at_checked(length).ok_or(PeerFault::Length)?;
    if padding.iter().any(|byte| *byte != 0) {
        return Err(PeerFault::Padding);
    }
    Ok(Zeroizing::new(payload.to_vec()))
}

/// Key and nonce of one cell: the random salt keeps them apart even if a device's storage was rolled back.
fn message_key(secret: &[u8; 32], salt: &[u8; 24]) -> (Zeroizing<[u8; 32]>, [u8; 12]) {
    let both = derive::<44>(salt, secret, GROUP_MSG);
    let (key, nonce) = both.split_at(32);
    (Zeroizing::new(first(key)), first(nonce))
}

/// The keys of one author under one seed.
#[derive(Clone)]
struct Chain {
    next: u32,
    key: Zeroizing<[u8; 32]>,
    skipped: BTreeMap<u32, Zeroizing<[u8; 32]>>,
}

impl Chain {
    /// The key of message `number`; each can be had once.
    fn take(&mut self, number: u32) -> Result<Zeroizing<[u8; 32]>, PeerFault> {
        if number < self.next {
            return self.skipped.remove(&number).ok_or(PeerFault::Replay);
        }
        if number - self.next > SKIP_MAX {
            return Err(PeerFault::Bound);
        }
        loop {
            let key = hmac(&self.key, &[1]);
            let at = self.next;
            self.next = at.checked_add(1).ok_or(PeerFault::Bound)?;
            self.key = hmac(&self.key, &[2]);
            if at == number {
                while self.skipped.len() > SKIP_MAX as usize {
                    self.skipped.pop_first();
                }
                return Ok(key);
            }
            self.skipped.insert(at, key);
        }
    }
}

/// The keys that members of one roster share.
pub struct Seed {
    id: SeedId,
    header: Zeroizing<[u8; 32]>,
    detect: Zeroizing<[u8; 32]>,
    chains: BTreeMap<MemberId, Chain>,
}

impl core::fmt::Debug for Seed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Seed({} members)", self.chains.len())
    }
}

/// What an announcement says; signed by its author.
struct Announcement {
    group: GroupId,
    author: MemberId,
    view: Vec<OpId>,
    ephemeral: [u8; 32],
    /// One for each member of the roster that `view` folds to, in order of their ids.
    slots: Vec<u8>,
}

impl Announcement {
    fn encode(&self) -> Vec<u8> {
        let view: Vec<_> = self.view.iter().map(|id| bytes(&id.0)).collect();
        let mut map = MapWriter::default();
        map.bytes(0, &self.group.0).bytes(1, &self.author.0).raw(2, array(&view));
        map.bytes(3, &self.ephemeral).bytes(4, &self.slots).finish()
    }

    fn decode(content: &[u8]) -> Result<Self, PeerFault> {
        let mut out = Self {
            group: GroupId([0; 16]),
            author: MemberId([0; 16]),
            view: Vec::new(),
            ephemeral: [0; 32],
            slots: Vec::new(),
        };
        read_map(content, |key, field| {
            match key {
                0 => out.group = GroupId(field.fixed()?),
                1 => out.author = MemberId(field.fixed()?),
                2 => out.view = read_ids(field)?,
                3 => out.ephemeral = field.fixed()?,
                4 => field.bytes(SLOT_BYTES * super::MEMBERS_MAX)?.clone_into(&mut out.slots),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        canonical(content, out, Self::encode)
    }
}

/// What came of an announcement.
#[derive(Debug)]
pub enum Announced {
    /// A seed for this member.
    Seed(Seed),
    /// It rests on operations that are not there.
    Waits,
    /// It is not for this member.
    NotForMe,
}

fn slot_key(shared: &[u8; 32], ephemeral: &[u8; 32], leaf: &[u8; 32]) -> Zeroizing<[u8; 32]> {
    derive(&[ephemeral.as_slice(), leaf].concat(), shared, GROUP_SLOT)
}

impl Seed {
    /// A new seed for everybody whom the newest operations of `log` name, and its announcement.
    ///
    /// # Errors
    /// [`PeerFault`] if a member's leaf key is none; whoever added that member is to blame.
    pub fn issue(
        log: &Log,
        author: MemberId,
        key: &LocalSignKey,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Self, Vec<u8>), PeerFault> {
        let view = log.heads();
        let roster = log.roster_at(&view).ok_or(PeerFault::Mismatch)?;
        let secret = random::<32>(rng);
        let ephemeral = LocalDhKey::generate(rng);
        let public = ephemeral.public().0;
        let mut slots = Vec::new();
        for (_, seat) in roster.members() {
            let leaf = seat.member.leaf;
            // A member with a key of low order shuts out nobody but themself.
            let slot = match ephemeral.agree(&RemoteDhKey(leaf)) {
                Ok(shared) => {
                    aead::seal(&slot_key(&shared, &public, &leaf), &[0; 12], &log.group().0, &secret[..])
                }
                Err(_) => vec![0; SLOT_BYTES],
            };
            slots.extend_from_slice(&slot);
        }
        let announcement = Announcement { group: log.group(), author, view, ephemeral: public, slots };
        let mut signed = announcement.encode();
        let id = first(blake3::hash(&signed).as_bytes());
        let signature = key.sign(SIGN_GROUP_SEED, &signed);
        signed.extend_from_slice(&signature);
        let members = roster.members().map(|(id, _)| *id);
        Ok((Self::from_secret(log.group(), id, &secret, members), signed))
    }

    /// Reads an announcement, and takes the own slot out of it.
    ///
    /// # Errors
    /// A [`PeerFault`] for what is forged or damaged.
    pub fn read(signed: &[u8], log: &Log, own: MemberId, leaf: &LocalDhKey) -> Result<Announced, PeerFault> {
        let (content, signature) = signed.split_last_chunk::<SIGNATURE_BYTES>().ok_or(PeerFault::Length)?;
        let read = Announcement::decode(content)?;
        if read.group != log.group() {
            return Err(PeerFault::Mismatch);
        }
        let Some(roster) = log.roster_at(&read.view) else { return Ok(Announced::Waits) };
        let author = roster.member(&read.author).ok_or(PeerFault::Mismatch)?;
        RemoteSignKey(author.member.key).verify(SIGN_GROUP_SEED, content, signature)?;
        let Some(at) = roster.members().position(|(id, _)| *id == own) else {
            return Ok(Announced::NotForMe);
        };
        let (slots, tail) = read.slots.as_chunks::<SLOT_BYTES>();
        if slots.len() != roster.members().count() || !tail.is_empty() {
            return Err(PeerFault::Length);
        }
        let slot = slots.get(at).ok_or(PeerFault::Length)?;
        let shared = leaf.agree(&RemoteDhKey(read.ephemeral))?;
        let key = slot_key(&shared, &read.ephemeral, &leaf.public().0);
        let secret = aead::open(&key, &[0; 12], &log.group().0, slot)?;
        let secret = Zeroizing::new(first(&secret));
        let id = first(blake3::hash(content).as_bytes());
        let members = roster.members().map(|(id, _)| *id);
        Ok(Announced::Seed(Self::from_secret(log.group(), id, &secret, members)))
    }

    fn from_secret(
        group: GroupId,
        id: SeedId,
        secret: &[u8; 32],
        members: impl Iterator<Item = MemberId>,
    ) -> Self {
        let ikm = Zeroizing::new([&secret[..], &id].concat());
        let keys = derive::<96>(&group.0, &ikm, GROUP_SEED);
        let (root, rest) = keys.split_at(32);
        let (header, detect) = rest.split_at(32);
        let chain = |member: MemberId| {
            let key = derive::<32>(&member.0, root, GROUP_CHAIN);
            (member, Chain { next: 0, key, skipped: BTreeMap::new() })
        };
        Self {
            id,
            header: Zeroizing::new(first(header)),
            detect: Zeroizing::new(first(detect)),
            chains: members.map(chain).collect(),
        }
    }

    /// Its name.
    #[must_use]
    pub const fn id(&self) -> SeedId {
        self.id
    }

    /// What its cells are detected by.
    #[must_use]
    pub fn detect(&self) -> &[u8; 32] {
        &self.detect
    }

    /// Whether it is for exactly these members.
    #[must_use]
    pub fn is_for<'a>(&self, members: impl Iterator<Item = &'a MemberId>) -> bool {
        self.chains.keys().eq(members)
    }

    /// Seals a payload as `author`'s next cell.
    ///
    /// # Errors
    /// [`PeerFault::Mismatch`] if the author has no chain here, [`PeerFault::Length`] if the payload fits no cell.
    pub fn seal(
        &mut self,
        shard: u16,
        author: MemberId,
        payload: &[u8],
        rng: &mut dyn CryptoRng,
    ) -> Result<Cell, PeerFault> {
        let class = class_for(payload.len())?;
        let plain = padded(payload, capacity(class))?;
        let chain = self.chains.get_mut(&author).ok_or(PeerFault::Mismatch)?;
        let number = chain.next;
        let secret = chain.take(number)?;
        let outer = Cell::outer(class, &hint(&self.detect, shard, *random::<8>(rng)), 0);
        let salt = random::<24>(rng);
        let header = [&author.0[..], &number.to_be_bytes(), &[0; 12]].concat();
        let header = aead::xseal(&self.header, &salt, &outer, &header);
        let (key, nonce) = message_key(&secret, &salt);
        let aad = [&outer[..], &header].concat();
        let body = aead::seal(&key, &nonce, &aad, &plain);
        Cell::parse([&outer[..], &salt[..], &header, &body].concat())
    }

    /// Opens a cell: its author, and the payload.
    ///
    /// # Errors
    /// A [`PeerFault`]; nothing was changed. [`PeerFault::Replay`] for a cell that was opened before.
    pub fn open(&mut self, cell: &Cell) -> Result<(MemberId, Zeroizing<Vec<u8>>), PeerFault> {
        let parts = Parts::of(cell)?;
        let header = aead::xopen(&self.header, &parts.salt, parts.outer, parts.header)?;
        let (author, rest) = header.split_first_chunk::<16>().ok_or(PeerFault::Length)?;
        let number = u32::from_be_bytes(first(rest));
        let author = MemberId(*author);
        let chain = self.chains.get_mut(&author).ok_or(PeerFault::Mismatch)?;
        let mut moved = chain.clone();
        let secret = moved.take(number)?;
        let (key, nonce) = message_key(&secret, &parts.salt);
        let aad = [parts.outer, parts.header].concat();
        let payload = unpadded(aead::open(&key, &nonce, &aad, parts.body)?)?;
        *chain = moved;
        Ok((author, payload))
    }

    /// For the sealed store.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::new());
        out.extend_from_slice(&self.id);
        out.extend_from_slice(&self.header[..]);
        out.extend_from_slice(&self.detect[..]);
        for (member, chain) in &self.chains {
            out.extend_from_slice(&member.0);
            out.extend_from_slice(&chain.next.to_be_bytes());
            out.extend_from_slice(&chain.key[..]);
            out.extend_from_slice(&(chain.skipped.len() as u32).to_be_bytes());
            for (number, key) in &chain.skipped {
                out.extend_from_slice(&number.to_be_bytes());
                out.extend_from_slice(&key[..]);
            }
        }
        out
    }

    /// Reads what [`Seed::encode`] wrote; `None` if it is damaged.
    #[must_use]
    pub fn decode(input: &[u8]) -> Option<Self> {
        let mut reader = crate::crypto::fixed::Reader(input);
        let id = *reader.take::<16>()?;
        let header = Zeroizing::new(*reader.take::<32>()?);
        let detect = Zeroizing::new(*reader.take::<32>()?);
        let mut chains = BTreeMap::new();
        while reader.end().is_none() {
            let member = MemberId(*reader.take::<16>()?);
            let next = reader.u32()?;
            let key = Zeroizing::new(*reader.take::<32>()?);
            let mut skipped = BTreeMap::new();
            for _ in 0..reader.u32()? {
                let number = reader.u32()?;
                skipped.insert(number, Zeroizing::new(*reader.take::<32>()?));
            }
            chains.insert(member, Chain { next, key, skipped });
        }
        Some(Self { id, header, detect, chains })
    }
}
