//! The real messenger over modelled censors: what `netcheck` says under each of them, within its time and bytes.
#![cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
#![allow(clippy::unwrap_used)]

use karvon_node::net::Found;
use karvon_protocol::netcheck::{Code, Outcome};
use karvon_simulations::censor::{
    Action, AddressBlock, AddressList, AllowList, BytePattern, Entry, HandshakePolicing, Place, Placed, Rule,
    Throttle, VolumeFreeze,
};
use karvon_simulations::det;
use karvon_simulations::fleet::{Arrivals, DiskSpec, PersonHost, RelayHost};
use karvon_simulations::net::{HostSpec, Region, RegionSet};
use karvon_simulations::world::World;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// Two relays abroad and one messenger at home that has a door of each.
struct Stage {
    world: World,
    relays: Vec<RelayHost>,
    person: PersonHost,
}

impl Stage {
    async fn set(world: World) -> Self {
        let mut relays: Vec<RelayHost> = Vec::new();
        for number in 0..2 {
            let region = [Region::Europe, Region::America][number];
            let mut peers = Vec::new();
            if let Some(first) = relays.first() {
                peers.extend(first.new_door().await);
            }
            let mut relay = RelayHost::new(&world, number, HostSpec::server(region), peers);
            relay.start();
            relays.push(relay);
            world.sleep(Duration::from_secs(2)).await;
        }
        let spec = HostSpec::home(Region::Russia);
        let person = PersonHost::new(&world, 0, spec, DiskSpec::PHONE, Arrivals::default());
        Self { world, relays, person }
    }

    /// Starts the messenger and gives it its doors; what follows is the first check.
    async fn start(&mut self) {
        self.person.start();
        for relay in &self.relays {
            let door = relay.new_door().await.unwrap();
            assert!(self.person.add_door(door).await);
        }
    }

    fn border(&self, rule: impl Rule + 'static) {
        let place = Place::Border(RegionSet::of(&[Region::Russia]));
        self.world.net.add_censor(Placed { place, rule: Box::new(rule) });
    }

    fn address(&self, relay: usize) -> Ipv4Addr {
        match self.relays[relay].door_addr().ip() {
            IpAddr::V4(ip) => ip,
            IpAddr::V6(_) => panic!("the world knows IPv4 only"),
        }
    }

    async fn rest(&self, seconds: u64) {
        self.world.sleep(Duration::from_secs(seconds)).await;
    }

    async fn check(&self) -> Found {
        let found = self.person.netcheck().await.unwrap();
        assert!(found.ms <= 10_000 && found.bytes <= 20_000, "{found:?}");
        found
    }
}

fn staged<Fut: Future<Output = ()>>(script: impl FnOnce(Stage) -> Fut + Send + 'static) {
    det::run(1, || async {
        let world = World::new(1, 10);
        script(Stage::set(world).await).await;
    })
    .unwrap();
}

fn outcomes(found: &Found) -> Vec<Outcome> {
    found.doors.iter().map(|door| door.seen.outcome).collect()
}

#[test]
fn without_a_censor_it_works() {
    staged(|mut stage| async move {
        stage.start().await;
        let found = stage.check().await;
        assert_eq!((found.verdict.code, found.verdict.travels), (Code::Works, true), "{found:?}");
        stage.rest(60).await;
        let again = stage.check().await;
        assert_eq!(outcomes(&again), [Outcome::Open, Outcome::Open]);
        assert!(
            again.bytes <= 2_000 && again.doors.iter().all(|door| door.seen.echo_ms.is_some()),
            "{again:?}"
        );
    });
}

#[test]
fn without_doors_it_says_so() {
    staged(|mut stage| async move {
        stage.person.start();
        stage.rest(1).await;
        assert_eq!(stage.check().await.verdict.code, Code::NoDoor);
    });
}

#[test]
fn without_a_line_nothing_is_blamed_on_anybody() {
    staged(|mut stage| async move {
        stage.world.net.set_online(stage.person.host(), false);
        stage.start().await;
        let found = stage.check().await;
        assert!(!found.verdict.travels);
        // The modelled line swallows what is sent, as a dead line behind a router does: from here that looks like blocked addresses.
        assert_eq!(found.verdict.code, Code::Silent, "{found:?}");
    });
}

#[test]
fn a_line_that_dies_under_way_is_told_from_one_that_never_was() {
    staged(|mut stage| async move {
        stage.start().await;
        stage.rest(30).await;
        stage.world.net.set_online(stage.person.host(), false);
        let found = stage.check().await;
        assert_eq!((found.verdict.code, found.verdict.travels), (Code::Counted, false), "{found:?}");
    });
}

#[test]
fn plain_doors_that_are_recognised_are_told() {
    staged(|mut stage| async move {
        stage.border(BytePattern::stock_libp2p(Action::Reset));
        stage.start().await;
        let found = stage.check().await;
        assert_eq!(found.verdict.code, Code::PlainOnly, "{found:?}");
        assert_eq!(outcomes(&found), [Outcome::HelloReset, Outcome::HelloReset]);
    });
}

#[test]
fn where_only_approved_sites_open_the_first_words_vanish() {
    staged(|mut stage| async move {
        stage.border(AllowList::new(AddressList::default()));
        stage.start().await;
        let found = stage.check().await;
        // What a plain door says first may itself be what is not wanted: the sentence names both.
        assert_eq!(found.verdict.code, Code::ApprovedOrSingled, "{found:?}");
        assert_eq!(outcomes(&found), [Outcome::HelloSilent, Outcome::HelloSilent]);
    });
}

