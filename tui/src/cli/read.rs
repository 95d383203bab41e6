//! `read`: shows conversations from the node's disk, and follows them.

use super::args::Read;
use super::failure::Failure;
use super::out::Out;
use super::resolve::resolve;
use super::session::{Session, contacts, unexpected};
use crate::text::one_line;
use crate::text::sanitize::sanitize;
use karvon_node::api::error::{CLOSED, LOCKED};
use karvon_node::api::{Copied, Event, MESSAGES_LIMIT_MAX, Message, Reaction, Request, Response, State};
use karvon_node::client::Client;
use std::collections::BTreeMap;

/// Messages shown to a person who names no limit.
const LIMIT_PEOPLE: usize = 50;

/// What was shown, so that following goes on from there, with another node if need be.
#[derive(Default)]
struct Shown {
    contact: Option<u32>,
    /// Id of the last message shown in each conversation.
    last: BTreeMap<u32, String>,
    began: bool,
    /// Of a group: the place of the last message shown.
    group_position: Option<u64>,
}

/// Carries it out.
///
/// # Errors
/// The node's.
pub(super) async fn read(session: &Session<'_>, args: Read) -> Result<(), Failure> {
    let mut shown = Shown::default();
    session.with_node(async |client| shown.advance(&client, &args, session.out).await).await
}

impl Shown {
    async fn advance(&mut self, client: &Client, args: &Read, out: Out) -> Result<(), Failure> {
        if self.contact.is_none()
            && let Some(who) = &args.who
            && let Some(group) = super::groups::named(client, who).await?
        {
            return super::groups::read(client, group, args, &mut self.group_position, out).await;
        }
        let known = contacts(client).await?;
        if let (None, Some(who)) = (self.contact, &args.who) {
            self.contact = Some(resolve(&known, who)?.contact);
        }
        // Asked for before the first look, so that nothing falls between.
        let mut events = if args.follow { Some(client.subscribe().await?) } else { None };
        if !self.began {
            self.remember_ends(client, args).await?;
            self.begin(client, args, out, known.iter().map(|contact| contact.contact)).await?;
            self.began = true;
        } else {
            for contact in known {
                self.catch_up(client, args, out, contact.contact).await?;
            }
        }
        while let Some(events) = &mut events {
            match events.next().await {
                Some(Event::Received { contact, .. } | Event::Delivery { contact, .. }) => {
                    self.catch_up(client, args, out, contact).await?;
                }
                Some(Event::Locked) => return Err(Failure::new(LOCKED, "the node was locked")),
                Some(Event::Renumbered { contact, id, new_id, .. }) => {
                    if let Some(last) = self.last.get_mut(&contact).filter(|last| **last == id) {
                        *last = new_id;
                    }
                }
                Some(Event::Changed { contact, id }) => self.again(client, out, contact, &id).await?,
                Some(Event::Lagged | Event::Unlocked) => {
                    for contact in contacts(client).await? {
                        self.catch_up(client, args, out, contact.contact).await?;
                    }
                }
                Some(_) => {}
                None => return Err(Failure::new(CLOSED, "the node stopped")),
            }
        }
        Ok(())
    }

    /// For following: whatever is shown first, each conversation goes on after its newest message.
    async fn remember_ends(&mut self, client: &Client, args: &Read) -> Result<(), Failure> {
        if args.follow {
            for contact in contacts(client).await? {
                let (messages, _) = page(client, Some(contact.contact), None, None, 1).await?;
                if let Some(newest) = messages.last() {
                    self.last.insert(contact.contact, newest.id.clone());
                }
            }
        }
        Ok(())
    }

    /// What there is now, oldest first.
    async fn begin(
        &mut self,
        client: &Client,
        args: &Read,
        out: Out,
        known: impl Iterator<Item = u32>,
    ) -> Result<(), Failure> {
        let limit = args.limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let messages = if let Some(since) = &args.since {
            after(client, self.contact, since.clone(), limit.unwrap_or(usize::MAX)).await?
        } else {
            let limit = limit.unwrap_or(if out.json { usize::MAX } else { LIMIT_PEOPLE });
            let mut all = Vec::new();
            match self.contact {
                Some(contact) => all = newest(client, contact, limit).await?,
                None => {
                    for contact in known {
                        all.extend(newest(client, contact, limit).await?);
                    }
                    all.sort_by(|a, b| local_time(a).cmp(local_time(b)));
                    all.drain(..all.len().saturating_sub(limit));
                }
            }
            all
        };
        self.show(client, args, out, messages).await
    }

