//! What a backup holds: who one is, whom one knows, and how to reach them again; never the state of a ratchet (SPEC §6d, DESIGN P9).
//!
//! These bytes are all secrets. The device seals them; here they are only laid out.

use crate::body::MailboxDescriptor;
use crate::cbor::{MapWriter, bytes, read_map, uint};
use crate::crypto::fixed::Reader;
use crate::error::PeerFault;
use crate::gift::{GIFT_BYTES_MAX, Gift, OwnGift};
use crate::group::OPS_MAX;
use crate::identity::RemoteIdentity;
use crate::ids::{EntryId, Fingerprint, GroupId, MemberId, RelayId, first};
use crate::limits::NAME_BYTES_MAX;
use crate::runs::{self, RUNS_MAX};
use zeroize::Zeroizing;

/// Version of the layout.
const VERSION: u8 = 1;
/// Longest record; a contact with both gifts has about 4,500 bytes.
const RECORD_BYTES_MAX: usize = 65_536;
/// Longest record of a group: its whole log.
const GROUP_BYTES_MAX: usize = 16 << 20;
/// Longest operation of a group's log.
const OP_BYTES_MAX: usize = 4_096;
/// Longest record of what is set for a conversation.
const TERMS_BYTES_MAX: usize = 16_384;
/// Doors in a backup at the most.
const DOORS_MAX: usize = 64;
/// Own mailboxes in a backup at the most.
const MAILBOXES_MAX: usize = 64;

/// One own mailbox.
#[derive(Clone)]
pub struct BackupMailbox {
    /// Its number.
    pub number: u32,
    /// The relay that keeps it.
    pub relay: RelayId,
    /// Seed of the key that opens it.
    pub seed: Zeroizing<[u8; 32]>,
}

/// One contact.
#[derive(Clone)]
pub struct BackupContact {
    /// Local number; messages lie under it.
    pub id: u32,
    /// Local name.
    pub name: String,
    /// The name the other side gave.
    pub remote_name: String,
    /// Fingerprint of the other side's account key.
    pub fingerprint: Fingerprint,
    /// The other side's certificate, once it was seen.
    pub identity: Option<RemoteIdentity>,
    /// What message ids are derived from.
    pub conversation: Zeroizing<[u8; 32]>,
    /// Where beacons of this pair lie and what they are sealed with.
    pub pair: Zeroizing<[u8; 32]>,
    /// This side used the other's invitation.
    pub initiator: bool,
    /// The keys were compared face to face.
    pub verified: bool,
    /// Received messages up to this number were seen.
    pub seen_upto: u64,
    /// Where the other side's cells go.
    pub their: MailboxDescriptor,
    /// Number of the present session.
    pub generation: u64,
    /// The next own message number.
    pub next_seq: u64,
    /// All own messages below this are delivered.
    pub delivered_below: u64,
    /// All received messages below this are on disk.
    pub receive_next: u64,
    /// Which starts gave out the own numbers, and which the other side's: first number and run, ascending (SPEC §6c).
    pub runs: [Vec<(u64, u64)>; 2],
    /// What the other side gave for a reset.
    pub theirs: Option<Gift>,
    /// What was given to the other side, encoded as [`OwnGift`].
    pub own: Option<Zeroizing<Vec<u8>>>,
    /// What is set for the conversation (receipts, timer, blocked, changed keys), as the engine stores it.
    pub terms: Zeroizing<Vec<u8>>,
}

/// One group in which the person is a member.
#[derive(Clone)]
pub struct BackupGroup {
    /// Local number.
    pub number: u32,
    /// The group.
    pub group: GroupId,
    /// Nothing of it is announced.
    pub muted: bool,
    /// Seed of the person's group key.
    pub key: Zeroizing<[u8; 32]>,
    /// The person's leaf key.
    pub leaf: Zeroizing<[u8; 32]>,
    /// Members with whom there is a session, and the local numbers of these contacts.
    pub known: Vec<(MemberId, u32)>,
    /// The log: signed operations, each after those that it rests on.
    pub ops: Vec<Vec<u8>>,
}

