//! A relay as a whole: keys and cells on disk, both swarms, the core on its driver.

use crate::api::ApiError;
use crate::api::error::{CLOSED, IO};
use crate::api::server::Stop;
use crate::deps::Deps;
use crate::driver::{self, Call, RelaySurroundings};
use crate::net::{self, Site, WebIdentity, WebOptions};
use crate::port::{NoJobs, WriterPort, entropy, generator};
use crate::relay_options::{Ready, RelayOptions, WebDoor};
use crate::rundir;
use crate::store::keystore::{self, KeyError, Lock};
use crate::store::{OpenError, Options, SledStore, Store};
use karvon_protocol::core::{Batch, BatchId, Key, Op, Range, Space};
use karvon_protocol::descriptor::{Door, RelayAddr, flags};
use karvon_protocol::ids::RelayId;
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
/// Certificate and key of the web door.
const WEB_IDENTITY: Key = Key::single(Space::Meta, 2);
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
    let (mut store, seeds) = open(&options.data_dir)?;
    let [static_seed, mesh_seed] = seeds;
    let key_of = |seed: &Seed| net::public_key(seed).map_err(|error| failed("a key", error.to_string()));
    let relay = RelayId::of(&key_of(&static_seed)?);
    let mut peers = Vec::new();
    for line in &options.peers {
        peers.push(Door::from_text(line)?);
    }
    let mut deps = Deps::system(entropy()?);
    if let Some(door) = &options.web {
        let web = web_options(door, &mut store, relay, deps.clock.now().wall_ms / 1_000)?;
        deps.transports = deps.transports.with_web(web);
    }
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
    let door_addr = match (&options.web, listening.web) {
        (Some(door), Some(addr)) => web_addr(door, addr)?,
        _ => RelayAddr::Ip(listening.door),
    };
    let mesh_key = key_of(&mesh_seed)?;
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

/// What the web door starts from; a certificate of the relay's own is made once and kept.
fn web_options(
    door: &WebDoor,
    store: &mut SledStore,
    relay: RelayId,
    now_s: u64,
) -> Result<WebOptions, ApiError> {
    let fault = |fault| ApiError::new("store", format!("the store can not be used: {fault:?}"));
    let failed =
        |error: &dyn std::fmt::Display| ApiError::new(IO, format!("the web door's certificate: {error}"));
    let identity = match &door.identity {
        Some(given) => given.clone(),
        None => {
            let held = store.load(&Range::One(WEB_IDENTITY)).map_err(fault)?;
            match held.first().and_then(|(_, value)| WebIdentity::decode(value)) {
                Some(held) => held,
                None => {
                    let made = WebIdentity::self_signed(relay, now_s).map_err(|error| failed(&error))?;
                    let ops = vec![Op::Put(WEB_IDENTITY, made.encode())];
                    store.commit(&[Batch { id: BatchId(0), ops }]).map_err(fault)?;
                    made
                }
            }
        }
    };
    let site = match &door.site {
        Some(given) => given.clone(),
        // Its own secret, so that nobody can look for relays by the pages that their public keys give.
        None => Site::of_a_box(&identity.digest()),
    };
    let (listen, identity) = (Some(door.listen), Some(identity));
    Ok(WebOptions { listen, identity, site, only: door.only, roots: Vec::new() })
}

/// The address to give to people.
fn web_addr(door: &WebDoor, addr: SocketAddr) -> Result<RelayAddr, ApiError> {
    let named = match (&door.name, addr) {
        (None, _) => return Ok(RelayAddr::Web(addr)),
        (Some(name), SocketAddr::V4(v4)) if v4.port() == 443 => RelayAddr::Sni(*v4.ip(), name.clone()),
        (Some(name), SocketAddr::V4(v4)) => RelayAddr::Site(*v4.ip(), v4.port(), name.clone()),
        (Some(_), SocketAddr::V6(_)) => {
            return Err(ApiError::new(
                IO,
                "a web door with a name needs an IPv4 address: leave the name out",
            ));
        }
    };
    // What does not fit a door line would be refused by whoever reads it.
    match RelayAddr::decode(named.kind(), &named.encode()) {
        Ok(_) => Ok(named),
        Err(_) => {
            Err(ApiError::new(IO, "the web door's name is too long: 20 letters on port 443, 18 on another"))
        }
    }
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
