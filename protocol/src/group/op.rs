//! One operation of a membership log: what it says, its signed bytes, and its id.

use super::PARENTS_MAX;
use crate::cbor::{Field, MapWriter, array, bytes, canonical, read_map};
use crate::crypto::labels::{SIGN_GROUP_JOIN, SIGN_GROUP_OP};
use crate::crypto::{LocalSignKey, RemoteSignKey, SIGNATURE_BYTES};
use crate::error::PeerFault;
use crate::ids::{Fingerprint, GroupId, MemberId, OpId, first};
use crate::limits::NAME_BYTES_MAX;

/// What a member may do; each role may do what the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Role {
    /// Writes, and leaves.
    Member = 1,
    /// Adds and removes members, renames the group.
    Admin = 2,
    /// Gives roles, removes admins.
    Owner = 3,
}

impl Role {
    /// The role with this number.
    #[must_use]
    pub const fn from_number(number: u64) -> Option<Self> {
        match number {
            1 => Some(Self::Member),
            2 => Some(Self::Admin),
            3 => Some(Self::Owner),
            _ => None,
        }
    }
}

/// Somebody as a group knows them. Made anew at each joining, so that whoever comes back is another member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The member's key in this group (Ed25519): signs operations and messages. No account key ever signs it.
    pub key: [u8; 32],
    /// The member's key for what is sealed to them alone (X25519).
    pub leaf: [u8; 32],
    /// Whose account the member says to be. A claim, until a contact with this fingerprint confirms it over a session.
    pub who: Fingerprint,
    /// The name the member gives.
    pub name: String,
}

impl Member {
    /// The member's id.
    #[must_use]
    pub fn id(&self) -> MemberId {
        MemberId::of(&self.key)
    }

    /// The CBOR map.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut map = MapWriter::default();
        map.bytes(0, &self.key).bytes(1, &self.leaf).bytes(2, &self.who.0).text(3, &self.name).finish()
    }

    /// Reads what [`Member::encode`] wrote.
    ///
    /// # Errors
    /// A [`PeerFault`].
    pub fn decode(input: &[u8]) -> Result<Self, PeerFault> {
        let mut out = Self { key: [0; 32], leaf: [0; 32], who: Fingerprint([0; 20]), name: String::new() };
        let mut found = 0;
        read_map(input, |key, field| {
            match key {
                0 => out.key = field.fixed()?,
                1 => out.leaf = field.fixed()?,
                2 => out.who = Fingerprint(field.fixed()?),
                3 => field.text(NAME_BYTES_MAX)?.clone_into(&mut out.name),
                _ => return Ok(false),
            }
            found += 1;
            Ok(true)
        })?;
        if found != 4 {
            return Err(PeerFault::Malformed);
        }
        canonical(input, out, Self::encode)
    }

    /// What somebody signs with their new group key to say that they want to be this member of that group.
    #[must_use]
    pub fn consent(&self, group: GroupId, key: &LocalSignKey) -> [u8; SIGNATURE_BYTES] {
        key.sign(SIGN_GROUP_JOIN, &[&group.0[..], &self.encode()].concat())
    }

    /// Checks [`Member::consent`].
    ///
    /// # Errors
    /// [`PeerFault::Signature`] or [`PeerFault::WeakKey`].
    pub fn verify_consent(&self, group: GroupId, consent: &[u8; SIGNATURE_BYTES]) -> Result<(), PeerFault> {
        RemoteSignKey(self.key).verify(SIGN_GROUP_JOIN, &[&group.0[..], &self.encode()].concat(), consent)
    }
}

/// What an operation does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// 0: founds the group; its author is the first owner.
    Create {
        /// The first member.
        founder: Member,
        /// Name of the group.
        name: String,
        /// Makes the group's id its own.
        salt: [u8; 16],
        /// On which shard the group's cells travel.
        shard: u16,
    },
    /// 1: takes somebody in.
    Add {
        /// Whom.
        member: Member,
        /// As what; not above the author's own role.
        role: Role,
        /// [`Member::consent`]: nobody is a member against their will.
        consent: [u8; SIGNATURE_BYTES],
    },
    /// 2: removes somebody of a lower role, or an admin another admin.
    Remove {
        /// Whom.
        member: MemberId,
        /// How many of their messages still count.
        upto: u64,
    },
    /// 3: the author leaves; `upto` of their messages count.
    Leave {
        /// How many of the own messages count.
        upto: u64,
    },
    /// 4: gives a role; by owners.
    Role {
        /// To whom.
        member: MemberId,
        /// Which.
        role: Role,
    },
    /// 5: renames the group; by admins.
    Name(String),
    /// 6: messages disappear this many seconds after they were seen; 0 never; by admins.
    Timer(u32),
}

