//! Relays among themselves over real TCP on loopback: joining, links, descriptors that travel, and addresses that are not dialled.
#![allow(clippy::unwrap_used)]

mod net_support;

use karvon_node::net::{NetCommand, NetEvent, fetch_descriptor, public_key};
use karvon_protocol::core::{LinkId, LinkInfo, Reason, Target};
use karvon_protocol::descriptor::{Descriptor, Door, RelayAddr, flags};
use karvon_protocol::ids::{RelayId, SlotId};
use karvon_protocol::link::{Frame, Hello, Kind};
use net_support::{Leaf, Relay, any_port, deps};
use std::collections::HashMap;
use zeroize::Zeroizing;

const SLOT: SlotId = SlotId([3; 8]);
const SLOT_KEY: [u8; 32] = [4; 32];

/// A relay that does the little its core does for the mesh: it welcomes leaves and takes what it hears for learned.
struct Member {
    relay: Relay,
    own: (Descriptor, Vec<u8>),
    /// Descriptors learned, with their bytes.
    known: HashMap<RelayId, Vec<u8>>,
    /// Mesh links by the other side's mesh key.
    links: HashMap<[u8; 32], LinkId>,
    failed: Vec<(Target, Reason)>,
}

impl Member {
    async fn start(number: u8, peers: Vec<Door>) -> Self {
        Self::start_as(number, peers, flags::MAILBOX).await
    }

    async fn start_as(number: u8, peers: Vec<Door>, flags: u64) -> Self {
        let relay = Relay::with(number, any_port(), any_port(), peers, true).await;
        let descriptor = Descriptor { flags, ..relay.descriptor(1).0 };
        let bytes = net_support::sign(&descriptor, &relay.seed);
        let own = (descriptor, bytes);
        let mut member =
            Self { relay, own, known: HashMap::new(), links: HashMap::new(), failed: Vec::new() };
        let (descriptor, bytes) = member.own.clone();
        member.relay.net.submit(NetCommand::Publish(Box::new(descriptor), bytes));
        member
    }

    fn id(&self) -> RelayId {
        self.relay.id()
    }

    fn door(&self) -> Door {
        let addr = RelayAddr::Ip(self.relay.net.listening().unwrap().door);
        Door { relay: self.id(), addr, slot: SLOT, key: Zeroizing::new(SLOT_KEY), pt: None }
    }

    fn learn(&mut self, bytes: Vec<u8>) {
        let descriptor = Descriptor::verify(&bytes).expect("only sound descriptors are passed on");
        if self.known.insert(descriptor.relay(), bytes.clone()).is_none() {
            self.relay.net.submit(NetCommand::Learned(Box::new(descriptor), bytes));
        }
    }

    /// Takes one event.
    async fn step(&mut self) {
        match self.relay.net.recv().await.unwrap() {
            NetEvent::LinkUp(link, LinkInfo::Mesh { remote_key }) => {
                self.links.insert(remote_key, link);
                let frame = Frame::new(Kind::Welcome, 0, self.own.1.clone());
                self.relay.net.submit(NetCommand::Send { link, frame });
            }
            NetEvent::LinkDown(link, _) => self.links.retain(|_, known| *known != link),
            NetEvent::Frame { link, frame } if frame.kind == Kind::Hello => {
                Hello::decode(&frame.payload).unwrap();
                let welcome = Frame::new(Kind::Welcome, 0, self.own.1.clone());
                self.relay.net.submit(NetCommand::Send { link, frame: welcome });
            }
            NetEvent::Frame { frame, .. } if frame.kind == Kind::Welcome => self.learn(frame.payload),
            NetEvent::Heard(bytes) => self.learn(bytes),
            NetEvent::ConnectFailed(target, reason) => self.failed.push((target, reason)),
            _ => {}
        }
    }

    fn linked(&self, other: &Self) -> bool {
        self.links.contains_key(&other.own.0.mesh_key)
    }
}

impl Relay {
    fn descriptor(&self, seq: u64) -> (Descriptor, Vec<u8>) {
        let listening = self.net.listening().unwrap();
        let descriptor = Descriptor {
            static_key: public_key(&self.seed).unwrap(),
            mesh_key: public_key(&self.mesh_seed).unwrap(),
            onion_keys: vec![[1; 32]],
            door: RelayAddr::Ip(listening.door),
            mesh: RelayAddr::Ip(listening.mesh),
            flags: flags::MAILBOX,
            seq,
            family: None,
            health: None,
            extra: karvon_protocol::cbor::Extra::new(),
        };
        let bytes = net_support::sign(&descriptor, &self.seed);
        (descriptor, bytes)
    }
}

/// Runs all members until `done`.
async fn until(members: &mut [Member], done: impl Fn(&[Member]) -> bool) {
    let all = async {
        while !done(members) {
            let steps = members.iter_mut().map(|member| Box::pin(member.step()));
            futures::future::select_all(steps).await;
        }
    };
    tokio::time::timeout(net_support::DEADLINE, all).await.expect("the mesh comes about");
}

