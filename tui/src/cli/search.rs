//! `search`: finds messages by their words, wherever they were said.

use super::args::Search;
use super::failure::Failure;
use super::session::{Session, contacts, unexpected};
use super::{channels, groups, read, resolve};
use crate::text::one_line;
use karvon_node::api::{Hit, Request, Response, Said};
use karvon_node::client::Client;

/// Carries it out.
///
/// # Errors
/// The node's; `no_such_contact` or `ambiguous`.
pub(super) async fn search(session: &Session<'_>, args: Search) -> Result<(), Failure> {
    let text = args.words.join(" ");
    let (found, more) = session
        .with_node(async |client| {
            let request = request(&client, text.clone(), &args).await?;
            match client.call(request).await? {
                Response::Found { messages, more } => Ok((messages, more)),
                _ => Err(unexpected()),
            }
        })
        .await?;
    if found.is_empty() {
        session.out.note("no message has these words");
    }
    found.iter().try_for_each(|hit| session.out.result(hit, || for_people(hit)))?;
    if more {
        session.out.note("there are more: name another word, or a larger --limit");
    }
    Ok(())
}

/// A name may be that of a group, of a channel or of a contact.
async fn request(client: &Client, text: String, args: &Search) -> Result<Request, Failure> {
    let (mut contact, mut group, mut channel) = (None, None, None);
    if let Some(place) = &args.place {
        group = groups::named(client, place).await?.map(|group| group.group);
        if group.is_none() {
            match (resolve::resolve(&contacts(client).await?, place), channels::named(client, place).await) {
                (Ok(person), Err(_)) => contact = Some(person.contact),
                (Err(_), Ok(known)) => channel = Some(known.channel),
                (Ok(person), Ok(known)) => {
                    let candidates = vec![resolve::label(person), channels::label(&known)];
                    let text = "several match: write more of the name, or the number with # or %";
                    return Err(Failure { candidates, ..Failure::new("ambiguous", text) });
                }
                (Err(failure), Err(other)) => {
                    let several = [failure, other];
                    let nobody = "no contact, group or channel has this name";
                    let ambiguous = several.into_iter().find(|failure| failure.code == "ambiguous");
                    return Err(ambiguous.unwrap_or_else(|| Failure::new("no_such_contact", nobody)));
                }
            }
        }
    }
    Ok(Request::Search { text, contact, group, channel, limit: usize::from(args.limit) })
}

/// The message with its place before it.
fn for_people(hit: &Hit) -> String {
    let place = one_line(&hit.place);
    match &hit.said {
        Said::Person(message) => format!("[{place}] {}", read::for_people(message)),
        Said::Group(message) => format!("[{place}] {}", groups::message_for_people(message)),
        Said::Channel(entry) => format!("[# {place}] {}", channels::entry_for_people(entry)),
    }
}