/// One channel that the person owns or follows.
#[derive(Clone)]
pub struct BackupChannel {
    /// Local number.
    pub number: u32,
    /// Its link as text.
    pub link: Zeroizing<String>,
    /// Seed of the owner's key, of own channels.
    pub key: Option<Zeroizing<[u8; 32]>>,
    /// Its name.
    pub name: String,
    /// Entries up to this number were seen.
    pub seen: u64,
    /// The newest entry known: number, name, and name of the one before it.
    pub newest: Option<(u64, EntryId, EntryId)>,
}

/// Everything a new device needs to go on where the old one was.
#[derive(Clone, Default)]
pub struct BackupState {
    /// [`crate::identity::LocalIdentity::encode`] of the person.
    pub identity: Zeroizing<Vec<u8>>,
    /// The name told to contacts.
    pub name: String,
    /// Doors as text.
    pub doors: Vec<Zeroizing<String>>,
    /// Own mailboxes.
    pub mailboxes: Vec<BackupMailbox>,
    /// Contacts.
    pub contacts: Vec<BackupContact>,
    /// Groups.
    pub groups: Vec<BackupGroup>,
    /// Channels.
    pub channels: Vec<BackupChannel>,
}

impl core::fmt::Debug for BackupState {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "BackupState({} contacts)", self.contacts.len())
    }
}

impl BackupState {
    /// `version 1 | length 4, head | { length 4, record }…`: a record for each contact, then one for each group, then one for each channel;
    /// head and records are deterministic CBOR maps.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut head = MapWriter::default();
        let doors: Vec<_> = self.doors.iter().map(|door| bytes(door.as_bytes())).collect();
        let mailboxes: Vec<_> = self
            .mailboxes
            .iter()
            .map(|held| bytes(&[&held.number.to_be_bytes()[..], &held.relay.0, &held.seed[..]].concat()))
            .collect();
        head.bytes(0, &self.identity).text(1, &self.name).array(2, &doors).array(3, &mailboxes);
        head.uint(4, self.contacts.len() as u64);
        head.uint(5, self.groups.len() as u64).uint(6, self.channels.len() as u64);
        let records: Vec<_> = core::iter::once(Zeroizing::new(head.finish()))
            .chain(self.contacts.iter().map(BackupContact::encode))
            .chain(self.groups.iter().map(BackupGroup::encode))
            .chain(self.channels.iter().map(BackupChannel::encode))
            .collect();
        let room = 1 + records.iter().map(|record| 4 + record.len()).sum::<usize>();
        // The exact room beforehand, so that growing leaves no copy of a secret behind.
        let mut out = Zeroizing::new(Vec::with_capacity(room));
        out.push(VERSION);
        for record in &records {
            out.extend_from_slice(&(record.len() as u32).to_be_bytes());
            out.extend_from_slice(record);
        }
        out
    }

    /// Reads what [`BackupState::encode`] wrote.
    ///
    /// # Errors
    /// [`PeerFault::Version`] for a layout of another version, else another [`PeerFault`].
    pub fn decode(input: &[u8]) -> Result<Self, PeerFault> {
        let mut reader = Reader(input);
        if reader.u8().ok_or(PeerFault::Length)? != VERSION {
            return Err(PeerFault::Version);
        }
        let mut out = Self::default();
        let (mut contacts, mut groups, mut channels) = (0, 0, 0);
        read_map(record(&mut reader, RECORD_BYTES_MAX)?, |key, field| {
            match key {
                0 => out.identity = Zeroizing::new(field.bytes(1_024)?.to_vec()),
                1 => field.text(NAME_BYTES_MAX)?.clone_into(&mut out.name),
                2 => {
                    out.doors = field.array(DOORS_MAX, |item| {
                        let text = core::str::from_utf8(item.bytes(2_048)?);
                        Ok(Zeroizing::new(text.map_err(|_| PeerFault::Malformed)?.to_owned()))
                    })?;
                }
                3 => {
                    out.mailboxes = field.array(MAILBOXES_MAX, |item| {
                        let mut inside = Reader(item.bytes(52)?);
                        let held = |reader: &mut Reader<'_>| {
                            let number = reader.u32()?;
                            let relay = RelayId(*reader.take()?);
                            Some(BackupMailbox { number, relay, seed: Zeroizing::new(*reader.take()?) })
                        };
                        held(&mut inside).ok_or(PeerFault::Length)
                    })?;
                }
                4 => contacts = field.uint()?,
                5 => groups = field.uint()?,
                6 => channels = field.uint()?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        for _ in 0..contacts {
            out.contacts.push(BackupContact::decode(record(&mut reader, RECORD_BYTES_MAX)?)?);
        }
        for _ in 0..groups {
            out.groups.push(BackupGroup::decode(record(&mut reader, GROUP_BYTES_MAX)?)?);
        }
        for _ in 0..channels {
            out.channels.push(BackupChannel::decode(record(&mut reader, RECORD_BYTES_MAX)?)?);
        }
        reader.end().ok_or(PeerFault::Length)?;
        Ok(out)
    }
}

fn record<'a>(reader: &mut Reader<'a>, longest: usize) -> Result<&'a [u8], PeerFault> {
    let length = reader.u32().ok_or(PeerFault::Length)? as usize;
    if length > longest {
        return Err(PeerFault::Bound);
    }
    reader.slice(length).ok_or(PeerFault::Length)
}

