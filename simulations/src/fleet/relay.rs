//! A relay of the world: the real one, on a server or a home line, over crashes and restarts.

use super::disk::DiskSpec;
use super::node_host::{AtOnce, Calls, NodeHost};
use super::sour::{Mood, Sour, Temper};
use crate::det::Skew;
use crate::net::{HostId, HostSpec};
use crate::oracle::Fact;
use crate::world::{Process, World};
use karvon_node::driver::{Call, DriverError, RelaySurroundings, run};
use karvon_node::net::{RelayOptions, public_key, start_relay};
use karvon_node::store::memory::MemoryDisk;
use karvon_protocol::descriptor::{Door, RelayAddr, flags};
use karvon_protocol::ids::RelayId;
use karvon_protocol::limits::{MAILBOX_BYTES_MAX, MAILBOX_CELLS_MAX};
use karvon_protocol::relay::RelayCore;
use karvon_protocol::relay::api::{RelayCommand, RelayReply, RelaySetup, RelayStatus};
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use zeroize::Zeroizing;

/// Where leaves are served.
const DOOR_PORT: u16 = 443;
/// Where relays are served.
const MESH_PORT: u16 = 4_001;
/// Pause before a relay whose store or network failed is built anew.
const REBUILD_AFTER: Duration = Duration::from_secs(1);

/// A relay. It keeps its disk and its keys while processes come and go.
pub struct RelayHost {
    world: World,
    number: usize,
    host: HostId,
    addr: Ipv4Addr,
    disk: MemoryDisk,
    skew: Skew,
    static_seed: Zeroizing<[u8; 32]>,
    mesh_seed: Zeroizing<[u8; 32]>,
    peers: Vec<Door>,
    calls: Calls<Sour>,
    mood: Mood,
    process: Option<Process>,
}

impl RelayHost {
    /// Relay number `number` on a new host. It is not running yet.
    #[must_use]
    pub fn new(world: &World, number: usize, spec: HostSpec, peers: Vec<Door>) -> Self {
        let host = world.net.add_host(spec);
        let [static_seed, mesh_seed] = seeds(world, number);
        for (name, seed) in [("door", &static_seed), ("mesh", &mesh_seed)] {
            if let Ok(key) = public_key(seed) {
                world.secrets.add(format!("the {name} key of relay {number}"), &key);
            }
        }
        let addr = world.net.host(host, |host| host.public).unwrap_or(Ipv4Addr::UNSPECIFIED);
        Self {
            world: world.clone(),
            number,
            host,
            addr,
            disk: MemoryDisk::default(),
            skew: Skew::default(),
            static_seed,
            mesh_seed,
            peers,
            calls: Calls::default(),
            mood: Mood::default(),
            process: None,
        }
    }

    /// Its host.
    #[must_use]
    pub const fn host(&self) -> HostId {
        self.host
    }

    /// Its disk, for faults.
    #[must_use]
    pub const fn disk(&self) -> &MemoryDisk {
        &self.disk
    }

    /// The error of its wall clock.
    #[must_use]
    pub const fn skew(&self) -> &Skew {
        &self.skew
    }

    /// The address for leaves.
    #[must_use]
    pub const fn door_addr(&self) -> SocketAddr {
        SocketAddr::new(std::net::IpAddr::V4(self.addr), DOOR_PORT)
    }

    /// What others call it.
    #[must_use]
    pub fn id(&self) -> RelayId {
        RelayId::of(&public_key(&self.static_seed).unwrap_or_default())
    }

    /// What relay number `number` of this world will be called.
    #[must_use]
    pub fn id_of(world: &World, number: usize) -> RelayId {
        let [static_seed, _] = seeds(world, number);
        RelayId::of(&public_key(&static_seed).unwrap_or_default())
    }

    /// Whom it tells of when it eclipses others, besides itself; those whose doors it was given are its way into the mesh.
    pub fn conspire(&self, with: BTreeSet<RelayId>) {
        self.mood.conspire(with, self.peers.iter().map(|door| door.relay).collect());
    }

    /// Makes it honest or sour, from now on.
    pub fn turn(&self, temper: Temper) {
        self.world.note(&format!("relay {} turns: {temper:?}", self.number));
        self.mood.set(temper);
    }

    /// Whether a process runs.
    #[must_use]
    pub const fn runs(&self) -> bool {
        self.process.is_some()
    }

