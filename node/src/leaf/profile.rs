//! A person's profiles on disk: made, opened, locked another way, doubled, wiped.
//!
//! A data directory holds one key file and, for each profile that a passphrase opens, a store under the profile's random number.

use super::backend::hex;
use crate::api::error::{BAD_REQUEST, NO_PASSPHRASE, NO_PROFILE, NOT_RUNNING, UNAVAILABLE};
use crate::api::{ApiError, Request};
use crate::client::Client;
use crate::host::{self, NewProfile, Passphrase};
use crate::port::generator;
use crate::store::keystore::{self, KeyError, Lock, Locked, Opened};
use crate::store::{DataKey, Options, SledStore, Store, wipe as disk_wipe};
use karvon_protocol::core::{Batch, BatchId, Key, Op, Range, Space, StoreFault};
use karvon_protocol::identity::{LocalIdentity, stretch_root};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The identity: an encoded [`LocalIdentity`].
const IDENTITY: Key = Key::single(Space::Meta, 1);
/// The person's name, UTF-8.
const NAME: Key = Key::single(Space::Meta, 2);

/// An opened profile.
pub(super) struct Loaded {
    pub(super) store: SledStore,
    pub(super) identity: LocalIdentity,
    pub(super) name: String,
}

/// The path of `what`, which the node writes or reads for somebody whose current folder it does not know.
pub(super) fn absolute(path: &str, what: &str) -> Result<PathBuf, ApiError> {
    let path = PathBuf::from(path);
    if path.is_absolute() {
        Ok(path)
    } else {
        Err(ApiError::new(BAD_REQUEST, format!("the path of a {what} must be absolute")))
    }
}

pub(super) fn fault(fault: StoreFault) -> ApiError {
    match fault {
        StoreFault::Full => ApiError::new("disk_full", "the disk is full: free some space, then start again"),
        StoreFault::Io => ApiError::new(
            "store",
            "the store can not be used: check the disk, then start again; nothing was removed",
        ),
    }
}

fn folder(key: &DataKey) -> String {
    hex(&key.profile()[..8])
}

fn store_dir(data_dir: &Path, key: &DataKey) -> PathBuf {
    data_dir.join(disk_wipe::STORES).join(folder(key))
}

/// Makes a profile: store, identity, key file. It counts as made when the key file is there.
///
/// # Errors
/// `profile_exists`, or what the disk says.
pub fn create(data_dir: &Path, profile: &NewProfile) -> Result<(), ApiError> {
    finish_wipe(data_dir)?;
    if keystore::exists(data_dir) {
        return Err(KeyError::Exists.into());
    }
    let mut root = Zeroizing::new([0; 16]);
    rand_core::Rng::fill_bytes(&mut generator()?, &mut *root);
    let key = DataKey::generate().map_err(KeyError::from)?;
    fill(data_dir, &key, &root, &profile.name)?;
    let lock = profile.passphrase.as_ref().map_or(Lock::None, |text| Lock::Passphrase(text));
    Ok(keystore::create_with_key(data_dir, &lock, &key)?)
}

/// Makes a profile of an encoded identity, with what else `fill` writes. Nothing is there unless all of it is.
pub(super) fn create_from(
    data_dir: &Path,
    passphrase: Option<&Passphrase>,
    identity: &[u8],
    name: &str,
    fill: impl FnOnce(&mut SledStore) -> Result<(), ApiError>,
) -> Result<(), ApiError> {
    finish_wipe(data_dir)?;
    if keystore::exists(data_dir) {
        return Err(KeyError::Exists.into());
    }
    let key = DataKey::generate().map_err(KeyError::from)?;
    let identity = Zeroizing::new(identity.to_vec());
    let filled = make_store(data_dir, &key, identity, name).and_then(|mut store| fill(&mut store));
    if filled.is_err() {
        // Nobody can open it.
        let _ = disk_wipe::remove_store(data_dir, &folder(&key));
    }
    filled?;
    let lock = passphrase.map_or(Lock::None, |text| Lock::Passphrase(text));
    Ok(keystore::create_with_key(data_dir, &lock, &key)?)
}

/// Makes the store of a profile whose recovery code holds `root`.
fn fill(data_dir: &Path, key: &DataKey, root: &[u8; 16], name: &str) -> Result<(), ApiError> {
    let stretched = stretch_root(root)
        .ok_or_else(|| ApiError::new(UNAVAILABLE, "not enough memory to make an identity"))?;
    let identity = LocalIdentity::from_stretched(root, &stretched, &mut generator()?).encode();
    make_store(data_dir, key, identity, name).map(drop)
}

fn make_store(
    data_dir: &Path,
    key: &DataKey,
    identity: Zeroizing<Vec<u8>>,
    name: &str,
) -> Result<SledStore, ApiError> {
    let mut store = SledStore::create(&store_dir(data_dir, key), key, &Options::leaf())?;
    let name = Zeroizing::new(name.as_bytes().to_vec());
    let ops = vec![Op::Put(IDENTITY, identity), Op::Put(NAME, name)];
    store.commit(&[Batch { id: BatchId(0), ops }]).map_err(fault)?;
    Ok(store)
}

/// The key of the profile that `passphrase` opens.
///
/// # Errors
/// `no_profile`, `locked`, `wrong_passphrase`, `wait` or `store`.
pub(super) fn unseal(data_dir: &Path, passphrase: Option<&str>) -> Result<DataKey, ApiError> {
    let Opened { key, alone } = match keystore::open_profile(data_dir, passphrase) {
        Err(KeyError::Wiped) => {
            finish_wipe(data_dir)?;
            return Err(KeyError::Missing.into());
        }
        opened => opened?,
    };
    if alone && let Err(error) = disk_wipe::remove_other_stores(data_dir, &folder(&key)) {
        tracing::warn!(%error, "stores that belong to nobody could not be removed");
    }
    Ok(key)
}