impl BackupContact {
    fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut map = MapWriter::default();
        map.uint(0, u64::from(self.id))
            .text(1, &self.name)
            .text(2, &self.remote_name)
            .bytes(3, &self.fingerprint.0)
            .bytes(5, &self.conversation[..])
            .bytes(6, &self.pair[..])
            .uint(7, u64::from(self.initiator))
            .uint(8, u64::from(self.verified))
            .uint(9, self.seen_upto)
            .raw(10, self.their.encode())
            .uint(11, self.generation)
            .uint(12, self.next_seq)
            .uint(13, self.delivered_below)
            .uint(14, self.receive_next);
        if let Some(identity) = &self.identity {
            map.bytes(4, &identity.encode());
        }
        if let Some(gift) = &self.theirs {
            map.bytes(15, &gift.encode());
        }
        if let Some(own) = &self.own {
            map.bytes(16, own);
        }
        let [own, their] = &self.runs;
        map.bytes(17, &self.terms).array(18, &runs::pairs(own)).array(19, &runs::pairs(their));
        Zeroizing::new(map.finish())
    }

    fn decode(input: &[u8]) -> Result<Self, PeerFault> {
        let (mut name, mut remote_name) = (String::new(), String::new());
        let (mut fingerprint, mut identity, mut conversation, mut pair) = (None, None, None, None);
        let (mut their, mut theirs, mut own) = (MailboxDescriptor::default(), None, None);
        let mut terms = Zeroizing::default();
        let mut numbers = [0; 15];
        let mut all_runs = [Vec::new(), Vec::new()];
        read_map(input, |key, field| {
            match key {
                1 => field.text(NAME_BYTES_MAX)?.clone_into(&mut name),
                2 => field.text(NAME_BYTES_MAX)?.clone_into(&mut remote_name),
                3 => fingerprint = Some(Fingerprint(field.fixed()?)),
                4 => identity = Some(RemoteIdentity::decode(field.bytes(512)?)?),
                5 => conversation = Some(Zeroizing::new(field.fixed()?)),
                6 => pair = Some(Zeroizing::new(field.fixed()?)),
                10 => their = MailboxDescriptor::decode(field.raw()?)?,
                15 => theirs = Some(Gift::decode(field.bytes(GIFT_BYTES_MAX)?)?),
                16 => {
                    let raw = field.bytes(2 * GIFT_BYTES_MAX)?;
                    OwnGift::decode(raw).ok_or(PeerFault::Malformed)?;
                    own = Some(Zeroizing::new(raw.to_vec()));
                }
                17 => terms = Zeroizing::new(field.bytes(TERMS_BYTES_MAX)?.to_vec()),
                18 => all_runs[0] = runs::read_pairs(field, RUNS_MAX)?,
                19 => all_runs[1] = runs::read_pairs(field, RUNS_MAX)?,
                key => match numbers.get_mut(key as usize) {
                    Some(number) => *number = field.uint()?,
                    None => return Ok(false),
                },
            }
            Ok(true)
        })?;
        let [id, _, _, _, _, _, _, initiator, verified, seen, _, generation, next_seq, below, receive] =
            numbers;
        Ok(Self {
            id: u32::try_from(id).map_err(|_| PeerFault::Bound)?,
            name,
            remote_name,
            fingerprint: fingerprint.ok_or(PeerFault::Malformed)?,
            identity,
            conversation: conversation.ok_or(PeerFault::Malformed)?,
            pair: pair.ok_or(PeerFault::Malformed)?,
            initiator: initiator == 1,
            verified: verified == 1,
            seen_upto: seen,
            their,
            generation,
            next_seq: next_seq.max(1),
            delivered_below: below.max(1),
            receive_next: receive.max(1),
            runs: all_runs,
            theirs,
            own,
            terms,
        })
    }
}

