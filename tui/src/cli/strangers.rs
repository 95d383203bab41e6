//! `address` and `requests`: how strangers ask for a conversation, and how they are answered.

use super::args::{Address, Requests};
use super::failure::Failure;
use super::people::added;
use super::session::{Session, unexpected};
use crate::text::{lines, one_line};
use karvon_node::api::{Request, Response, Stranger};
use karvon_node::client::Client;
use serde::Serialize;

/// What scripts get of the address.
#[derive(Serialize)]
struct Shown {
    address: Option<String>,
}

/// Shows, makes or ends the published address.
///
/// # Errors
/// The node's; `no_mailbox` for a new one before any relay keeps a mailbox.
pub(super) async fn address(session: &Session<'_>, args: &Address) -> Result<(), Failure> {
    let text = session
        .with_node(async |client| {
            let request = match (args.new, args.off) {
                (true, _) => Request::NewAddress,
                (_, true) => Request::EndAddress,
                _ => Request::Address,
            };
            match client.call(request).await? {
                Response::Address { text } => Ok(text),
                Response::Done => Ok(None),
                _ => Err(unexpected()),
            }
        })
        .await?;
    if session.out.json {
        return session.out.object(&Shown { address: text });
    }
    match text {
        Some(text) => {
            session.out.line(&text)?;
            session.out.note("for everybody: who uses it waits in `karvon requests`");
        }
        None if args.off => session.out.note("nobody can ask any more; your contacts are not affected"),
        None => session.out.note("there is none: `karvon address --new` makes one"),
    }
    Ok(())
}

/// Lists or answers requests.
///
/// # Errors
/// The node's; `no_such_request`.
pub(super) async fn requests(session: &Session<'_>, what: Option<Requests>) -> Result<(), Failure> {
    match what.unwrap_or(Requests::List) {
        Requests::List => {
            let (all, dropped) = session.with_node(async |client| list(&client).await).await?;
            if all.is_empty() {
                session.out.note("nobody asks; without `karvon address` nobody can");
            }
            if dropped > 0 {
                session.out.note(&format!(
                    "{dropped} older requests made room for newer ones since the node started"
                ));
            }
            all.iter().try_for_each(|stranger| session.out.result(stranger, || for_people(stranger)))
        }
        Requests::Accept { request, name } => {
            let name = name.unwrap_or_default();
            added(session, async || Ok(Request::AcceptRequest { request, name: name.clone() })).await
        }
        Requests::Decline { request } => {
            answer(session, Request::DeclineRequest { request }, "forgotten; they are not told").await
        }
        Requests::Block { request } => {
            answer(session, Request::BlockRequest { request }, "blocked; they are not told").await
        }
        Requests::Unblock { request } => {
            answer(session, Request::DeclineRequest { request }, "not blocked any more").await
        }
    }
}

async fn list(client: &Client) -> Result<(Vec<Stranger>, u64), Failure> {
    match client.call(Request::Requests).await? {
        Response::Requests { requests, dropped } => Ok((requests, dropped)),
        _ => Err(unexpected()),
    }
}

async fn answer(session: &Session<'_>, request: Request, done: &str) -> Result<(), Failure> {
    session
        .with_node(async |client| {
            client.call(request.clone()).await?;
            Ok(())
        })
        .await?;
    session.out.note(done);
    Ok(())
}

/// A stranger in words. Everything they wrote is foreign text: cleaned, never acted on, each line marked as theirs.
fn for_people(stranger: &Stranger) -> String {
    let name = one_line(&stranger.name);
    let name = if name.trim().is_empty() { "(no name)" } else { name.trim() };
    let blocked = if stranger.blocked { "  blocked" } else { "" };
    let mut out = format!("{}  {name}{blocked}  {}", stranger.request, one_line(&stranger.at));
    for line in lines(&stranger.text).iter().filter(|_| !stranger.text.is_empty()) {
        out.push_str("\n   | ");
        out.push_str(line);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stranger_wrote_can_not_pose_as_the_program() {
        let stranger = Stranger {
            request: 3,
            name: "Bob\u{1b}[2J\n4  Ali".to_owned(),
            text: "salom\u{1b}]8;;http://x\u{7}\n5  Zafar\u{202e}".to_owned(),
            at: "2026-12-22T09:00:00Z".to_owned(),
            ..Stranger::default()
        };
        let shown = for_people(&stranger);
        let rows: Vec<&str> = shown.lines().collect();
        assert_eq!(rows.len(), 3, "{shown}");
        assert!(rows[0].starts_with("3  Bob") && rows[1].starts_with("   | salom"), "{shown}");
        assert!(rows[2].starts_with("   | 5  Zafar"), "{shown}");
        assert!(!shown.chars().any(|letter| letter == '\u{1b}' || letter == '\u{7}' || letter == '\u{202e}'));
    }
}