    /// Starts a process, unless one runs.
    pub fn start(&mut self) {
        if self.process.is_some() {
            return;
        }
        let process = self.world.start(self.host, self.skew.clone());
        let node = NodeHost::new(
            &self.world,
            process.clone(),
            self.disk.clone(),
            DiskSpec::SERVER,
            &format!("relay {}", self.number),
        );
        let listen = |port| SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port);
        let options = RelayOptions {
            static_seed: self.static_seed.clone(),
            mesh_seed: self.mesh_seed.clone(),
            door: listen(DOOR_PORT),
            mesh: listen(MESH_PORT),
            allow_private: false,
            peers: self.peers.clone(),
        };
        let announced = |port| RelayAddr::Ip(SocketAddr::new(self.addr.into(), port));
        let setup = RelaySetup {
            static_seed: self.static_seed.clone(),
            mesh_key: public_key(&self.mesh_seed).unwrap_or_default(),
            door: announced(DOOR_PORT),
            mesh: announced(MESH_PORT),
            flags: flags::MAILBOX,
            family: None,
        };
        let commands = self.calls.connect();
        let (world, calls, mood) = (self.world.clone(), self.calls.clone(), self.mood.clone());
        process.spawn(serve(world, node, options, setup, calls, mood, commands));
        self.process = Some(process);
    }

    /// Kills the process.
    pub async fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill().await;
        }
    }

    /// Pulls the plug.
    pub async fn power_cut(&mut self) {
        if let Some(process) = self.process.take() {
            process.power_cut().await;
        }
    }

    /// Ends all slots that were made here.
    pub async fn end_doors(&self) {
        let Some(Ok(RelayReply::Slots(slots))) = self.calls.ask(RelayCommand::Slots).await else { return };
        for slot in slots {
            let _ = self.calls.ask(RelayCommand::DropSlot(slot)).await;
        }
    }

    /// Makes a door for a person. `None` if the relay does not run.
    pub async fn new_door(&self) -> Option<Door> {
        match self.calls.ask(RelayCommand::NewSlot).await? {
            Ok(RelayReply::Door(door)) => {
                self.world.secrets.add(format!("the id of relay {}", self.number), &door.relay.0);
                Some(door)
            }
            _ => None,
        }
    }

    /// Its counters, which are held against their bounds on the way. `None` if the relay does not run.
    pub async fn status(&self) -> Option<RelayStatus> {
        let Ok(RelayReply::Status(status)) = self.calls.ask(RelayCommand::Status).await? else { return None };
        for (what, value, bound) in [
            ("cells", status.cells, status.mailboxes * MAILBOX_CELLS_MAX),
            ("bytes of cells", status.cell_bytes, status.mailboxes * MAILBOX_BYTES_MAX),
        ] {
            if let Some(process) = &self.process {
                self.world.fact(&Fact::Measured { node: process.node(), what, value, bound });
            }
        }
        Some(status)
    }
}

/// The seeds of a relay's static key and of its key in the mesh.
fn seeds(world: &World, number: usize) -> [Zeroizing<[u8; 32]>; 2] {
    let mut rng = world.rng(&format!("relay {number}"));
    [(); 2].map(|()| {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill(&mut seed[..]);
        seed
    })
}

impl std::fmt::Debug for RelayHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RelayHost({})", self.number)
    }
}

/// What a relay's process does until it is ended.
async fn serve(
    world: World,
    mut node: NodeHost,
    options: RelayOptions,
    setup: RelaySetup,
    calls: Calls<Sour>,
    mood: Mood,
    mut commands: mpsc::Receiver<Call<Sour>>,
) {
    loop {
        let net = match start_relay(&node.deps, options.clone()).await {
            Ok(net) => net,
            Err(error) => return world.note(&format!("the relay can not start: {error}")),
        };
        let inner = RelayCore::new(setup.clone(), node.rng());
        let core = Sour::new(inner, mood.clone(), node.chance(), &setup.static_seed);
        let mut store = node.store().of_mood(mood.clone());
        let clock = node.deps.clock.clone();
        let around = RelaySurroundings(|_: &_| {});
        let ended =
            run(core, net, &mut store, Arc::new(AtOnce), clock, commands, around, std::future::pending());
        match ended.await {
            Ok(()) => return,
            Err(error @ (DriverError::Store(_) | DriverError::Net)) => {
                world.note(&format!("the relay is built anew: {error}"));
                tokio::time::sleep(REBUILD_AFTER).await;
                commands = calls.connect();
            }
        }
    }
}