#[tokio::test]
async fn a_door_gives_its_descriptor_to_whoever_shows_its_slot() {
    let member = Member::start(1, Vec::new()).await;
    let (door, own) = (member.door(), member.own.clone());
    let mut members = [member];
    let deps = deps(9);
    let fetched = tokio::select! {
        biased;
        fetched = fetch_descriptor(&deps, &door) => fetched,
        () = until(&mut members, |_| false) => unreachable!(),
    };
    assert_eq!(fetched, Ok(own));
    let wrong = Door { relay: RelayId([8; 16]), ..door };
    assert_eq!(fetch_descriptor(&deps, &wrong).await.map(|_| ()), Err(Reason::WrongPeer));
}

#[tokio::test]
async fn two_relays_find_each_other_by_a_door_and_keep_one_link() {
    let first = Member::start(1, Vec::new()).await;
    let second = Member::start(2, vec![first.door()]).await;
    let mut members = [first, second];
    until(&mut members, |m| m[0].linked(&m[1]) && m[1].linked(&m[0])).await;
    until(&mut members, |m| m[0].known.contains_key(&m[1].id()) && m[1].known.contains_key(&m[0].id())).await;
    // Frames cross the link.
    let link = members[1].links[&members[0].own.0.mesh_key];
    let frame = Frame::new(Kind::DirectoryAsk, 0, Vec::new());
    members[1].relay.net.submit(NetCommand::Send { link, frame: frame.clone() });
    loop {
        if let NetEvent::Frame { frame: got, .. } = members[0].relay.next().await
            && got.kind == Kind::DirectoryAsk
        {
            assert_eq!(got, frame);
            break;
        }
    }
}

#[tokio::test]
async fn relays_in_a_line_learn_of_the_ones_beyond() {
    let first = Member::start(1, Vec::new()).await;
    let second = Member::start(2, vec![first.door()]).await;
    let mut members = vec![first, second];
    until(&mut members, |m| m[0].linked(&m[1]) && m[1].known.contains_key(&m[0].id())).await;
    // The third comes later: what was gossiped before its time must still reach it.
    let third = Member::start(3, vec![members[1].door()]).await;
    members.push(third);
    let knows_all = |member: &Member, all: &[Member]| {
        all.iter().all(|other| other.id() == member.id() || member.known.contains_key(&other.id()))
    };
    until(&mut members, |m| m.iter().all(|member| knows_all(member, m))).await;
    // And then they link up by themselves.
    until(&mut members, |m| m[0].linked(&m[2]) && m[2].linked(&m[0])).await;
}

#[tokio::test]
async fn a_relay_is_reached_by_name_once_its_descriptor_is_known() {
    let mut relays = [Member::start(1, Vec::new()).await, Member::start(2, Vec::new()).await];
    let id = relays[1].id();
    let target = Target::Relay(id);
    relays[0].relay.net.submit(NetCommand::Connect(target.clone()));
    until(&mut relays, |m| !m[0].failed.is_empty()).await;
    assert_eq!(relays[0].failed, [(target.clone(), Reason::Forbidden)], "unknown: not dialled");
    let (descriptor, bytes) = relays[1].own.clone();
    relays[0].relay.net.submit(NetCommand::Learned(Box::new(descriptor), bytes));
    relays[0].relay.net.submit(NetCommand::Connect(target));
    until(&mut relays, |m| m[0].linked(&m[1]) && m[1].linked(&m[0])).await;
    assert_eq!(relays[0].failed.len(), 1);
}

#[tokio::test]
async fn private_addresses_are_not_dialled_unless_allowed() {
    let other = Relay::start(1).await;
    let mut relay = Relay::with(2, any_port(), any_port(), Vec::new(), false).await;
    let (descriptor, bytes) = other.descriptor(1);
    relay.net.submit(NetCommand::Learned(Box::new(descriptor), bytes));
    relay.net.submit(NetCommand::Connect(Target::Relay(other.id())));
    match relay.next().await {
        NetEvent::ConnectFailed(Target::Relay(id), Reason::Forbidden) => assert_eq!(id, other.id()),
        event => panic!("{event:?}"),
    }
}

#[tokio::test]
async fn a_descriptor_with_another_relays_address_leads_nowhere() {
    let real = Relay::start(1).await;
    let mut relay = Relay::start(2).await;
    let liar = Relay::start(3).await;
    let (mut descriptor, _) = liar.descriptor(1);
    descriptor.mesh = RelayAddr::Ip(real.net.listening().unwrap().mesh);
    let bytes = net_support::sign(&descriptor, &liar.seed);
    relay.net.submit(NetCommand::Learned(Box::new(descriptor), bytes));
    relay.net.submit(NetCommand::Connect(Target::Relay(liar.id())));
    match relay.next().await {
        NetEvent::ConnectFailed(Target::Relay(id), Reason::WrongPeer) => assert_eq!(id, liar.id()),
        event => panic!("{event:?}"),
    }
}

