//! A relay as a whole: keys and cells on disk, both swarms, the core on its driver, and what its operator sees.
//!
//! A store that fails ends the core and both swarms; they are built anew from what is on disk, with growing pauses, until it works again.

pub mod config;
pub mod control;
mod home;
pub mod keys;
mod live;
pub mod metrics;
mod ports;
mod reached;
mod source;
pub mod status;
mod steady;
#[cfg(test)]
mod tests;
mod web_door;

use crate::api::ApiError;
use crate::api::error::{CLOSED, CONFIG, IO};
use crate::api::server::{Listener, Stop};
use crate::clock::{Clock, SystemClock};
use crate::deps::Deps;
use crate::driver::{self, Call, RelaySurroundings};
use crate::jobs::Threads;
use crate::net::{self, Bounds, WebOptions};
use crate::port::{WriterPort, entropy, generator};
use crate::relay_options::{Ready, RelayOptions, WebDoor};
use crate::rundir::{self, NodeFile};
use crate::store::disk::Disk;
use crate::store::ledger::{Bookkeeper, Ledger};
use config::RelayConfig;
use home::{DOOR_FILE, Seed};
use karvon_protocol::descriptor::{Door, RelayAddr};
use karvon_protocol::ids::RelayId;
use karvon_protocol::relay::RelayCore;
use karvon_protocol::relay::api::{RelayCommand, RelayReply, RelaySetup};
use live::{Live, Traffic};
use source::ConfigSource;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use steady::SteadyClock;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// Commands that may wait for the core.
const COMMANDS: usize = 64;
/// First pause before a store that failed is opened anew; doubles up to [`PAUSE_MAX`].
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// The clock is certainly wrong before this time (2026-01-01), Unix seconds.
pub const CLOCK_LEAST_S: u64 = 1_767_225_600;
/// Version of the operator's socket.
const CONTROL_VERSION: u32 = 1;

/// What a new relay says that starts before [`CLOCK_LEAST_S`].
const CLOCK_WRONG: &str =
    "the clock stands before 2026: set it, or switch time synchronisation on (timedatectl set-ntp true)";

/// What one life of the core starts from.
struct Birth {
    peers: Vec<Door>,
    listen: SocketAddr,
    mesh_listen: SocketAddr,
    /// The web door, and what its network starts from.
    web: Option<(WebDoor, WebOptions)>,
    seeds: [Seed; 2],
    disk: Disk,
}

/// Runs a relay until `stop`; calls `ready` once it listens.
///
/// # Errors
/// An [`ApiError`] that says what could not be used.
pub async fn run(options: RelayOptions, stop: Stop, ready: impl FnOnce(&Ready)) -> Result<(), ApiError> {
    run_by(Arc::new(SystemClock::new()), options, stop, ready).await
}

/// [`run`] by another clock than the system's: its tests let days pass in minutes.
///
/// # Errors
/// As [`run`].
pub async fn run_by(
    clock: Arc<dyn Clock>,
    options: RelayOptions,
    stop: Stop,
    ready: impl FnOnce(&Ready),
) -> Result<(), ApiError> {
    run_on(Disk::default(), clock, options, stop, ready).await
}

