//! `reply`, `react`, `edit`, `delete` and `forward`: what is done with a message that is there.

use super::args::{Edit, React, Reply};
use super::failure::Failure;
use super::lines::{bounded, stdin_text};
use super::resolve::resolve;
use super::send::unclear;
use super::session::{Session, contacts, unexpected};
use karvon_node::api::groups::{Ask, Told};
use karvon_node::api::{Request, Response, State};
use karvon_node::client::Client;
use serde::Serialize;

/// What a script gets: the id of what was queued.
#[derive(Serialize)]
struct Queued {
    id: String,
    state: State,
}

/// The id of a message as it was typed.
///
/// # Errors
/// `usage` if it can not be one.
pub(super) fn message_id(text: &str) -> Result<String, Failure> {
    let id = text.trim().to_lowercase();
    if id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(id);
    }
    Err(Failure::usage("the id of a message has 32 hexadecimal digits: see `karvon read --json`"))
}

/// Answers a message.
///
/// # Errors
/// The node's; `no_such_message`.
pub(super) async fn reply(session: &Session<'_>, args: Reply) -> Result<(), Failure> {
    let to = message_id(&args.id)?;
    let text = text(&args.text)?;
    queue(session, async |_| Ok(Request::Reply { to: to.clone(), text: text.clone() })).await
}

/// Puts a sign on a message or takes it back.
///
/// # Errors
/// The node's; `no_such_message`.
pub(super) async fn react(session: &Session<'_>, args: React) -> Result<(), Failure> {
    let id = message_id(&args.id)?;
    let emoji = args.emoji.unwrap_or_default().trim().to_owned();
    if emoji.is_empty() && !args.remove {
        return Err(Failure::usage("give a sign, or --remove to take yours back"));
    }
    queue(session, async |_| Ok(Request::React { id: id.clone(), emoji: emoji.clone() })).await
}

/// Gives an own message a new text.
///
/// # Errors
/// The node's; `no_such_message`, `not_yours`, `unchangeable`.
pub(super) async fn edit(session: &Session<'_>, args: Edit) -> Result<(), Failure> {
    let id = message_id(&args.id)?;
    let text = text(&args.text)?;
    queue(session, async |_| Ok(Request::Edit { id: id.clone(), text: text.clone() })).await
}

/// Takes an own message back.
///
/// # Errors
/// As [`edit`].
pub(super) async fn delete(session: &Session<'_>, id: &str) -> Result<(), Failure> {
    let id = message_id(id)?;
    queue(session, async |_| Ok(Request::Delete { id: id.clone() })).await
}

/// Passes a message on.
///
/// # Errors
/// The node's; `no_such_message`, `no_such_contact`, `ambiguous`, `unchangeable`.
pub(super) async fn forward(session: &Session<'_>, id: &str, who: &str) -> Result<(), Failure> {
    let id = message_id(id)?;
    queue(session, async |client| {
        let id = id.clone();
        if let Some(group) = super::groups::named(client, who).await? {
            return Ok(Request::Group(Ask::Forward { group: group.group, id }));
        }
        let contact = resolve(&contacts(client).await?, who)?.contact;
        Ok(Request::Forward { id, contact })
    })
    .await
}

fn text(argument: &str) -> Result<String, Failure> {
    if argument == "-" { stdin_text() } else { bounded(argument).map(str::to_owned) }
}

/// Carries out a request that queues a body, and tells its id.
///
/// # Errors
/// The node's.
pub(super) async fn queue(
    session: &Session<'_>,
    request: impl AsyncFn(&Client) -> Result<Request, Failure>,
) -> Result<(), Failure> {
    let id = session
        .with_node(async |client| match client.call(request(&client).await?).await.map_err(unclear)? {
            Response::Queued { id, .. } | Response::Group(Told::Queued { id, .. }) => Ok(id),
            _ => Err(unexpected()),
        })
        .await?;
    let queued = Queued { id, state: State::Queued };
    session.out.result(&queued, || format!("queued {}", queued.id))
}
