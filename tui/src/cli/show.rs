//! `status` and `info`: how things are, and the way of one message.

use super::failure::Failure;
use super::read::mark;
use super::send::word;
use super::session::{Session, unexpected};
use super::talk::message_id;
use crate::text::one_line;
use karvon_node::api::data::Held;
use karvon_node::api::groups::{Recipient, Told};
use karvon_node::api::{Request, Response, State, Status, Trail};
use serde::Serialize;

/// Shows the overall state.
///
/// # Errors
/// The node's.
pub(super) async fn status(session: &Session<'_>) -> Result<(), Failure> {
    let status = session
        .with_node(async |client| match client.call(Request::Status).await? {
            Response::Status(status) => Ok(status),
            _ => Err(unexpected()),
        })
        .await?;
    if status.pid == std::process::id() {
        session
            .out
            .note("no node runs in the background: one was started for this moment (`karvon up` keeps one)");
    }
    session.out.result(&status, || for_people(&status))
}

pub(super) fn for_people(status: &Status) -> String {
    let meaning = match status.state.as_str() {
        "locked" => "locked: open it with `karvon unlock`",
        "store" => "the disk failed or is full: it is tried again by itself",
        "no_door" => "no way into the network yet: add one with `karvon door add`",
        "connecting" => "looking for a way out; messages wait safely",
        "connected" => "a door answers; your mailbox is not reached yet",
        "online" => "your mailbox is reached",
        _ => "",
    };
    let mut lines = vec![format!("{}: {meaning}", one_line(&status.state))];
    if let Some(fault) = &status.fault {
        lines.push(one_line(&fault.message));
    }
    lines.extend([
        format!("you are {}", one_line(&status.name)),
        format!(
            "links {}, doors {}, mailboxes {} of {}",
            status.links, status.doors, status.mailboxes_attached, status.mailboxes
        ),
        format!(
            "yours: {} queued, {} stored, {} delivered; received {}; contacts {}",
            status.queued, status.stored, status.delivered, status.received, status.contacts
        ),
        format!(
            "since start: {} in, {} out, memory {}, processor {} s",
            size(status.bytes_in),
            size(status.bytes_out),
            size(status.rss),
            status.cpu_ms / 1_000
        ),
    ]);
    if let Some(used) = &status.data
        && let (Some(percent), Some(_)) = (used.percent, used.cap)
    {
        lines.push(format!("data on this network: {percent} % of today's cap used"));
        lines.extend(super::data::waits(used).map(str::to_owned));
    }
    if status.one_operator {
        lines.push(
            "all your relays are one operator's: it sees your address and when you get messages".to_owned(),
        );
    }
    lines.join("\n")
}

fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} B"),
        10_000..10_000_000 => format!("{} kB", bytes / 1_000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

/// What a script gets of a message's way.
#[derive(Serialize)]
struct Info {
    id: String,
    contact: u32,
    seq: u64,
    mine: bool,
    state: State,
    trail: Vec<Trail>,
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<Held>,
}

/// What a script gets of a message to a group.
#[derive(Serialize)]
struct GroupInfo {
    id: String,
    group: u32,
    from: String,
    seq: u64,
    mine: bool,
    state: State,
    sent_at: String,
    received_at: Option<String>,
    delivered: u32,
    of: u32,
    recipients: Vec<Recipient>,
}

/// Shows the way of the message with this id; of one to a group, who has it.
///
/// # Errors
/// The node's; `no_such_message`.
pub(super) async fn info(session: &Session<'_>, id: &str) -> Result<(), Failure> {
    let id = message_id(id)?;
    let answer =
        session.with_node(async |client| Ok(client.call(Request::Info { id: id.clone() }).await?)).await?;
    let info = match answer {
        Response::Info { state, contact, seq, mine, trail, held } => {
            Info { id, contact, seq, mine, state, trail, held }
        }
        Response::Group(Told::Message {
            group,
            seq,
            mine,
            state,
            delivered,
            of,
            from,
            sent_at,
            received_at,
            recipients,
        }) => {
            let info = GroupInfo {
                id,
                group,
                from,
                seq,
                mine,
                state,
                sent_at,
                received_at,
                delivered,
                of,
                recipients,
            };
            return session.out.result(&info, || in_group(&info));
        }
        _ => return Err(unexpected()),
    };
    session.out.result(&info, || {
        let steps = info.trail.iter().map(|step| {
            let relay = step.relay.as_deref().and_then(|relay| relay.get(..8)).unwrap_or_default();
            format!("{}  {:<9} {relay:<8}  {}", step.at, step.what, step.note.as_deref().unwrap_or_default())
        });
        let head = format!("{}, number {} with contact #{}", word(info.state), info.seq, info.contact);
        let held = info
            .held
            .iter()
            .map(|held| format!("held: today's data on this network is used up; next try {}", held.next_try));
        std::iter::once(head)
            .chain(held)
            .chain(steps)
            .map(|line| one_line(line.trim_end()))
            .collect::<Vec<_>>()
            .join("\n")
    })
}

fn in_group(info: &GroupInfo) -> String {
    let mut lines = vec![
        format!(
            "{}, number {} of {} in group @{}",
            word(info.state),
            info.seq,
            one_line(&info.from),
            info.group
        ),
        format!("{}  written", info.sent_at),
    ];
    lines.extend(info.received_at.as_ref().map(|at| format!("{at}  arrived on this device")));
    if !info.mine {
        lines.push("only its author learns who has it".to_owned());
    } else if info.of == 0 {
        lines.push("in a group this large nobody learns who has it".to_owned());
    } else {
        lines.push(format!("{} of {} delivered", info.delivered, info.of));
    }
    for one in &info.recipients {
        let at = one.at.as_deref().unwrap_or("on its way");
        lines.push(format!("{at:<24}  {} {}", mark(one.state), one_line(&one.name)));
    }
    lines.join("\n")
}
