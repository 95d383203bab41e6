//! Relay cores on their drivers over a real mesh: descriptors reach every relay, and every relay gets linked.
#![allow(clippy::unwrap_used)]

mod net_support;

use karvon_node::clock::{Clock, SystemClock};
use karvon_node::driver::{Call, Jobs, RelaySurroundings, StoreEvent, StorePort, StoreRequest, run};
use karvon_node::net::{NetCommand, NetEvent, public_key};
use karvon_protocol::core::{Job, JobOutput, LinkInfo};
use karvon_protocol::descriptor::{Descriptor, Door, RelayAddr, flags};
use karvon_protocol::link::{Frame, Hello, Kind};
use karvon_protocol::relay::RelayCore;
use karvon_protocol::relay::api::{RelayCommand, RelayReply, RelaySetup, RelayStatus};
use net_support::{DEADLINE, Leaf, Relay, any_port, door_target};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use zeroize::Zeroizing;

/// A disk without content that never fails: relays here start empty and are not restarted.
#[derive(Default)]
struct Forgetful(VecDeque<StoreEvent>);

impl StorePort for Forgetful {
    fn request(&mut self, request: StoreRequest) -> Result<(), Option<StoreRequest>> {
        self.0.push_back(match request {
            StoreRequest::Persist(batch) => StoreEvent::Persisted { upto: batch.id },
            StoreRequest::Load(id, _) => StoreEvent::Loaded(id, Vec::new()),
        });
        Ok(())
    }

    fn poll_event(&mut self, _: &mut Context<'_>) -> Poll<Option<StoreEvent>> {
        self.0.pop_front().map_or(Poll::Pending, |event| Poll::Ready(Some(event)))
    }
}

struct NoJobs;

impl Jobs for NoJobs {
    fn run(&self, _: Job) -> Pin<Box<dyn Future<Output = JobOutput> + Send>> {
        Box::pin(async { JobOutput::Failed })
    }
}

struct Node {
    calls: mpsc::Sender<Call<RelayCore>>,
    door: Door,
}

impl Node {
    async fn start(number: u8, peers: Vec<Door>) -> Self {
        let relay = Relay::with(number, any_port(), any_port(), peers, true).await;
        let listening = relay.net.listening().unwrap();
        let setup = RelaySetup {
            static_seed: Zeroizing::new(relay.seed),
            mesh_key: public_key(&relay.mesh_seed).unwrap(),
            door: RelayAddr::Ip(listening.door),
            mesh: RelayAddr::Ip(listening.mesh),
            flags: flags::MAILBOX,
            family: None,
        };
        let core = RelayCore::new(setup, Box::new(ChaCha20Rng::from_seed([number; 32])));
        let (calls, commands) = mpsc::channel(16);
        let net = relay.net;
        tokio::spawn(async move {
            let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
            let mut store = Forgetful::default();
            let around = RelaySurroundings(|_: &_| {});
            let stop = std::future::pending();
            run(core, net, &mut store, Arc::new(NoJobs), clock, commands, around, stop).await
        });
        let RelayReply::Door(door) = call(&calls, RelayCommand::NewSlot).await else { panic!("no slot") };
        Self { calls, door }
    }

    async fn status(&self) -> RelayStatus {
        match call(&self.calls, RelayCommand::Status).await {
            RelayReply::Status(status) => status,
            other => panic!("{other:?}"),
        }
    }
}

async fn call(calls: &mpsc::Sender<Call<RelayCore>>, command: RelayCommand) -> RelayReply {
    let (reply, answer) = oneshot::channel();
    calls.send((command, reply)).await.unwrap();
    tokio::time::timeout(DEADLINE, answer).await.unwrap().unwrap().unwrap()
}

#[tokio::test]
async fn relays_in_a_line_become_a_mesh() {
    let first = Node::start(1, Vec::new()).await;
    let second = Node::start(2, vec![first.door.clone()]).await;
    let third = Node::start(3, vec![second.door.clone()]).await;
    let nodes = [first, second, third];
    let meshed = async {
        loop {
            let mut whole = 0;
            for node in &nodes {
                let status = node.status().await;
                whole += usize::from(status.relays_known == 2 && status.mesh_links == 2);
            }
            if whole == nodes.len() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(DEADLINE, meshed).await.expect("every relay knows and is linked to every other one");
}

#[tokio::test]
async fn a_leaf_with_a_slot_is_welcomed_and_one_without_is_not() {
    let node = Node::start(1, Vec::new()).await;
    for honest in [true, false] {
        let mut leaf = Leaf::start(7);
        leaf.net.submit(NetCommand::Connect(door_target(node.door.relay, node.door.addr.socket())));
        let NetEvent::LinkUp(link, LinkInfo::Door { local_key, remote_key, .. }) = leaf.next().await else {
            panic!("no link");
        };
        let mut door = node.door.clone();
        if !honest {
            door.key = Zeroizing::new([0; 32]);
        }
        let hello = Hello::new(&door, &local_key, &remote_key).encode();
        leaf.net.submit(NetCommand::Send { link, frame: Frame::new(Kind::Hello, 0, hello) });
        match leaf.next().await {
            NetEvent::Frame { frame, .. } if honest => {
                assert_eq!(frame.kind, Kind::Welcome);
                assert_eq!(Descriptor::verify(&frame.payload).unwrap().relay(), door.relay);
            }
            NetEvent::LinkDown(..) if !honest => {}
            other => panic!("{honest} {other:?}"),
        }
    }
}
