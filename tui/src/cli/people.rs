//! `invite`, `add` and `contacts`: how people find one another.

use super::args::{Add, Contacts, Invite};
use super::ask;
use super::failure::Failure;
use super::resolve::{label, resolve};
use super::session::{Session, contacts as all_contacts, unexpected};
use crate::text::one_line;
use karvon_node::api::{Contact, Meeting, Request, Response};
use serde::Serialize;
use std::io::IsTerminal as _;
use zeroize::Zeroizing;

/// What scripts get of an invitation.
#[derive(Serialize)]
struct Invitation<'a> {
    text: &'a str,
    expires: &'a str,
}

/// Makes an invitation and shows it.
///
/// # Errors
/// The node's.
pub(super) async fn invite(session: &Session<'_>, args: &Invite) -> Result<(), Failure> {
    let (text, expires) = session
        .with_node(async |client| match client.call(Request::Invite).await? {
            Response::Invitation { text, expires } => Ok((Zeroizing::new(text), expires)),
            _ => Err(unexpected()),
        })
        .await?;
    let shown = if args.plain { text.strip_prefix("KARVON:").unwrap_or(&text) } else { &text };
    if session.out.json {
        return session.out.object(&Invitation { text: shown, expires: &expires });
    }
    let (as_qr, as_text) = match (args.qr, args.text) {
        (false, false) => (std::io::stdout().is_terminal(), true),
        chosen => chosen,
    };
    if as_qr {
        session.out.line(&qr(&text)?)?;
    }
    if as_text {
        session.out.line(shown)?;
    }
    session.out.note("for one person; the safest way is face to face, then a file, then SMS");
    Ok(())
}

/// Half blocks, light on dark as most terminals are.
fn qr(text: &str) -> Result<String, Failure> {
    let rows = crate::qr::rows(text, false);
    rows.map(|rows| rows.join("\n"))
        .ok_or_else(|| Failure::new("too_long", "the invitation does not fit a QR code: use --text"))
}

/// Adds a person.
///
/// # Errors
/// The node's; `usage` if there is nobody to ask for the invitation.
pub(super) async fn add(session: &Session<'_>, args: Add) -> Result<(), Failure> {
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
    let name = args.name.unwrap_or_default();
    let contact = session
        .with_node(async |client| {
            let request = Request::Add { invitation: invitation.to_string(), name: name.clone() };
            let Response::Added { contact } = client.call(request).await? else { return Err(unexpected()) };
            all_contacts(&client)
                .await?
                .into_iter()
                .find(|known| known.contact == contact)
                .ok_or_else(unexpected)
        })
        .await?;
    session.out.result(&contact, || format!("added {}: {}", label(&contact), meeting(&contact.meeting)))
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
    format!("{}  {}{verified}{unread}", label(contact), meeting(&contact.meeting))
}

fn meeting(meeting: &Meeting) -> String {
    match meeting {
        Meeting::LookingUp => "looking up the invitation".to_owned(),
        Meeting::Greeting => "saying hello".to_owned(),
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
