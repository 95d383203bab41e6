//! What a conversation is: with a person, in a group, or a channel; each is asked for and told of in its own words of the local interface.

use std::collections::BTreeMap;

use karvon_node::api::{Hit, Message, Request, Response, Said, State, channels, groups};

use super::search::Found;
use super::{Last, Model};
use crate::text;

/// Number of a contact that nobody has: messages of groups and channels are nobody's in the list of people.
pub const NOBODY: u32 = u32::MAX;
/// Digits of a member's id that tell apart two members of the same name.
const MEMBER_DIGITS: usize = 4;

/// A conversation, by its local number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Talk {
    /// With a contact.
    Person(u32),
    /// In a group.
    Group(u32),
    /// Of a channel.
    Channel(u32),
}

/// Which messages are asked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part<'a> {
    /// The newest.
    Newest,
    /// Those before a position.
    Before(u64),
    /// Those after a message.
    After(&'a Message),
    /// The first.
    First,
}

impl Talk {
    /// The contact, if it is with a person.
    #[must_use]
    pub fn person(self) -> Option<u32> {
        if let Self::Person(contact) = self { Some(contact) } else { None }
    }

    /// The group, if it is in one.
    #[must_use]
    pub fn group(self) -> Option<u32> {
        if let Self::Group(group) = self { Some(group) } else { None }
    }

    /// The channel, if it is one.
    #[must_use]
    pub fn channel(self) -> Option<u32> {
        if let Self::Channel(channel) = self { Some(channel) } else { None }
    }

    /// Asks for messages, at most `limit`.
    pub(super) fn page(self, part: Part<'_>, limit: usize) -> Request {
        let (before, after) = match part {
            Part::Newest => (None, None),
            Part::Before(position) => (Some(position), None),
            Part::After(message) => (None, Some(message.position)),
            Part::First => (None, Some(0)),
        };
        match self {
            Self::Person(contact) if matches!(part, Part::First) => {
                Request::MessagesAfter { contact, position: 0, limit }
            }
            Self::Person(contact) => {
                let since = if let Part::After(message) = part { Some(message.id.clone()) } else { None };
                Request::Messages { contact: Some(contact), before, since, limit }
            }
            Self::Group(group) => Request::Group(groups::Ask::Messages { group, before, after, limit }),
            Self::Channel(channel) => {
                Request::Channel(channels::Ask::Entries { channel, before, after, limit })
            }
        }
    }

    /// Hands over a text.
    pub(super) fn send(self, text: String) -> Request {
        match self {
            Self::Person(contact) => Request::Send { contact, text },
            Self::Group(group) => Request::Group(groups::Ask::Send { group, text }),
            Self::Channel(channel) => Request::Channel(channels::Ask::Post { channel, text }),
        }
    }

    /// Hands over a file, in base64.
    pub(crate) fn send_file(self, name: String, data: String) -> Request {
        match self {
            Self::Person(contact) => Request::SendFile { contact, name, data },
            Self::Group(group) => Request::Group(groups::Ask::SendFile { group, name, data }),
            Self::Channel(channel) => Request::Channel(channels::Ask::PostFile { channel, name, data }),
        }
    }

    /// Passes a message on, marked as forwarded; `None` for channels, where only their owner speaks.
    pub(super) fn forward(self, id: String) -> Option<Request> {
        match self {
            Self::Person(contact) => Some(Request::Forward { id, contact }),
            Self::Group(group) => Some(Request::Group(groups::Ask::Forward { group, id })),
            Self::Channel(_) => None,
        }
    }

    /// Says that everything up to here was seen; what [`super::Chat::seen_upto`] counts.
    pub(super) fn seen(self, upto: u64) -> Request {
        match self {
            Self::Person(contact) => Request::MarkRead { contact, seq: upto },
            Self::Group(group) => Request::Group(groups::Ask::MarkRead { group, position: upto }),
            Self::Channel(channel) => Request::Channel(channels::Ask::MarkRead { channel, seq: upto }),
        }
    }
}

/// Own messages to a group by position: how many members have each on disk, and how many it is for.
pub type Counts = BTreeMap<u64, (u32, u32)>;

