//! A relay as a whole: keys and cells on disk, both swarms, the core on its driver.

use crate::api::ApiError;
use crate::api::error::{CLOSED, IO};
use crate::api::server::Stop;
use crate::deps::Deps;
use crate::driver::{self, Call, RelaySurroundings};
use crate::net;
use crate::port::{NoJobs, WriterPort, entropy, generator};
use crate::relay_options::{Ready, RelayOptions};
use crate::rundir;
use crate::store::keystore::{self, KeyError, Lock};
use crate::store::{OpenError, Options, SledStore, Store};
use karvon_protocol::core::{Batch, BatchId, Key, Op, Range, Space};
use karvon_protocol::descriptor::{Door, RelayAddr, flags};
use karvon_protocol::relay::RelayCore;
use karvon_protocol::relay::api::{RelayCommand, RelayReply, RelaySetup};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use zeroize::Zeroizing;

/// Seed of an Ed25519 key.
type Seed = Zeroizing<[u8; 32]>;

/// Seeds of the static key and of the mesh key.
const SEEDS: Key = Key::single(Space::Meta, 1);
/// Commands that may wait for the core.
const COMMANDS: usize = 64;

/// Runs a relay until `stop`; calls `ready` once it listens.
///
/// # Errors
/// An [`ApiError`] that says what could not be used.
pub async fn run(options: RelayOptions, stop: Stop, ready: impl FnOnce(&Ready)) -> Result<(), ApiError> {
    let failed = |what: &str, error: String| ApiError::new(IO, format!("{what}: {error}"));
    rundir::make_data_dir(&options.data_dir)
        .map_err(|error| failed("the data directory", error.to_string()))?;
    let (store, seeds) = open(&options.data_dir)?;
    let [static_seed, mesh_seed] = seeds;
    let mut peers = Vec::new();
    for line in &options.peers {
        peers.push(Door::from_text(line)?);
    }
    let deps = Deps::system(entropy()?);
    let mesh_listen = options.mesh_listen.unwrap_or_else(|| SocketAddr::new(options.listen.ip(), 0));
    let net = net::start_relay(
        &deps,
        net::RelayOptions {
            static_seed: static_seed.clone(),
            mesh_seed: mesh_seed.clone(),
            door: options.listen,
            mesh: mesh_listen,
            allow_private: options.allow_private,
            peers,
        },
    )
    .await
    .map_err(|error| failed("the network", error.to_string()))?;
    let listening =
        net.listening().ok_or_else(|| ApiError::new(CLOSED, "the network stopped at its start"))?;
    let door_addr = RelayAddr::Ip(listening.door);
    let mesh_key = net::public_key(&mesh_seed).map_err(|error| failed("the mesh key", error.to_string()))?;
    let setup = RelaySetup {
        static_seed,
        mesh_key,
        door: door_addr.clone(),
        mesh: RelayAddr::Ip(listening.mesh),
        flags: flags::MAILBOX | flags::OPEN,
        family: None,
    };
    let core = RelayCore::new(setup, Box::new(generator()?));
    let mut port = WriterPort::start(Box::new(store))?;
    let (commands, calls) = mpsc::channel(COMMANDS);
    let greet = async {
        let door = first_door(&options.data_dir, door_addr, &commands).await?;
        ready(&Ready { door: door.to_text().to_string(), listen: listening.door, pid: std::process::id() });
        std::future::pending::<Result<(), ApiError>>().await
    };
    let until = stop.clone();
    let clock = deps.clock.clone();
    let driven = driver::run(
        core,
        net,
        &mut port,
        Arc::new(NoJobs),
        clock,
        calls,
        RelaySurroundings(|_: &_| {}),
        async move { until.wait().await },
    );
    let ended = tokio::select! {
        biased;
        ended = driven => ended.map_err(|error| ApiError::new("store", error.to_string())),
        greeted = greet => greeted,
    };
    port.close();
    ended
}

/// The relay's store and its seeds, made at the first start.
fn open(data_dir: &Path) -> Result<(SledStore, [Seed; 2]), ApiError> {
    let key = match keystore::open(data_dir, None) {
        Err(KeyError::Missing) => keystore::create(data_dir, &Lock::None)?,
        other => other?,
    };
    let dir = data_dir.join("store");
    let mut store = match SledStore::open(&dir, &key, &Options::relay()) {
        Err(OpenError::Missing) => SledStore::create(&dir, &key, &Options::relay())?,
        other => other?,
    };
    let fault = |fault| ApiError::new("store", format!("the store can not be read: {fault:?}"));
    let held = store.load(&Range::One(SEEDS)).map_err(fault)?;
    let seeds = match held.first() {
        Some((_, value)) => {
            let (a, b) = value
                .split_first_chunk::<32>()
                .ok_or_else(|| fault(karvon_protocol::core::StoreFault::Io))?;
            let b = b.first_chunk::<32>().ok_or_else(|| fault(karvon_protocol::core::StoreFault::Io))?;
            [Zeroizing::new(*a), Zeroizing::new(*b)]
        }
        None => {
            let (a, b) = (entropy()?, entropy()?);
            let value = Zeroizing::new([&a[..], &b[..]].concat());
            store.commit(&[Batch { id: BatchId(0), ops: vec![Op::Put(SEEDS, value)] }]).map_err(fault)?;
            [a, b]
        }
    };
    Ok((store, seeds))
}

/// The door of the first line: the one given before, at today's address, or a new one.
async fn first_door(
    data_dir: &Path,
    addr: RelayAddr,
    commands: &mpsc::Sender<Call<RelayCore>>,
) -> Result<Door, ApiError> {
    let closed = || ApiError::new(CLOSED, "the relay stopped at its start");
    if let Some(door) = rundir::read_secret(data_dir, DOOR_FILE).and_then(|text| Door::from_text(&text).ok())
    {
        // The question returns once the core has loaded its slots.
        let (reply, answer) = oneshot::channel();
        commands.send((RelayCommand::Slots, reply)).await.map_err(|_| closed())?;
        if let Ok(Ok(RelayReply::Slots(slots))) = answer.await
            && slots.contains(&door.slot)
        {
            return Ok(Door { addr, ..door });
        }
    }
    let (reply, answer) = oneshot::channel();
    commands.send((RelayCommand::NewSlot, reply)).await.map_err(|_| closed())?;
    match answer.await.map_err(|_| closed())?? {
        RelayReply::Door(door) => {
            rundir::write_secret(data_dir, DOOR_FILE, &door.to_text())
                .map_err(|error| ApiError::new(IO, format!("the door can not be kept: {error}")))?;
            Ok(door)
        }
        _ => Err(closed()),
    }
}

/// Holds the operator's own door line.
const DOOR_FILE: &str = "door";
