//! `invite`, `add` and `contacts`: how people find one another.

use super::args::{Add, Contacts, Introduce, Invite, OnOff};
use super::ask;
use super::failure::Failure;
use super::resolve::{label, resolve};
use super::session::{Session, contacts as all_contacts, unexpected};
use super::talk::{message_id, queue};
use crate::text::one_line;
use karvon_node::api::{Contact, Meeting, Request, Response, Setting};
use serde::Serialize;
use std::io::IsTerminal as _;
use zeroize::Zeroizing;

/// What scripts get of an invitation.
#[derive(Serialize)]
struct Invitation<'a> {
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    long: Option<&'a str>,
    expires: &'a str,
}

/// Makes an invitation and shows it.
///
/// # Errors
/// The node's.
pub(super) async fn invite(session: &Session<'_>, args: &Invite) -> Result<(), Failure> {
    let (text, long, expires, behind) = session
        .with_node(async |client| match client.call(Request::Invite).await? {
            Response::Invitation { text, long, expires } => {
                let doors = client.call(Request::Doors).await;
                let behind = matches!(doors, Ok(Response::Doors { doors }) if !doors.is_empty() && doors.iter().all(|door| door.transport.is_some()));
                Ok((Zeroizing::new(text), long.map(Zeroizing::new), expires, behind))
            }
            _ => Err(unexpected()),
        })
        .await?;
    if behind {
        session.out.note("all your doors are behind transports, which an invitation does not name: who gets it needs a door as well");
    }
    let plain = |text: &'_ str| -> String {
        let short = if args.plain { text.strip_prefix("KARVON:") } else { None };
        short.unwrap_or(text).to_owned()
    };
    let (shown, long) = (Zeroizing::new(plain(&text)), long.map(|long| Zeroizing::new(plain(&long))));
    if session.out.json {
        let long = long.as_ref().map(|long| long.as_str());
        return session.out.object(&Invitation { text: &shown, long, expires: &expires });
    }
    if args.long {
        let Some(long) = long else {
            session.out.line(&shown)?;
            session.out.note("only one door is reached, so this is the short form");
            return Ok(());
        };
        session.out.line(&long)?;
        session
            .out
            .note("for one person, by a file or a message: it works while one of these doors is there");
        return Ok(());
    }
    let (as_qr, as_text) = match (args.qr, args.text) {
        (false, false) => (std::io::stdout().is_terminal(), true),
        chosen => chosen,
    };
    if as_qr {
        session.out.line(&qr(&text)?)?;
    }
    if as_text {
        session.out.line(&shown)?;
    }
    session.out.note("for one person; the safest way is face to face, then a file, then SMS");
    Ok(())
}

/// Half blocks, light on dark as most terminals are.
fn qr(text: &str) -> Result<String, Failure> {
    let rows = crate::qr::rows(text, false).filter(|rows| rows.len() <= crate::qr::ROWS_MAX);
    rows.map(|rows| rows.join("\n"))
        .ok_or_else(|| Failure::new("too_long", "the invitation does not fit a QR code: use --text"))
}

/// Adds a person.
///
/// # Errors
/// The node's; `usage` if there is nobody to ask for the invitation.
pub(super) async fn add(session: &Session<'_>, args: Add) -> Result<(), Failure> {
    if let Some(id) = &args.message {
        let id = message_id(id)?;
        let name = args.name.unwrap_or_default();
        return added(session, async || Ok(Request::AddIntroduced { id: id.clone(), name: name.clone() }))
            .await;
    }
    let invitation = if args.stdin {
        ask::stdin()?
    } else if ask::can_ask() {
        ask::line("Paste the invitation:")?
    } else {
        return Err(Failure::usage("give the invitation on standard input, with --stdin: it is a secret"));
    };
    let invitation = Zeroizing::new(invitation.trim().to_owned());
    if invitation.is_empty() {
        return Err(Failure::usage("there is no invitation on standard input"));
    }
    let (name, text) = (args.name.unwrap_or_default(), args.text.unwrap_or_default());
    let add = async || {
        let (name, text) = (name.clone(), text.clone());
        Ok(Request::Add { invitation: invitation.to_string(), name, text })
    };
    added(session, add).await
}

/// Adds somebody and shows how far the meeting is.
pub(super) async fn added(
    session: &Session<'_>,
    request: impl AsyncFn() -> Result<Request, Failure>,
) -> Result<(), Failure> {
    let contact = session
        .with_node(async |client| {
            let Response::Added { contact } = client.call(request().await?).await? else {
                return Err(unexpected());
            };
            all_contacts(&client)
                .await?
                .into_iter()
                .find(|known| known.contact == contact)
                .ok_or_else(unexpected)
        })
        .await?;
    session.out.result(&contact, || format!("added {}: {}", label(&contact), meeting(&contact)))
}

