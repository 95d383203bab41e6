//! Keys that can be thrown away: one per conversation and epoch, and one for state that is rewritten all the time (DESIGN S2).
//!
//! sled keeps old bytes in its log and flash moves blocks about, so nothing on a disk is ever surely overwritten. What can be promised is
//! that the key of a removed record is gone. Two files: `ring` holds the keys, each sealed; `ring.key` holds what seals them, in two pages
//! of which one is in use. To throw keys away, `ring` is written anew under another sealing key and the page of the old one is
//! overwritten in place: who copies the files afterwards can open neither the old `ring` nor what was sealed by keys that only it had.
//!
//! `ring`: `KARVRING` 8 ∥ generation 8 ∥ entries of 104 bytes: nonce 24 ∥ XChaCha20-Poly1305(number 4 ∥ family 20 ∥ Unix day 4 ∥ zeros 4 ∥
//! key 32) ∥ tag 16. A page of `ring.key` (4,096 bytes): `KARVRKEY` 8 ∥ generation 8 ∥ nonce 24 ∥ sealed key 32 ∥ tag 16 ∥ random bytes.

use super::disk::{self, Disk};
use super::keystore::DataKey;
use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use sha2::Sha256;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use zeroize::Zeroizing;

const RING: &str = "ring";
const UNFINISHED: &str = "ring.new";
const PAGES: &str = "ring.key";
const MAGIC: &[u8; 8] = b"KARVRING";
const PAGE_MAGIC: &[u8; 8] = b"KARVRKEY";
const PAGE: usize = 4_096;
const HEAD: usize = 16;
const BODY: usize = 64;
const ENTRY: usize = 24 + BODY + 16;
/// Records sealed by one key: what has to be sealed anew when one of them is removed.
pub(super) const EPOCH_RECORDS: u32 = 1_024;
/// Days after which a conversation takes a new key.
const EPOCH_DAYS: u32 = 30;
/// Longest file that is read: a million keys.
const RING_MAX: u64 = (HEAD + 1_000_000 * ENTRY) as u64;

/// Generation and sealing key in a page of `ring.key`.
type Page = (u64, Zeroizing<[u8; 32]>);

/// Records that share keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Family {
    /// Sessions, contacts, invitations: rewritten often, read as a whole at each start.
    State,
    /// The messages of a conversation.
    Talk([u8; 16]),
}

impl Family {
    fn encode(self) -> [u8; 20] {
        let mut out = [0; 20];
        if let Self::Talk(group) = self {
            out[0] = 1;
            out[4..].copy_from_slice(&group);
        }
        out
    }

    fn decode(bytes: &[u8; 20]) -> Option<Self> {
        match (bytes[0], bytes.split_last_chunk::<16>()) {
            (0, _) => Some(Self::State),
            (1, Some((_, group))) => Some(Self::Talk(*group)),
            _ => None,
        }
    }
}

/// The ciphers by number, for whoever opens records; clones share them.
#[derive(Clone, Default)]
pub(super) struct Ciphers(Arc<RwLock<BTreeMap<u32, Arc<XChaCha20Poly1305>>>>);

impl Ciphers {
    pub(super) fn get(&self, number: u32) -> Option<Arc<XChaCha20Poly1305>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&number).cloned()
    }

    fn put(&self, number: u32, key: &[u8; 32]) {
        let cipher = Arc::new(XChaCha20Poly1305::new(key.into()));
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(number, cipher);
    }

    fn remove(&self, numbers: &BTreeSet<u32>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).retain(|number, _| !numbers.contains(number));
    }
}

struct Entry {
    family: Family,
    day: u32,
    key: Zeroizing<[u8; 32]>,
}

/// The key that new records of a family are sealed by.
#[derive(Clone, Copy)]
struct Current {
    number: u32,
    day: u32,
    /// Records it may still seal.
    left: u32,
}

/// The keys of a store; see the module.
pub(super) struct Keyring {
    dir: PathBuf,
    disk: Disk,
    wrap: XChaCha20Poly1305,
    ciphers: Ciphers,
    entries: BTreeMap<u32, Entry>,
    current: BTreeMap<Family, Current>,
    /// 0 until the first key is made: then there are no files.
    generation: u64,
    sealing: Zeroizing<[u8; 32]>,
    next: u32,
}

