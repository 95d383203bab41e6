//! What the store's tests share.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use karvon_node::store::memory::MemoryDisk;
use karvon_node::store::{DataKey, History, MemoryStore, Options, SledStore, Store, WallClock};
use karvon_protocol::cell::{Cell, Class};
use karvon_protocol::core::{Batch, BatchId, Key, Op, Range, Space, Value};
use karvon_protocol::engine::api::{Marks, StoredMessage};
use karvon_protocol::ids::{MailboxId, MessageId, Tag};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tempfile::TempDir;

/// A clock that tests move.
#[derive(Clone)]
pub struct Clock(Arc<AtomicU64>);

impl Clock {
    pub fn at_hour(hour: u64) -> Self {
        Self(Arc::new(AtomicU64::new(hour * 3_600)))
    }

    pub fn wait_hours(&self, hours: u64) {
        self.0.fetch_add(hours * 3_600, Ordering::SeqCst);
    }

    pub fn now(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    pub fn wall(&self) -> WallClock {
        let clock = self.clone();
        Arc::new(move || clock.now())
    }
}

/// A store of either kind that can be opened again on the same medium.
pub enum Place {
    Sled { dir: TempDir, key: DataKey, options: Options },
    Memory { disk: MemoryDisk, clock: WallClock },
}

impl Place {
    pub fn sled(clock: &Clock) -> Self {
        let options = Options { clock: clock.wall(), cache_bytes: 1 << 20, ..Options::relay() };
        Self::Sled { dir: tempfile::tempdir().unwrap(), key: DataKey::generate().unwrap(), options }
    }

    pub fn memory(clock: &Clock) -> Self {
        Self::Memory { disk: MemoryDisk::default(), clock: clock.wall() }
    }

    /// Opens the store, creating it the first time.
    pub fn open(&self) -> (Box<dyn Store>, History) {
        match self {
            Self::Sled { dir, key, options } => {
                let dir = dir.path().join("store");
                let store = match dir.join("kv").exists() {
                    true => SledStore::open(&dir, key, options).unwrap(),
                    false => SledStore::create(&dir, key, options).unwrap(),
                };
                let history = store.history();
                (Box::new(store), history)
            }
            Self::Memory { disk, clock } => {
                let store = MemoryStore::open(disk, clock.clone());
                let history = store.history();
                (Box::new(store), history)
            }
        }
    }

    /// One of each kind.
    pub fn each(clock: &Clock) -> [Self; 2] {
        [Self::sled(clock), Self::memory(clock)]
    }
}

pub fn batch(ops: Vec<Op>) -> Batch {
    Batch { id: BatchId(1), ops }
}

pub fn put(key: Key, value: impl Into<Vec<u8>>) -> Op {
    Op::Put(key, Value::new(value.into()))
}

pub fn load(store: &mut dyn Store, range: Range) -> Vec<(Key, Vec<u8>)> {
    store.load(&range).unwrap().into_iter().map(|(key, value)| (key, value.to_vec())).collect()
}

pub fn one(store: &mut dyn Store, key: Key) -> Option<Vec<u8>> {
    load(store, Range::One(key)).pop().map(|(_, value)| value)
}

/// A cell whose bytes follow from its class and number.
pub fn cell(class: Class, number: u64) -> Cell {
    let mut bytes = vec![0; class.bytes()];
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for byte in &mut bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        *byte = state as u8;
    }
    let mut tag = [0; 16];
    tag[..8].copy_from_slice(&number.to_be_bytes());
    bytes[..18].copy_from_slice(&Cell::outer(class, &Tag(tag), 0));
    Cell::parse(bytes).unwrap()
}

pub fn append(mailbox: u8, seq: u64, expiry_s: u64, cell: &Cell) -> Op {
    Op::AppendCell { mailbox: MailboxId([mailbox; 16]), seq, expiry_s, cell: cell.clone() }
}

pub fn drop_cell(mailbox: u8, seq: u64) -> Op {
    Op::DropCell { mailbox: MailboxId([mailbox; 16]), seq }
}

pub fn cells(mailbox: u8, from: u64, bytes_max: usize) -> Range {
    Range::Cells { mailbox: MailboxId([mailbox; 16]), from, bytes_max }
}

/// A message row of a conversation.
pub fn message(space: Space, group: [u8; 16], seq: u64, position: u64) -> Op {
    let message = StoredMessage {
        position,
        sent_ms: 1,
        at_ms: 2,
        id: MessageId([seq as u8; 16]),
        marks: Marks::default(),
        body: Value::new(format!("{space:?} {seq}").into_bytes()),
    };
    Op::Put(Key::of(space, group, seq), message.encode())
}
