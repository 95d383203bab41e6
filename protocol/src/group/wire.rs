//! What the devices of two members tell each other about a group over their session, as a body that no conversation shows.

use super::link::LinkToken;
use super::op::Member;
use super::{MEMBERS_MAX, OPS_MAX};
use crate::cbor::{Field, MapWriter, bytes, canonical, read_map, uint};
use crate::crypto::SIGNATURE_BYTES;
use crate::error::PeerFault;
use crate::ids::{GroupId, MemberId, OpId};
use crate::limits::NAME_BYTES_MAX;
use zeroize::Zeroizing;

/// Body kinds of letters (SPEC §3).
pub const KINDS: core::ops::RangeInclusive<u64> = 32..=47;
/// Longest letter, bytes.
pub const LETTER_BYTES_MAX: usize = 56_000;
/// Signed operations or messages in one letter.
const ITEMS_MAX: usize = 512;
/// Longest signed item, bytes.
const ITEM_BYTES_MAX: usize = 50_000;

/// A letter about a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Letter {
    /// 32: you may join.
    Invite {
        /// The group.
        group: GroupId,
        /// Its name now.
        name: String,
        /// Members now.
        members: u64,
        /// Who invites, as a member.
        me: MemberId,
    },
    /// 33: I want to join as this member.
    Join {
        /// The group.
        group: GroupId,
        /// The new member.
        member: Member,
        /// [`Member::consent`].
        consent: [u8; SIGNATURE_BYTES],
        /// What a link gave; nothing if a contact invited.
        token: Option<LinkToken>,
    },
    /// 34: I do not want to join, or the invitation is withdrawn.
    Decline(GroupId),
    /// 35: signed operations of the membership log, each after its parents.
    Ops {
        /// The group.
        group: GroupId,
        /// Signed bytes.
        ops: Vec<Vec<u8>>,
    },
    /// 36: signed messages.
    Posts {
        /// The group.
        group: GroupId,
        /// Members whom whoever sent this reached by themself.
        reached: Vec<MemberId>,
        /// Signed bytes.
        posts: Vec<Vec<u8>>,
    },
    /// 37: this is me in that group.
    Hello {
        /// The group.
        group: GroupId,
        /// The member that I am.
        me: MemberId,
    },
    /// 38: I miss these operations, and messages of these authors from these numbers on.
    Ask {
        /// The group.
        group: GroupId,
        /// Operations.
        ops: Vec<OpId>,
        /// Authors and first numbers.
        posts: Vec<(MemberId, u64)>,
    },
    /// 39: a signed receipt.
    Receipt {
        /// The group.
        group: GroupId,
        /// Signed bytes.
        receipt: Vec<u8>,
    },
}

impl Letter {
    /// The group it is about.
    #[must_use]
    pub const fn group(&self) -> GroupId {
        match self {
            Self::Invite { group, .. }
            | Self::Join { group, .. }
            | Self::Decline(group)
            | Self::Ops { group, .. }
            | Self::Posts { group, .. }
            | Self::Hello { group, .. }
            | Self::Ask { group, .. }
            | Self::Receipt { group, .. } => *group,
        }
    }

    /// Body kind and CBOR map.
    #[must_use]
    pub fn encode(&self) -> (u64, Vec<u8>) {
        let mut map = MapWriter::default();
        map.bytes(0, &self.group().0);
        let list = |items: &[Vec<u8>]| items.iter().map(|item| bytes(item)).collect::<Vec<_>>();
        let kind = match self {
            Self::Invite { name, members, me, .. } => {
                map.text(1, name).uint(2, *members).bytes(3, &me.0);
                32
            }
            Self::Join { member, consent, token, .. } => {
                map.bytes(1, &member.encode()).bytes(2, consent);
                if let Some(token) = token {
                    map.bytes(3, &token.0[..]);
                }
                33
            }
            Self::Decline(_) => 34,
            Self::Ops { ops, .. } => {
                map.array(1, &list(ops));
                35
            }
            Self::Posts { reached, posts, .. } => {
                let reached: Vec<_> = reached.iter().map(|member| bytes(&member.0)).collect();
                map.array(1, &reached).array(2, &list(posts));
                36
            }
            Self::Hello { me, .. } => {
                map.bytes(1, &me.0);
                37
            }
            Self::Ask { ops, posts, .. } => {
                let ops: Vec<_> = ops.iter().map(|id| bytes(&id.0)).collect();
                let posts: Vec<_> =
                    posts.iter().flat_map(|(author, from)| [bytes(&author.0), uint(*from)]).collect();
                map.array(1, &ops).array(2, &posts);
                38
            }
            Self::Receipt { receipt, .. } => {
                map.bytes(1, receipt);
                39
            }
        };
        (kind, map.finish())
    }