impl Keyring {
    /// The keys in `dir`, which `ciphers` give out; none if there are no files. Finishes what was cut off.
    pub(super) fn open(dir: &Path, key: &DataKey, disk: &Disk, ciphers: Ciphers) -> io::Result<Self> {
        let mut wrap = Zeroizing::new([0; 32]);
        let made = Hkdf::<Sha256>::new(None, key.bytes()).expand(b"karvon/store/ring", &mut *wrap);
        debug_assert!(made.is_ok());
        let mut ring = Self {
            dir: dir.to_owned(),
            disk: disk.clone(),
            wrap: XChaCha20Poly1305::new((&*wrap).into()),
            ciphers,
            entries: BTreeMap::new(),
            current: BTreeMap::new(),
            generation: 0,
            sealing: Zeroizing::new([0; 32]),
            next: 1,
        };
        disk::remove_if_there(&dir.join(UNFINISHED))?;
        let mut bytes = Vec::new();
        match File::open(dir.join(RING)) {
            Ok(file) => file.take(RING_MAX).read_to_end(&mut bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(ring),
            Err(error) => return Err(error),
        };
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "the keyring is damaged");
        let (head, entries) = bytes.split_first_chunk::<HEAD>().ok_or_else(damaged)?;
        let (magic, generation) = head.split_first_chunk::<8>().ok_or_else(damaged)?;
        let generation = u64::from_be_bytes(generation.try_into().map_err(|_| damaged())?);
        if magic != MAGIC || generation == 0 {
            return Err(damaged());
        }
        let pages = ring.read_pages()?;
        let page = pages.iter().flatten().find(|(found, _)| *found == generation).ok_or_else(damaged)?;
        ring.generation = generation;
        ring.sealing = page.1.clone();
        let whole = ring.take_entries(entries).ok_or_else(damaged)?;
        if pages.iter().flatten().count() > 1 {
            // Cut off before the old page was overwritten.
            ring.scrub_page(generation + 1)?;
        }
        if !whole {
            // Cut off while a key was added; nothing was sealed by it.
            ring.rewrite()?;
        }
        Ok(ring)
    }

    /// False if the end is torn: nothing was sealed by those keys yet. `None` if there is damage elsewhere.
    fn take_entries(&mut self, bytes: &[u8]) -> Option<bool> {
        let (entries, rest) = bytes.as_chunks::<ENTRY>();
        let sealing = XChaCha20Poly1305::new((&*self.sealing).into());
        let mut whole = true;
        for bytes in entries {
            match self.open_entry(&sealing, bytes) {
                Some(_) if !whole => return None,
                Some((number, entry)) => {
                    self.next = self.next.max(number.saturating_add(1));
                    // How many records it has sealed is not known; the days bound it all the same.
                    let current = Current { number, day: entry.day, left: EPOCH_RECORDS };
                    self.current.insert(entry.family, current);
                    self.ciphers.put(number, &entry.key);
                    self.entries.insert(number, entry);
                }
                None => whole = false,
            }
        }
        Some(whole && rest.is_empty())
    }

    pub(super) fn family(&self, number: u32) -> Option<Family> {
        self.entries.get(&number).map(|entry| entry.family)
    }

    /// Makes sure that every family has a key that may seal as many records as it is given here; durable when this returns.
    pub(super) fn prepare(&mut self, wanted: &BTreeMap<Family, u32>, day: u32) -> io::Result<()> {
        let mut added = Vec::new();
        for (family, records) in wanted {
            match self.current.get_mut(family) {
                Some(current)
                    if current.left > 0
                        && (*family == Family::State || day.saturating_sub(current.day) < EPOCH_DAYS) =>
                {
                    if *family != Family::State {
                        current.left = current.left.saturating_sub(*records);
                    }
                }
                _ => added.push(*family),
            }
        }
        if added.is_empty() {
            return Ok(());
        }
        if self.generation == 0 {
            self.rewrite()?;
        }
        let sealing = XChaCha20Poly1305::new((&*self.sealing).into());
        let mut bytes = Vec::new();
        for family in added {
            let number = self.make(family, day)?;
            bytes.extend_from_slice(&self.seal_entry(&sealing, number)?);
        }
        let mut file = File::options().append(true).open(self.dir.join(RING))?;
        file.write_all(&bytes)?;
        self.disk.sync_data(&file)
    }