/// [`run_by`] on a disk that tests can let fail.
async fn run_on(
    disk: Disk,
    clock: Arc<dyn Clock>,
    options: RelayOptions,
    stop: Stop,
    ready: impl FnOnce(&Ready),
) -> Result<(), ApiError> {
    let failed = |what: &str, error: &dyn std::fmt::Display| ApiError::new(IO, format!("{what}: {error}"));
    let data_dir = options.data_dir.clone();
    let _lock = home::take(&data_dir)?;
    let source = ConfigSource::new(&options);
    let config = source.load().map_err(|error| ApiError::new(CONFIG, error.to_string()))?;
    let web = options.web.clone().map(|door| WebDoor { only: config.listen().is_none(), ..door });
    let listen = config.listen().or(web.as_ref().map(|web| web.listen)).ok_or_else(|| {
        ApiError::new(
            CONFIG,
            "where to listen is not said: run `karvon-node relay setup`, or give --listen IP:PORT",
        )
    })?;
    if listen.ip().is_unspecified() && config.announce().is_none() {
        let text = "relay.listen names no single address: say in relay.announce which one people are told";
        return Err(ApiError::new(CONFIG, text));
    }
    for address in
        [Some(listen), config.mesh_listen(), web.as_ref().map(|web| web.listen)].into_iter().flatten()
    {
        claim(address).await?;
    }
    let mut peers = Vec::new();
    for line in &options.peers {
        peers.push(Door::from_text(line)?);
    }
    let ledger = Ledger::open(&data_dir).map_err(|error| failed("the record of bytes spent", &error))?;
    let mut deps = Deps::system(entropy()?);
    let clock = SteadyClock::new(clock, ledger.time_s());
    if clock.now_s() < CLOCK_LEAST_S {
        // A relay that has run before goes on from the time that it wrote down; a new one would promise times that are over.
        return Err(ApiError::new("clock", CLOCK_WRONG));
    }
    deps.clock = Arc::new(clock.clone());
    let was_open = home::take_private(&data_dir);
    let key = home::key(&data_dir)?;
    let mut store = home::store(&data_dir, &key, wall(&clock), disk.clone())?;
    let seeds = home::seeds(&mut store)?;
    let [static_seed, _] = &seeds;
    let relay = RelayId::of(&net::public_key(static_seed).map_err(|error| failed("the key", &error))?);
    let bounds = Arc::new(Bounds::new(config.net_limits()));
    let traffic = Arc::new(Traffic { bounds: bounds.clone(), clock: clock.clone() });
    let books = Bookkeeper::start(ledger, config.budget(), traffic);
    let books = books.map_err(|error| failed("the record of bytes spent", &error))?;
    if let Some(text) = &was_open {
        tracing::warn!("{text}");
    }
    let live = Live::new(source, relay, config.clone(), bounds, clock.clone(), books);
    live.troubled(was_open);
    let mesh_listen = config.mesh_listen().unwrap_or_else(|| SocketAddr::new(listen.ip(), 0));
    let web = match web {
        Some(door) => {
            let options = web_door::options(&door, &mut store, relay, clock.now_s())?;
            Some((door, options))
        }
        None => None,
    };
    let mut birth = Birth { peers, listen, mesh_listen, web, seeds, disk };

    let mut tasks = JoinSet::new();
    serve_operator(&data_dir, &config, &live, &mut tasks).await?;
    tasks.spawn(live.clone().watch());
    let (reload, of_reload) = (options.reload.clone(), live.clone());
    tasks.spawn(async move {
        loop {
            reload.notified().await;
            // What is wrong was logged.
            let _ = of_reload.reload().await;
        }
    });

    let of_web = birth.web.as_ref().map(|(door, _)| door.listen);
    let ports = [Some(listen), Some(mesh_listen), of_web].into_iter().flatten().map(|addr| addr.port());
    let ports: BTreeSet<u16> = ports.filter(|port| *port != 0).collect();
    let mut farewell = None;
    if config.map_ports() && ports::is_inside(listen) && !ports.is_empty() {
        let (places, announced) = (net::router::Places::system(), config.announce());
        farewell = Some(tokio::spawn(live.router().keep(
            places,
            ports.into_iter().collect(),
            announced,
            stop.clone(),
        )));
    }

    let mut ready = Some(ready);
    let mut pause = PAUSE;
    let mut store = Some(store);
    let ended = loop {
        let opened = match store.take() {
            Some(store) => Ok(store),
            None => home::store(&data_dir, &key, wall(&clock), birth.disk.clone()),
        };
        let (first, began) = (ready.is_some(), tokio::time::Instant::now());
        let ended = match opened {
            Ok(store) => {
                let told = |said: &Ready| {
                    if let Some(ready) = ready.take() {
                        ready(said);
                    }
                };
                life(&mut birth, &deps, store, &live, &stop, &data_dir, told).await
            }
            Err(error) => Err(error),
        };
        live.set_commands(None);
        match ended {
            Ok(()) => break Ok(()),
            // What never worked is told to whoever started it.
            Err(error) if first && ready.is_some() => break Err(error),
            Err(error) => {
                if began.elapsed() > PAUSE_MAX {
                    pause = PAUSE;
                }
                tracing::error!(%error, pause_s = pause.as_secs(), "the relay starts anew from its disk");
                live.failed(error.message);
            }
        }
        tokio::select! {
            biased;
            () = stop.wait() => break Ok(()),
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(PAUSE_MAX),
        }
    };
    tasks.shutdown().await;
    match (&ended, farewell) {
        // The router is told that nobody listens any more.
        (Ok(()), Some(farewell)) => drop(farewell.await),
        (Err(_), Some(farewell)) => farewell.abort(),
        (_, None) => {}
    }
    NodeFile::remove(&data_dir);
    ended
}

fn wall(clock: &SteadyClock) -> crate::store::WallClock {
    let clock = clock.clone();
    Arc::new(move || clock.now_s())
}