    /// Reads a letter of body kind `kind`.
    ///
    /// # Errors
    /// A [`PeerFault`]; [`PeerFault::UnknownCritical`] for a kind of a newer version.
    pub fn decode(kind: u64, input: &[u8]) -> Result<Self, PeerFault> {
        let mut parts = Parts::default();
        read_map(input, |key, field| parts.take(kind, key, field))?;
        let letter = parts.whole(kind)?;
        canonical(input, letter, |letter| letter.encode().1)
    }
}

/// Fields as they come.
#[derive(Default)]
struct Parts {
    group: Option<GroupId>,
    name: Option<String>,
    number: Option<u64>,
    member: Option<Member>,
    me: Option<MemberId>,
    consent: Option<[u8; SIGNATURE_BYTES]>,
    token: Option<LinkToken>,
    items: Vec<Vec<u8>>,
    members: Vec<MemberId>,
    ids: Vec<OpId>,
    from: Vec<(MemberId, u64)>,
    bytes: Vec<u8>,
}

impl Parts {
    fn take(&mut self, kind: u64, key: u64, field: &mut Field<'_>) -> Result<bool, PeerFault> {
        match (kind, key) {
            (_, 0) => self.group = Some(GroupId(field.fixed()?)),
            (32, 1) => self.name = Some(field.text(NAME_BYTES_MAX)?.to_owned()),
            (32, 2) => self.number = Some(field.uint()?),
            (32, 3) | (37, 1) => self.me = Some(MemberId(field.fixed()?)),
            (33, 1) => self.member = Some(Member::decode(field.bytes(512)?)?),
            (33, 2) => self.consent = Some(field.fixed()?),
            (33, 3) => self.token = Some(LinkToken(Zeroizing::new(field.fixed()?))),
            (35, 1) | (36, 2) => {
                self.items = field.array(ITEMS_MAX, |item| item.bytes(ITEM_BYTES_MAX).map(<[u8]>::to_vec))?;
            }
            (36, 1) => self.members = field.array(MEMBERS_MAX, |item| Ok(MemberId(item.fixed()?)))?,
            (38, 1) => self.ids = field.array(OPS_MAX, |item| Ok(OpId(item.fixed()?)))?,
            (38, 2) => {
                let mut author = None;
                let from = &mut self.from;
                field.array(2 * MEMBERS_MAX, |item| {
                    match author.take() {
                        None => author = Some(MemberId(item.fixed()?)),
                        Some(author) => from.push((author, item.uint()?)),
                    }
                    Ok(())
                })?;
            }
            (39, 1) => self.bytes = field.bytes(ITEM_BYTES_MAX)?.to_vec(),
            _ => return Err(PeerFault::UnknownCritical),
        }
        Ok(true)
    }

    fn whole(self, kind: u64) -> Result<Letter, PeerFault> {
        let missing = PeerFault::Malformed;
        let group = self.group.ok_or(missing)?;
        Ok(match kind {
            32 => Letter::Invite {
                group,
                name: self.name.ok_or(missing)?,
                members: self.number.ok_or(missing)?,
                me: self.me.ok_or(missing)?,
            },
            33 => Letter::Join {
                group,
                member: self.member.ok_or(missing)?,
                consent: self.consent.ok_or(missing)?,
                token: self.token,
            },
            34 => Letter::Decline(group),
            35 => Letter::Ops { group, ops: self.items },
            36 => Letter::Posts { group, reached: self.members, posts: self.items },
            37 => Letter::Hello { group, me: self.me.ok_or(missing)? },
            38 => Letter::Ask { group, ops: self.ids, posts: self.from },
            39 => Letter::Receipt { group, receipt: self.bytes },
            _ => return Err(PeerFault::UnknownCritical),
        })
    }
}
