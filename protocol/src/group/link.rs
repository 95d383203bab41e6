//! The link by which somebody who is no contact of an admin joins a group: an invitation of that admin, and a token for one newcomer.

use crate::error::ErrorKind;
use crate::ids::{GroupId, MemberId, first};
use data_encoding::BASE32_NOPAD;
use zeroize::Zeroizing;

/// What a link begins with.
pub const GROUP_PREFIX: &str = "KARVON-GROUP:";
/// Version of the format.
const VERSION: u8 = 1;
/// Longest text that is looked at, bytes; with the longest invitation it has far less.
const TEXT_MAX: usize = 2_048;

/// What one newcomer brings to be let in.
#[derive(Clone, PartialEq, Eq)]
pub struct LinkToken(pub Zeroizing<[u8; 16]>);

impl core::fmt::Debug for LinkToken {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("LinkToken")
    }
}

/// A link to a group.
pub struct GroupLink {
    /// The group.
    pub group: GroupId,
    /// The admin, as a member.
    pub admin: MemberId,
    /// Lets one newcomer in.
    pub token: LinkToken,
    /// Text of an invitation of the admin, without its prefix.
    pub invitation: Zeroizing<String>,
}

impl core::fmt::Debug for GroupLink {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "GroupLink({:?})", self.group)
    }
}

impl GroupLink {
    /// `KARVON-GROUP:`, base32 of `version 1 | group 16 | admin 16 | token 16 | check 2`, a full stop, and the invitation.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<String> {
        let mut raw =
            Zeroizing::new([&[VERSION][..], &self.group.0, &self.admin.0, &self.token.0[..]].concat());
        let check = first::<2>(blake3::hash(&raw).as_bytes());
        raw.extend_from_slice(&check);
        let head = Zeroizing::new(BASE32_NOPAD.encode(&raw));
        Zeroizing::new(format!("{GROUP_PREFIX}{}.{}", *head, *self.invitation))
    }

    /// Reads a link, with or without its prefix, in letters of any case, with white space anywhere. The invitation is checked by whoever
    /// uses it.
    ///
    /// # Errors
    /// [`ErrorKind::LinkDamaged`], or [`ErrorKind::LinkNewer`] for one of a newer program.
    pub fn decode(text: &str) -> Result<Self, ErrorKind> {
        let damaged = ErrorKind::LinkDamaged;
        if text.len() > TEXT_MAX {
            return Err(damaged);
        }
        let mut plain = Zeroizing::new(String::with_capacity(text.len()));
        plain.extend(text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_uppercase()));
        let body = plain.strip_prefix(GROUP_PREFIX).unwrap_or(&plain);
        let (head, invitation) = body.split_once('.').ok_or(damaged)?;
        let raw = Zeroizing::new(BASE32_NOPAD.decode(head.as_bytes()).map_err(|_| damaged)?);
        let (content, check) = raw.split_last_chunk::<2>().ok_or(damaged)?;
        if first::<2>(blake3::hash(content).as_bytes()) != *check {
            return Err(damaged);
        }
        if content.first() != Some(&VERSION) {
            return Err(ErrorKind::LinkNewer);
        }
        let mut reader = crate::crypto::fixed::Reader(content.get(1..).ok_or(damaged)?);
        let fields = (reader.take::<16>(), reader.take::<16>(), reader.take::<16>(), reader.end());
        let (Some(group), Some(admin), Some(token), Some(())) = fields else { return Err(damaged) };
        Ok(Self {
            group: GroupId(*group),
            admin: MemberId(*admin),
            token: LinkToken(Zeroizing::new(*token)),
            invitation: Zeroizing::new(invitation.to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_comes_back_however_it_was_typed_and_damage_is_noticed() {
        let link = GroupLink {
            group: GroupId([1; 16]),
            admin: MemberId([2; 16]),
            token: LinkToken(Zeroizing::new([3; 16])),
            invitation: Zeroizing::new("ABC234".into()),
        };
        let text = link.encode();
        for typed in [text.to_string(), text.to_lowercase(), text.replace(GROUP_PREFIX, " ")] {
            let read = GroupLink::decode(&typed).unwrap();
            assert_eq!((read.group, read.admin, &read.token), (link.group, link.admin, &link.token));
            assert_eq!(*read.invitation, *link.invitation);
        }
        let swapped =
            if text.contains('B') { text.replacen('B', "C", 1) } else { text.replacen('A', "B", 1) };
        assert_ne!(swapped, *text);
        for bad in [swapped.as_str(), "", ".", "KARVON-GROUP:AA.BB", &text.replace('.', "")] {
            assert_eq!(GroupLink::decode(bad).err(), Some(ErrorKind::LinkDamaged), "{bad}");
        }
    }
}
