//! A person's node as a whole: profile on disk, door swarm, engine on its driver, and the backend of the local interface.

mod backend;
pub mod backup;
mod channels;
mod copies;
mod courier;
mod data;
mod files;
mod group_messages;
mod groups;
mod guard;
mod lan;
mod messages;
mod netcheck;
mod pictures;
pub mod profile;
mod search;
mod strangers;

use crate::api::backend::Backend;
use crate::api::error::IO;
use crate::api::{ApiError, Event};
use crate::config::Config;
use crate::deps::Deps;
use crate::driver;
use crate::host::{Host, NewProfile, Passphrase};
use crate::jobs::Threads;
use crate::net;
use crate::port::{WriterPort, entropy, generator};
use crate::store::DataKey;
pub use crate::store::bundles::{Inspected, inspect as inspect_bundle};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use karvon_protocol::engine::{Engine, Setup};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{broadcast, mpsc, watch};

/// Commands that may wait for the engine.
const COMMANDS: usize = 1_024;

/// Makes and starts nodes on this machine's disk and network.
#[derive(Debug, Clone, Copy)]
pub struct SystemHost;

impl Host for SystemHost {
    fn create<'a>(&'a self, data_dir: &'a Path, profile: NewProfile) -> BoxFuture<'a, Result<(), ApiError>> {
        async move { profile::create(data_dir, &profile) }.boxed()
    }

    fn start<'a>(
        &'a self,
        data_dir: &'a Path,
        config: &'a Config,
        passphrase: Option<Passphrase>,
    ) -> BoxFuture<'a, Result<Arc<dyn Backend>, ApiError>> {
        async move { guard::start(data_dir, config, passphrase).await }.boxed()
    }

    fn demo(&self) -> BoxFuture<'_, Result<Arc<dyn Backend>, ApiError>> {
        crate::demo::start().boxed()
    }
}

/// Starts the node of a profile that needs no passphrase.
///
/// # Errors
/// `no_profile`, `locked`, `store`, or what the network says.
pub async fn start(data_dir: &Path) -> Result<Arc<dyn Backend>, ApiError> {
    guard::start(data_dir, &Config::default(), None).await
}

/// Opens a profile's store and starts its engine; `events` are told what it tells.
async fn open(
    data_dir: &Path,
    key: &DataKey,
    events: broadcast::Sender<Event>,
    config: &Config,
) -> Result<backend::LeafBackend, ApiError> {
    let profile::Loaded { store, identity, name } = profile::load(data_dir, key)?;
    let history = store.history();
    let mut deps = Deps::system(entropy()?);
    let web = config.network.web().map_err(|error| ApiError::new(IO, error))?;
    let pt = net::PtOptions { proxy: web.proxy.clone(), ..config.transports.options(data_dir) };
    deps.transports = deps.transports.with_web(web).with_pt(pt);
    let net = net::start_leaf(&deps).map_err(|error| ApiError::new(IO, format!("the network: {error}")))?;
    let bounds = net.bounds();
    let watched = backend::Watched { counters: net.counters(), faults: net.door_faults() };
    let checks = netcheck::Checks::new(net.observer(), events.clone());
    let mut engine = Engine::new(Setup { identity, name: name.clone() }, Box::new(generator()?));
    if config.only_look {
        engine.only_look();
    }
    let mut port = WriterPort::start(Box::new(store))?;
    let room = config.bundle.carry_bytes();
    let (commands, calls) = mpsc::channel(COMMANDS);
    let (stop, mut stopping) = watch::channel(false);
    let clock = deps.clock.clone();
    let meter = data::Meter::new(bounds, commands.clone());
    let counting = meter.start(stopping.clone());
    let bell = lan::Bell::new(events.clone());
    let near = if config.only_look {
        tokio::spawn(async {})
    } else {
        let desk = (commands.clone(), history.clone(), room);
        lan::Lan::start(desk, bell.clone(), clock.clone(), stopping.clone())
    };
    let ring = bell.clone();
    let task = tokio::spawn(async move {
        let surroundings = move |event| {
            match event {
                karvon_protocol::engine::api::Event::LanWaits => ring.waits(),
                karvon_protocol::engine::api::Event::Contact(_) => ring.changed(),
                _ => {}
            }
            if let Some(event) = backend::event(event) {
                // Nobody may be listening.
                let _ = events.send(event);
            }
        };
        let until = async move {
            // A dropped sender stops the node as well.
            let _ = stopping.wait_for(|stop| *stop).await;
        };
        let ended =
            driver::run(engine, net, &mut port, Arc::new(Threads), clock, calls, surroundings, until).await;
        if let Err(error) = &ended {
            tracing::error!(%error, "the node stopped");
        }
        port.close();
    });
    let started = Instant::now();
    let inner = backend::Inner { commands, history, name, watched, room, bell, started, checks, meter };
    Ok(backend::LeafBackend::new(inner, stop, vec![task, near, counting]))
}