    /// The number of the key that seals records of this family now; [`Keyring::prepare`] came before.
    pub(super) fn current(&self, family: Family) -> Option<u32> {
        self.current.get(&family).map(|current| current.number)
    }

    /// Begins a new epoch for the families whose current key is among `numbers`; durable when this returns.
    pub(super) fn turn(&mut self, numbers: &BTreeSet<u32>, day: u32) -> io::Result<()> {
        let families: Vec<Family> = self
            .current
            .iter()
            .filter(|(_, current)| numbers.contains(&current.number))
            .map(|(family, _)| *family)
            .collect();
        for family in &families {
            self.current.remove(family);
        }
        self.prepare(&families.into_iter().map(|family| (family, 0)).collect(), day)
    }

    /// Throws keys away: nothing that was sealed by them can be opened again.
    pub(super) fn shred(&mut self, numbers: &BTreeSet<u32>) -> io::Result<()> {
        self.entries.retain(|number, _| !numbers.contains(number));
        self.current.retain(|_, current| !numbers.contains(&current.number));
        self.rewrite()?;
        self.ciphers.remove(numbers);
        Ok(())
    }

    fn make(&mut self, family: Family, day: u32) -> io::Result<u32> {
        let number = self.next;
        self.next = number.checked_add(1).ok_or_else(|| io::Error::other("no key numbers are left"))?;
        let key = random_key()?;
        self.ciphers.put(number, &key);
        self.entries.insert(number, Entry { family, day, key });
        self.current.insert(family, Current { number, day, left: EPOCH_RECORDS });
        Ok(number)
    }