/// An answer about messages of a group or channel, in the form in which those of persons come.
pub(super) fn plain(model: &Model, response: Response) -> (Response, Counts) {
    let mut counts = Counts::new();
    let response = match response {
        Response::Group(groups::Told::Queued { id, seq })
        | Response::Channel(channels::Told::Queued { id, seq }) => Response::Queued { id, seq },
        Response::Group(groups::Told::Messages { messages, more }) => {
            for message in &messages {
                if let (Some(delivered), Some(of)) = (message.delivered, message.of) {
                    counts.insert(message.position, (delivered, of));
                }
            }
            let names = Names::of(model, &messages);
            let messages = messages.into_iter().map(|message| of_group(message, &names)).collect();
            Response::Messages { messages, more }
        }
        Response::Group(groups::Told::One { message }) => {
            let names = Names::of(model, core::slice::from_ref(&*message));
            Response::Message(Box::new(of_group(*message, &names)))
        }
        Response::Channel(channels::Told::Entries { entries, more }) => {
            Response::Messages { messages: entries.into_iter().map(of_channel).collect(), more }
        }
        other => other,
    };
    (response, counts)
}

/// What a search found, in the form in which messages of persons come.
pub(super) fn found(model: &Model, hits: Vec<Hit>) -> Vec<Found> {
    let found = |hit: Hit| match hit.said {
        Said::Person(message) => Found { talk: Talk::Person(message.contact), message },
        Said::Group(message) => {
            let names = Names::of(model, core::slice::from_ref(&message));
            Found { talk: Talk::Group(message.group), message: of_group(message, &names) }
        }
        Said::Channel(entry) => Found { talk: Talk::Channel(entry.channel), message: of_channel(entry) },
    };
    hits.into_iter().map(found).collect()
}

/// Names of a group's members: whoever shares a name is told apart by their id.
struct Names(BTreeMap<String, String>);

impl Names {
    fn of(model: &Model, messages: &[groups::GroupMessage]) -> Self {
        let group = messages.first().map(|message| message.group);
        let said = messages.iter().map(|message| (&message.member, &message.from));
        Self::with(model, group, said)
    }

    fn with<'a>(
        model: &'a Model,
        group: Option<u32>,
        named: impl Iterator<Item = (&'a String, &'a String)>,
    ) -> Self {
        let known = model.members.iter().filter(|(of, _)| Some(*of) == group);
        let known = known.flat_map(|(_, members)| members).map(|member| (&member.member, &member.name));
        Self(known.chain(named).map(|(member, name)| (member.clone(), clean(name))).collect())
    }

    fn shown(&self, member: &str) -> String {
        let name = self.0.get(member).cloned().unwrap_or_default();
        let shared = self.0.iter().any(|(other, known)| other != member && *known == name);
        let digits: String = text::one_line(member).chars().take(MEMBER_DIGITS).collect();
        match () {
            () if name.is_empty() => format!("#{digits}"),
            () if shared => format!("{name} {digits}"),
            () => name,
        }
    }
}

/// Names of those whom a message to a group is for, fit to be drawn.
#[must_use]
pub fn recipients(model: &Model, talk: Talk, recipients: &[groups::Recipient]) -> Vec<String> {
    let named = recipients.iter().map(|one| (&one.member, &one.name));
    let names = Names::with(model, talk.group(), named);
    recipients.iter().map(|one| names.shown(&one.member)).collect()
}

/// A name fit to be drawn; empty if nothing of it can be seen.
fn clean(name: &str) -> String {
    let shown = text::name(name, NOBODY);
    if shown == format!("#{NOBODY}") { String::new() } else { shown }
}

fn of_group(message: groups::GroupMessage, names: &Names) -> Message {
    Message {
        id: message.id,
        contact: NOBODY,
        from: names.shown(&message.member),
        text: message.text,
        sent_at: message.sent_at,
        received_at: message.received_at,
        seq: message.seq,
        mine: message.mine,
        state: message.state,
        position: message.position,
        reply_to: message.reply_to,
        reactions: message.reactions,
        edited: message.edited,
        deleted: message.deleted,
        forwarded: message.forwarded,
        attachment: message.attachment,
        copied: message.copied,
        expires_s: message.expires_s,
        ..Message::default()
    }
}

/// Whose it is and how far it is, is said of the channel as a whole: see [`settle`].
fn of_channel(entry: channels::Entry) -> Message {
    Message {
        id: entry.id,
        contact: NOBODY,
        from: clean(&entry.from),
        text: entry.text,
        attachment: entry.attachment,
        sent_at: entry.sent_at,
        received_at: Some(entry.stored_at),
        seq: entry.seq,
        state: State::Received,
        position: entry.seq,
        ..Message::default()
    }
}

