//! People who talk in groups, and what stands in their stores.

use super::World;
use karvon_protocol::body::{Body, Content};
use karvon_protocol::core::{Key, Range, Space};
use karvon_protocol::engine::api::{Command, ContactId, Reply};
use karvon_protocol::engine::group_api::{
    GroupCommand, GroupInfo, GroupNumber, GroupReply, GroupView, Standing,
};
use karvon_protocol::engine::group_marks::{Mark, MarkKind, records};
use karvon_protocol::error::ErrorKind;
use karvon_protocol::group::post::Post;
use karvon_protocol::ids::{MemberId, MessageId};
use std::collections::BTreeMap;

/// A message as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shown {
    pub from: String,
    pub text: Option<String>,
    pub answers: Option<MessageId>,
    pub edited: bool,
    pub deleted: bool,
    /// By the names of those who put them there.
    pub signs: BTreeMap<String, String>,
}

/// People who have all met person 0 (and one another if `all`), and how each numbers the others.
pub struct Friends {
    pub world: World,
    pub contacts: BTreeMap<(usize, usize), ContactId>,
}

pub const NAMES: [&str; 10] =
    ["Ali", "Bob", "Zarina", "Umed", "Lola", "Karim", "Nigina", "Farhod", "Sino", "Madina"];

impl Friends {
    pub fn new(seed: u64, count: usize, all: bool) -> Self {
        let people: Vec<(&str, &[usize])> = (0..count).map(|n| (NAMES[n], &[0, 1][..])).collect();
        let mut world = World::with(seed, 3, &people);
        let mut contacts = BTreeMap::new();
        for a in 0..count {
            for b in a + 1..count {
                if a == 0 || all {
                    let (b_of_a, a_of_b) = world.meet(a, b);
                    contacts.insert((a, b), b_of_a);
                    contacts.insert((b, a), a_of_b);
                }
            }
        }
        world.run_ms(1_000);
        Self { world, contacts }
    }

    pub fn ask(&mut self, person: usize, command: GroupCommand) -> Result<GroupReply, ErrorKind> {
        match self.world.ask(person, Command::Group(command)) {
            Ok(Reply::Group(reply)) => Ok(reply),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error),
        }
    }

    pub fn create(&mut self, person: usize, name: &str) -> GroupNumber {
        match self.ask(person, GroupCommand::Create(name.into())) {
            Ok(GroupReply::Founded(number)) => number,
            other => panic!("{other:?}"),
        }
    }

    pub fn list(&mut self, person: usize) -> Vec<GroupInfo> {
        match self.ask(person, GroupCommand::List) {
            Ok(GroupReply::Groups(groups)) => groups,
            other => panic!("{other:?}"),
        }
    }

    pub fn view(&mut self, person: usize, group: GroupNumber) -> GroupView {
        match self.ask(person, GroupCommand::View(group)) {
            Ok(GroupReply::View(view)) => *view,
            other => panic!("{other:?}"),
        }
    }

    /// `by` invites `who` into `by`'s group; `who` accepts; waits until both see it. Returns the group's number at `who`.
    pub fn bring(&mut self, by: usize, group: GroupNumber, who: usize) -> GroupNumber {
        let contact = self.contacts[&(by, who)];
        let before = self.view(by, group).info.members;
        self.ask(by, GroupCommand::Invite(group, contact)).unwrap();
        self.world.run_ms(500);
        let mut all = self.list(who).into_iter();
        let invited = all.find(|info| matches!(info.standing, Standing::Invited(_))).expect("invited");
        self.ask(who, GroupCommand::Accept(invited.group)).unwrap();
        self.world.run_ms(1_500);
        let info = self.view(who, invited.group).info;
        assert_eq!((info.standing, info.members), (Standing::In, before + 1));
        assert_eq!(self.view(by, group).info.members, before + 1);
        invited.group
    }

    pub fn send(&mut self, person: usize, group: GroupNumber, text: &str) -> u64 {
        match self.ask(person, GroupCommand::Send(group, text.into())) {
            Ok(GroupReply::Queued { seq, .. }) => seq,
            other => panic!("{other:?}"),
        }
    }

    /// What stands in the store of a person, in order of places, with what became of it.
    pub fn shown(&mut self, person: usize, group: GroupNumber) -> Vec<Shown> {
        let view = self.view(person, group);
        let disk = &self.world.people[person].node.disk;
        let all = |space, records| {
            let (from, to, limit) = (0, u64::MAX, usize::MAX);
            disk.load(&Range::Group { space, group: records, from, to, limit, newest: false })
        };
        let content = |author: &MemberId, seq| {
            let row =
                disk.load(&Range::One(Key::of(Space::GroupPost, group.records_of(author), seq))).pop()?.1;
            let post = Post::read(&row[18..]).ok()?;
            assert_eq!((post.author, post.seq), (*author, seq));
            Some(Body::decode(&post.body).unwrap().content)
        };
        let mut out = Vec::new();
        for (_, line) in all(Space::GroupLine, group.records()) {
            let author = MemberId(line[..16].try_into().unwrap());
            let seq = u64::from_be_bytes(line[16..24].try_into().unwrap());
            let Some(member) = view.members.iter().find(|member| member.member == author) else { continue };
            if seq >= member.below || member.left.is_some_and(|upto| seq > upto) {
                continue;
            }
            let marks = all(Space::GroupMark, records(group, &author, seq));
            let mut marks: Vec<Mark> = marks.iter().map(|(_, row)| Mark::decode(row).unwrap()).collect();
            marks.sort_by_key(|mark| mark.seq);
            let mut shown = Shown { from: member.name.clone(), ..Shown::default() };
            (shown.text, shown.answers) = match content(&author, seq) {
                Some(Content::Text(text)) => (Some(text), None),
                Some(Content::Reply { to, text }) => (Some(text), Some(to)),
                Some(other) => panic!("{other:?}"),
                None => (None, None),
            };
            shown.deleted = marks.iter().any(|mark| mark.kind == MarkKind::Delete);
            assert_eq!(shown.deleted, shown.text.is_none(), "what is deleted is gone");
            for mark in &marks {
                let name = |id| view.members.iter().find(|member| member.member == id).unwrap().name.clone();
                match content(&mark.by, mark.seq) {
                    Some(Content::Edit { text, .. }) if mark.by == author => {
                        (shown.text, shown.edited) = (Some(text), true);
                    }
                    Some(Content::Reaction { emoji, .. }) => {
                        shown.signs.insert(name(mark.by), emoji);
                    }
                    _ => {}
                }
            }
            shown.signs.retain(|_, emoji| !emoji.is_empty());
            out.push(shown);
        }
        out
    }

    /// The texts of a group as a person reads them.
    pub fn read(&mut self, person: usize, group: GroupNumber) -> Vec<String> {
        self.shown(person, group).into_iter().filter_map(|shown| shown.text).collect()
    }

    /// The id and number of a new own message.
    pub fn queue(&mut self, person: usize, group: GroupNumber, text: &str) -> (MessageId, u64) {
        match self.ask(person, GroupCommand::Send(group, text.into())) {
            Ok(GroupReply::Queued { id, seq }) => (id, seq),
            other => panic!("{other:?}"),
        }
    }

    pub fn member(&mut self, person: usize, group: GroupNumber, name: &str) -> MemberId {
        let view = self.view(person, group);
        view.members
            .iter()
            .find(|member| member.name == name && member.left.is_none())
            .expect("a member")
            .member
    }
}
