//! Censors on the modelled network: what gets through a box, and what the ends notice.
#![cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
#![allow(clippy::unwrap_used)]

use futures::{AsyncReadExt, AsyncWriteExt};
use karvon_simulations::censor::{
    Action, AddressBlock, AddressList, Answer, BytePattern, Entry, LooksRandom, Place, Placed, Probe, Rule,
    Suspicion, Throttle, VolumeFreeze, ask, probe,
};
use karvon_simulations::det::{self, Skew};
use karvon_simulations::net::{HostId, HostSpec, Net, Region, RegionSet, SECOND, SimStream};
use karvon_simulations::world::World;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::time::Duration;

fn world<Fut: Future<Output = ()>>(script: impl FnOnce(World) -> Fut + Send + 'static) {
    det::run(1, || async {
        let world = World::new(1, 10);
        script(world).await;
    })
    .unwrap();
}

fn russia() -> RegionSet {
    RegionSet::of(&[Region::Russia])
}

fn border(net: &Net, rule: impl Rule + 'static) {
    net.add_censor(Placed { place: Place::Border(russia()), rule: Box::new(rule) });
}

/// A server that sends back whatever it is sent; returns its host and address.
fn echo(world: &World, region: Region) -> (HostId, SocketAddr) {
    let host = world.net.add_host(HostSpec::server(region));
    let process = world.start(host, Skew::default());
    let mut listener = world.net.listen(host, 443).unwrap();
    let inner = process.clone();
    process.spawn(async move {
        loop {
            let (mut stream, _) = poll_fn(|cx| listener.poll_accept(cx)).await;
            inner.spawn(async move {
                let mut bytes = vec![0; 4_096];
                while let Ok(len @ 1..) = stream.read(&mut bytes).await {
                    if stream.write_all(&bytes[..len]).await.is_err() || stream.flush().await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (host, (world.net.host(host, |host| host.public).unwrap(), 443).into())
}

/// Sends `len` bytes to an echo and counts how many come back until nothing comes for half a minute.
async fn echoed(stream: &mut SimStream, len: usize) -> usize {
    let mut back = 0;
    let mut bytes = vec![0; 4_096];
    for part in vec![b'a'; len].chunks(4_000) {
        if stream.write_all(part).await.is_err() || stream.flush().await.is_err() {
            return back;
        }
        let target = back + part.len();
        while back < target {
            match tokio::time::timeout(Duration::from_secs(30), stream.read(&mut bytes)).await {
                Ok(Ok(len @ 1..)) => back += len,
                _ => return back,
            }
        }
    }
    back
}

#[test]
fn a_freeze_lets_sixteen_kilobytes_back_and_only_across_the_border() {
    world(|world| async move {
        let (_, abroad) = echo(&world, Region::Europe);
        let (_, at_home) = echo(&world, Region::Russia);
        let person = world.net.add_host(HostSpec::home(Region::Russia));
        border(&world.net, VolumeFreeze::sixteen_kib());
        let mut frozen = world.net.connect(person, abroad).await.unwrap();
        let back = echoed(&mut frozen, 100_000).await;
        assert!((14_984..=16_384).contains(&back), "{back}");
        let mut fresh = world.net.connect(person, abroad).await.unwrap();
        assert_eq!(echoed(&mut fresh, 10_000).await, 10_000, "another connection starts anew");
        let mut domestic = world.net.connect(person, at_home).await.unwrap();
        assert_eq!(echoed(&mut domestic, 100_000).await, 100_000);
        assert!(world.net.counts().censored >= 1);
    });
}

#[test]
fn rules_can_be_put_together_and_taken_away() {
    world(|world| async move {
        let (_, abroad) = echo(&world, Region::Europe);
        let person = world.net.add_host(HostSpec::home(Region::Russia));
        let place = Place::Providers(russia());
        let throttle = world.net.add_censor(Placed { place, rule: Box::new(Throttle::to_14_kb()) });
        world.net.add_censor(Placed { place, rule: Box::new(VolumeFreeze::after(200_000)) });
        let timed = async |len| {
            let start = world.now();
            let mut stream = world.net.connect(person, abroad).await.unwrap();
            (echoed(&mut stream, len).await, (world.now() - start) / SECOND)
        };
        let (back, slow) = timed(140_000).await;
        assert_eq!(back, 140_000);
        world.net.remove_censor(throttle);
        let (back, fast) = timed(140_000).await;
        assert_eq!(back, 140_000);
        assert!(slow >= 9 && fast < slow, "{slow} s, then {fast} s");
        assert!(timed(300_000).await.0 < 201_000, "the other rule still holds");
    });
}

#[test]
fn a_reset_is_noticed_at_once_by_both_ends() {
    world(|world| async move {
        let (_, abroad) = echo(&world, Region::Europe);
        let person = world.net.add_host(HostSpec::home(Region::Russia));
        border(&world.net, BytePattern::stock_libp2p(Action::Reset));
        let answer = ask(&world.net, person, abroad, b"\x13/multistream/1.0.0\n").await;
        assert_eq!(answer, Answer::Closed);
        let answer = ask(&world.net, person, abroad, b"hello").await;
        assert_eq!(answer, Answer::Said(b"hello".to_vec()));
        world.sleep(Duration::from_secs(1)).await;
        assert_eq!(world.net.flows(), 0, "the server noticed as well");
    });
}

#[test]
fn random_bytes_meet_silence() {
    world(|world| async move {
        let (_, abroad) = echo(&world, Region::Europe);
        let person = world.net.add_host(HostSpec::home(Region::Russia));
        border(&world.net, LooksRandom);
        let mut random = [0; 300];
        world.rng("bytes").fill(&mut random);
        assert_eq!(ask(&world.net, person, abroad, &random).await, Answer::Silence);
        assert!(matches!(ask(&world.net, person, abroad, b"GET / HTTP/1.1\r\n").await, Answer::Said(_)));
    });
}

#[test]
fn a_prober_blocks_who_answers_in_kind_and_spares_who_does_not() {
    world(|world| async move {
        // The echo answers multistream with multistream; the other server only listens.
        let (_, guilty) = echo(&world, Region::Europe);
        let quiet = world.net.add_host(HostSpec::server(Region::Europe));
        let _listener = world.net.listen(quiet, 443).unwrap();
        let quiet: SocketAddr = (world.net.host(quiet, |host| host.public).unwrap(), 443).into();
        let person = world.net.add_host(HostSpec::home(Region::Russia));
        let prober = world.net.add_host(HostSpec::server(Region::Russia));
        let list = AddressList::default();
        let (suspicion, suspects) = Suspicion::new(|bytes| bytes.starts_with(b"?"));
        border(&world.net, suspicion);
        border(&world.net, AddressBlock::new(list.clone(), Action::Drop));
        let delay = Duration::from_secs(60);
        tokio::spawn(probe(world.net.clone(), prober, delay, Probe::libp2p(), suspects, list.clone()));
        assert!(matches!(ask(&world.net, person, guilty, b"?hello").await, Answer::Said(_)));
        assert_eq!(ask(&world.net, person, quiet, b"?hello").await, Answer::Silence);
        assert!(list.is_empty(), "not probed yet");
        world.sleep(Duration::from_secs(180)).await;
        assert!(list.covers(guilty) && !list.covers(quiet));
        assert_eq!(ask(&world.net, person, guilty, b"hello").await, Answer::Silence);
    });
}

#[test]
fn a_blocked_address_breaks_flows_that_are_open() {
    world(|world| async move {
        let (_, abroad) = echo(&world, Region::Europe);
        let person = world.net.add_host(HostSpec::home(Region::Russia));
        let list = AddressList::default();
        border(&world.net, AddressBlock::new(list.clone(), Action::Drop));
        let mut stream = world.net.connect(person, abroad).await.unwrap();
        assert_eq!(echoed(&mut stream, 1_000).await, 1_000);
        let std::net::IpAddr::V4(ip) = abroad.ip() else { panic!("the world knows IPv4 only") };
        list.add(Entry::Address(ip));
        assert_eq!(echoed(&mut stream, 1_000).await, 0);
        list.remove(&Entry::Address(ip));
        let mut byte = [0];
        let late = tokio::time::timeout(Duration::from_secs(120), stream.read(&mut byte)).await;
        assert!(matches!(late, Ok(Ok(1))), "sent again when the block is lifted");
    });
}