/// Gives the entries of own channels their marks. The node tells how many are not yet with two relays, not which: while there are any,
/// only those keep a mark that were stored before.
pub(super) fn settle(model: &mut Model) {
    for channel in model.channels.iter().filter(|channel| channel.mine) {
        let stored = channel.under_way == 0;
        let open = model.chat.as_mut().filter(|chat| chat.talk == Talk::Channel(channel.channel));
        for message in open.into_iter().flat_map(|chat| chat.messages.iter_mut()) {
            message.mine = true;
            if stored {
                message.state = State::Stored;
            }
        }
        if let Some(Last { state, .. }) = model.last.get_mut(&Talk::Channel(channel.channel)) {
            *state = if stored { State::Stored } else { State::Received };
        }
    }
}

impl Model {
    /// The group with this number.
    #[must_use]
    pub fn group(&self, number: u32) -> Option<&groups::Group> {
        self.groups.iter().find(|group| group.group == number)
    }

    /// The channel with this number.
    #[must_use]
    pub fn channel(&self, number: u32) -> Option<&channels::Channel> {
        self.channels.iter().find(|channel| channel.channel == number)
    }

    /// The members of a group, if they were asked for.
    #[must_use]
    pub fn members_of(&self, group: u32) -> Option<&[groups::Member]> {
        self.members.as_ref().filter(|(of, _)| *of == group).map(|(_, members)| members.as_slice())
    }

    /// Name of a conversation, fit to be drawn.
    #[must_use]
    pub fn talk_name(&self, talk: Talk) -> String {
        match talk {
            Talk::Person(contact) => self.contact_name(contact),
            Talk::Group(number) => text::name(self.group(number).map_or("", |group| &group.name), number),
            Talk::Channel(number) => {
                let name = clean(self.channel(number).map_or("", |channel| &channel.name));
                let name = if name.is_empty() { self.texts.get("channel-unnamed") } else { name };
                format!("# {name}")
            }
        }
    }

    /// Messages of a conversation that were not seen yet.
    #[must_use]
    pub fn unread(&self, talk: Talk) -> u64 {
        match talk {
            Talk::Person(number) => self.contact(number).map_or(0, |contact| contact.unread),
            Talk::Group(number) => self.group(number).map_or(0, |group| group.unread),
            Talk::Channel(number) => self.channel(number).map_or(0, |channel| channel.unread),
        }
    }

    /// Why nothing can be written to this conversation: key of the sentence.
    #[must_use]
    pub fn read_only(&self, talk: Talk) -> Option<&'static str> {
        match talk {
            Talk::Person(_) => None,
            Talk::Group(number) => match self.group(number).map(|group| group.standing) {
                None | Some(groups::Standing::In) => None,
                Some(groups::Standing::Invited | groups::Standing::Joining) => Some("group-joining"),
                Some(groups::Standing::Out) => Some("group-out"),
            },
            Talk::Channel(number) => {
                self.channel(number).filter(|channel| !channel.mine).map(|_| "channel-read-only")
            }
        }
    }

    /// Whether a conversation stands in the list: not groups that nobody joined.
    fn listed(&self, group: &groups::Group) -> bool {
        match group.standing {
            groups::Standing::Invited => false,
            groups::Standing::Joining | groups::Standing::In => true,
            groups::Standing::Out => self.last.contains_key(&Talk::Group(group.group)),
        }
    }

    /// The conversation with the newest message first; those without messages after them, the newest first.
    pub(super) fn sort(&mut self) {
        let last = &self.last;
        let at = |talk: Talk| last.get(&talk).map(|last| last.at.as_str());
        self.contacts.sort_by(|a, b| {
            let (one, other) = (Talk::Person(a.contact), Talk::Person(b.contact));
            at(other).cmp(&at(one)).then(b.contact.cmp(&a.contact))
        });
        let people = self.contacts.iter().map(|contact| Talk::Person(contact.contact));
        let groups = self.groups.iter().rev().filter(|group| self.listed(group));
        let groups = groups.map(|group| Talk::Group(group.group));
        let channels = self.channels.iter().rev().map(|channel| Talk::Channel(channel.channel));
        let mut list: Vec<Talk> = people.chain(groups).chain(channels).collect();
        list.sort_by(|a, b| at(*b).cmp(&at(*a)));
        self.list = list;
    }

    /// Takes a message into account as the newest of its conversation.
    pub(super) fn note_last(&mut self, talk: Talk, message: &Message) {
        let newer = self.last.get(&talk).is_none_or(|last| last.position <= message.position);
        if newer {
            let at = message.received_at.as_ref().unwrap_or(&message.sent_at).clone();
            let last = Last { at, seq: message.seq, position: message.position, state: message.state };
            self.last.insert(talk, last);
        }
    }
}
