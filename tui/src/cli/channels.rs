//! `channel …`: what its owner writes, and what readers see.

use super::args::Channel as What;
use super::ask;
use super::failure::Failure;
use super::out::Out;
use super::save::to_send;
use super::session::{Session, unexpected};
use crate::text::one_line;
use crate::text::sanitize::sanitize;
use karvon_node::api::channels::{Ask, Channel, ChannelEvent, Entry, Told};
use karvon_node::api::error::CLOSED;
use karvon_node::api::{Event, MESSAGES_LIMIT_MAX, Request, Response, Secret};
use karvon_node::client::Client;
use std::path::Path;
use zeroize::Zeroizing;

/// How many names an error lists.
const CANDIDATES_MAX: usize = 10;

async fn ask_node(client: &Client, ask: Ask) -> Result<Told, Failure> {
    match client.call(Request::Channel(ask)).await? {
        Response::Channel(told) => Ok(told),
        _ => Err(unexpected()),
    }
}

async fn channels(client: &Client) -> Result<Vec<Channel>, Failure> {
    match ask_node(client, Ask::List).await? {
        Told::Channels { channels } => Ok(channels),
        _ => Err(unexpected()),
    }
}

/// The channel whose name is `who`, else the one whose name begins so; `%3` is the channel with that number.
pub(super) async fn named(client: &Client, who: &str) -> Result<Channel, Failure> {
    let wanted = who.trim().to_lowercase();
    let all = channels(client).await?;
    let name = |channel: &Channel| channel.name.trim().to_lowercase();
    let same = |channel: &&Channel| name(channel) == wanted || format!("%{}", channel.channel) == wanted;
    let begins = |channel: &&Channel| !wanted.is_empty() && name(channel).starts_with(&wanted);
    let mut found: Vec<&Channel> = all.iter().filter(same).collect();
    if found.is_empty() {
        found = all.iter().filter(begins).collect();
    }
    match found.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Err(Failure {
            candidates: all.iter().map(label).take(CANDIDATES_MAX).collect(),
            ..Failure::new("no_such_channel", "you follow no channel with this name")
        }),
        several => Err(Failure {
            candidates: several.iter().map(|channel| label(channel)).take(CANDIDATES_MAX).collect(),
            ..Failure::new("ambiguous", "several match: write more of the name, or the number with %")
        }),
    }
}

/// Carries out `channel …`.
///
/// # Errors
/// The node's; `no_such_channel`, `ambiguous` or `link_damaged`.
pub(super) async fn channel(session: &Session<'_>, what: Option<What>) -> Result<(), Failure> {
    let what = what.unwrap_or(What::List);
    let input = given(&what)?;
    let mut done = None;
    session.with_node(async |client| carry_out(&client, &what, &input, session.out, &mut done).await).await
}

/// The link or the text, from the arguments or standard input.
fn given(what: &What) -> Result<Zeroizing<String>, Failure> {
    let (argument, question) = match what {
        What::Follow { link } => (link, "Paste the link:"),
        What::Post { text: None, file: Some(_), .. } => return Ok(Zeroizing::default()),
        What::Post { text, .. } => (text, "The text:"),
        _ => return Ok(Zeroizing::default()),
    };
    match argument {
        Some(text) if text != "-" => Ok(Zeroizing::new(text.clone())),
        None if ask::can_ask() => ask::line(question),
        _ => {
            let lines = ask::lines(Path::new("-"))?;
            let lines: Vec<&str> = lines.iter().map(|line| line.as_str()).collect();
            Ok(Zeroizing::new(lines.join("\n")))
        }
    }
}

async fn carry_out(
    client: &Client,
    what: &What,
    input: &Zeroizing<String>,
    out: Out,
    done: &mut Option<u32>,
) -> Result<(), Failure> {
    // With another node it may have been done already; it is not done twice.
    let number = match (what, *done) {
        (What::List, _) => {
            let all = channels(client).await?;
            if all.is_empty() {
                out.note("no channels yet: `karvon channel follow`, or `karvon channel create NAME`");
            }
            return all.iter().try_for_each(|channel| out.result(channel, || for_people(channel)));
        }
        (What::Read { channel, limit, older }, _) => {
            let channel = named(client, channel).await?;
            return read(client, &channel, *limit, *older, out).await;
        }
        (_, Some(number)) => number,
        (What::Create { name }, None) => {
            founded(ask_node(client, Ask::Create { name: name.trim().to_owned() }).await?)?
        }
        (What::Follow { .. }, None) => {
            founded(ask_node(client, Ask::Follow { link: Secret(input.clone()) }).await?)?
        }
        (What::Link { channel }, None) => named(client, channel).await?.channel,
        (What::Leave { channel }, None) => {
            let channel = named(client, channel).await?;
            ask_node(client, Ask::Leave { channel: channel.channel }).await?;
            return out.result(&channel, || format!("{} is not followed any more", label(&channel)));
        }
        (What::Post { channel, file, queued, .. }, None) => {
            let channel = named(client, channel).await?.channel;
            let file = file.as_deref().map(to_send).transpose()?;
            let text = Some(input.to_string()).filter(|text| !text.is_empty() || file.is_none());
            let file = file.map(|(name, data)| Ask::PostFile { channel, name, data: data.to_string() });
            let mut posted = Vec::new();
            for ask in file.into_iter().chain(text.map(|text| Ask::Post { channel, text })) {
                let Told::Queued { id, seq } = ask_node(client, ask).await? else { return Err(unexpected()) };
                posted.push((id, seq));
            }
            if !queued {
                stored(client, channel).await?;
            }
            let (state, mark) = if *queued { ("queued", '·') } else { ("stored", '↑') };
            return posted.iter().try_for_each(|(id, seq)| {
                let shown = serde_json::json!({ "id": id, "seq": seq, "state": state });
                out.result(&shown, || format!("{mark} entry {seq} is {state}"))
            });
        }
    };
    *done = Some(number);
    if matches!(what, What::Create { .. } | What::Link { .. }) {
        let Told::Link { link } = ask_node(client, Ask::Link { channel: number }).await? else {
            return Err(unexpected());
        };
        let shown = serde_json::json!({ "channel": number, "link": link.0.as_str() });
        return out.result(&shown, || link.0.to_string());
    }
    let channel = channels(client).await?.into_iter().find(|channel| channel.channel == number);
    let channel = channel.ok_or_else(unexpected)?;
    out.result(&channel, || for_people(&channel))
}