    /// Writes `ring` anew under a fresh sealing key and overwrites the page of the old one.
    fn rewrite(&mut self) -> io::Result<()> {
        let sealing = random_key()?;
        let generation = self.generation + 1;
        let cipher = XChaCha20Poly1305::new((&*sealing).into());
        let mut bytes = Vec::with_capacity(HEAD + self.entries.len() * ENTRY);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&generation.to_be_bytes());
        for number in self.entries.keys() {
            bytes.extend_from_slice(&self.seal_entry(&cipher, *number)?);
        }
        let unfinished = self.dir.join(UNFINISHED);
        let mut file = disk::private_file().create(true).truncate(true).write(true).open(&unfinished)?;
        file.write_all(&bytes)?;
        self.disk.sync_data(&file)?;
        drop(file);
        self.write_page(generation, Some(&sealing))?;
        std::fs::rename(&unfinished, self.dir.join(RING))?;
        self.disk.sync_dir(&self.dir)?;
        self.scrub_page(generation + 1)?;
        self.generation = generation;
        self.sealing = sealing;
        Ok(())
    }

    /// Overwrites the page that `generation` would use.
    fn scrub_page(&self, generation: u64) -> io::Result<()> {
        self.write_page(generation, None)
    }

    fn write_page(&self, generation: u64, key: Option<&[u8; 32]>) -> io::Result<()> {
        let mut page = Zeroizing::new([0; PAGE]);
        getrandom::fill(&mut *page).map_err(io::Error::other)?;
        if let Some(key) = key {
            page[..8].copy_from_slice(PAGE_MAGIC);
            page[8..16].copy_from_slice(&generation.to_be_bytes());
            let nonce: [u8; 24] = page[16..40].try_into().map_err(io::Error::other)?;
            page[40..72].copy_from_slice(key);
            let (head, rest) = page.split_at_mut(40);
            let tag = self
                .wrap
                .encrypt_inout_detached(&XNonce::from(nonce), &head[..16], (&mut rest[..32]).into())
                .map_err(|_| io::Error::other("the keyring can not be sealed"))?;
            rest[32..48].copy_from_slice(&tag);
        }
        let path = self.dir.join(PAGES);
        let mut file = disk::private_file().create(true).truncate(false).write(true).open(path)?;
        file.seek(SeekFrom::Start(generation % 2 * PAGE as u64))?;
        file.write_all(&*page)?;
        self.disk.sync_data(&file)
    }

    /// The two pages; a scrubbed or torn one is `None`.
    fn read_pages(&self) -> io::Result<[Option<Page>; 2]> {
        let mut bytes = Vec::new();
        File::open(self.dir.join(PAGES))?.take(2 * PAGE as u64).read_to_end(&mut bytes)?;
        let mut pages = bytes.chunks(PAGE).map(|page| self.open_page(page));
        Ok([pages.next().flatten(), pages.next().flatten()])
    }

    fn open_page(&self, page: &[u8]) -> Option<Page> {
        let (head, rest) = page.split_first_chunk::<16>()?;
        let (nonce, rest) = rest.split_first_chunk::<24>()?;
        let (sealed, rest) = rest.split_first_chunk::<32>()?;
        let tag = rest.first_chunk::<16>()?;
        let mut key = Zeroizing::new(*sealed);
        let opened = self.wrap.decrypt_inout_detached(
            &XNonce::from(*nonce),
            head,
            key.as_mut_slice().into(),
            tag.into(),
        );
        opened.ok().filter(|()| head.starts_with(PAGE_MAGIC))?;
        Some((u64::from_be_bytes(*head.last_chunk::<8>()?), key))
    }

    fn seal_entry(&self, sealing: &XChaCha20Poly1305, number: u32) -> io::Result<[u8; ENTRY]> {
        let lost = || io::Error::other("the keyring can not be sealed");
        let entry = self.entries.get(&number).ok_or_else(lost)?;
        let mut out = Zeroizing::new([0; ENTRY]);
        getrandom::fill(&mut out[..24]).map_err(io::Error::other)?;
        let nonce: [u8; 24] = out[..24].try_into().map_err(io::Error::other)?;
        out[24..28].copy_from_slice(&number.to_be_bytes());
        out[28..48].copy_from_slice(&entry.family.encode());
        out[48..52].copy_from_slice(&entry.day.to_be_bytes());
        out[56..88].copy_from_slice(&*entry.key);
        let (_, text) = out.split_at_mut(24);
        let (text, tag_place) = text.split_at_mut(BODY);
        let tag =
            sealing.encrypt_inout_detached(&XNonce::from(nonce), b"", text.into()).map_err(|_| lost())?;
        tag_place.copy_from_slice(&tag);
        Ok(*out)
    }

    fn open_entry(&self, sealing: &XChaCha20Poly1305, bytes: &[u8; ENTRY]) -> Option<(u32, Entry)> {
        let (nonce, rest) = bytes.split_first_chunk::<24>()?;
        let (sealed, tag) = rest.split_first_chunk::<BODY>()?;
        let tag: &[u8; 16] = tag.try_into().ok()?;
        let mut text = Zeroizing::new(*sealed);
        sealing
            .decrypt_inout_detached(&XNonce::from(*nonce), b"", text.as_mut_slice().into(), tag.into())
            .ok()?;
        let (number, rest) = text.split_first_chunk::<4>()?;
        let (family, rest) = rest.split_first_chunk::<20>()?;
        let (day, rest) = rest.split_first_chunk::<4>()?;
        let key = rest.last_chunk::<32>()?;
        let entry = Entry {
            family: Family::decode(family)?,
            day: u32::from_be_bytes(*day),
            key: Zeroizing::new(*key),
        };
        Some((u32::from_be_bytes(*number), entry))
    }
}

