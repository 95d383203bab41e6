//! Leaves and a relay's door over real TCP on loopback: links, frames, limits and endings.
#![allow(clippy::unwrap_used)]

mod net_support;

use karvon_node::net::{NetCommand, NetEvent};
use karvon_protocol::core::{LinkInfo, Reason, Target};
use karvon_protocol::ids::RelayId;
use karvon_protocol::link::{Frame, Kind, SIZES};
use net_support::{Leaf, Relay, door_target};

#[tokio::test]
async fn frames_of_every_size_cross_in_order_both_ways() {
    let mut relay = Relay::start(1).await;
    let mut leaf = Leaf::start(1);
    let (near, far) = leaf.link(&mut relay).await;
    let frames: Vec<_> = (0..300_usize)
        .map(|number| {
            let length = SIZES[number % SIZES.len()] - 8 - number % 7;
            Frame::new(Kind::Data, number as u32, vec![number as u8; length])
        })
        .collect();
    // In portions below the bound of a link's queue.
    for portion in frames.chunks(50) {
        for frame in portion {
            leaf.net.submit(NetCommand::Send { link: near, frame: frame.clone() });
            relay.net.submit(NetCommand::Send { link: far, frame: frame.clone() });
        }
        for frame in portion {
            assert_eq!(&relay.frame(far).await, frame);
            assert_eq!(&leaf.frame(near).await, frame);
        }
    }
    let bytes: usize = frames.iter().map(|frame| frame.encode().len()).sum();
    assert_eq!(leaf.net.counters().bytes_in(), bytes as u64);
    assert_eq!(leaf.net.counters().bytes_out(), bytes as u64);
}

#[tokio::test]
async fn both_ends_know_the_keys_of_the_connection() {
    let mut relay = Relay::start(1).await;
    let mut leaf = Leaf::start(1);
    leaf.net.submit(NetCommand::Connect(relay.target()));
    let NetEvent::LinkUp(_, LinkInfo::Door { local_key, remote_key, .. }) = leaf.next().await else {
        panic!("the leaf's link is not up");
    };
    let NetEvent::LinkUp(_, info) = relay.next().await else { panic!("the relay's link is not up") };
    assert_eq!(info, LinkInfo::Leaf { local_key: remote_key, remote_key: local_key });
    assert_eq!(RelayId::of(&remote_key), relay.id());
    let mut other = Leaf::start(2);
    other.net.submit(NetCommand::Connect(relay.target()));
    let NetEvent::LinkUp(_, LinkInfo::Door { local_key: another, .. }) = other.next().await else {
        panic!("the other leaf's link is not up");
    };
    assert_ne!(another, local_key, "a leaf's key is its own and fresh");
}

#[tokio::test]
async fn another_relay_at_the_address_is_refused_before_a_link_is_opened() {
    let mut relay = Relay::start(1).await;
    let mut leaf = Leaf::start(1);
    let target = door_target(RelayId([9; 16]), relay.net.listening().unwrap().door);
    leaf.net.submit(NetCommand::Connect(target.clone()));
    match leaf.next().await {
        NetEvent::ConnectFailed(failed, reason) => assert_eq!((failed, reason), (target, Reason::WrongPeer)),
        other => panic!("{other:?}"),
    }
    // The relay was told of no link: the first it hears of is that of an honest leaf.
    let mut honest = Leaf::start(2);
    honest.link(&mut relay).await;
}

#[tokio::test]
async fn a_leaf_dials_doors_only() {
    let mut leaf = Leaf::start(1);
    leaf.net.submit(NetCommand::Connect(Target::Relay(RelayId([1; 16]))));
    assert!(matches!(leaf.next().await, NetEvent::ConnectFailed(Target::Relay(_), Reason::Forbidden)));
}

#[tokio::test]
async fn an_ended_link_is_reported_once_at_both_ends_with_its_last_frames() {
    let mut relay = Relay::start(1).await;
    let mut leaf = Leaf::start(1);
    let (near, far) = leaf.link(&mut relay).await;
    let last = Frame::new(Kind::Close, 3, vec![1]);
    leaf.net.submit(NetCommand::Send { link: near, frame: last.clone() });
    leaf.net.submit(NetCommand::Disconnect(near, Reason::Idle));
    leaf.net.submit(NetCommand::Disconnect(near, Reason::Protocol));
    assert!(matches!(leaf.next().await, NetEvent::LinkDown(link, Reason::Idle) if link == near));
    assert_eq!(relay.frame(far).await, last);
    assert!(matches!(relay.next().await, NetEvent::LinkDown(link, Reason::Lost) if link == far));
    // A new link has a new number.
    let (again, _) = leaf.link(&mut relay).await;
    assert_ne!(again, near);
}

