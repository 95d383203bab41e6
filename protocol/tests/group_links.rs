//! Joining a group by a link, in virtual time.
#![allow(clippy::unwrap_used)]

mod world;

use karvon_protocol::engine::group_api::{GroupCommand, GroupNumber, GroupReply, Standing};
use karvon_protocol::error::ErrorKind;
use world::Host;
use world::friends::Friends;
use zeroize::Zeroizing;

fn link(friends: &mut Friends, person: usize, group: GroupNumber) -> Zeroizing<String> {
    match friends.ask(person, GroupCommand::Link(group)) {
        Ok(GroupReply::Link(link)) => link,
        other => panic!("{other:?}"),
    }
}

fn join(friends: &mut Friends, person: usize, link: &Zeroizing<String>) -> GroupNumber {
    match friends.ask(person, GroupCommand::Join { link: link.clone(), name: String::new() }) {
        Ok(GroupReply::Founded(number)) => number,
        other => panic!("{other:?}"),
    }
}

#[test]
fn whoever_has_a_link_joins_once_and_talks_with_everybody() {
    let mut friends = Friends::new(70, 2, false);
    let ali = friends.create(0, "Group");
    let bob = friends.bring(0, ali, 1);
    assert_eq!(friends.ask(1, GroupCommand::Link(bob)).err(), Some(ErrorKind::NotAllowed));
    let first = link(&mut friends, 0, ali);
    let stranger = friends.world.add_person("Lola");
    let lola = join(&mut friends, stranger, &first);
    friends.world.run_ms(20_000);
    assert_eq!(friends.view(stranger, lola).info.standing, Standing::In);
    friends.send(stranger, lola, "hello");
    friends.world.run_ms(10_000);
    for (person, group) in [(0, ali), (1, bob), (stranger, lola)] {
        assert_eq!(friends.read(person, group), ["hello"], "{person}");
    }
    // The token is used up: removed, Lola does not come back by it.
    let gone = friends.member(0, ali, "Lola");
    friends.ask(0, GroupCommand::Remove(ali, gone)).unwrap();
    friends.world.run_ms(5_000);
    assert_eq!(friends.view(stranger, lola).info.standing, Standing::Out);
    assert_eq!(join(&mut friends, stranger, &first), lola);
    friends.world.run_ms(20_000);
    assert_eq!(friends.view(stranger, lola).info.standing, Standing::Out);
    // With another link she does, also when whoever made it began anew.
    let second = link(&mut friends, 0, ali);
    friends.world.crash(Host::Person(0));
    friends.world.start(Host::Person(0));
    friends.world.run_ms(3_000);
    join(&mut friends, stranger, &second);
    friends.world.run_ms(20_000);
    assert_eq!(friends.view(stranger, lola).info.standing, Standing::In);
    assert_eq!(friends.view(0, ali).info.members, 3);
    // Somebody else finds the invitation in it used, and does not wait for ever.
    let late = friends.world.add_person("Karim");
    let karim = join(&mut friends, late, &first);
    friends.world.run_ms(60_000);
    assert_eq!(friends.view(late, karim).info.standing, Standing::Out);
}
