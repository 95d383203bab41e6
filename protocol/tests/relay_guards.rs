//! An unlisted relay and its guards: who is behind it reaches every relay, and no relay but its guards learns of it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod relay_world;

use karvon_protocol::cell::Class;
use karvon_protocol::core::{Input, LinkId, LinkInfo, Reason};
use karvon_protocol::descriptor::flags;
use karvon_protocol::ids::RelayId;
use karvon_protocol::link::{CloseCode, Frame, Kind, open_payload};
use karvon_protocol::relay::api::RelayCommand;
use karvon_protocol::relay::limits::RelayLimits;
use karvon_protocol::rpc::{Push, Reply, Request};
use relay_world::{Node, Pipe, attach, cell, deposit, owner, prefix, setup};

/// Between bridge and guard, and between guard and mailbox relay.
const BEHIND: LinkId = LinkId(1_000);
const BEYOND: LinkId = LinkId(2_000);

struct Chain {
    bridge: Node,
    guard: Node,
    far: Node,
    /// Frames that the mailbox relay was sent.
    told: Vec<Frame>,
    leaf: LinkId,
}

fn link(a: &mut Node, b: &mut Node, link: LinkId) {
    a.input(Input::LinkUp(link, LinkInfo::Mesh { remote_key: b.mesh_key() }));
    b.input(Input::LinkUp(link, LinkInfo::Mesh { remote_key: a.mesh_key() }));
}

impl Chain {
    fn new() -> Self {
        let unlisted =
            |number| karvon_protocol::relay::api::RelaySetup { flags: flags::BRIDGE, ..setup(number) };
        let mut bridge = Node::with(unlisted(1), RelayLimits::default());
        let (mut guard, mut far) = (Node::new(2), Node::new(3));
        link(&mut guard, &mut far, BEYOND);
        link(&mut bridge, &mut guard, BEHIND);
        let slot = bridge.new_slot();
        let leaf = bridge.leaf(1, &slot);
        let mut chain = Self { bridge, guard, far, told: Vec::new(), leaf };
        chain.settle();
        // What the guard tells of others goes out in its rounds.
        for _ in 0..3 {
            for node in [&mut chain.bridge, &mut chain.guard, &mut chain.far] {
                node.pass(60_000);
            }
            chain.settle();
        }
        chain
    }

    fn settle(&mut self) {
        loop {
            let mut moved = false;
            let Self { bridge, guard, far, told, .. } = self;
            moved |= carry(BEHIND, bridge, guard, None);
            moved |= carry(BEYOND, guard, far, Some(told));
            if !moved {
                return;
            }
        }
    }

    fn open(&mut self, wanted: (RelayId, [u8; 32]), number: u32, first: &[u8]) -> Pipe {
        let (pipe, message) = Pipe::start(wanted.0, wanted.1, self.leaf, number, first);
        self.bridge.frame(self.leaf, Kind::Open, number, open_payload(wanted.0, &message));
        self.settle();
        pipe
    }

    fn far(&self) -> (RelayId, [u8; 32]) {
        (self.far.id(), self.far.descriptor().0.onion_key())
    }

    fn ask(&mut self, pipe: &mut Pipe, request: &Request) -> Reply {
        let number = self.bridge.send(pipe, request);
        self.settle();
        pipe.read(&mut self.bridge);
        pipe.answer(number).unwrap()
    }
}

fn carry(link: LinkId, a: &mut Node, b: &mut Node, told: Option<&mut Vec<Frame>>) -> bool {
    let (to_b, to_a) = (a.take(link), b.take(link));
    let moved = !to_a.is_empty() || !to_b.is_empty();
    if let Some(told) = told {
        told.extend(to_b.iter().cloned());
    }
    to_b.into_iter().for_each(|frame| b.input(Input::Frame { link, frame }));
    to_a.into_iter().for_each(|frame| a.input(Input::Frame { link, frame }));
    moved
}

