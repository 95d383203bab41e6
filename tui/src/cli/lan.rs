//! Contacts on the same local network: which networks are accepted, and who is near.

use super::args::Lan;
use super::failure::Failure;
use super::session::{Session, contacts, unexpected};
use crate::text::one_line;
use karvon_node::api::{Request, Response};
use serde_json::json;

/// Carries out `lan …`.
///
/// # Errors
/// `no_lan`, `which_lan`, or what the node says.
pub(super) async fn lan(session: &Session<'_>, what: Option<Lan>) -> Result<(), Failure> {
    match what {
        None => show(session).await,
        Some(Lan::Accept { network }) => {
            change(session, Request::LanAccept { name: network }).await?;
            session.out.note("Contacts are looked for on this network from now on, and sealed messages are carried for friends.");
            Ok(())
        }
        Some(Lan::Forget { network, all }) => {
            change(session, Request::LanForget { name: network, all }).await?;
            session.out.note("Nothing is sent there any more.");
            Ok(())
        }
        Some(Lan::Carry { what }) => {
            let on = what == "on";
            change(session, Request::LanCarry { on }).await?;
            session.out.note(if on {
                "Contacts on accepted networks may leave sealed messages for others here."
            } else {
                "What neighbours brought for others is gone, and nothing more is taken."
            });
            Ok(())
        }
    }
}

async fn change(session: &Session<'_>, request: Request) -> Result<(), Failure> {
    match session.with_node(async |client| Ok(client.call(request.clone()).await?)).await? {
        Response::Done => Ok(()),
        _ => Err(unexpected()),
    }
}

async fn show(session: &Session<'_>) -> Result<(), Failure> {
    let (networks, elsewhere, near, carry) = session
        .with_node(async |client| {
            let Response::Lan { networks, elsewhere, near, carrying, carried, carried_bytes } =
                client.call(Request::Lan).await?
            else {
                return Err(unexpected());
            };
            let mut names = Vec::new();
            if !near.is_empty() {
                let all = contacts(&client).await?;
                names.extend(all.into_iter().filter(|contact| near.contains(&contact.contact)));
            }
            Ok((networks, elsewhere, names, (carrying, carried, carried_bytes)))
        })
        .await?;
    let (carrying, carried, bytes) = carry;
    let who: Vec<_> =
        near.iter().map(|contact| json!({ "contact": contact.contact, "name": contact.name })).collect();
    let told = json!({ "networks": networks, "elsewhere": elsewhere, "near": who,
        "carrying": carrying, "carried": carried, "carried_bytes": bytes });
    session.out.result(&told, || {
        let mut lines: Vec<String> = networks
            .iter()
            .map(|network| {
                let word = if network.accepted { "accepted" } else { "not accepted: nothing is sent" };
                format!("{}  {}  {word}", one_line(&network.name), one_line(&network.range))
            })
            .collect();
        if networks.is_empty() {
            lines.push("no local network here".to_owned());
        }
        if elsewhere > 0 {
            lines.push(format!("accepted and not here: {elsewhere}"));
        }
        lines.extend(near.iter().map(|contact| format!("near: {}", one_line(&contact.name))));
        if carried > 0 {
            lines.push(format!("sealed messages carried for others: {carried}, {} KB", bytes / 1_000));
        }
        if !carrying {
            lines.push("nothing is carried between neighbours: karvon lan carry on".to_owned());
        }
        lines.join("\n")
    })
}
