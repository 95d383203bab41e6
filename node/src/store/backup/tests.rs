//! Tests of backups: what goes in comes out, to the right code only, and nothing that was changed is taken.

use super::*;
use crate::store::{MemoryStore, Store as _, memory::MemoryDisk, system_clock};
use karvon_protocol::core::{Batch, BatchId, Key, Op, Value};
use karvon_protocol::engine::api::Marks;
use karvon_protocol::ids::MessageId;

const ALI: ContactId = ContactId(7);

fn key(byte: u8) -> BackupKey {
    BackupKey(Zeroizing::new([byte; 32]))
}

fn message(position: u64) -> Value {
    let body = Zeroizing::new(vec![position as u8; 300]);
    let marks = Marks::default();
    StoredMessage { position, sent_ms: 1, at_ms: 2, id: MessageId([3; 16]), marks, body }.encode()
}

/// A conversation of 400 messages, larger than one segment; number 2 of the other side came last.
fn history() -> History {
    let mut store = MemoryStore::open(&MemoryDisk::default(), system_clock());
    let mut ops: Vec<Op> =
        (1..=400).map(|n| Op::Put(Key::of(Space::Sent, ALI.group(), n), message(n))).collect();
    ops.extend(
        [(1, 500), (3, 501), (2, 502)]
            .map(|(seq, position)| Op::Put(Key::of(Space::Received, ALI.group(), seq), message(position))),
    );
    store.commit(&[Batch { id: BatchId(1), ops }]).unwrap();
    store.history()
}

/// State, and which rows, in their order.
type Content = (Vec<u8>, Vec<(Space, u64)>);

fn all(path: &Path, code: u8) -> Result<Content, BackupError> {
    let (mut reader, state) = Reader::open(path, &key(code))?;
    let mut rows = Vec::new();
    while let Some(row) = reader.next_row()? {
        assert_eq!(row.key.group, ALI.group());
        rows.push((row.key.space, row.key.seq));
    }
    Ok((state.to_vec(), rows))
}

#[test]
fn a_backup_gives_back_what_was_put_in_to_the_same_code_only() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("b");
    let parts = [Part { contact: ALI, own_below: 399, delivered_below: 399 }];
    assert_eq!(write(&path, &key(1), b"state", Some((&history(), &parts))).unwrap(), 401);
    let (state, messages) = all(&path, 1).unwrap();
    assert_eq!(state, b"state");
    let expected: Vec<_> =
        (1..399).map(|seq| (Space::Sent, seq)).chain([1, 3, 2].map(|seq| (Space::Received, seq))).collect();
    assert_eq!(messages, expected, "in the order in which they came");
    assert!(matches!(all(&path, 2), Err(BackupError::WrongCode)));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left");
    let bytes = std::fs::read(&path).unwrap();
    assert!(!bytes.windows(5).any(|part| part == b"state"));
    assert_eq!((bytes.len() - HEAD) % (SEGMENT + TAG), 0);
}

#[test]
fn a_backup_does_not_keep_what_is_to_disappear() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("b");
    let mut store = MemoryStore::open(&MemoryDisk::default(), system_clock());
    let mut ops: Vec<Op> = Vec::new();
    for (n, mine) in [(1, true), (2, true), (3, true), (1, false), (2, false)] {
        let space = if mine { Space::Sent } else { Space::Received };
        ops.push(Op::Put(Key::of(space, ALI.group(), n), message(n)));
        if n > 1 {
            ops.push(Op::Put(expiry_key(ALI, mine, n), Value::new(vec![0; 16])));
        }
    }
    ops.push(Op::Put(Key::of(Space::Change, ALI.group(), 9), Value::new(vec![1])));
    store.commit(&[Batch { id: BatchId(1), ops }]).unwrap();
    let parts = [Part { contact: ALI, own_below: 4, delivered_below: 3 }];
    assert_eq!(write(&path, &key(1), b"state", Some((&store.history(), &parts))).unwrap(), 3);
    let (_, mut rows) = all(&path, 1).unwrap();
    rows.sort_unstable();
    let undelivered = expiry_key(ALI, true, 3);
    assert_eq!(
        rows,
        [
            (Space::Sent, 1),
            (Space::Sent, 3),
            (Space::Received, 1),
            (Space::Change, 9),
            (Space::Expiry, undelivered.seq)
        ]
    );
}

#[test]
fn a_backup_that_was_changed_cut_or_joined_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("b");
    write(&path, &key(1), &vec![9; 3 * SEGMENT], None).unwrap();
    let good = std::fs::read(&path).unwrap();
    assert!(all(&path, 1).is_ok());
    let segment = SEGMENT + TAG;
    let mut bad = vec![good[..good.len() - segment].to_vec(), good[..good.len() - 1].to_vec()];
    bad.push([&good[..], &[0]].concat());
    bad.push([&good[..HEAD], &good[HEAD + segment..]].concat());
    for at in [8, 25, HEAD, HEAD + segment + 5, good.len() - 1] {
        let mut flipped = good.clone();
        flipped[at] ^= 1;
        bad.push(flipped);
    }
    for bytes in &bad {
        std::fs::write(&path, bytes).unwrap();
        assert!(matches!(all(&path, 1), Err(BackupError::Damaged | BackupError::WrongCode)));
    }
}

#[test]
fn files_of_others_and_of_other_versions_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("b");
    write(&path, &key(1), b"x", None).unwrap();
    let mut other = std::fs::read(&path).unwrap();
    other[7] = 9;
    std::fs::write(&path, &other).unwrap();
    assert!(matches!(all(&path, 1), Err(BackupError::Version { found: 9 })));
    for bytes in
        [&b""[..], b"KARVBAK", b"PK\x03\x04 something that is long enough to hold the head of a backup file"]
    {
        std::fs::write(&path, bytes).unwrap();
        assert!(matches!(all(&path, 1), Err(BackupError::Foreign)));
    }
    assert!(matches!(all(&dir.path().join("none"), 1), Err(BackupError::Io(_))));
    assert!(write(&dir.path().join("no/such/folder"), &key(1), b"x", None).is_err());
}