#[test]
fn who_is_behind_an_unlisted_relay_deposits_and_fetches_at_relays_that_never_hear_of_it() {
    let mut chain = Chain::new();
    let far = chain.far();
    let mut pipe = chain.open(far, 1, &[]);
    pipe.read(&mut chain.bridge);
    let request = attach(&owner(9), &pipe.tunnel().hash(), Push::Cells);
    assert_eq!(chain.ask(&mut pipe, &request), Reply::Attached { cells: 0, next: 1 });
    let tags = Request::Register((0..3).map(|class| (class, prefix(u64::from(class)))).collect());
    assert_eq!(chain.ask(&mut pipe, &tags), Reply::Done);
    for class in Class::ALL {
        let sent = cell(class, class as u64, 1);
        let first = deposit(&owner(9), &sent).encode(1);
        let mut sender = chain.open(far, 2 + class as u32, &first);
        sender.read(&mut chain.bridge);
        assert!(matches!(sender.answer(1), Some(Reply::Stored { .. })));
        pipe.read(&mut chain.bridge);
        if class == Class::L {
            assert_eq!(pipe.notices(), [sent.tag().prefix()]);
        } else {
            assert_eq!(pipe.items(), [(class as u64 + 1, sent)]);
        }
    }
    assert!(chain.bridge.dialled.is_empty() && chain.guard.dialled.is_empty(), "nobody else is dialled");
    assert_eq!((chain.guard.image().cells.len(), chain.far.image().cells.len()), (0, 3));

    // Nothing that the other relay was ever sent names the unlisted one, and asked for by its id it is not told.
    let (id, key) = (chain.bridge.id(), chain.bridge.mesh_key());
    let names = |frame: &Frame| {
        frame.payload.windows(16).any(|some| some == id.0)
            || frame.payload.windows(32).any(|some| some == key)
    };
    assert!(!chain.told.is_empty() && !chain.told.iter().any(names));
    chain.told.clear();
    chain.guard.frame(BEYOND, Kind::DirectoryAsk, 0, id.0.to_vec());
    chain.settle();
    assert!(!chain.told.iter().any(names));
    // The leaf is told who its own door is.
    chain.bridge.frame(chain.leaf, Kind::DirectoryAsk, 0, id.0.to_vec());
    assert!(chain.bridge.take(chain.leaf).iter().any(names));
}

#[test]
fn tunnels_behind_a_guard_end_on_both_sides_when_a_link_breaks() {
    for broken in [BEHIND, BEYOND] {
        let mut chain = Chain::new();
        let mut pipe = chain.open(chain.far(), 1, &[]);
        pipe.read(&mut chain.bridge);
        assert!(pipe.is_open() && chain.far.status().tunnels == 1);
        let Chain { bridge, guard, far, .. } = &mut chain;
        let ends = if broken == BEHIND { [bridge, guard] } else { [guard, far] };
        ends.into_iter().for_each(|node| node.input(Input::LinkDown(broken, Reason::Lost)));
        chain.settle();
        pipe.read(&mut chain.bridge);
        assert_eq!(pipe.closed, Some(CloseCode::Unreachable));
        let all = [&mut chain.bridge, &mut chain.guard, &mut chain.far].map(|node| node.status().tunnels);
        assert_eq!(all, [0, 0, 0]);
    }
}

#[test]
fn without_a_guard_nobody_is_dialled() {
    let mut chain = Chain::new();
    let Chain { bridge, guard, .. } = &mut chain;
    for node in [bridge, guard] {
        node.input(Input::LinkDown(BEHIND, Reason::Lost));
    }
    let far = chain.far();
    let _ = chain.open(far, 1, &[]);
    assert_eq!(chain.bridge.close_code(chain.leaf, 1), Some(CloseCode::Unreachable));
    assert!(chain.bridge.dialled.is_empty());
}

#[test]
fn a_guard_passes_nothing_on_for_listed_relays_or_to_unlisted_ones() {
    let mut chain = Chain::new();
    // From the listed relay towards a third one: chains there are not.
    let third = Node::new(4);
    chain.guard.command(RelayCommand::Heard(third.descriptor().1)).unwrap();
    let (_, message) = Pipe::start(third.id(), third.descriptor().0.onion_key(), BEYOND, 3, &[]);
    chain.guard.frame(BEYOND, Kind::Open, 3, open_payload(third.id(), &message));
    assert_eq!(chain.guard.close_code(BEYOND, 3), Some(CloseCode::UnknownRelay));
    // And from it towards the unlisted one, whose id somebody may have learned.
    let (_, message) =
        Pipe::start(chain.bridge.id(), chain.bridge.descriptor().0.onion_key(), BEYOND, 5, &[]);
    chain.guard.frame(BEYOND, Kind::Open, 5, open_payload(chain.bridge.id(), &message));
    assert_eq!(chain.guard.close_code(BEYOND, 5), Some(CloseCode::UnknownRelay));
    assert!(chain.guard.dialled.is_empty() && chain.guard.take(BEHIND).is_empty());
}
