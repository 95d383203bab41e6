//! `door`: the ways into the network.

use super::args::Door;
use super::ask;
use super::failure::Failure;
use super::netcheck;
use super::session::{Session, unexpected};
use crate::text::one_line;
use karvon_node::api::{DoorInfo, Request, Response};
use karvon_node::client::{Client, check_door};
use std::path::Path;
use zeroize::Zeroizing;

/// Carries it out.
///
/// # Errors
/// The node's; `door_damaged` before anything is changed.
pub(super) async fn door(session: &Session<'_>, what: Door, lang: Option<&str>) -> Result<(), Failure> {
    match what {
        Door::List => {
            let doors = session.with_node(async |client| doors(&client).await).await?;
            if doors.is_empty() {
                session.out.note("no door yet: ask somebody who runs a relay, then `karvon door add`");
            }
            doors.iter().try_for_each(|door| session.out.result(door, || for_people(door)))
        }
        Door::Add { door, file } => {
            let lines = given(door, file.as_deref())?;
            let doors = session
                .with_node(async |client| {
                    add_all(&client, &lines).await?;
                    doors(&client).await
                })
                .await?;
            doors.iter().try_for_each(|door| session.out.result(door, || for_people(door)))
        }
        Door::Test { door: None } => netcheck::netcheck(session, lang).await,
        Door::Test { door: Some(wanted) } => {
            netcheck::one_door(session, lang, |doors| by_any_name(doors, &wanted)).await
        }
        Door::Remove { relay } => {
            let removed = session
                .with_node(async |client| {
                    let relay = by_beginning(&doors(&client).await?, &relay)?;
                    client.call(Request::RemoveDoor { relay: relay.clone() }).await?;
                    Ok(relay)
                })
                .await?;
            session.out.result(&serde_json::json!({ "removed": removed }), || {
                format!("removed {}", one_line(&removed))
            })
        }
    }
}

fn given(door: Option<String>, file: Option<&Path>) -> Result<Vec<Zeroizing<String>>, Failure> {
    let lines = match (door, file) {
        (_, Some(file)) => doors_in(ask::lines(file)?),
        (Some(door), None) if door != "-" => vec![Zeroizing::new(door)],
        (None, None) if ask::can_ask() => vec![ask::line("Paste the door:")?],
        _ => doors_in(ask::lines(Path::new("-"))?),
    };
    if lines.is_empty() {
        return Err(Failure::usage("there is no door in what was given"));
    }
    check_all(&lines)?;
    Ok(lines)
}

/// Puts lines that begin with `pt=` behind the doors above them.
pub(super) fn doors_in(lines: Vec<Zeroizing<String>>) -> Vec<Zeroizing<String>> {
    let mut out: Vec<Zeroizing<String>> = Vec::with_capacity(lines.len());
    for line in lines {
        match out.last_mut().filter(|_| line.starts_with("pt=")) {
            Some(door) => {
                // The room is taken at once, so that growing leaves no copy behind.
                let mut both = Zeroizing::new(String::with_capacity(door.len() + 1 + line.len()));
                [door.as_str(), " ", &line].into_iter().for_each(|part| both.push_str(part));
                *door = both;
            }
            None => out.push(line),
        }
    }
    out
}

/// Checks door lines before anything is changed.
///
/// # Errors
/// `door_damaged`, `transport_damaged` or `invite_newer`, with the number of the line if there are several.
pub(super) fn check_all(lines: &[Zeroizing<String>]) -> Result<(), Failure> {
    for (number, line) in (1..).zip(lines) {
        check_door(line).map_err(|error| {
            let which = if lines.len() > 1 { format!("door {number}: ") } else { String::new() };
            Failure::new(&error.code, format!("{which}{error}"))
        })?;
    }
    Ok(())
}

/// Adds all of them.
///
/// # Errors
/// The node's.
pub(super) async fn add_all(client: &Client, lines: &[Zeroizing<String>]) -> Result<(), Failure> {
    for line in lines {
        client.call(Request::AddDoor { door: line.to_string() }).await?;
    }
    Ok(())
}

async fn doors(client: &Client) -> Result<Vec<DoorInfo>, Failure> {
    match client.call(Request::Doors).await? {
        Response::Doors { doors } => Ok(doors),
        _ => Err(unexpected()),
    }
}