fn random_key() -> io::Result<Zeroizing<[u8; 32]>> {
    let mut key = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *key).map_err(io::Error::other)?;
    Ok(key)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const TALK: Family = Family::Talk([7; 16]);

    fn open(dir: &Path, key: &DataKey, disk: &Disk) -> io::Result<Keyring> {
        Keyring::open(dir, key, disk, Ciphers::default())
    }

    fn want(families: &[Family]) -> BTreeMap<Family, u32> {
        families.iter().map(|family| (*family, 1)).collect()
    }

    /// A text that only the key with this number opens.
    fn opens(ring: &Keyring, number: u32, sealed: &(Vec<u8>, chacha20poly1305::Tag)) -> bool {
        let Some(cipher) = ring.ciphers.get(number) else { return false };
        let mut text = sealed.0.clone();
        cipher
            .decrypt_inout_detached(&XNonce::from([1; 24]), b"", text.as_mut_slice().into(), &sealed.1)
            .is_ok()
    }

    fn seal(ring: &Keyring, number: u32) -> (Vec<u8>, chacha20poly1305::Tag) {
        let mut text = b"text".to_vec();
        let cipher = ring.ciphers.get(number).unwrap();
        let tag =
            cipher.encrypt_inout_detached(&XNonce::from([1; 24]), b"", text.as_mut_slice().into()).unwrap();
        (text, tag)
    }

    #[test]
    fn keys_are_there_after_reopening_and_a_shredded_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let (key, disk) = (DataKey::generate().unwrap(), Disk::default());
        let mut ring = open(dir.path(), &key, &disk).unwrap();
        ring.prepare(&want(&[Family::State, TALK]), 1).unwrap();
        let (state, talk) = (ring.current(Family::State).unwrap(), ring.current(TALK).unwrap());
        let (sealed_state, sealed_talk) = (seal(&ring, state), seal(&ring, talk));
        let mut ring = open(dir.path(), &key, &disk).unwrap();
        assert!(opens(&ring, state, &sealed_state) && opens(&ring, talk, &sealed_talk));
        ring.turn(&BTreeSet::from([talk]), 1).unwrap();
        assert_ne!(ring.current(TALK), Some(talk));
        ring.shred(&BTreeSet::from([talk])).unwrap();
        for ring in [&ring, &open(dir.path(), &key, &disk).unwrap()] {
            assert!(!opens(ring, talk, &sealed_talk));
            assert!(opens(ring, state, &sealed_state));
        }
        let other = DataKey::generate().unwrap();
        assert!(open(dir.path(), &other, &disk).is_err());
    }

    #[test]
    fn an_old_ring_is_worthless_beside_the_files_of_today() {
        let dir = tempfile::tempdir().unwrap();
        let (key, disk) = (DataKey::generate().unwrap(), Disk::default());
        let mut ring = open(dir.path(), &key, &disk).unwrap();
        ring.prepare(&want(&[TALK]), 1).unwrap();
        let old = std::fs::read(dir.path().join(RING)).unwrap();
        ring.shred(&BTreeSet::from([ring.current(TALK).unwrap()])).unwrap();
        std::fs::write(dir.path().join(RING), old).unwrap();
        assert!(open(dir.path(), &key, &disk).is_err(), "what sealed it is gone");
    }

    #[test]
    fn a_conversation_takes_a_new_key_after_a_month_or_a_thousand_records() {
        let dir = tempfile::tempdir().unwrap();
        let (key, disk) = (DataKey::generate().unwrap(), Disk::default());
        let mut ring = open(dir.path(), &key, &disk).unwrap();
        let mut numbers = Vec::new();
        for (day, records) in [(1, 1), (30, 1_024), (30, 1), (60, 1)] {
            ring.prepare(&BTreeMap::from([(TALK, records)]), day).unwrap();
            numbers.push(ring.current(TALK).unwrap());
        }
        assert_eq!(numbers, [1, 1, 2, 3]);
    }

    #[test]
    fn whatever_was_cut_off_leaves_the_old_keys_or_the_new_ones() {
        let dir = tempfile::tempdir().unwrap();
        let (key, disk) = (DataKey::generate().unwrap(), Disk::default());
        let mut ring = open(dir.path(), &key, &disk).unwrap();
        ring.prepare(&want(&[Family::State, TALK]), 1).unwrap();
        let talk = ring.current(TALK).unwrap();
        let read = |name: &str| std::fs::read(dir.path().join(name)).unwrap();
        let (ring_before, pages_before) = (read(RING), read(PAGES));
        let syncs = disk.syncs();
        ring.shred(&BTreeSet::from([talk])).unwrap();
        let steps = disk.syncs() - syncs;
        assert_eq!(steps, 4);
        for step in 1..=steps {
            std::fs::write(dir.path().join(RING), &ring_before).unwrap();
            std::fs::write(dir.path().join(PAGES), &pages_before).unwrap();
            let mut ring = open(dir.path(), &key, &disk).unwrap();
            disk.fail_sync(step);
            assert!(ring.shred(&BTreeSet::from([talk])).is_err());
            let ring = open(dir.path(), &key, &disk).unwrap();
            assert!(ring.current(Family::State).is_some(), "step {step}");
            let pages = ring.read_pages().unwrap();
            assert_eq!(pages.iter().flatten().count(), 1, "the page that is not in use was overwritten");
        }
        // A key that was being added.
        let whole = read(RING);
        std::fs::write(dir.path().join(RING), &whole[..whole.len() - 1]).unwrap();
        let ring = open(dir.path(), &key, &disk).unwrap();
        assert!(ring.entries.len() < 2 && (read(RING).len() - HEAD).is_multiple_of(ENTRY));
    }
}
