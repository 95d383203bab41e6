//! Joining a group by a link: an admin's device makes it, and takes in the one newcomer who brings its token (SPEC §10.9).

use super::Engine;
use super::api::{ContactId, Event, Reply};
use super::cx::{Cx, Signal};
use super::group_api::{GroupEvent, GroupNumber, GroupReply, Standing};
use super::group_state::{Group, Own};
use super::groups::{Groups, Me};
use crate::crypto::kdf::random;
use crate::error::ErrorKind;
use crate::group::link::{GroupLink, LinkToken};
use crate::group::op::Role;
use crate::group::wire::Letter;
use zeroize::Zeroizing;

/// Links of one group that nobody has used yet; the oldest is given up.
pub(crate) const LINKS_MAX: usize = 64;

impl Engine {
    /// Makes a link for one newcomer.
    pub(crate) fn link_group(&mut self, number: GroupNumber) -> Result<GroupReply, ErrorKind> {
        let group = self.groups.get(number)?;
        let own = group.own.id;
        let roster = group.log_mut()?.roster();
        if roster.member(&own).is_none_or(|seat| seat.role < Role::Admin) {
            return Err(ErrorKind::NotAllowed);
        }
        let Reply::Invitation { text, .. } = self.invite()? else { return Err(ErrorKind::NoDoor) };
        let (groups, mut cx) = self.with_groups();
        let group = groups.get(number)?;
        let token = LinkToken(random(cx.rng));
        if group.links.len() >= LINKS_MAX {
            group.links.remove(0);
        }
        group.links.push(token.clone());
        cx.write(group.save());
        let invitation = Zeroizing::new(text.trim_start_matches("KARVON:").to_owned());
        let link = GroupLink { group: group.group, admin: group.own.id, token, invitation };
        Ok(GroupReply::Link(link.encode()))
    }

    /// Asks to join by a link; the admin becomes a contact.
    pub(crate) fn join_group(&mut self, link: &str, name: String) -> Result<GroupReply, ErrorKind> {
        let link = GroupLink::decode(link)?;
        if let Some(group) = self.groups.by_id(link.group)
            && matches!(group.standing, Standing::In | Standing::Joining(_))
        {
            return Ok(GroupReply::Founded(group.number));
        }
        let Reply::Added(contact) = self.add(&link.invitation, name, String::new())? else {
            return Err(ErrorKind::LinkDamaged);
        };
        self.on_groups(|groups, _, me, cx| {
            let number = groups.begin_joining(&link, contact, cx)?;
            let group = groups.get(number)?;
            group.ask_in(contact, me, Some(link.token.clone()), cx);
            Ok(GroupReply::Founded(number))
        })
    }
}

impl Groups {
    /// Whoever was to take this person in can not be met.
    pub(crate) fn on_unmet(&mut self, contact: ContactId, cx: &mut Cx<'_>) {
        self.groups.values_mut().for_each(|group| group.turned_away(contact, cx));
    }

    fn begin_joining(
        &mut self,
        link: &GroupLink,
        by: ContactId,
        cx: &mut Cx<'_>,
    ) -> Result<GroupNumber, ErrorKind> {
        let own = Own::generate(cx.rng);
        let number = match self.by_id(link.group) {
            Some(group) => {
                group.begin_anew(Standing::Joining(by), own, cx);
                group.number
            }
            None => {
                let number = self.next_number()?;
                self.groups.insert(number, Group::new(number, link.group, Standing::Joining(by), own));
                number
            }
        };
        let group = self.get(number)?;
        group.known.insert(link.admin, by);
        cx.write(group.save());
        Ok(number)
    }
}

impl Group {
    /// Asks `by` to take this person in.
    pub(crate) fn ask_in(&mut self, by: ContactId, me: Me<'_>, token: Option<LinkToken>, cx: &mut Cx<'_>) {
        let member = self.own.member(me.who, me.name);
        let consent = member.consent(self.group, &self.own.key);
        self.standing = Standing::Joining(by);
        cx.write(self.save());
        cx.signal(Signal::Post(by, Letter::Join { group: self.group, member, consent, token }, None));
        cx.notify(Event::Group(GroupEvent::Changed(self.number)));
    }

    /// Whoever brings the token of a link is invited by it; a token does so once.
    pub(crate) fn redeem(&mut self, from: ContactId, token: Option<LinkToken>) {
        use subtle::ConstantTimeEq as _;
        let found =
            token.and_then(|token| self.links.iter().position(|held| held.0.ct_eq(&token.0[..]).into()));
        if let Some(at) = found {
            self.links.remove(at);
            self.invited.insert(from);
        }
    }

    /// The admin did not take this person in.
    pub(crate) fn on_decline(&mut self, from: ContactId, cx: &mut Cx<'_>) {
        if self.invited.remove(&from) {
            cx.write(self.save());
        }
        self.turned_away(from, cx);
    }

    fn turned_away(&mut self, by: ContactId, cx: &mut Cx<'_>) {
        if self.standing == Standing::Joining(by) {
            self.standing = Standing::Out;
            cx.write(self.save());
            cx.notify(Event::Group(GroupEvent::Changed(self.number)));
        }
    }
}
