//! Plain gossipsub over modelled links, as others measured it: the yardstick for groups and channels.

use super::{Param, Scenario, Script, Setup, Values};
use crate::det::{Rng, Skew};
use crate::net::{HostId, HostSpec, Region, RegionSet, SECOND, SimTime, to_ms};
use crate::report::Figures;
use crate::transport::SimTransport;
use crate::world::{Process, World};
use futures::StreamExt;
use libp2p::core::transport::Transport;
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, Swarm, gossipsub, noise, ping, yamux};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;

const PARAMS: &[Param] = &[
    Param::new("messages", "messages in total, one each second", 25.0, 1.0, 10_000.0),
    Param::new("bytes", "bytes of a message", 1_000.0, 24.0, 500_000.0),
    Param::new("mesh", "gossipsub's D: neighbours in the mesh", 6.0, 2.0, 12.0),
    Param::new("dials", "connections that each node opens", 8.0, 1.0, 20.0),
    Param::new("warm", "seconds before the first message", 30.0, 5.0, 600.0),
    Param::new(
        "cut",
        "1: the border between Russia and Europe is cut when the network is warm",
        0.0,
        0.0,
        1.0,
    ),
    Param::new("bridges", "nodes that still reach across the cut border", 1.0, 0.0, 100.0),
    Param::new("killed", "share of nodes that lose power when the network is warm", 0.0, 0.0, 0.95),
];

/// Time for the last messages to arrive.
const TAIL: Duration = Duration::from_secs(10);

#[derive(NetworkBehaviour)]
struct Behaviour {
    gossip: gossipsub::Behaviour,
    ping: ping::Behaviour,
}

enum Command {
    Dial(Multiaddr),
    Publish(Vec<u8>),
}

/// What the nodes saw.
#[derive(Default)]
struct Seen {
    sent_at: BTreeMap<u64, SimTime>,
    deliveries: BTreeMap<u64, u64>,
    twice: u64,
}

/// The scenario.
pub(super) struct Gossip;

impl Scenario for Gossip {
    fn name(&self) -> &'static str {
        "gossip"
    }

    fn about(&self) -> &'static str {
        "plain gossipsub on one topic: delay, bytes and copies, also across a cut border"
    }

    fn nodes(&self) -> [usize; 3] {
        [2, 100, 20_000]
    }

    fn params(&self) -> &'static [Param] {
        PARAMS
    }

    fn bytes_per_node(&self) -> u64 {
        2 << 20
    }

    fn small(&self, rng: &mut Rng) -> Setup {
        let picks = [
            format!("messages={}", 3 + rng.below(8)),
            format!("bytes={}", 24 + rng.below(4_000)),
            "warm=15".to_owned(),
            format!("dials={}", 3 + rng.below(4)),
            format!("cut={}", rng.below(2)),
            format!("bridges={}", rng.below(4)),
            format!("killed={}", rng.below(4) as f64 / 10.0),
        ];
        let values = Values::picked(PARAMS, picks);
        Setup { nodes: 10 + rng.index(21), values }
    }

    fn script(&self, world: World, setup: Setup, figures: Figures) -> Script {
        Box::pin(script(world, setup, figures))
    }
}

async fn script(world: World, setup: Setup, figures: Figures) {
    let n = setup.nodes;
    let values = &setup.values;
    let mut rng = world.rng("gossip");
    let seen = Arc::new(Mutex::new(Seen::default()));
    let mut nodes: Vec<(HostId, Process, mpsc::Sender<Command>)> = Vec::with_capacity(n);
    for number in 0..n {
        let region = if number % 2 == 0 { Region::Russia } else { Region::Europe };
        let host = world.net.add_host(HostSpec::server(region));
        let process = world.start(host, Skew::default());
        let (commands, inbox) = mpsc::channel(1_024);
        let mut key = [0; 32];
        rng.fill(&mut key);
        let node = node(world.clone(), process.clone(), key, values.count("mesh"), inbox, seen.clone());
        process.spawn(node);
        nodes.push((host, process, commands));
    }
    figures.progress(&format!("{n} nodes started"));
    world.sleep(Duration::from_millis(100)).await;
    for at in 0..n {
        for _ in 0..values.count("dials").min(n - 1) {
            let other = (at + 1 + rng.index(n - 1)) % n;
            let Some((host, _, _)) = nodes.get(other) else { continue };
            let Some(ip) = world.net.host(*host, |host| host.public) else { continue };
            let Some((_, _, commands)) = nodes.get(at) else { continue };
            let addr = Multiaddr::from(ip).with(Protocol::Tcp(4_001));
            let _ = commands.try_send(Command::Dial(addr));
        }
        // Not all at once: nobody's network starts so.
        if at % 10 == 9 {
            world.sleep(Duration::from_millis(50)).await;
        }
    }
    world.sleep(values.seconds("warm")).await;
    figures.progress(&format!("warm, {} flows", world.net.flows()));
    figures.number("connections_per_node", 2.0 * world.net.flows() as f64 / n as f64);
    if values.count("cut") == 1 {
        let bridges = nodes.iter().take(values.count("bridges")).map(|(host, _, _)| *host);
        world.net.cut_border(RegionSet::of(&[Region::Russia]), bridges);
        world.note("the border is cut");
    }
    let mut living: Vec<usize> = (0..n).collect();
    rng.shuffle(&mut living);
    let doomed = ((n as f64 * values.get("killed")) as usize).min(n - 1);
    for at in living.drain(..doomed) {
        if let Some((_, process, _)) = nodes.get(at) {
            process.power_cut().await;
        }
    }
    let before = world.net.counts();
    let began = world.now();
    let messages = values.count("messages") as u64;
    for number in 1..=messages {
        let author = living.get(rng.index(living.len())).copied().unwrap_or_default();
        let mut message = vec![0; values.count("bytes")];
        rng.fill(&mut message);
        for (to, from) in message.iter_mut().zip(number.to_le_bytes()) {
            *to = from;
        }
        world.secrets.add(format!("message {number}"), message.get(..24).unwrap_or_default());
        lock(&seen).sent_at.insert(number, world.now());
        if let Some((_, _, commands)) = nodes.get(author) {
            let _ = commands.try_send(Command::Publish(message));
        }
        world.sleep(Duration::from_secs(1)).await;
        figures.progress(&format!("message {number} of {messages}"));
    }
    let sending = world.now() - began;
    let after = world.net.counts();
    world.sleep(TAIL).await;
    let seen = lock(&seen);
    let delivered: u64 = seen.deliveries.values().sum();
    let expected = messages * (living.len() as u64).saturating_sub(1);
    figures.share("delivery_percent", delivered, expected);
    let whole = seen.deliveries.values().filter(|count| **count + 1 == living.len() as u64).count();
    figures.share("messages_that_reached_all_percent", whole as u64, messages);
    figures.number("shown_twice", seen.twice as f64);
    let bytes = (after.bytes - before.bytes) as f64;
    figures.number("bytes_per_node_s", bytes / living.len() as f64 / (sending as f64 / SECOND as f64));
    if delivered > 0 {
        figures.number("copies_per_delivery", bytes / delivered as f64 / values.get("bytes"));
    }
}

