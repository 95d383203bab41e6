//! How the modelled network treats bytes: delays, bandwidth, order, resets, black holes, NATs, power cuts.
#![allow(clippy::unwrap_used)]
#![cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]

use futures::{AsyncReadExt, AsyncWriteExt};
use karvon_simulations::det;
use karvon_simulations::net::{
    HostId, HostSpec, Lan, LinkClass, Listener, MS, Nat, Net, Region, RegionSet, SECOND, SimStream, SimTime,
};
use std::future::{Future, poll_fn};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

/// Runs a world of hosts and bytes.
fn world<Fut: Future<Output = ()>>(script: impl FnOnce(Net) -> Fut + Send + 'static) {
    let result = det::run(1, || async {
        let net = Net::new(1);
        tokio::spawn(net.clone().drive());
        script(net).await;
    });
    result.unwrap();
}

const PORT: u16 = 443;

fn listen(net: &Net, host: HostId) -> Listener {
    net.listen(host, PORT).unwrap()
}

async fn accept(listener: &mut Listener) -> (SimStream, SocketAddr) {
    poll_fn(|cx| listener.poll_accept(cx)).await
}

fn public(net: &Net, host: HostId) -> SocketAddr {
    (net.host(host, |host| host.public).unwrap(), PORT).into()
}

/// A server in Europe that echoes nothing, and a connection to it from `client`.
async fn pair(net: &Net, client: HostSpec) -> (HostId, HostId, SimStream, SimStream) {
    let client = net.add_host(client);
    let server = net.add_host(HostSpec::server(Region::Europe));
    let mut listener = listen(net, server);
    let dialled = net.connect(client, public(net, server)).await.unwrap();
    let (accepted, _) = accept(&mut listener).await;
    (client, server, dialled, accepted)
}

async fn say(stream: &mut SimStream, bytes: &[u8]) {
    stream.write_all(bytes).await.unwrap();
    stream.flush().await.unwrap();
}

async fn hear(stream: &mut SimStream, len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    stream.read_exact(&mut out).await.unwrap();
    out
}

/// What reading comes to within `time`; `None` if it still waits then.
async fn within(time: Duration, stream: &mut SimStream) -> Option<Result<usize, ErrorKind>> {
    let mut byte = [0];
    let read = tokio::time::timeout(time, stream.read(&mut byte)).await.ok()?;
    Some(read.map_err(|error| error.kind()))
}

#[test]
fn a_connection_takes_a_round_trip_and_bytes_half_of_one() {
    world(|net| async move {
        let (_, _, mut client, mut server) = pair(&net, HostSpec::server(Region::Russia)).await;
        let start = net.now();
        say(&mut client, b"salom").await;
        assert_eq!(hear(&mut server, 5).await, b"salom");
        let took = net.now() - start;
        // 22 ms between the regions and 1 to 2 ms at each end, rounded up to the timer's milliseconds.
        assert!((24 * MS..=28 * MS).contains(&took), "{took}");
    });
}

#[test]
fn a_2g_phone_needs_its_time_for_every_byte() {
    world(|net| async move {
        let (_, _, mut client, mut server) =
            pair(&net, HostSpec::phone(Region::CentralAsia, LinkClass::TwoG)).await;
        let start = net.now();
        client.write_all(&[7; 10_000]).await.unwrap();
        client.flush().await.unwrap();
        assert_eq!(hear(&mut server, 10_000).await, [7; 10_000]);
        let took = net.now() - start;
        // 10 kB at 2.5 kB/s, and the way; losses may add some.
        assert!((4 * SECOND..=12 * SECOND).contains(&took), "{took}");
    });
}

#[test]
fn a_slow_reader_stops_the_writer_and_no_byte_is_lost() {
    world(|net| async move {
        let (_, _, mut client, mut server) = pair(&net, HostSpec::home(Region::Russia)).await;
        let sent: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
        let expected = sent.clone();
        let writer = tokio::spawn(async move {
            client.write_all(&sent).await.unwrap();
            client.close().await.unwrap();
            client
        });
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(!writer.is_finished(), "three megabytes do not fit between the two");
        let mut got = Vec::new();
        server.read_to_end(&mut got).await.unwrap();
        assert!(got == expected);
        writer.await.unwrap();
    });
}