fn founded(told: Told) -> Result<u32, Failure> {
    match told {
        Told::Founded { channel } => Ok(channel),
        _ => Err(unexpected()),
    }
}

/// Waits until relays have all own entries.
async fn stored(client: &Client, number: u32) -> Result<(), Failure> {
    let mut events = client.subscribe().await?;
    loop {
        let under_way =
            channels(client).await?.iter().any(|channel| channel.channel == number && channel.under_way > 0);
        if !under_way {
            return Ok(());
        }
        if events.next().await.is_none() {
            return Err(Failure::new(CLOSED, "the node stopped"));
        }
    }
}

async fn read(
    client: &Client,
    channel: &Channel,
    limit: usize,
    older: bool,
    out: Out,
) -> Result<(), Failure> {
    let number = channel.channel;
    let mut before = None;
    if older && !channel.mine {
        let first = page(client, number, None, usize::MAX).await?.first().map(|entry| entry.seq);
        let mut events = client.subscribe().await?;
        ask_node(client, Ask::Older { channel: number }).await?;
        loop {
            match events.next().await {
                Some(Event::Channel(ChannelEvent::Older { channel, more })) if channel == number => {
                    if !more {
                        out.note("no relay has older entries");
                    }
                    break;
                }
                Some(_) => {}
                None => return Err(Failure::new(CLOSED, "the node stopped")),
            }
        }
        before = first;
    }
    let entries = page(client, number, before, limit).await?;
    if channel.forked {
        out.note("beware: the owner of this channel has told different people different things");
    }
    if channel.withheld > 0 {
        out.note("a relay kept entries of this channel back; they came from another one");
    }
    entries.iter().try_for_each(|entry| out.result(entry, || entry_for_people(entry)))?;
    if let Some(last) = entries.last() {
        ask_node(client, Ask::MarkRead { channel: number, seq: last.seq }).await?;
    }
    Ok(())
}

/// The newest entries before `before`, oldest first.
async fn page(
    client: &Client,
    channel: u32,
    before: Option<u64>,
    limit: usize,
) -> Result<Vec<Entry>, Failure> {
    let (mut pages, mut before, mut missing) = (Vec::new(), before, limit);
    while missing > 0 {
        let limit = missing.min(MESSAGES_LIMIT_MAX);
        let Told::Entries { entries, more } =
            ask_node(client, Ask::Entries { channel, before, after: None, limit }).await?
        else {
            return Err(unexpected());
        };
        let Some(first) = entries.first() else { break };
        before = Some(first.seq);
        missing = missing.saturating_sub(entries.len());
        pages.push(entries);
        if !more {
            break;
        }
    }
    pages.reverse();
    Ok(pages.concat())
}

/// A channel's name for a line of text, with its number.
pub(super) fn label(channel: &Channel) -> String {
    let name = if channel.name.is_empty() { "(no entry yet)".to_owned() } else { one_line(&channel.name) };
    format!("{name} (%{})", channel.channel)
}

fn for_people(channel: &Channel) -> String {
    let mine = if channel.mine { ", yours" } else { "" };
    let unread = if channel.unread > 0 { format!(", {} not seen", channel.unread) } else { String::new() };
    let forked = if channel.forked { ", beware: told different people different things" } else { "" };
    format!("{}  {} entries{mine}{unread}{forked}", label(channel), channel.entries)
}

/// `2026-11-22 05:01Z #7 Name: text`; further lines of a text are moved in.
pub(super) fn entry_for_people(entry: &Entry) -> String {
    let time = entry.sent_at.get(..16).unwrap_or(&entry.sent_at).replace('T', " ");
    let file = entry.attachment.as_ref().map(|file| {
        format!("(file {}, {} bytes: karvon save {})", one_line(&file.name), file.bytes, entry.id)
    });
    let unknown = "(a kind of entry that this version does not know)";
    let text = entry.text.as_deref().or(file.as_deref()).unwrap_or(unknown);
    let lines: Vec<String> = text.lines().map(|line| sanitize(&line.replace('\t', "    "))).collect();
    format!("{time}Z #{} {}: {}", entry.seq, one_line(&entry.from), lines.join("\n                      "))
}