fn lock(seen: &Mutex<Seen>) -> std::sync::MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn node(
    world: World,
    process: Process,
    mut key: [u8; 32],
    mesh: usize,
    mut commands: mpsc::Receiver<Command>,
    seen: Arc<Mutex<Seen>>,
) {
    let topic = gossipsub::IdentTopic::new("measured");
    let Ok(mut swarm) = swarm(&world, &process, &mut key, mesh) else {
        return world.note("the swarm could not be built");
    };
    let _ = swarm.behaviour_mut().gossip.subscribe(&topic);
    let _ = swarm.listen_on(Multiaddr::from(std::net::Ipv4Addr::UNSPECIFIED).with(Protocol::Tcp(4_001)));
    loop {
        tokio::select! {
            biased;
            command = commands.recv() => match command {
                None => return,
                Some(Command::Dial(addr)) => drop(swarm.dial(addr)),
                Some(Command::Publish(message)) => {
                    if let Err(error) = swarm.behaviour_mut().gossip.publish(topic.clone(), message) {
                        world.note(&format!("could not publish: {error}"));
                    }
                }
            },
            event = swarm.select_next_some() => {
                if let SwarmEvent::Behaviour(BehaviourEvent::Gossip(gossipsub::Event::Message { message, .. })) = event {
                    received(&world, &seen, &message.data);
                }
            }
        }
    }
}

fn received(world: &World, seen: &Mutex<Seen>, data: &[u8]) {
    let Some(number) = data.first_chunk::<8>().map(|bytes| u64::from_le_bytes(*bytes)) else { return };
    let mut seen = lock(seen);
    let Some(sent) = seen.sent_at.get(&number).copied() else { return };
    *seen.deliveries.entry(number).or_default() += 1;
    drop(seen);
    let took = to_ms(world.now() - sent);
    world.note(&format!("message {number} after {took} ms"));
    Figures::current(|figures| figures.sample("delay_ms", took as f64));
}

fn swarm(
    world: &World,
    process: &Process,
    key: &mut [u8; 32],
    mesh: usize,
) -> Result<Swarm<Behaviour>, Box<dyn std::error::Error>> {
    let key = Keypair::ed25519_from_bytes(&mut key[..])?;
    let peer = key.public().to_peer_id();
    if let Ok(public) = key.public().try_into_ed25519() {
        world.secrets.add("a peer's key", &public.to_bytes());
    }
    let transport = SimTransport::new(world.net.clone(), process.host())
        .upgrade(Version::V1)
        .authenticate(noise::Config::new(&key)?)
        .multiplex(yamux::Config::default())
        .timeout(Duration::from_secs(20))
        .boxed();
    let config = gossipsub::ConfigBuilder::default()
        .heartbeat_interval(Duration::from_secs(1))
        .mesh_n(mesh)
        .mesh_n_low((mesh * 2 / 3).max(1))
        .mesh_n_high(mesh * 2)
        .mesh_outbound_min((mesh / 3).min(2))
        .flood_publish(false)
        .max_transmit_size(1 << 20)
        .validation_mode(gossipsub::ValidationMode::Anonymous)
        .message_id_fn(|message| blake3::hash(&message.data).as_bytes().to_vec().into())
        .build()?;
    let gossip = gossipsub::Behaviour::new(gossipsub::MessageAuthenticity::Anonymous, config)?;
    let behaviour = Behaviour { gossip, ping: ping::Behaviour::default() };
    let process = process.clone();
    let config = libp2p::swarm::Config::with_executor(move |task| process.spawn(task));
    Ok(Swarm::new(transport, behaviour, peer, config))
}
