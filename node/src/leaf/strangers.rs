//! The published address and the requests that come by it, as the local interface shows them.

use super::backend::{Inner, closed, hex};
use crate::api::time::rfc3339;
use crate::api::{ApiError, Response, Stranger};
use karvon_protocol::engine::api::{Command, Reply};

/// Carries out a command about the address, and shows it.
pub(super) async fn address(inner: &Inner, command: Command) -> Result<Response, ApiError> {
    match inner.command(command).await? {
        Reply::Address(text) => Ok(Response::Address { text: text.map(|text| text.to_string()) }),
        _ => Err(closed()),
    }
}

/// What strangers asked, and who of them is blocked.
pub(super) async fn requests(inner: &Inner) -> Result<Response, ApiError> {
    let Reply::Requests { requests, dropped } = inner.command(Command::Requests).await? else {
        return Err(closed());
    };
    let requests = requests
        .into_iter()
        .map(|stranger| Stranger {
            request: stranger.request,
            name: stranger.name,
            text: stranger.text,
            fingerprint: hex(&stranger.fingerprint.0),
            at: rfc3339(stranger.at_ms),
            blocked: stranger.blocked,
        })
        .collect();
    Ok(Response::Requests { requests, dropped })
}
