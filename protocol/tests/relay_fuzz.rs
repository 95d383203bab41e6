//! Whatever comes over a link, a relay neither panics nor stops serving, and it keeps to its bounds.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod relay_world;

use karvon_protocol::core::{Input, LinkId, LinkInfo, Reason, Target};
use karvon_protocol::ids::RelayId;
use karvon_protocol::link::{Frame, Kind, open_payload};
use karvon_protocol::relay::api::RelayCommand;
use karvon_protocol::rpc::{Push, Reply};
use proptest::prelude::*;
use relay_world::{Node, Pipe, one_leaf, owner};

#[derive(Debug, Clone)]
enum Event {
    Frame(u64, Frame),
    /// A plain text sealed by the leaf's own tunnel, so that it reaches the requests.
    Request(Vec<u8>),
    /// A real first message for tunnel `number`, to this relay or to the one behind.
    Open(u32, bool, Vec<u8>),
    Up(u64, bool),
    Down(u64),
    Heard(Vec<u8>),
    Failed(u8),
    Pass(u64),
}

fn kind() -> impl Strategy<Value = Kind> {
    prop::sample::select(vec![
        Kind::Hello,
        Kind::Welcome,
        Kind::Heartbeat,
        Kind::Open,
        Kind::Opened,
        Kind::Data,
        Kind::Close,
        Kind::DirectoryAsk,
        Kind::Near,
        Kind::Objects,
        Kind::Descriptor,
        Kind::SlotPut,
        Kind::SlotDrop,
        Kind::SlotAck,
        Kind::Reach,
    ])
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..120),
        prop::sample::select(vec![vec![0; 16], vec![1; 48], vec![9; 8], vec![7; 2_100], vec![0; 61_000]]),
    ]
}

fn request() -> impl Strategy<Value = Vec<u8>> {
    (0..13_u8, 0..4_u32, bytes()).prop_map(|(kind, number, rest)| {
        let mut plain = [&[kind][..], &number.to_be_bytes(), &rest].concat();
        plain.truncate(61_000);
        plain
    })
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..6_u64, kind(), 0..5_u32, bytes())
            .prop_map(|(link, kind, tunnel, payload)| Event::Frame(link, Frame::new(kind, tunnel, payload))),
        4 => request().prop_map(Event::Request),
        2 => (2..7_u32, any::<bool>(), bytes()).prop_map(|(number, own, first)| Event::Open(number, own, first)),
        1 => (0..6_u64, any::<bool>()).prop_map(|(link, mesh)| Event::Up(link, mesh)),
        1 => (0..6_u64).prop_map(Event::Down),
        1 => bytes().prop_map(Event::Heard),
        1 => any::<u8>().prop_map(Event::Failed),
        1 => (0..90_000_u64).prop_map(Event::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn junk_neither_stops_nor_grows_a_relay(events in prop::collection::vec(event(), 1..60)) {
        let (mut node, door, mut pipe) = one_leaf();
        let far = Node::new(2);
        node.input(Input::LinkUp(LinkId(5), LinkInfo::Mesh { remote_key: far.mesh_key() }));
        node.frame(LinkId(5), Kind::Welcome, 0, far.descriptor().1);
        node.attach(&mut pipe, &owner(9), Push::Cells);
        for event in events {
            match event {
                Event::Frame(link, frame) => node.input(Input::Frame { link: LinkId(link), frame }),
                Event::Request(plain) => {
                    pipe.read(&mut node);
                    if pipe.is_open() {
                        let sealed = pipe.tunnel().seal(&plain).unwrap();
                        node.frame(pipe.link, Kind::Data, pipe.number, sealed);
                    }
                }
                Event::Open(number, own, first) => {
                    let to = if own { (node.id(), node.descriptor().0) } else { (far.id(), far.descriptor().0) };
                    let (_, message) = Pipe::start(to.0, to.1.onion_key(), LinkId(1), number, &first);
                    node.frame(LinkId(1), Kind::Open, number, open_payload(to.0, &message));
                }
                Event::Up(link, mesh) => {
                    let remote_key = far.mesh_key();
                    let local_key = node.static_key();
                    let info =
                        if mesh { LinkInfo::Mesh { remote_key } } else { LinkInfo::Leaf { local_key, remote_key } };
                    node.input(Input::LinkUp(LinkId(link), info));
                }
                Event::Down(link) => node.input(Input::LinkDown(LinkId(link), Reason::Lost)),
                Event::Heard(bytes) => drop(node.command(RelayCommand::Heard(bytes))),
                Event::Failed(number) => {
                    let relay = if number < 128 { far.id() } else { RelayId([number; 16]) };
                    node.input(Input::ConnectFailed(Target::Relay(relay), Reason::Unreachable));
                }
                Event::Pass(ms) => node.pass(ms),
            }
        }
        prop_assert!(node.dialled.iter().all(|target| *target == Target::Relay(far.id())));
        let link = node.leaf(50, &door);
        let mut pipe = node.tunnel(link, 1);
        let attached = node.attach(&mut pipe, &owner(8), Push::None);
        prop_assert_eq!(attached, Reply::Attached { cells: 0, next: 1 }, "it still serves");
        let status = node.status();
        prop_assert!(status.tunnels <= 4 * 16 && status.mailboxes <= 20 && status.cells == 0);
    }
}