/// An operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Op {
    /// The group; all zeros in the operation that founds it.
    pub group: GroupId,
    /// The newest operations that its author knew, ascending; none only for the one that founds the group.
    pub parents: Vec<OpId>,
    /// The author.
    pub author: MemberId,
    /// What it does.
    pub act: Act,
}

/// An operation with the bytes that were signed, kept as they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedOp {
    op: Op,
    bytes: Vec<u8>,
    id: OpId,
}

impl Op {
    fn encode(&self) -> Vec<u8> {
        let mut map = MapWriter::default();
        let parents: Vec<_> = self.parents.iter().map(|parent| bytes(&parent.0)).collect();
        map.bytes(0, &self.group.0).raw(1, array(&parents)).bytes(2, &self.author.0);
        let kind = match &self.act {
            Act::Create { founder, name, salt, shard } => {
                map.bytes(4, &founder.encode()).text(5, name).bytes(6, salt).uint(7, u64::from(*shard));
                0
            }
            Act::Add { member, role, consent } => {
                map.bytes(4, &member.encode()).uint(5, *role as u64).bytes(6, consent);
                1
            }
            Act::Remove { member, upto } => {
                map.bytes(4, &member.0).uint(5, *upto);
                2
            }
            Act::Leave { upto } => {
                map.uint(4, *upto);
                3
            }
            Act::Role { member, role } => {
                map.bytes(4, &member.0).uint(5, *role as u64);
                4
            }
            Act::Name(name) => {
                map.text(4, name);
                5
            }
            Act::Timer(seconds) => {
                map.uint(4, u64::from(*seconds));
                6
            }
        };
        map.uint(3, kind).finish()
    }

    fn decode(input: &[u8]) -> Result<Self, PeerFault> {
        let (mut group, mut parents, mut author, mut kind) = (None, None, None, None);
        let mut act = None;
        let mut partial = Partial::default();
        read_map(input, |key, field| {
            match (key, kind) {
                (0, _) => group = Some(GroupId(field.fixed()?)),
                (1, _) => parents = Some(read_ids(field)?),
                (2, _) => author = Some(MemberId(field.fixed()?)),
                (3, _) => kind = Some(field.uint()?),
                (4..=7, Some(kind)) => {
                    if let Some(whole) = partial.take(kind, key, field)? {
                        act = Some(whole);
                    }
                }
                // Whatever cannot be understood cannot be folded either: every field counts here.
                _ => return Err(PeerFault::UnknownCritical),
            }
            Ok(true)
        })?;
        match (group, parents, author, act) {
            (Some(group), Some(parents), Some(author), Some(act)) => {
                canonical(input, Self { group, parents, author, act }, Self::encode)
            }
            _ => Err(PeerFault::Malformed),
        }
    }

    /// Signs the operation with its author's group key.
    #[must_use]
    pub fn sign(self, key: &LocalSignKey) -> SignedOp {
        let mut bytes = self.encode();
        let id = OpId(*blake3::hash(&bytes).as_bytes());
        let signature = key.sign(SIGN_GROUP_OP, &bytes);
        bytes.extend_from_slice(&signature);
        SignedOp { op: self, bytes, id }
    }
}

/// Fields of an act, as they come.
#[derive(Default)]
struct Partial {
    member: Option<Member>,
    id: Option<MemberId>,
    name: Option<String>,
    role: Option<Role>,
    salt: Option<[u8; 16]>,
}