impl BackupGroup {
    fn encode(&self) -> Zeroizing<Vec<u8>> {
        let known: Vec<_> = self
            .known
            .iter()
            .flat_map(|(member, contact)| [bytes(&member.0), uint(u64::from(*contact))])
            .collect();
        let ops: Vec<_> = self.ops.iter().map(|op| bytes(op)).collect();
        let mut map = MapWriter::default();
        map.uint(0, u64::from(self.number)).bytes(1, &self.group.0).uint(2, u64::from(self.muted));
        map.bytes(3, &self.key[..]).bytes(4, &self.leaf[..]).array(5, &known).array(6, &ops);
        Zeroizing::new(map.finish())
    }

    fn decode(input: &[u8]) -> Result<Self, PeerFault> {
        let (mut number, mut muted, mut group) = (0, 0, None);
        let (mut key, mut leaf, mut known, mut ops) = (None, None, Vec::new(), Vec::new());
        read_map(input, |at, field| {
            match at {
                0 => number = field.uint()?,
                1 => group = Some(GroupId(field.fixed()?)),
                2 => muted = field.uint()?,
                3 => key = Some(Zeroizing::new(field.fixed()?)),
                4 => leaf = Some(Zeroizing::new(field.fixed()?)),
                5 => {
                    let mut member = None;
                    field.array(2 * crate::group::MEMBERS_MAX, |item| {
                        match member.take() {
                            None => member = Some(MemberId(item.fixed()?)),
                            Some(member) => {
                                let contact = u32::try_from(item.uint()?).map_err(|_| PeerFault::Bound)?;
                                known.push((member, contact));
                            }
                        }
                        Ok(())
                    })?;
                }
                6 => ops = field.array(OPS_MAX, |item| item.bytes(OP_BYTES_MAX).map(<[u8]>::to_vec))?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        let (Some(group), Some(key), Some(leaf)) = (group, key, leaf) else {
            return Err(PeerFault::Malformed);
        };
        let number = u32::try_from(number).map_err(|_| PeerFault::Bound)?;
        Ok(Self { number, group, muted: muted == 1, key, leaf, known, ops })
    }
}

impl BackupChannel {
    fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut map = MapWriter::default();
        map.uint(0, u64::from(self.number)).text(1, &self.link).text(2, &self.name).uint(3, self.seen);
        if let Some(key) = &self.key {
            map.bytes(4, &key[..]);
        }
        if let Some((seq, id, before)) = &self.newest {
            map.uint(5, *seq).bytes(6, &[id.0, before.0].concat());
        }
        Zeroizing::new(map.finish())
    }

    fn decode(input: &[u8]) -> Result<Self, PeerFault> {
        let (mut link, mut name, mut key) = (None, String::new(), None);
        let (mut number, mut seen, mut seq, mut ids) = (0, 0, 0, None);
        read_map(input, |at, field| {
            match at {
                0 => number = field.uint()?,
                1 => link = Some(Zeroizing::new(field.text(256)?.to_owned())),
                2 => field.text(NAME_BYTES_MAX)?.clone_into(&mut name),
                3 => seen = field.uint()?,
                4 => key = Some(Zeroizing::new(field.fixed()?)),
                5 => seq = field.uint()?,
                6 => ids = Some(field.fixed::<64>()?),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        let newest = ids.filter(|_| seq > 0).map(|ids| {
            let (id, before) = ids.split_at(32);
            (seq, EntryId(first(id)), EntryId(first(before)))
        });
        let number = u32::try_from(number).map_err(|_| PeerFault::Bound)?;
        Ok(Self { number, link: link.ok_or(PeerFault::Malformed)?, key, name, seen, newest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::LocalIdentity;
    use crate::ids::MailboxId;
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng as _;

    fn full() -> BackupState {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let me = LocalIdentity::from_stretched(&[1; 16], &[2; 32], &mut rng);
        let their = MailboxDescriptor { seq: 4, mailboxes: vec![(RelayId([1; 16]), MailboxId([2; 16])); 5] };
        let gift = OwnGift::make(&me, 3, &their, 5, &mut rng).unwrap();
        let contact = BackupContact {
            id: 7,
            name: "Алӣ".to_owned(),
            remote_name: "Ali".to_owned(),
            fingerprint: me.fingerprint(),
            identity: Some(RemoteIdentity { cert: me.cert().clone() }),
            conversation: Zeroizing::new([3; 32]),
            pair: Zeroizing::new([4; 32]),
            initiator: true,
            verified: true,
            seen_upto: 9,
            their,
            generation: 2,
            next_seq: 11,
            delivered_below: 10,
            receive_next: 12,
            runs: [vec![(1, 8), (6, 9)], vec![(1, u64::MAX)]],
            theirs: Some(gift.public()),
            own: Some(gift.encode()),
            terms: Zeroizing::new(vec![0xa0]),
        };
        BackupState {
            identity: me.encode(),
            name: "Bob".to_owned(),
            doors: vec![Zeroizing::new("KARVON-DOOR:X".to_owned())],
            mailboxes: vec![BackupMailbox {
                number: 3,
                relay: RelayId([5; 16]),
                seed: Zeroizing::new([6; 32]),
            }],
            contacts: vec![
                contact.clone(),
                BackupContact { identity: None, theirs: None, own: None, ..contact },
            ],
            groups: vec![BackupGroup {
                number: 4,
                group: GroupId([1; 16]),
                muted: true,
                key: Zeroizing::new([2; 32]),
                leaf: Zeroizing::new([3; 32]),
                known: vec![(MemberId([4; 16]), 7)],
                ops: vec![vec![5; 300]; 1_000],
            }],
            channels: vec![BackupChannel {
                number: 2,
                link: Zeroizing::new("KARVON-CHANNEL:X".to_owned()),
                key: Some(Zeroizing::new([6; 32])),
                name: "Акбар".to_owned(),
                seen: 3,
                newest: Some((9, EntryId([7; 32]), EntryId([8; 32]))),
            }],
        }
    }

    #[test]
    fn a_backup_comes_back_as_it_was() {
        let state = full();
        let bytes = state.encode();
        let back = BackupState::decode(&bytes).unwrap();
        assert_eq!(*back.encode(), *bytes);
        assert_eq!((back.contacts.len(), back.groups.len(), back.channels.len()), (2, 1, 1));
        assert_eq!(back.groups[0].known, state.groups[0].known);
        assert_eq!(back.channels[0].newest, state.channels[0].newest);
        assert_eq!(back.contacts[0].theirs.as_ref().unwrap().seq, 3);
        assert_eq!(back.contacts[0].terms, state.contacts[0].terms);
        assert!(back.contacts[0].encode().len() <= RECORD_BYTES_MAX);
        assert!(back.contacts[0].theirs.as_ref().unwrap().encode().len() <= GIFT_BYTES_MAX);
    }

    #[test]
    fn a_damaged_or_foreign_backup_is_refused() {
        let bytes = full().encode();
        for cut in (0..6_000).chain((6_000..bytes.len()).step_by(997)) {
            assert!(BackupState::decode(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        let mut newer = bytes.to_vec();
        newer[0] = 2;
        assert_eq!(BackupState::decode(&newer).err(), Some(PeerFault::Version));
        let mut endless = bytes.to_vec();
        endless[1] = 0xff;
        assert_eq!(BackupState::decode(&endless).err(), Some(PeerFault::Bound));
    }

    #[test]
    fn the_tags_of_a_gift_are_used_once_each() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let me = LocalIdentity::from_stretched(&[1; 16], &[2; 32], &mut rng);
        let mut gift = OwnGift::make(&me, 1, &MailboxDescriptor::default(), 0, &mut rng).unwrap();
        let tags = gift.public().tags();
        assert_eq!(gift.open_tags(), tags);
        assert!(gift.use_tag(&tags[2]));
        assert!(!gift.use_tag(&tags[2]));
        assert!(!gift.use_tag(&Tag([0; 16])));
        let gift = OwnGift::decode(&gift.encode()).unwrap();
        assert_eq!(gift.open_tags(), [tags[0], tags[1], tags[3]]);
        assert_eq!(Gift::decode(&gift.public().encode()).unwrap(), gift.public());
    }

    use crate::ids::Tag;
}