#[test]
fn blocked_addresses_are_told_and_one_open_door_is_enough() {
    staged(|mut stage| async move {
        let list = AddressList::of([Entry::Address(stage.address(0)), Entry::Address(stage.address(1))]);
        stage.border(AddressBlock::new(list.clone(), Action::Drop));
        stage.start().await;
        let found = stage.check().await;
        assert_eq!(found.verdict.code, Code::Silent, "{found:?}");
        list.remove(&Entry::Address(stage.address(1)));
        stage.rest(90).await;
        let found = stage.check().await;
        assert_eq!((found.verdict.code, found.verdict.travels), (Code::Works, true), "{found:?}");
        assert_eq!(outcomes(&found), [Outcome::ConnectSilent, Outcome::Open]);
    });
}

#[test]
fn addresses_that_are_refused_may_be_relays_that_are_off() {
    staged(|mut stage| async move {
        stage.start().await;
        stage.rest(5).await;
        for relay in &mut stage.relays {
            relay.kill().await;
        }
        stage.rest(60).await;
        let found = stage.check().await;
        assert_eq!(found.verdict.code, Code::Refused, "{found:?}");
        stage.rest(60).await;
        let dialled = || stage.world.net.host(stage.person.host(), |host| host.dialled()).unwrap();
        let before = dialled();
        for _ in 0..10 {
            stage.check().await;
            stage.rest(1).await;
        }
        let more = dialled() - before;
        assert!(more <= 4, "whoever tests again and again does not dial again and again: {more}");
    });
}

#[test]
fn one_relay_that_is_off_is_named_while_messages_travel() {
    staged(|mut stage| async move {
        stage.start().await;
        stage.rest(5).await;
        stage.relays[0].kill().await;
        stage.rest(60).await;
        let found = stage.check().await;
        assert_eq!((found.verdict.code, found.verdict.travels), (Code::Works, true), "{found:?}");
        assert_eq!(outcomes(&found), [Outcome::ConnectRefused, Outcome::Open]);
    });
}

#[test]
fn a_freeze_is_learned_from_what_froze() {
    staged(|mut stage| async move {
        stage.border(VolumeFreeze::sixteen_kib());
        stage.start().await;
        // A plain door's one long connection carries more than that sooner or later: lists of relays, heartbeats.
        let mut found = stage.check().await;
        for _ in 0..40 {
            if found.verdict.code == Code::Freeze {
                break;
            }
            stage.rest(30).await;
            let _ = stage.person.invite().await;
            found = stage.check().await;
        }
        assert_eq!((found.verdict.code, found.verdict.travels), (Code::Freeze, true), "{found:?}");
    });
}

#[test]
fn doors_that_fall_silent_after_a_burst_of_connections_are_told_as_counted_or_blocked() {
    staged(|mut stage| async move {
        stage.border(HandshakePolicing::reported());
        stage.start().await;
        let found = stage.check().await;
        assert_eq!(found.verdict.code, Code::Works, "{found:?}");
        // Somebody else behind this router opens one connection after another.
        for relay in &stage.relays {
            for _ in 0..5 {
                let dial = stage.world.net.connect(stage.person.host(), relay.door_addr());
                let _ = tokio::time::timeout(Duration::from_millis(200), dial).await;
            }
        }
        let found = stage.check().await;
        assert_eq!((found.verdict.code, found.verdict.travels), (Code::Counted, false), "{found:?}");
        stage.rest(240).await;
        let found = stage.check().await;
        assert!(found.verdict.travels, "{found:?}");
    });
}

#[test]
fn a_clock_that_is_behind_is_told_by_what_relays_sign() {
    staged(|mut stage| async move {
        stage.person.skew().set_ms(-3 * 86_400_000);
        stage.start().await;
        stage.rest(5).await;
        let found = stage.check().await;
        assert_eq!((found.verdict.code, found.verdict.travels), (Code::Clock, true), "{found:?}");
        let behind = found.verdict.clock_s.unwrap();
        assert!((-3 * 86_400 - 60..=-3 * 86_400 + 60).contains(&behind), "{behind}");
    });
}

#[test]
fn a_line_that_is_throttled_hard_is_slow_and_still_works() {
    staged(|mut stage| async move {
        stage.border(Throttle::to_14_kb());
        stage.start().await;
        let found = stage.check().await;
        assert_eq!(found.verdict.code, Code::Works, "text passes at 14 kB a second: {found:?}");
    });
    staged(|mut stage| async move {
        stage.border(Throttle::new(100, 100));
        stage.start().await;
        let found = stage.check().await;
        assert_eq!((found.verdict.code, found.verdict.travels), (Code::Slow, true), "{found:?}");
    });
}

#[test]
fn a_door_that_its_keeper_ended_is_told_from_one_that_is_down() {
    staged(|mut stage| async move {
        stage.start().await;
        stage.rest(5).await;
        for relay in &stage.relays {
            relay.end_doors().await;
        }
        stage.rest(60).await;
        let found = stage.check().await;
        assert_eq!(found.verdict.code, Code::DoorEnded, "{found:?}");
    });
}