/// Passes an invitation on.
///
/// # Errors
/// The node's; `usage` if there is no invitation.
pub(super) async fn introduce(session: &Session<'_>, args: &Introduce) -> Result<(), Failure> {
    let invitation = if args.stdin {
        ask::stdin()?
    } else if ask::can_ask() {
        ask::line("Paste the invitation:")?
    } else {
        return Err(Failure::usage("give the invitation on standard input, with --stdin: it is a secret"));
    };
    let invitation = Zeroizing::new(invitation.trim().to_owned());
    queue(session, async |client| {
        let contact = resolve(&all_contacts(client).await?, &args.who)?.contact;
        Ok(Request::Introduce { contact, name: args.name.clone(), invitation: invitation.to_string() })
    })
    .await
}

/// Changes what holds for one contact, and shows it.
async fn set(session: &Session<'_>, who: &str, setting: Setting) -> Result<(), Failure> {
    let contact = session
        .with_node(async |client| {
            let contact = resolve(&all_contacts(&client).await?, who)?.contact;
            client.call(Request::Set { contact, setting }).await?;
            all_contacts(&client)
                .await?
                .into_iter()
                .find(|known| known.contact == contact)
                .ok_or_else(unexpected)
        })
        .await?;
    session.out.result(&contact, || for_people(&contact))
}

/// Lists or renames contacts.
///
/// # Errors
/// The node's; `no_such_contact` or `ambiguous`.
pub(super) async fn contacts(session: &Session<'_>, what: Option<Contacts>) -> Result<(), Failure> {
    match what.unwrap_or(Contacts::List) {
        Contacts::List => {
            let all = session.with_node(async |client| all_contacts(&client).await).await?;
            if all.is_empty() {
                session.out.note("nobody yet: `karvon invite` or `karvon add`");
            }
            all.iter().try_for_each(|contact| session.out.result(contact, || for_people(contact)))
        }
        Contacts::Receipts { who, what } => set(session, &who, Setting::Receipts(what == OnOff::On)).await,
        Contacts::Typing { who, what } => set(session, &who, Setting::Typing(what == OnOff::On)).await,
        Contacts::Timer { who, time } => set(session, &who, Setting::Timer(time)).await,
        Contacts::Block { who } => set(session, &who, Setting::Blocked(true)).await,
        Contacts::Unblock { who } => set(session, &who, Setting::Blocked(false)).await,
        Contacts::AcceptKeys { who } => set(session, &who, Setting::KeysAccepted).await,
        Contacts::Rename { who, name } => {
            let name = name.trim().to_owned();
            if name.is_empty() {
                return Err(Failure::usage("the new name is empty"));
            }
            // With another node the old name may be gone already.
            let mut number = None;
            let renamed = session
                .with_node(async |client| {
                    let contact = match number {
                        Some(contact) => contact,
                        None => resolve(&all_contacts(&client).await?, &who)?.contact,
                    };
                    number = Some(contact);
                    client.call(Request::Rename { contact, name: name.clone() }).await?;
                    Ok(all_contacts(&client).await?.into_iter().find(|known| known.contact == contact))
                })
                .await?
                .ok_or_else(unexpected)?;
            session.out.result(&renamed, || label(&renamed))
        }
    }
}

fn for_people(contact: &Contact) -> String {
    let unread = if contact.unread > 0 { format!(", {} not seen", contact.unread) } else { String::new() };
    let verified = if contact.verified { ", verified" } else { "" };
    let timer =
        if contact.timer_s > 0 { format!(", disappears after {} s", contact.timer_s) } else { String::new() };
    let notes = [
        (contact.receipts, ", may know what you read"),
        (contact.typing, ", may know when you type"),
        (contact.blocked, ", blocked"),
        (
            contact.keys_changed,
            ", KEYS CHANGED: compare with `karvon verify`, then `karvon contacts accept-keys`",
        ),
    ];
    let notes: String = notes.into_iter().filter(|(holds, _)| *holds).map(|(_, note)| note).collect();
    format!("{}  {}{verified}{unread}{timer}{notes}", label(contact), meeting(contact))
}

fn meeting(contact: &Contact) -> String {
    match &contact.meeting {
        Meeting::LookingUp => "looking up the invitation".to_owned(),
        Meeting::Greeting => "saying hello".to_owned(),
        Meeting::Asking => match contact.work_percent {
            Some(percent) => format!("working for the request, about {percent} %"),
            None => "asking".to_owned(),
        },
        Meeting::Waiting => "request sent, waiting for an answer".to_owned(),
        Meeting::Connected => "connected".to_owned(),
        Meeting::Failed(code) => format!("failed: {}", one_line(code)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_invitation_fits_a_screen_as_a_qr_code() {
        let code = qr(&format!("KARVON:{}", "A".repeat(128))).unwrap();
        assert!(code.lines().count() <= 23 && code.lines().all(|line| line.chars().count() <= 45), "{code}");
    }
}
