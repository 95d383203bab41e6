//! A person's node as a whole: profile on disk, door swarm, engine on its driver, and the backend of the local interface.

mod backend;
mod groups;
mod messages;

use crate::api::ApiError;
use crate::api::backend::Backend;
use crate::api::error::{IO, NO_PROFILE, UNAVAILABLE};
use crate::config::Config;
use crate::deps::Deps;
use crate::driver;
use crate::host::{Host, NewProfile, Passphrase};
use crate::net;
use crate::port::{NoJobs, WriterPort, entropy, generator};
use crate::store::keystore::{self, Lock};
use crate::store::{Options, SledStore, Store};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use karvon_protocol::core::{Batch, BatchId, Key, Op, Range, Space, StoreFault};
use karvon_protocol::engine::{Engine, Setup};
use karvon_protocol::identity::{LocalIdentity, stretch_root};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::{broadcast, mpsc, watch};
use zeroize::Zeroizing;

/// The identity: an encoded [`LocalIdentity`].
const IDENTITY: Key = Key::single(Space::Meta, 1);
/// The person's name, UTF-8.
const NAME: Key = Key::single(Space::Meta, 2);
/// Commands that may wait for the engine.
const COMMANDS: usize = 1_024;
/// Events a slow front end may be behind.
const EVENTS: usize = 1_024;

/// Makes and starts nodes on this machine's disk and network.
#[derive(Debug, Clone, Copy)]
pub struct SystemHost;

impl Host for SystemHost {
    fn create<'a>(&'a self, data_dir: &'a Path, profile: NewProfile) -> BoxFuture<'a, Result<(), ApiError>> {
        async move { create(data_dir, &profile) }.boxed()
    }

    fn start<'a>(
        &'a self,
        data_dir: &'a Path,
        _: &'a Config,
        passphrase: Option<Passphrase>,
    ) -> BoxFuture<'a, Result<Arc<dyn Backend>, ApiError>> {
        async move { start(data_dir, passphrase.as_ref().map(|text| text.as_str())).await }.boxed()
    }

    fn demo(&self) -> BoxFuture<'_, Result<Arc<dyn Backend>, ApiError>> {
        crate::demo::start().boxed()
    }
}

fn fault(fault: StoreFault) -> ApiError {
    ApiError::new("store", format!("the store can not be used ({fault:?}): check the disk, then start again"))
}

/// Makes a profile: key file, store, identity.
///
/// # Errors
/// `profile_exists`, or what the disk says.
pub fn create(data_dir: &Path, profile: &NewProfile) -> Result<(), ApiError> {
    let lock = profile.passphrase.as_ref().map_or(Lock::None, |text| Lock::Passphrase(text));
    let mut rng = generator()?;
    let mut root = Zeroizing::new([0; 16]);
    rand_core::Rng::fill_bytes(&mut rng, &mut *root);
    let stretched = stretch_root(&root)
        .ok_or_else(|| ApiError::new(UNAVAILABLE, "not enough memory to make an identity"))?;
    let identity = LocalIdentity::from_stretched(&root, &stretched, &mut rng).encode();
    let key = keystore::create(data_dir, &lock)?;
    let mut store = SledStore::create(&data_dir.join("store"), &key, &Options::leaf())?;
    let name = Zeroizing::new(profile.name.as_bytes().to_vec());
    let ops = vec![Op::Put(IDENTITY, identity), Op::Put(NAME, name)];
    store.commit(&[Batch { id: BatchId(0), ops }]).map_err(fault)
}

/// Starts the node of a profile.
///
/// # Errors
/// `no_profile`, `locked`, `wrong_passphrase`, `store`, or what the network says.
pub async fn start(data_dir: &Path, passphrase: Option<&str>) -> Result<Arc<dyn Backend>, ApiError> {
    let key = keystore::open(data_dir, passphrase)?;
    let mut store = SledStore::open(&data_dir.join("store"), &key, &Options::leaf())?;
    let mut value = |key| {
        let rows = store.load(&Range::One(key)).map_err(fault)?;
        let row = rows.into_iter().next().map(|(_, value)| value);
        row.ok_or_else(|| ApiError::new(NO_PROFILE, "the profile was never finished: make a new one"))
    };
    let identity = value(IDENTITY)?;
    let name = String::from_utf8_lossy(&value(NAME)?).into_owned();
    let identity = LocalIdentity::decode(&identity).ok_or_else(|| fault(StoreFault::Io))?;
    let history = store.history();

    let deps = Deps::system(entropy()?);
    let net = net::start_leaf(&deps).map_err(|error| ApiError::new(IO, format!("the network: {error}")))?;
    let counters = net.counters();
    let engine = Engine::new(Setup { identity, name: name.clone() }, Box::new(generator()?));
    let mut port = WriterPort::start(Box::new(store))?;
    let (commands, calls) = mpsc::channel(COMMANDS);
    let (events, _) = broadcast::channel(EVENTS);
    let (stop, mut stopping) = watch::channel(false);
    let told = events.clone();
    let clock = deps.clock.clone();
    let task = tokio::spawn(async move {
        let surroundings = move |event| {
            if let Some(event) = backend::event(event) {
                // Nobody may be listening.
                let _ = told.send(event);
            }
        };
        let until = async move {
            // A dropped sender stops the node as well.
            let _ = stopping.wait_for(|stop| *stop).await;
        };
        let ended =
            driver::run(engine, net, &mut port, Arc::new(NoJobs), clock, calls, surroundings, until).await;
        if let Err(error) = &ended {
            tracing::error!(%error, "the node stopped");
        }
        port.close();
    });
    Ok(Arc::new(backend::LeafBackend::new(commands, history, name, events, counters, stop, task)))
}