#[test]
fn a_dropped_connection_ends_for_reader_and_then_breaks_for_writer() {
    world(|net| async move {
        let (_, _, mut client, mut server) = pair(&net, HostSpec::server(Region::Russia)).await;
        say(&mut client, b"last").await;
        drop(client);
        assert_eq!(hear(&mut server, 4).await, b"last");
        assert_eq!(within(Duration::from_secs(1), &mut server).await, Some(Ok(0)));
        say(&mut server, b"anybody?").await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(server.write(b"nobody").await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn bytes_of_a_dialer_that_left_at_once_still_arrive() {
    world(|net| async move {
        let (from, to) =
            (net.add_host(HostSpec::server(Region::Russia)), net.add_host(HostSpec::server(Region::Europe)));
        let mut listener = listen(&net, to);
        let mut client = net.connect(from, public(&net, to)).await.unwrap();
        say(&mut client, b"here").await;
        drop(client);
        let (mut server, _) = accept(&mut listener).await;
        assert_eq!(hear(&mut server, 4).await, b"here");
        drop(server);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(net.flows(), 0, "nothing is kept of a flow that both sides left");
    });
}

#[test]
fn nobody_listening_refuses_and_nobody_there_times_out() {
    world(|net| async move {
        let from = net.add_host(HostSpec::server(Region::Russia));
        let to = net.add_host(HostSpec::server(Region::Europe));
        let error = net.connect(from, public(&net, to)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let start = net.now();
        let error = net.connect(from, "203.0.113.9:443".parse().unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(net.now() - start > 60 * SECOND);
    });
}

#[test]
fn a_black_hole_keeps_bytes_back_until_it_heals() {
    world(|net| async move {
        let (host, _, mut client, mut server) = pair(&net, HostSpec::server(Region::Russia)).await;
        net.set_online(host, false);
        say(&mut client, b"one").await;
        say(&mut client, b"two").await;
        assert_eq!(within(Duration::from_secs(20), &mut server).await, None);
        net.set_online(host, true);
        assert_eq!(hear(&mut server, 6).await, b"onetwo");
    });
}

#[test]
fn a_black_hole_that_never_heals_is_noticed_after_a_quarter_of_an_hour() {
    world(|net| async move {
        let (host, _, mut client, _server) = pair(&net, HostSpec::server(Region::Russia)).await;
        net.set_online(host, false);
        say(&mut client, b"one").await;
        let start = net.now();
        let end = within(Duration::from_secs(3_600), &mut client).await;
        assert_eq!(end, Some(Err(ErrorKind::TimedOut)));
        let took = (net.now() - start) / SECOND;
        assert!((850..=1_100).contains(&took), "{took} s");
    });
}

#[test]
fn a_cut_border_lets_only_its_bridges_through() {
    world(|net| async move {
        let inside = net.add_host(HostSpec::server(Region::Russia));
        let outside = net.add_host(HostSpec::server(Region::Europe));
        let bridge = net.add_host(HostSpec::server(Region::Russia));
        let (_one, _two, _three) = (listen(&net, inside), listen(&net, outside), listen(&net, bridge));
        net.cut_border(RegionSet::of(&[Region::Russia]), [bridge]);
        let reach = async |from, to| {
            let dial = net.connect(from, public(&net, to));
            tokio::time::timeout(Duration::from_secs(10), dial).await.is_ok_and(|result| result.is_ok())
        };
        assert!(!reach(inside, outside).await && !reach(outside, inside).await);
        assert!(reach(inside, bridge).await && reach(bridge, outside).await && reach(outside, bridge).await);
        net.mend_border();
        assert!(reach(inside, outside).await);
    });
}

#[test]
fn nats_let_out_and_not_in_but_for_forwarded_ports_and_the_same_lan() {
    world(|net| async move {
        let lan = Some(Lan(1));
        let open = net.add_host(HostSpec::server(Region::Europe));
        let home = net.add_host(HostSpec { lan, ..HostSpec::home(Region::Russia) });
        let neighbour = net.add_host(HostSpec { lan, ..HostSpec::home(Region::Russia) });
        let forwarding =
            HostSpec { nat: Nat::Home { forwards: vec![PORT] }, ..HostSpec::home(Region::Russia) };
        let forwarding = net.add_host(forwarding);
        let phone = net.add_host(HostSpec::phone(Region::Russia, LinkClass::Mobile));
        let walled = HostSpec { nat: Nat::Firewall, ..HostSpec::server(Region::Russia) };
        let walled = net.add_host(walled);
        let mut seen_by_open = listen(&net, open);
        let _listeners = [home, forwarding, phone, walled].map(|host| listen(&net, host));
        let reach = async |from, to: SocketAddr| {
            let dial = net.connect(from, to);
            tokio::time::timeout(Duration::from_secs(10), dial).await.is_ok_and(|result| result.is_ok())
        };
        for closed in [home, phone, walled] {
            assert!(!reach(open, public(&net, closed)).await, "{closed:?}");
        }
        assert!(reach(open, public(&net, forwarding)).await);
        let private: SocketAddr = (net.host(home, |host| host.own).unwrap(), PORT).into();
        assert!(reach(neighbour, private).await, "the same LAN");
        assert!(!reach(open, private).await, "a private address from outside");
        net.set_online(home, false);
        assert!(reach(neighbour, private).await, "a LAN needs no internet");
        for out in [neighbour, phone, walled] {
            let _stream = net.connect(out, public(&net, open)).await.unwrap();
            let (_, from) = accept(&mut seen_by_open).await;
            assert_eq!(
                Some(from.ip()),
                net.host(out, |host| host.public.into()),
                "seen under the public address"
            );
        }
    });
}

#[test]
fn a_carrier_forgets_idle_flows() {
    world(|net| async move {
        let phone = HostSpec::phone(Region::Russia, LinkClass::Mobile);
        let (_, _, mut client, mut server) = pair(&net, phone.clone()).await;
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_secs(250)).await;
            say(&mut client, b"a").await;
            hear(&mut server, 1).await;
        }
        tokio::time::sleep(Duration::from_secs(310)).await;
        say(&mut server, b"b").await;
        assert_eq!(within(Duration::from_secs(30), &mut client).await, None, "no way in any more");
        say(&mut client, b"c").await;
        let answer = within(Duration::from_secs(5), &mut client).await;
        assert_eq!(answer, Some(Err(ErrorKind::ConnectionReset)));
    });
}

#[test]
fn a_power_cut_tells_nobody_until_the_machine_is_back() {
    world(|net| async move {
        let (_, host, mut client, server) = pair(&net, HostSpec::server(Region::Russia)).await;
        net.power_off(host);
        drop(server);
        say(&mut client, b"hello?").await;
        assert_eq!(within(Duration::from_secs(100), &mut client).await, None);
        net.power_on(host);
        let answer = within(Duration::from_secs(120), &mut client).await;
        assert_eq!(answer, Some(Err(ErrorKind::ConnectionReset)), "the new boot does not know the flow");
        assert!(net.listen(host, PORT).is_ok(), "the port is free again");
    });
}

#[test]
fn a_port_is_taken_until_its_listener_goes() {
    world(|net| async move {
        let host = net.add_host(HostSpec::server(Region::Russia));
        let first = listen(&net, host);
        assert_eq!(net.listen(host, PORT).unwrap_err().kind(), ErrorKind::AddrInUse);
        drop(first);
        assert!(net.listen(host, PORT).is_ok());
    });
}

#[test]
fn two_writers_share_a_line_and_a_fast_one_is_not_slowed_by_a_slow_reader() {
    world(|net| async move {
        // Both send 500 kB over one home line of 625 kB/s: together they need twice the time of one.
        let from = net.add_host(HostSpec::home(Region::Russia));
        let to = net.add_host(HostSpec::server(Region::Europe));
        let mut listener = listen(&net, to);
        let start: SimTime = net.now();
        let mut tasks = Vec::new();
        for _ in 0..2 {
            let mut client = net.connect(from, public(&net, to)).await.unwrap();
            let (mut server, _) = accept(&mut listener).await;
            tasks.push(tokio::spawn(async move {
                client.write_all(&[1; 500_000]).await.unwrap();
                client.close().await.unwrap();
            }));
            tasks.push(tokio::spawn(async move {
                let mut got = Vec::new();
                server.read_to_end(&mut got).await.unwrap();
                assert_eq!(got.len(), 500_000);
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        let took = net.now() - start;
        assert!((1_600 * MS..=3_000 * MS).contains(&took), "{took}");
    });
}
