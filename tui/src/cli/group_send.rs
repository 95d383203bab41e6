//! `send GROUP`: queues texts for a group and waits until all members are reached as far as asked.

use super::args::{Send, Wait};
use super::failure::{Failure, TIMEOUT};
use super::groups::ask;
use super::send::{next_items, unclear, word};
use super::session::{Session, unexpected};
use karvon_node::api::error::CLOSED;
use karvon_node::api::groups::{Ask, Group, Told};
use karvon_node::api::{Event, Request, Response, State};
use karvon_node::client::Client;
use serde::Serialize;
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, timeout_at};
use zeroize::Zeroizing;

/// What a script gets for each message.
#[derive(Serialize)]
struct Sent<'a> {
    id: &'a str,
    state: State,
    delivered: u32,
    of: u32,
}

/// Carries it out.
///
/// # Errors
/// The node's, `timeout` if a message was queued but did not get as far as asked in time.
pub(super) async fn send(
    session: &Session<'_>,
    client: &Client,
    group: Group,
    file: Option<(String, Zeroizing<String>)>,
    text: Option<String>,
    lines: &mut Option<Receiver<Result<String, Failure>>>,
    args: &Send,
) -> Result<(), Failure> {
    let mut events = match args.wait {
        Wait::Queued => None,
        Wait::Stored | Wait::Delivered => Some(client.subscribe().await?),
    };
    let mut waiting = Vec::new();
    if let Some((name, data)) = file {
        waiting
            .push(queue(client, Ask::SendFile { group: group.group, name, data: data.to_string() }).await?);
    }
    let said = |text| Ask::Send { group: group.group, text };
    if let Some(text) = text {
        waiting.push(queue(client, said(text)).await?);
    }
    while lines.is_some() {
        let items = next_items(lines).await;
        if items.is_empty() {
            *lines = None;
        }
        for item in items {
            waiting.push(queue(client, said(item?)).await?);
        }
    }
    for id in waiting {
        let limit = Instant::now() + args.timeout;
        loop {
            let sent = state_of(client, &id).await?;
            let enough = match args.wait {
                Wait::Queued => true,
                Wait::Stored => sent.0 >= State::Stored,
                Wait::Delivered => sent.0 >= State::Delivered,
            };
            let Some(events) = events.as_mut().filter(|_| !enough) else {
                report(session, &id, sent)?;
                break;
            };
            let in_time = loop {
                match timeout_at(limit, events.next()).await {
                    Err(_) => break false,
                    Ok(Some(Event::Group(_) | Event::Delivery { .. } | Event::Lagged)) => break true,
                    Ok(Some(_)) => {}
                    Ok(None) => {
                        let text = "the node stopped; the message is safe and still queued";
                        return Err(Failure::new(CLOSED, text));
                    }
                }
            };
            if !in_time {
                report(session, &id, sent)?;
                let (_, delivered, of) = sent;
                let text =
                    format!("{delivered} of {of} have it; the message is safe and goes on to the others");
                return Err(Failure::new(TIMEOUT, text));
            }
        }
    }
    Ok(())
}

async fn queue(client: &Client, ask: Ask) -> Result<String, Failure> {
    match client.call(Request::Group(ask)).await.map_err(unclear)? {
        Response::Group(Told::Queued { id, .. }) => Ok(id),
        _ => Err(unexpected()),
    }
}

async fn state_of(client: &Client, id: &str) -> Result<(State, u32, u32), Failure> {
    match ask(client, Ask::Info { id: id.to_owned() }).await? {
        Told::Message { state, delivered, of, .. } => Ok((state, delivered, of)),
        _ => Err(unexpected()),
    }
}

fn report(session: &Session<'_>, id: &str, (state, delivered, of): (State, u32, u32)) -> Result<(), Failure> {
    session
        .out
        .result(&Sent { id, state, delivered, of }, || format!("{} {delivered} of {of} {id}", word(state)))
}