/// Opens the profile's store.
///
/// # Errors
/// `no_profile` or `store`.
pub(super) fn load(data_dir: &Path, key: &DataKey) -> Result<Loaded, ApiError> {
    let mut store = SledStore::open(&store_dir(data_dir, key), key, &Options::leaf())?;
    let mut value = |key| {
        let rows = store.load(&Range::One(key)).map_err(fault)?;
        let row = rows.into_iter().next().map(|(_, value)| value);
        row.ok_or_else(|| ApiError::new(NO_PROFILE, "the profile was never finished: make a new one"))
    };
    let identity = value(IDENTITY)?;
    let name = String::from_utf8_lossy(&value(NAME)?).into_owned();
    let identity = LocalIdentity::decode(&identity).ok_or_else(|| fault(StoreFault::Io))?;
    Ok(Loaded { store, identity, name })
}

/// Whether a passphrase is needed to open the profile in `data_dir`.
///
/// # Errors
/// `no_profile` or `store`.
pub fn needs_passphrase(data_dir: &Path) -> Result<bool, ApiError> {
    Ok(keystore::locked(data_dir)? == Locked::Passphrase)
}

/// Gives the profile that `old` opens another passphrase, or none: then whoever has the device reads everything. A running node goes on.
///
/// # Errors
/// `no_profile`, `locked`, `wrong_passphrase`, `wait`, `unavailable` or `store`.
pub fn change_passphrase(
    data_dir: &Path,
    old: Option<&Passphrase>,
    new: Option<&Passphrase>,
) -> Result<(), ApiError> {
    let lock = new.map_or(Lock::None, |text| Lock::Passphrase(text));
    Ok(keystore::relock(data_dir, old.map(|text| text.as_str()), &lock)?)
}

/// Makes a further profile in `data_dir` beside the first one, which `owner` opens. With `destroys_others`, opening the new one destroys
/// every other. No node may run.
///
/// # Errors
/// `not_running` while a node runs; `no_passphrase`; those of [`change_passphrase`].
pub fn add(
    data_dir: &Path,
    owner: Option<&Passphrase>,
    profile: &NewProfile,
    destroys_others: bool,
) -> Result<(), ApiError> {
    let new = profile.passphrase.as_ref().ok_or(KeyError::Empty)?;
    let Some(_lock) = host::take_lock(data_dir)? else {
        return Err(ApiError::new(NOT_RUNNING, "a node is running: stop it first with `karvon down`"));
    };
    if !needs_passphrase(data_dir)? {
        let text =
            "a second profile needs a first one that is locked: set a passphrase with `karvon passphrase`";
        return Err(ApiError::new(NO_PASSPHRASE, text));
    }
    let mut root = Zeroizing::new([0; 16]);
    rand_core::Rng::fill_bytes(&mut generator()?, &mut *root);
    let key = DataKey::generate().map_err(KeyError::from)?;
    fill(data_dir, &key, &root, &profile.name)?;
    let added = keystore::add(data_dir, owner.map(|text| text.as_str()), new, &key, destroys_others);
    if added.is_err() {
        // Nobody can open it; should this fail, the first profile removes it at its next start if it is the only one.
        let _ = disk_wipe::remove_store(data_dir, &folder(&key));
    }
    Ok(added?)
}

/// Destroys the keys of every profile in `data_dir` at once, then stops the node that runs there, then removes the rest.
///
/// # Errors
/// `no_profile`; `io` or `not_running` if something is left: then the keys are destroyed all the same, and whoever starts next removes it.
pub async fn wipe(data_dir: &Path) -> Result<(), ApiError> {
    match disk_wipe::begin(data_dir) {
        // What a torn start or an earlier wipe left.
        Err(KeyError::Missing) if data_dir.join(disk_wipe::STORES).exists() => {}
        Err(KeyError::Missing) if data_dir.exists() => return Err(no_profile(data_dir)),
        begun => begun?,
    }
    if let Ok(Some(client)) = Client::connect(data_dir).await {
        // It may be stopping already.
        let _ = client.call(Request::Shutdown).await;
    }
    host::released(data_dir).await?;
    let Some(lock) = host::take_lock(data_dir)? else {
        return Err(ApiError::new(NOT_RUNNING, "the keys are destroyed, but a node holds the directory"));
    };
    finish(data_dir)?;
    host::remove_empty(data_dir, lock);
    Ok(())
}

fn no_profile(data_dir: &Path) -> ApiError {
    ApiError::new(NO_PROFILE, format!("there is no profile in {}", data_dir.display()))
}

/// Finishes a wipe that was cut off. The caller holds the directory.
fn finish_wipe(data_dir: &Path) -> Result<(), ApiError> {
    match keystore::locked(data_dir) {
        Err(KeyError::Wiped) => finish(data_dir),
        _ => Ok(()),
    }
}

/// The second half of a wipe.
pub(super) fn finish(data_dir: &Path) -> Result<(), ApiError> {
    disk_wipe::finish(data_dir).map_err(|error| {
        let text = format!(
            "the keys are destroyed, but files could not be removed: {error}; start again to remove them"
        );
        ApiError::new(crate::api::error::IO, text)
    })
}
