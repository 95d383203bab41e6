//! Doors behind pluggable transports: kept, backed up, and named in invitations only if there is no other.
#![allow(clippy::unwrap_used)]

mod world;

use karvon_protocol::backup::BackupState;
use karvon_protocol::descriptor::Door;
use karvon_protocol::engine::api::{Command, Reply};
use karvon_protocol::ids::RelayId;
use karvon_protocol::invite::Invitation;
use karvon_protocol::pt::PtLine;
use world::{Host, World};

fn behind(world: &mut World, relay: usize) -> Door {
    let pt = PtLine::from_text("obfs4 192.0.2.7:443 cert=aB+/= iat-mode=0").unwrap();
    Door { pt: Some(pt), ..world.slot(relay) }
}

fn doors(world: &mut World, person: usize) -> Vec<Door> {
    match world.ask(person, Command::Doors) {
        Ok(Reply::Doors(doors)) => doors.into_iter().map(|held| held.door).collect(),
        other => panic!("{other:?}"),
    }
}

/// The relays that an invitation of this person names, in the short form and in the long one.
fn named(world: &mut World, person: usize) -> (RelayId, Vec<RelayId>) {
    let Ok(Reply::Invitation { text, long, .. }) = world.ask(person, Command::Invite) else {
        panic!("no invitation")
    };
    let short = Invitation::from_text(&text).unwrap();
    let others = long.map(|long| Invitation::from_text(&long).unwrap().others).unwrap_or_default();
    (short.relay, others.into_iter().map(|(relay, _)| relay).collect())
}

#[test]
fn an_invitation_names_doors_without_a_transport_while_there_is_one() {
    let mut world = World::with(41, 3, &[("Ali", &[])]);
    let first = behind(&mut world, 0);
    world.ask(0, Command::AddDoor(first.clone())).unwrap();
    world.run_ms(10_000);
    // With nothing else there is still an invitation: who gets it has to have a way there.
    assert_eq!(named(&mut world, 0), (first.relay, Vec::new()));
    let straight = [world.slot(1), world.slot(2)];
    for door in &straight {
        world.ask(0, Command::AddDoor(door.clone())).unwrap();
    }
    world.run_ms(60_000);
    // Those that were made ahead name the first door; new ones do not.
    let mut last = named(&mut world, 0);
    for _ in 0..12 {
        world.run_ms(10_000);
        last = named(&mut world, 0);
    }
    let relays = straight.each_ref().map(|door| door.relay);
    assert!(relays.contains(&last.0) && !last.1.contains(&first.relay), "{last:?}");
}

#[test]
fn a_transport_outlives_a_crash_and_a_backup_and_goes_with_a_new_line() {
    let mut world = World::with(42, 2, &[("Ali", &[])]);
    let door = behind(&mut world, 0);
    world.ask(0, Command::AddDoor(door.clone())).unwrap();
    world.run_ms(5_000);
    world.crash(Host::Person(0));
    world.run_ms(1_000);
    world.start(Host::Person(0));
    world.run_ms(5_000);
    assert_eq!(doors(&mut world, 0), core::slice::from_ref(&door));
    let Ok(Reply::Backup(state)) = world.ask(0, Command::Backup) else { panic!("no backup") };
    let state = BackupState::decode(&state.encode()).unwrap();
    let held: Vec<_> = state.doors.iter().map(|text| Door::from_text(text).unwrap()).collect();
    assert_eq!(held, core::slice::from_ref(&door));
    let straight = Door { pt: None, ..door };
    world.ask(0, Command::AddDoor(straight.clone())).unwrap();
    assert_eq!(doors(&mut world, 0), [straight]);
}
