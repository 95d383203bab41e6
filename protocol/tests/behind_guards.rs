//! People behind an unlisted relay: they meet, write and get doors like others, and no relay but its guards is ever linked with it.

mod world;

use karvon_protocol::engine::api::{Command, Reply};
use world::{Host, World};

/// Listed relays that are linked with this one.
fn neighbours(world: &World, relay: usize) -> Vec<usize> {
    let other = |pair: &(Host, Host)| match pair {
        (Host::Relay(a), Host::Relay(b)) if *a == relay => Some(*b),
        (Host::Relay(a), Host::Relay(b)) if *b == relay => Some(*a),
        _ => None,
    };
    let mut out: Vec<_> = world.links.values().filter_map(other).collect();
    out.sort_unstable();
    out
}

#[test]
fn whose_only_door_is_an_unlisted_relay_meets_and_writes_and_is_led_through_its_guards() {
    let mut world = World::with(41, 4, &[("Bob", &[3])]);
    let bridge = world.add_bridge(&[0, 1]);
    let ali = world.add_person("Ali");
    let door = world.slot(bridge);
    assert!(world.ask(ali, Command::AddDoor(door)).is_ok());
    world.run_ms(5_000);
    let Ok(Reply::Status(status)) = world.ask(ali, Command::Status) else { panic!("no status") };
    assert_eq!((status.links, status.mailboxes_attached), (1, 3), "mailboxes lie at listed relays");
    // The invitation names the unlisted relay: Bob comes in there to find Ali.
    let (bob_of_ali, ali_of_bob) = world.meet(ali, 0);
    for n in 0..5 {
        world.send(ali, bob_of_ali, &format!("from behind {n}"));
        world.send(0, ali_of_bob, &format!("to behind {n}"));
        world.run_ms(1_000);
    }
    assert_eq!(world.received(0, ali_of_bob).len(), 5);
    assert_eq!(world.received(ali, bob_of_ali).len(), 5);
    assert_eq!(neighbours(&world, bridge), [0, 1]);

    // One guard dies: tunnels go by the other one.
    world.crash(Host::Relay(0));
    world.run_ms(60_000);
    world.send(ali, bob_of_ali, "by the other guard");
    world.run_ms(60_000);
    assert_eq!(world.received(0, ali_of_bob).last().map(String::as_str), Some("by the other guard"));
    world.run_ms(3_600_000);
    assert_eq!(neighbours(&world, bridge), [1]);
}