    /// What came to a conversation since it was last shown.
    async fn catch_up(
        &mut self,
        client: &Client,
        args: &Read,
        out: Out,
        contact: u32,
    ) -> Result<(), Failure> {
        if self.contact.is_some_and(|wanted| wanted != contact) {
            return Ok(());
        }
        let messages = match self.last.get(&contact) {
            Some(last) => after(client, Some(contact), last.clone(), usize::MAX).await?,
            None => newest(client, contact, usize::MAX).await?,
        };
        self.show(client, args, out, messages).await
    }

    /// A message that may have been shown has changed: it is shown once more as it is now.
    async fn again(&self, client: &Client, out: Out, contact: u32, id: &str) -> Result<(), Failure> {
        if self.contact.is_some_and(|wanted| wanted != contact) {
            return Ok(());
        }
        let answer = match client.call(Request::Message { id: id.to_owned() }).await {
            // It has disappeared.
            Err(error) if error.code == "no_such_message" => return Ok(()),
            answer => answer?,
        };
        match answer {
            Response::Message(message) => out.result(&*message, || for_people(&message)),
            _ => Err(unexpected()),
        }
    }

    async fn show(
        &mut self,
        client: &Client,
        args: &Read,
        out: Out,
        messages: Vec<Message>,
    ) -> Result<(), Failure> {
        let mut seen: BTreeMap<u32, u64> = BTreeMap::new();
        for message in messages {
            out.result(&message, || for_people(&message))?;
            if !message.mine {
                let seq = seen.entry(message.contact).or_default();
                *seq = message.seq.max(*seq);
            }
            self.last.insert(message.contact, message.id);
        }
        if args.mark {
            for (contact, seq) in seen {
                client.call(Request::MarkRead { contact, seq }).await?;
            }
        }
        Ok(())
    }
}

/// When a message came to be on this device.
fn local_time(message: &Message) -> &str {
    message.received_at.as_deref().unwrap_or(&message.sent_at)
}

async fn page(
    client: &Client,
    contact: Option<u32>,
    before: Option<u64>,
    since: Option<String>,
    limit: usize,
) -> Result<(Vec<Message>, bool), Failure> {
    match client.call(Request::Messages { contact, before, since, limit }).await? {
        Response::Messages { messages, more } => Ok((messages, more)),
        _ => Err(unexpected()),
    }
}

/// The newest messages of a conversation, oldest first.
async fn newest(client: &Client, contact: u32, limit: usize) -> Result<Vec<Message>, Failure> {
    let (mut pages, mut before, mut missing) = (Vec::new(), None, limit);
    while missing > 0 {
        let (messages, more) =
            page(client, Some(contact), before, None, missing.min(MESSAGES_LIMIT_MAX)).await?;
        let Some(first) = messages.first() else { break };
        before = Some(first.position);
        missing = missing.saturating_sub(messages.len());
        pages.push(messages);
        if !more {
            break;
        }
    }
    pages.reverse();
    Ok(pages.concat())
}

/// The messages after the one with the id `since`, oldest first.
async fn after(
    client: &Client,
    contact: Option<u32>,
    mut since: String,
    limit: usize,
) -> Result<Vec<Message>, Failure> {
    let mut all: Vec<Message> = Vec::new();
    while all.len() < limit {
        let most = (limit - all.len()).min(MESSAGES_LIMIT_MAX);
        let (messages, more) = page(client, contact, None, Some(since), most).await?;
        let Some(last) = messages.last() else { break };
        since = last.id.clone();
        all.extend(messages);
        if !more {
            break;
        }
    }
    Ok(all)
}

