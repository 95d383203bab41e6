//! A relay's files: the keystore, the store with its seeds and cells, and the operator's own door.

use crate::api::ApiError;
use crate::api::error::IO;
use crate::port::entropy;
use crate::rundir;
use crate::store::disk::Disk;
use crate::store::keystore::{self, DataKey, KeyError, Lock};
use crate::store::{OpenError, Options, SledStore, Store, WallClock};
use karvon_protocol::core::{Batch, BatchId, Key, Op, Range, Space, StoreFault};
use std::path::Path;
use zeroize::Zeroizing;

/// Seed of an Ed25519 key.
pub(super) type Seed = Zeroizing<[u8; 32]>;

/// Seeds of the static key and of the mesh key.
const SEEDS: Key = Key::single(Space::Meta, 1);
/// Holds the operator's own door line.
pub(super) const DOOR_FILE: &str = "door";

/// The relay's key in `data_dir`, made at the first start.
pub(super) fn key(data_dir: &Path) -> Result<DataKey, ApiError> {
    Ok(match keystore::open(data_dir, None) {
        // A store without its key is not to be answered with a new key: it would look like an empty relay.
        Err(KeyError::Missing) if has_store(data_dir) => {
            let text = "the key file is gone and the store is still here: put the key file back, or move the store \
                        away to begin as a new relay";
            return Err(ApiError::new("store", text));
        }
        Err(KeyError::Missing) => keystore::create(data_dir, &Lock::None)?,
        other => other?,
    })
}

fn has_store(data_dir: &Path) -> bool {
    data_dir.join("store").join("kv").exists()
}

/// Files with secrets that others could read, which from now on they can not; in words.
pub(super) fn take_private(data_dir: &Path) -> Option<String> {
    let secrets = ["key", DOOR_FILE, "peers"];
    let open = |name: &&str| rundir::take_private(&data_dir.join(name)).unwrap_or_default();
    let open: Vec<&str> = secrets.into_iter().filter(open).collect();
    let names = open.join(", ");
    (!open.is_empty()).then(|| format!("others could read {names}: whoever did can pose as this relay"))
}

/// The relay's store, made at the first start; cells expire by `clock`.
pub(super) fn store(
    data_dir: &Path,
    key: &DataKey,
    clock: WallClock,
    disk: Disk,
) -> Result<SledStore, ApiError> {
    let dir = data_dir.join("store");
    let options = Options { clock, disk, ..Options::relay() };
    Ok(match SledStore::open(&dir, key, &options) {
        Err(OpenError::Missing) => SledStore::create(&dir, key, &options)?,
        other => other?,
    })
}

/// Static seed and mesh seed, made at the first start.
pub(super) fn seeds(store: &mut SledStore) -> Result<[Seed; 2], ApiError> {
    let fault = |fault| match fault {
        StoreFault::Full => ApiError::new("store", "the disk is full: make room, and start the relay again"),
        other => ApiError::new("store", format!("the store can not be read: {other:?}")),
    };
    let held = store.load(&Range::One(SEEDS)).map_err(fault)?;
    Ok(match held.first() {
        Some((_, value)) => {
            let (a, b) = value.split_first_chunk::<32>().ok_or_else(|| fault(StoreFault::Io))?;
            let b = b.first_chunk::<32>().ok_or_else(|| fault(StoreFault::Io))?;
            [Zeroizing::new(*a), Zeroizing::new(*b)]
        }
        None => {
            let (a, b) = (entropy()?, entropy()?);
            let value = Zeroizing::new([&a[..], &b[..]].concat());
            store.commit(&[Batch { id: BatchId(0), ops: vec![Op::Put(SEEDS, value)] }]).map_err(fault)?;
            [a, b]
        }
    })
}

/// Makes the directory and takes the right to run a relay in it.
pub(super) fn take(data_dir: &Path) -> Result<rundir::DirLock, ApiError> {
    let failed = |error: std::io::Error| {
        ApiError::new(IO, format!("the data directory {}: {error}", data_dir.display()))
    };
    rundir::make_data_dir(data_dir).map_err(failed)?;
    let lock = rundir::DirLock::take(data_dir).map_err(failed)?;
    lock.ok_or_else(|| ApiError::new(IO, "another relay runs in this data directory"))
}
