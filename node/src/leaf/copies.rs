//! Entries of channels that people pass on: what they say, whether their owner signed them, and from which channel they are.

use super::backend::{Inner, hex};
use super::channels;
use crate::api::groups::Told;
use crate::api::time::rfc3339;
use crate::api::{ApiError, Copied, Response, Said};
use karvon_protocol::body::{Body, Content};

/// What is told of an entry that was passed on, and what it says if its owner signed it.
pub(super) fn read(content: &Content) -> Option<(Copied, Option<Content>)> {
    let Content::Entry { owner, .. } = content else { return None };
    let owner = hex(owner);
    let Some(Ok(signed)) = content.copied() else {
        return Some((Copied { owner, ..Copied::default() }, None));
    };
    let body = Body::decode(&signed.entry.body).ok();
    let copied = Copied {
        genuine: true,
        channel: signed.entry.name,
        seq: signed.entry.seq,
        owner,
        sent_at: body.as_ref().map(|body| rfc3339(body.sent_ms)),
        followed: None,
    };
    Some((copied, body.map(|body| body.content)))
}

/// What a message says: of an entry that was passed on, what its owner said.
pub(super) fn spoken(content: Content) -> Content {
    match read(&content) {
        Some((_, inside)) => inside.unwrap_or(Content::Dummy),
        None => content,
    }
}

/// All entries in an answer that were passed on.
fn all(response: &mut Response) -> Vec<&mut Copied> {
    let found: Vec<&mut Option<Box<Copied>>> = match response {
        Response::Messages { messages, .. } => {
            messages.iter_mut().map(|message| &mut message.copied).collect()
        }
        Response::Message(message) => vec![&mut message.copied],
        Response::Found { messages, .. } => messages
            .iter_mut()
            .filter_map(|hit| match &mut hit.said {
                Said::Person(message) => Some(&mut message.copied),
                Said::Group(message) => Some(&mut message.copied),
                Said::Channel(_) => None,
            })
            .collect(),
        Response::Group(Told::Messages { messages, .. }) => {
            messages.iter_mut().map(|message| &mut message.copied).collect()
        }
        Response::Group(Told::One { message }) => vec![&mut message.copied],
        _ => Vec::new(),
    };
    found.into_iter().filter_map(Option::as_deref_mut).filter(|copied| copied.genuine).collect()
}

/// Says of entries in an answer that were passed on from which of the own channels they are: the owner's key tells, not the name.
///
/// # Errors
/// If the engine has ended.
pub(super) async fn recognise(inner: &Inner, mut response: Response) -> Result<Response, ApiError> {
    if all(&mut response).is_empty() {
        return Ok(response);
    }
    let channels = channels::list(inner).await?;
    for copied in all(&mut response) {
        let of = channels.iter().find(|info| hex(&info.owner) == copied.owner);
        copied.followed = of.map(|info| info.channel.0);
    }
    Ok(response)
}