#[tokio::test]
async fn a_stopped_relay_is_noticed_and_found_again_when_it_is_back() {
    let mut relay = Relay::start(1).await;
    let mut leaf = Leaf::start(1);
    let (near, _) = leaf.link(&mut relay).await;
    let target = relay.target();
    let listening = relay.net.listening().unwrap();
    drop(relay);
    assert!(matches!(leaf.next().await, NetEvent::LinkDown(link, Reason::Lost) if link == near));
    leaf.net.submit(NetCommand::Connect(target.clone()));
    match leaf.next().await {
        NetEvent::ConnectFailed(failed, reason) => {
            assert_eq!((failed, reason), (target, Reason::Unreachable));
        }
        other => panic!("{other:?}"),
    }
    let mut relay = Relay::start_at(1, listening.door, listening.mesh).await;
    leaf.link(&mut relay).await;
}

#[tokio::test]
async fn a_relay_that_takes_nothing_ends_the_link_and_costs_bounded_memory() {
    let mut relay = Relay::start(1).await;
    let mut leaf = Leaf::start(1);
    let (near, _) = leaf.link(&mut relay).await;
    // The relay's driver takes no events from here on.
    let frame = Frame::new(Kind::Data, 1, vec![7; 61_000]);
    let mut sent = 0_usize;
    loop {
        leaf.net.submit(NetCommand::Send { link: near, frame: frame.clone() });
        sent += 1;
        tokio::task::yield_now().await;
        if let Some(event) = leaf.net.try_recv() {
            assert!(matches!(event, NetEvent::LinkDown(link, Reason::Slow) if link == near));
            break;
        }
        assert!(sent * 61_000 < 1 << 30, "nothing held the sender back");
    }
}

#[tokio::test]
async fn a_leaf_that_comes_back_under_the_same_key_replaces_its_old_link() {
    let mut relay = Relay::start(1).await;
    let mut leaf = Leaf::start(1);
    let (_, first) = leaf.link(&mut relay).await;
    leaf.net.submit(NetCommand::Connect(relay.target()));
    let (mut up, mut down) = (None, None);
    while up.is_none() || down.is_none() {
        match relay.next().await {
            NetEvent::LinkUp(link, _) => up = Some(link),
            NetEvent::LinkDown(link, _) => down = Some(link),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(down, Some(first));
    assert_ne!(up, Some(first));
}

#[tokio::test]
async fn many_leaves_are_served_at_once() {
    let mut relay = Relay::start(1).await;
    let mut leaves: Vec<_> = (0..40).map(Leaf::start).collect();
    for leaf in &mut leaves {
        leaf.net.submit(NetCommand::Connect(relay.target()));
    }
    let mut links = std::collections::HashSet::new();
    while links.len() < leaves.len() {
        match relay.next().await {
            NetEvent::LinkUp(link, _) => {
                relay.net.submit(NetCommand::Send { link, frame: Frame::new(Kind::Heartbeat, 0, vec![]) });
                links.insert(link);
            }
            other => panic!("{other:?}"),
        }
    }
    for leaf in &mut leaves {
        assert!(matches!(leaf.next().await, NetEvent::LinkUp(..)));
        assert!(matches!(leaf.next().await, NetEvent::Frame { frame, .. } if frame.kind == Kind::Heartbeat));
    }
}

#[tokio::test]
async fn closing_delivers_what_was_queued() {
    let mut relay = Relay::start(1).await;
    let mut leaf = Leaf::start(1);
    let (near, far) = leaf.link(&mut relay).await;
    for number in 0..20 {
        let frame = Frame::new(Kind::Data, number, vec![1; 2_000]);
        leaf.net.submit(NetCommand::Send { link: near, frame });
    }
    leaf.net.close().await;
    for number in 0..20 {
        assert_eq!(relay.frame(far).await.tunnel, number);
    }
    assert!(matches!(relay.next().await, NetEvent::LinkDown(link, Reason::Lost) if link == far));
}