impl Partial {
    /// Takes field `key` of an act of `kind`; the act, once its last field is there.
    fn take(&mut self, kind: u64, key: u64, field: &mut Field<'_>) -> Result<Option<Act>, PeerFault> {
        let missing = PeerFault::Malformed;
        match (kind, key) {
            (0 | 1, 4) => self.member = Some(Member::decode(field.bytes(512)?)?),
            (0, 5) => self.name = Some(field.text(NAME_BYTES_MAX)?.to_owned()),
            (0, 6) => self.salt = Some(field.fixed()?),
            (0, 7) => {
                let founder = self.member.take().ok_or(missing)?;
                let name = self.name.take().ok_or(missing)?;
                let salt = self.salt.ok_or(missing)?;
                let shard = u16::try_from(field.uint()?).map_err(|_| PeerFault::Bound)?;
                return Ok(Some(Act::Create { founder, name, salt, shard }));
            }
            (1, 5) => self.role = Some(read_role(field)?),
            (1, 6) => {
                let member = self.member.take().ok_or(missing)?;
                let role = self.role.ok_or(missing)?;
                return Ok(Some(Act::Add { member, role, consent: field.fixed()? }));
            }
            (2 | 4, 4) => self.id = Some(MemberId(field.fixed()?)),
            (2, 5) => return Ok(Some(Act::Remove { member: self.id.ok_or(missing)?, upto: field.uint()? })),
            (3, 4) => return Ok(Some(Act::Leave { upto: field.uint()? })),
            (4, 5) => {
                return Ok(Some(Act::Role { member: self.id.ok_or(missing)?, role: read_role(field)? }));
            }
            (5, 4) => return Ok(Some(Act::Name(field.text(NAME_BYTES_MAX)?.to_owned()))),
            (6, 4) => {
                let seconds = u32::try_from(field.uint()?).map_err(|_| PeerFault::Bound)?;
                return Ok(Some(Act::Timer(seconds)));
            }
            _ => return Err(PeerFault::UnknownCritical),
        }
        Ok(None)
    }
}

fn read_role(field: &mut Field<'_>) -> Result<Role, PeerFault> {
    Role::from_number(field.uint()?).ok_or(PeerFault::Malformed)
}

/// Reads ids of operations, ascending and at most [`PARENTS_MAX`].
pub(super) fn read_ids(field: &mut Field<'_>) -> Result<Vec<OpId>, PeerFault> {
    let ids = field.array(PARENTS_MAX, |item| Ok(OpId(item.fixed()?)))?;
    if ids.is_sorted_by(|a, b| a < b) { Ok(ids) } else { Err(PeerFault::NotCanonical) }
}

impl SignedOp {
    /// Reads signed bytes; the signature is checked by [`SignedOp::verify`] once the author's key is known.
    ///
    /// # Errors
    /// A [`PeerFault`].
    pub fn decode(input: &[u8]) -> Result<Self, PeerFault> {
        let (content, _) = input.split_last_chunk::<SIGNATURE_BYTES>().ok_or(PeerFault::Length)?;
        let op = Op::decode(content)?;
        let founds = matches!(op.act, Act::Create { .. });
        if founds != op.parents.is_empty() || founds != (op.group == GroupId([0; 16])) {
            return Err(PeerFault::Malformed);
        }
        if let Act::Create { founder, .. } = &op.act
            && founder.id() != op.author
        {
            return Err(PeerFault::Mismatch);
        }
        let id = OpId(*blake3::hash(content).as_bytes());
        Ok(Self { op, bytes: input.to_vec(), id })
    }

    /// Checks the author's signature, and the consent of whoever is added.
    ///
    /// # Errors
    /// [`PeerFault::Mismatch`] if `key` is not the author's, else as the signatures.
    pub fn verify(&self, key: &[u8; 32]) -> Result<(), PeerFault> {
        if MemberId::of(key) != self.op.author {
            return Err(PeerFault::Mismatch);
        }
        let (content, signature) =
            self.bytes.split_last_chunk::<SIGNATURE_BYTES>().ok_or(PeerFault::Length)?;
        RemoteSignKey(*key).verify(SIGN_GROUP_OP, content, signature)?;
        match &self.op.act {
            Act::Add { member, consent, .. } => member.verify_consent(self.op.group, consent),
            _ => Ok(()),
        }
    }

    /// The operation.
    #[must_use]
    pub const fn op(&self) -> &Op {
        &self.op
    }

    /// The bytes that were signed, and the signature.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> OpId {
        self.id
    }

    /// The group it founds or belongs to.
    #[must_use]
    pub fn group(&self) -> GroupId {
        match self.op.act {
            Act::Create { .. } => GroupId(first(&self.id.0)),
            _ => self.op.group,
        }
    }
}