/// Opens the operator's socket and, if wanted, the statistics.
async fn serve_operator(
    data_dir: &Path,
    config: &RelayConfig,
    live: &Live,
    tasks: &mut JoinSet<()>,
) -> Result<(), ApiError> {
    let failed = |what: &str, error: &dyn std::fmt::Display| ApiError::new(IO, format!("{what}: {error}"));
    // Whoever held the lock before is gone, so what it left is stale.
    NodeFile::remove(data_dir);
    let socket = rundir::socket_path(data_dir).map_err(|error| failed("the operator's socket", &error))?;
    rundir::clear_socket(&socket).map_err(|error| failed("the operator's socket", &error))?;
    let listener = Listener::bind(&socket).map_err(|error| failed("the operator's socket", &error))?;
    let file = NodeFile { pid: std::process::id(), socket, version: CONTROL_VERSION };
    file.write(data_dir).map_err(|error| failed("the data directory", &error))?;
    tasks.spawn(control::serve(listener, live.clone()));
    if let Some(addr) = config.metrics() {
        let listener = metrics::bind(addr).await.map_err(|error| failed("the statistics", &error))?;
        let live = live.clone();
        tasks.spawn(metrics::serve(listener, move || {
            let live = live.clone();
            async move { Some(live.status().await) }
        }));
    }
    Ok(())
}

/// One life of the core: until `stop`, or until the store fails.
async fn life(
    birth: &mut Birth,
    deps: &Deps,
    store: crate::store::SledStore,
    live: &Live,
    stop: &Stop,
    data_dir: &Path,
    ready: impl FnOnce(&Ready),
) -> Result<(), ApiError> {
    let config = live.config();
    let [static_seed, mesh_seed] = birth.seeds.clone();
    let mesh_key = net::public_key(&mesh_seed).map_err(|error| ApiError::new(IO, error.to_string()))?;
    let options = net::RelayOptions {
        static_seed: static_seed.clone(),
        mesh_seed,
        door: birth.listen,
        mesh: birth.mesh_listen,
        allow_private: config.allow_private(),
        peers: birth.peers.clone(),
    };
    let mut deps = deps.clone();
    if let Some((_, web)) = &birth.web {
        deps.transports = deps.transports.with_web(web.clone());
    }
    let net = net::start_relay_within(&deps, options, live.bounds()).await;
    let net = net.map_err(|error| ApiError::new(IO, listen_failure(&error)))?;
    let listening =
        net.listening().ok_or_else(|| ApiError::new(CLOSED, "the network stopped at its start"))?;
    // A later life must come back under the announced ports.
    (birth.listen, birth.mesh_listen) = (listening.door, listening.mesh);
    let mut door_addr = RelayAddr::Ip(config.announce().unwrap_or(listening.door));
    if let (Some((door, web)), Some(addr)) = (&mut birth.web, listening.web) {
        web.listen = Some(addr);
        door_addr = web_door::address(door, door.announce.or(config.announce()).unwrap_or(addr))?;
    }
    // Whoever listens everywhere is found where its door is.
    let mesh_addr = match listening.mesh.ip().is_unspecified() {
        true => SocketAddr::new(door_addr.socket().ip(), listening.mesh.port()),
        false => listening.mesh,
    };
    live.set_listening(listening);
    live.set_health(store.cell_health());
    let setup = RelaySetup {
        static_seed,
        mesh_key,
        door: door_addr.clone(),
        mesh: RelayAddr::Ip(config.mesh_announce().unwrap_or(mesh_addr)),
        flags: config.flags(),
        family: config.family(),
    };
    let core = RelayCore::with_limits(setup, config.core_limits(), Box::new(generator()?));
    let mut port = WriterPort::start(Box::new(store))?;
    let (commands, calls) = mpsc::channel(COMMANDS);
    live.set_commands(Some(commands.clone()));
    let greet = async {
        let door = first_door(data_dir, door_addr, &commands).await?;
        ready(&Ready { door: door.to_text().to_string(), listen: listening.door, pid: std::process::id() });
        std::future::pending::<Result<(), ApiError>>().await
    };
    let until = stop.clone();
    let clock: Arc<dyn Clock> = deps.clock.clone();
    let driven = driver::run(
        core,
        net,
        &mut port,
        Arc::new(Threads),
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

/// Refuses an address on which another program listens already: libp2p's sockets may share a port, and each program would get some of
/// the connections.
async fn claim(address: SocketAddr) -> Result<(), ApiError> {
    if address.port() != 0
        && let Err(error) = tokio::net::TcpListener::bind(address).await
    {
        let error = net::NetError::Listen(address, error.to_string());
        return Err(ApiError::new(IO, listen_failure(&error)));
    }
    Ok(())
}

/// Says what to do about an address that can not be listened on.
fn listen_failure(error: &net::NetError) -> String {
    let text = error.to_string();
    let hint = if text.contains("in use") {
        ": another program listens there; `ss -ltnp` shows which one"
    } else if text.contains("ermission") {
        ": ports below 1024 need a right; the packaged service has it, or choose a higher port"
    } else if text.contains("ssign") {
        ": this machine has no such address; behind a router listen on 0.0.0.0 and set relay.announce"
    } else {
        ""
    };
    format!("the network: {text}{hint}")
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