/// `2026-11-22 05:01Z ✓ Ali: text`; further lines of a text are moved in, so that none can pass for another message.
pub(super) fn for_people(message: &Message) -> String {
    let time = message.sent_at.get(..16).unwrap_or(&message.sent_at).replace('T', " ");
    let mark = mark(message.state);
    let attachment = message.attachment.as_ref().map(|file| {
        format!("(file {}, {} bytes: karvon save {})", one_line(&file.name), file.bytes, message.id)
    });
    let timer = message.timer_s.map(|seconds| match seconds {
        0 => "(from here on messages are kept)".to_owned(),
        seconds => format!("(from here on messages disappear after {seconds} s)"),
    });
    let introduced = message
        .introduces
        .as_ref()
        .map(|name| format!("(introduces {}: karvon add --message {})", one_line(name), message.id));
    let missing = (message.missing > 0).then(|| format!("({} messages are missing here)", message.missing));
    let forged = is_forged(message.copied.as_deref()).then_some(FORGED);
    let text = message.text.as_deref().or(forged).or(attachment.as_deref()).or(timer.as_deref());
    let text = match text.or(introduced.as_deref()).or(missing.as_deref()) {
        Some(text) => text,
        None if message.deleted => "(deleted)",
        None => "(a kind of message that this version does not know)",
    };
    let mut lines: Vec<String> = text.lines().map(|line| sanitize(&line.replace('\t', "    "))).collect();
    let notes = [(message.edited, "(edited)"), (message.forwarded, "(forwarded)")];
    let whence = message.copied.as_deref().and_then(whence);
    let notes = notes.into_iter().filter(|(holds, _)| *holds).map(|(_, note)| note).chain(whence.as_deref());
    lines = with_notes(lines, message.reply_to.as_deref(), notes, &message.reactions);
    format!("{time}Z {mark:<2} {}: {}", one_line(&message.from), lines.join("\n                      "))
}

/// What stands for an entry that is not its owner's.
pub(super) const FORGED: &str = "(claims to be an entry of a channel, but its owner did not sign it)";
/// Digits of the key of a channel that is not followed: they tell apart two of the same name.
const KEY_DIGITS: usize = 8;

/// Whether it claims to be an entry of a channel and is not.
pub(super) fn is_forged(copied: Option<&Copied>) -> bool {
    copied.is_some_and(|copied| !copied.genuine)
}

/// From which channel an entry is that was passed on.
pub(super) fn whence(copied: &Copied) -> Option<String> {
    let name = one_line(&copied.channel);
    let key = copied.owner.get(..KEY_DIGITS).unwrap_or_default();
    copied.genuine.then(|| match copied.followed {
        Some(number) => format!("(signed entry {} of your channel %{number})", copied.seq),
        None => format!("(signed entry {} of a channel that calls itself {name}, key {key})", copied.seq),
    })
}

/// The lines of a message with what it answers before them, and what became of it after them.
pub(super) fn with_notes<'a>(
    mut lines: Vec<String>,
    reply_to: Option<&str>,
    notes: impl Iterator<Item = &'a str>,
    reactions: &[Reaction],
) -> Vec<String> {
    if let Some(answered) = reply_to {
        lines.insert(0, format!("(answers {})", one_line(answered.get(..8).unwrap_or(answered))));
    }
    let signs = reactions
        .iter()
        .map(|reaction| format!("[{} {}]", one_line(&reaction.emoji), one_line(&reaction.from)));
    let notes: Vec<String> = notes.map(str::to_owned).chain(signs).collect();
    if !notes.is_empty() {
        lines.push(notes.join(" "));
    }
    lines
}

/// The mark of a state (DESIGN §1).
pub(super) fn mark(state: State) -> &'static str {
    match state {
        State::Queued => "·",
        State::Stored => "↑",
        State::Delivered => "✓",
        State::Read => "✓✓",
        State::Received => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_can_not_pass_for_two() {
        let message = Message {
            id: "0".repeat(32),
            contact: 1,
            from: "Ali\n2026".into(),
            text: Some("one\n2026-11-22 05:02Z    Bob: lie\u{1b}[2J\u{202e}".into()),
            sent_at: "2026-11-22T05:01:02.345Z".into(),
            received_at: None,
            seq: 1,
            mine: false,
            state: State::Received,
            position: 1,
            ..Message::default()
        };
        let shown = for_people(&message);
        let lines: Vec<&str> = shown.split('\n').collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("2026-11-22 05:01Z    Ali 2026: one"), "{shown}");
        assert!(lines[1].starts_with("        ") && lines[1].ends_with("lie"), "{shown}");
    }
}