fn by_beginning(doors: &[DoorInfo], relay: &str) -> Result<String, Failure> {
    let wanted = relay.trim().to_lowercase();
    let fits = |door: &&DoorInfo| !wanted.is_empty() && door.relay.to_lowercase().starts_with(&wanted);
    one_of(&doors.iter().filter(fits).collect::<Vec<_>>())
}

/// By the beginning of the relay or of the address, or by the name of the contact who gave the door.
fn by_any_name(doors: &[DoorInfo], given: &str) -> Result<String, Failure> {
    let wanted = given.trim().to_lowercase();
    let begins = |text: &str| !wanted.is_empty() && text.to_lowercase().starts_with(&wanted);
    let fits = |door: &&DoorInfo| {
        begins(&door.relay) || begins(&door.addr) || door.from.as_deref().is_some_and(begins)
    };
    one_of(&doors.iter().filter(fits).collect::<Vec<_>>())
}

fn one_of(found: &[&DoorInfo]) -> Result<String, Failure> {
    match found {
        [one] => Ok(one.relay.clone()),
        [] => Err(Failure::new("no_such_contact", "there is no such door: see `karvon door list`")),
        several => Err(Failure {
            candidates: several.iter().map(|door| one_line(&door.relay)).collect(),
            ..Failure::new("ambiguous", "several doors match: write more of the relay")
        }),
    }
}

fn for_people(door: &DoorInfo) -> String {
    let state = match (&door.lost_at, door.connected) {
        (_, true) => "connected".to_owned(),
        (Some(since), false) => format!("lost since {}", one_line(since)),
        (None, false) => "not connected".to_owned(),
    };
    let by = door.transport.as_ref().map(|name| format!("{}: ", one_line(name))).unwrap_or_default();
    let from = door.from.as_ref().map(|name| format!("  from {}", one_line(name))).unwrap_or_default();
    let fault =
        door.fault.as_ref().map(|fault| format!("\n  {}", one_line(&fault.message))).unwrap_or_default();
    format!("{}  {by}{}  {state}{from}{fault}", one_line(&door.relay), one_line(&door.addr))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_door_is_named_by_the_beginning_of_its_relay() {
        let door = |relay: &str| DoorInfo { relay: relay.into(), ..DoorInfo::default() };
        let doors = [door("aa11"), door("aa22"), door("bb33")];
        assert_eq!(by_beginning(&doors, "AA2").unwrap(), "aa22");
        assert_eq!(by_beginning(&doors, "aa").unwrap_err().candidates.len(), 2);
        assert_eq!(by_beginning(&doors, "cc").unwrap_err().exit(), 5);
        assert_eq!(by_beginning(&doors, "").unwrap_err().exit(), 5);
    }

    #[test]
    fn a_door_to_test_may_be_named_by_its_address_or_by_who_gave_it() {
        let door = |relay: &str, addr: &str, from: Option<&str>| DoorInfo {
            relay: relay.into(),
            addr: addr.into(),
            from: from.map(str::to_owned),
            ..DoorInfo::default()
        };
        let doors = [door("aa11", "192.0.2.7:443", None), door("aa22", "192.0.2.77:443", Some("Бехруз"))];
        assert_eq!(by_any_name(&doors, "бехр").unwrap(), "aa22");
        assert_eq!(by_any_name(&doors, "192.0.2.7:").unwrap(), "aa11");
        assert_eq!(by_any_name(&doors, "AA2").unwrap(), "aa22");
        assert_eq!(by_any_name(&doors, "192.0").unwrap_err().candidates.len(), 2);
        assert_eq!(by_any_name(&doors, " ").unwrap_err().exit(), 5);
    }

    #[test]
    fn a_transport_on_a_line_of_its_own_belongs_to_the_door_above_it() {
        let lines = ["a", "pt=x 1", "b", "c", "pt=y"].map(|line| Zeroizing::new(line.to_owned()));
        let doors = doors_in(lines.into());
        let doors: Vec<_> = doors.iter().map(|door| door.as_str()).collect();
        assert_eq!(doors, ["a pt=x 1", "b", "c pt=y"]);
    }

    #[test]
    fn a_damaged_door_is_named_before_anything_is_changed() {
        let lines = ["KARVON-DOOR:AAAA", "hello"].map(|line| Zeroizing::new(line.to_owned()));
        let failure = check_all(&lines).unwrap_err();
        assert_eq!(failure.code, "door_damaged");
        assert!(failure.message.starts_with("door 1:"), "{}", failure.message);
    }
}
