//! `verify`: the number that two people compare, and what they found.

use super::args::Verify;
use super::failure::Failure;
use super::resolve::{label, resolve};
use super::session::{Session, contacts, unexpected};
use karvon_node::api::{Request, Response, Setting};
use serde::Serialize;
use std::io::IsTerminal as _;

/// What a script gets.
#[derive(Serialize)]
struct Safety {
    contact: u32,
    number: String,
    verified: bool,
}

/// Shows the safety number, or marks a contact as verified or not.
///
/// # Errors
/// The node's; `mismatch` if another number was given; `not_connected`.
pub(super) async fn verify(session: &Session<'_>, args: &Verify) -> Result<(), Failure> {
    let given = args.number.as_deref().map(digits).transpose()?;
    let (name, safety, qr) = session
        .with_node(async |client| {
            let known = contacts(&client).await?;
            let contact = resolve(&known, &args.who)?;
            let number = contact.contact;
            let Response::Safety { number: safety, qr } =
                client.call(Request::Safety { contact: number }).await?
            else {
                return Err(unexpected());
            };
            let mark = match &given {
                Some(given) if *given == safety => Some(true),
                Some(_) => {
                    client.call(Request::Set { contact: number, setting: Setting::Verified(false) }).await?;
                    return Err(mismatch());
                }
                None if args.same => Some(true),
                None if args.undo => Some(false),
                None => None,
            };
            if let Some(verified) = mark {
                client.call(Request::Set { contact: number, setting: Setting::Verified(verified) }).await?;
            }
            let verified = mark.unwrap_or(contact.verified);
            Ok((label(contact), Safety { contact: number, number: safety, verified }, qr))
        })
        .await?;
    if !session.out.json
        && std::io::stdout().is_terminal()
        && let Some(rows) = crate::qr::rows(&qr, false)
    {
        session.out.line(&rows.join("\n"))?;
    }
    session.out.result(&safety, || {
        let verified = if safety.verified { "verified" } else { "not verified" };
        format!("{}\n{name}: {verified}", groups(&safety.number))
    })?;
    if !safety.verified {
        session.out.note("the same number on both devices means that nobody stands between you");
    }
    Ok(())
}

fn mismatch() -> Failure {
    let text = "the numbers differ: somebody may stand between you two, or one of you has another contact open; \
                say nothing secret here until you met";
    Failure::new("mismatch", text)
}

/// The 60 digits of a number as it was typed or scanned.
fn digits(text: &str) -> Result<String, Failure> {
    let text = text.trim();
    let text = text.strip_prefix("KARVON-SAFETY:").unwrap_or(text);
    let digits: String = text.chars().filter(|letter| !letter.is_whitespace() && *letter != '-').collect();
    if digits.len() == 60 && digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Ok(digits);
    }
    Err(Failure::usage("a safety number has 60 digits"))
}

/// Twelve groups of five, four in a line.
fn groups(number: &str) -> String {
    let groups: Vec<&str> =
        number.as_bytes().chunks(5).filter_map(|group| std::str::from_utf8(group).ok()).collect();
    groups.chunks(4).map(|line| line.join(" ")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_understood_however_it_is_written() {
        let plain = "0123456789".repeat(6);
        for text in [
            plain.clone(),
            groups(&plain),
            format!("KARVON-SAFETY:{plain}"),
            groups(&plain).replace(' ', "-"),
        ] {
            assert_eq!(digits(&text).unwrap(), plain, "{text}");
        }
        for text in ["", "123", &"x".repeat(60), &"1".repeat(61)] {
            assert_eq!(digits(text).unwrap_err().exit(), 2);
        }
        assert_eq!(groups(&plain).lines().count(), 3);
    }
}