#[tokio::test]
async fn an_unlisted_relay_is_known_to_its_guard_only_and_dials_nobody_else() {
    let guard = Member::start(1, Vec::new()).await;
    let far = Member::start(2, vec![guard.door()]).await;
    let bridge = Member::start_as(3, vec![guard.door()], flags::BRIDGE).await;
    let mut all = [guard, far, bridge];
    until(&mut all, |m| m[0].linked(&m[1]) && m[1].linked(&m[0]) && m[0].linked(&m[2]) && m[2].linked(&m[0]))
        .await;
    until(&mut all, |m| m[0].known.contains_key(&m[2].id())).await;
    // Its core hears of the other one from the guard, and asks for a link to it.
    let told = all[1].own.1.clone();
    all[2].learn(told);
    let wanted = Target::Relay(all[1].id());
    all[2].relay.net.submit(NetCommand::Connect(wanted.clone()));
    until(&mut all, |m| !m[2].failed.is_empty()).await;
    assert_eq!(all[2].failed, [(wanted, Reason::Forbidden)]);
    // Time for gossip, for Kademlia and for the keepers, which dial whomever they know while they hold few.
    let settle = tokio::time::sleep(std::time::Duration::from_secs(4));
    tokio::select! {
        biased;
        () = settle => {}
        () = until(&mut all, |_| false) => {}
    }
    assert!(!all[1].known.contains_key(&all[2].id()), "the other relay never heard of it");
    assert!(!all[1].linked(&all[2]) && !all[2].linked(&all[1]));
    assert!(all[0].linked(&all[2]) && all[0].linked(&all[1]));
}

#[tokio::test]
async fn two_relays_that_dial_each_other_at_once_end_with_one_link() {
    let mut relays = [Member::start(1, Vec::new()).await, Member::start(2, Vec::new()).await];
    let own: Vec<_> = relays.iter().map(|member| member.own.clone()).collect();
    for (member, (descriptor, bytes)) in relays.iter_mut().zip(own.iter().rev()) {
        member.relay.net.submit(NetCommand::Learned(Box::new(descriptor.clone()), bytes.clone()));
        member.relay.net.submit(NetCommand::Connect(Target::Relay(descriptor.relay())));
    }
    until(&mut relays, |m| m[0].linked(&m[1]) && m[1].linked(&m[0])).await;
    // What was a second connection is gone soon; the one that stays carries frames both ways.
    let settle = tokio::time::sleep(std::time::Duration::from_millis(500));
    tokio::select! {
        biased;
        () = settle => {}
        () = until(&mut relays, |_| false) => {}
    }
    assert!(relays[0].linked(&relays[1]) && relays[1].linked(&relays[0]));
    assert!(relays.iter().all(|member| member.failed.is_empty()), "nobody is told of a failure");
    for (from, to) in [(0, 1), (1, 0)] {
        let link = relays[from].links[&relays[to].own.0.mesh_key];
        let frame = Frame::new(Kind::Open, 5, vec![from as u8; 20]);
        relays[from].relay.net.submit(NetCommand::Send { link, frame: frame.clone() });
        loop {
            if let NetEvent::Frame { frame: got, .. } = relays[to].relay.next().await
                && got.kind == Kind::Open
            {
                assert_eq!(got, frame);
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_relay_that_comes_back_is_linked_again_by_itself() {
    let first = Member::start(1, Vec::new()).await;
    let listening = first.relay.net.listening().unwrap();
    let second = Member::start(2, vec![first.door()]).await;
    let mut members = vec![first, second];
    until(&mut members, |m| m[0].linked(&m[1]) && m[1].linked(&m[0])).await;
    let mut alone = vec![members.pop().unwrap()];
    let gone = members.pop().unwrap();
    let key = gone.own.0.mesh_key;
    let own = gone.own.clone();
    drop(gone);
    until(&mut alone, |m| !m[0].links.contains_key(&key)).await;
    let relay = Relay::start_at(1, listening.door, listening.mesh).await;
    let back = Member { relay, own, known: HashMap::new(), links: HashMap::new(), failed: Vec::new() };
    let mut members = vec![alone.pop().unwrap(), back];
    until(&mut members, |m| m[0].linked(&m[1]) && m[1].linked(&m[0])).await;
}

#[tokio::test]
async fn leaves_and_relays_do_not_meet_at_the_wrong_port() {
    let relay = Relay::start(1).await;
    let mut leaf = Leaf::start(1);
    // The mesh port answers with the mesh key, which is not the key of the door.
    let mesh = relay.net.listening().unwrap().mesh;
    leaf.net.submit(NetCommand::Connect(net_support::door_target(relay.id(), mesh)));
    assert!(matches!(leaf.next().await, NetEvent::ConnectFailed(_, Reason::WrongPeer)));
    // Whoever expects the mesh key there still finds no door behind it.
    let mesh_id = RelayId::of(&public_key(&relay.mesh_seed).unwrap());
    leaf.net.submit(NetCommand::Connect(net_support::door_target(mesh_id, mesh)));
    // Either it says so, or the streams it opens by itself are too many for a leaf.
    let event = leaf.next().await;
    assert!(matches!(event, NetEvent::ConnectFailed(_, Reason::Version | Reason::Unreachable)), "{event:?}");
}
