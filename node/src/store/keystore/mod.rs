//! The key everything is sealed by, kept in a small file beside the store: four equal slots, each for one passphrase (DESIGN S2).
//!
//! A slot opens one profile: its data key and the number its store is named by. An unused slot is random bytes: nobody without a
//! passphrase can tell how many are in use. (The number of stores beside the file can be counted; see SECURITY.md.)

mod file;
mod patience;

use super::disk;
use file::{Content, Cost, KeyFile, SLOTS};
use std::fmt;
use std::io;
use std::path::Path;
use zeroize::Zeroizing;

/// Argon2id: 64 MiB, three passes, one lane (DESIGN S2).
const COST: Cost = Cost { memory_kib: 64 << 10, passes: 3, lanes: 1 };

/// The key that seals a profile's records, and the profile's number. Forgotten from memory when dropped.
#[derive(Clone)]
pub struct DataKey {
    key: Zeroizing<[u8; 32]>,
    profile: [u8; 16],
}

impl DataKey {
    /// A fresh random key.
    ///
    /// # Errors
    /// If the system gives no randomness.
    pub fn generate() -> io::Result<Self> {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *key).map_err(io::Error::other)?;
        Ok(Self { key, profile: file::random()? })
    }

    /// A random number that names the profile; not secret, never sent.
    #[must_use]
    pub fn profile(&self) -> [u8; 16] {
        self.profile
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.key
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey")
    }
}

/// How a profile is locked.
#[derive(Clone, Copy)]
pub enum Lock<'a> {
    /// Not at all: whoever has the device reads everything. Stands in the file as it is.
    None,
    /// By a passphrase, taken as UTF-8 bytes.
    Passphrase(&'a str),
}

/// How the profile in a directory is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Locked {
    /// No passphrase is needed.
    No,
    /// A passphrase is needed.
    Passphrase,
}

/// A profile that a passphrase opened.
#[derive(Debug, Clone)]
pub struct Opened {
    /// Its key.
    pub key: DataKey,
    /// No other slot is in use, as far as this profile knows: stores of other profiles are left from one that was destroyed or was never
    /// finished.
    pub alone: bool,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// There is no key file.
    #[error("there is no profile in this directory")]
    Missing,
    /// Creating would replace a key, and with it everything that is sealed by it.
    #[error("there is a profile in this directory already")]
    Exists,
    /// A passphrase is needed and none was given.
    #[error("this profile is locked: open it with `karvon unlock`")]
    Locked,
    /// The passphrase opens no slot.
    #[error("wrong passphrase")]
    WrongPassphrase,
    /// Too many wrong passphrases in a row; nothing is ever erased for that.
    #[error("too many wrong passphrases: try again in {seconds} s (nothing was erased)")]
    Wait {
        /// How long.
        seconds: u64,
    },
    /// The key was destroyed on purpose; what is left is to be removed.
    #[error("this profile was wiped")]
    Wiped,
    /// Neither copy is whole.
    #[error("the key file is damaged: restore a backup of it")]
    Damaged,
    /// The file belongs to somebody else, or its permissions were changed.
    #[error("the key file can not be read: check who owns it and its permissions")]
    Forbidden,
    /// A passphrase without letters protects nothing.
    #[error("the passphrase is empty")]
    Empty,
    /// The passphrase opens a profile already.
    #[error("this passphrase is in use: choose another one")]
    InUse,
    /// All four slots are in use.
    #[error("four profiles is the most that one directory holds")]
    Full,
    /// Only the first profile knows which slots are free.
    #[error("only the first profile of this directory, locked by a passphrase, can do this")]
    NotOwner,
    /// Another file error, or no memory for the slow hash.
    #[error("the key file can not be used: {0}")]
    Io(io::Error),
}

impl From<io::Error> for KeyError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing,
            io::ErrorKind::PermissionDenied => Self::Forbidden,
            _ => Self::Io(error),
        }
    }
}

/// Makes a new data key and stores it in `dir`, which is created if need be. Slow with a passphrase: about half a second.
///
/// # Errors
/// [`KeyError::Exists`], [`KeyError::Empty`], [`KeyError::Forbidden`] or [`KeyError::Io`].
pub fn create(dir: &Path, lock: &Lock<'_>) -> Result<DataKey, KeyError> {
    create_with(dir, lock, COST)
}

fn create_with(dir: &Path, lock: &Lock<'_>, cost: Cost) -> Result<DataKey, KeyError> {
    let key = DataKey::generate()?;
    create_for(dir, lock, cost, &key)?;
    Ok(key)
}

/// As [`create`], for a store that was made already: the profile counts as made once this returns.
///
/// # Errors
/// As [`create`].
pub fn create_with_key(dir: &Path, lock: &Lock<'_>, key: &DataKey) -> Result<(), KeyError> {
    create_for(dir, lock, COST, key)
}

fn create_for(dir: &Path, lock: &Lock<'_>, cost: Cost, key: &DataKey) -> Result<(), KeyError> {
    disk::create_private_dir(dir)?;
    if exists(dir) {
        return Err(KeyError::Exists);
    }
    Ok(new_file(lock, cost, key)?.write_new(dir)?)
}

/// Whether there is a key file in `dir`, of whatever state.
#[must_use]
pub fn exists(dir: &Path) -> bool {
    dir.join(file::NAME).exists()
}

fn new_file(lock: &Lock<'_>, cost: Cost, key: &DataKey) -> Result<KeyFile, KeyError> {
    let mut made = KeyFile::empty(kind(lock)?, cost)?;
    let [number] = file::random::<1>()?;
    let number = usize::from(number) % SLOTS;
    let content = Content { key: key.clone(), owner: true, destroys_others: false, known: 1 << number };
    let stretched = made.stretch(lock)?;
    made.seal(number, &stretched, &content)?;
    Ok(made)
}

fn kind(lock: &Lock<'_>) -> Result<Locked, KeyError> {
    match lock {
        Lock::None => Ok(Locked::No),
        Lock::Passphrase("") => Err(KeyError::Empty),
        Lock::Passphrase(_) => Ok(Locked::Passphrase),
    }
}

/// How the profile in `dir` is locked.
///
/// # Errors
/// [`KeyError::Missing`], [`KeyError::Wiped`], [`KeyError::Damaged`], [`KeyError::Forbidden`] or [`KeyError::Io`].
pub fn locked(dir: &Path) -> Result<Locked, KeyError> {
    Ok(KeyFile::read(dir)?.locked)
}

/// The data key in `dir`. A passphrase is left unused if none is needed. Slow with one: about half a second.
///
/// # Errors
/// Those of [`open_profile`].
pub fn open(dir: &Path, passphrase: Option<&str>) -> Result<DataKey, KeyError> {
    open_profile(dir, passphrase).map(|opened| opened.key)
}

/// The profile in `dir` that `passphrase` opens. One that was made to destroy the others does so before this returns.
///
/// # Errors
/// [`KeyError::Missing`], [`KeyError::Wiped`], [`KeyError::Locked`], [`KeyError::WrongPassphrase`], [`KeyError::Wait`],
/// [`KeyError::Damaged`], [`KeyError::Forbidden`] or [`KeyError::Io`].
pub fn open_profile(dir: &Path, passphrase: Option<&str>) -> Result<Opened, KeyError> {
    let mut read = KeyFile::read(dir)?;
    let (number, mut content, stretched) = unseal(&read, dir, passphrase)?;
    if content.destroys_others {
        for other in (0..SLOTS).filter(|other| *other != number) {
            read.scramble(other)?;
        }
        content = Content { owner: true, destroys_others: false, known: 1 << number, ..content };
        read.seal(number, &stretched, &content)?;
        read.rewrite(dir)?;
    }
    Ok(Opened { alone: content.owner && content.known == 1 << number, key: content.key })
}

type Unsealed = (usize, Content, Zeroizing<[u8; 32]>);

fn unseal(read: &KeyFile, dir: &Path, passphrase: Option<&str>) -> Result<Unsealed, KeyError> {
    let lock = match (read.locked, passphrase) {
        (Locked::No, _) => Lock::None,
        (Locked::Passphrase, Some(passphrase)) => Lock::Passphrase(passphrase),
        (Locked::Passphrase, None) => return Err(KeyError::Locked),
    };
    if read.locked == Locked::Passphrase {
        patience::before(dir, super::system_clock()())?;
    }
    let stretched = read.stretch(&lock)?;
    match (read.open(&stretched), read.locked) {
        (Some((number, content)), _) => {
            patience::forget(dir)?;
            Ok((number, content, stretched))
        }
        (None, Locked::No) => Err(KeyError::Damaged),
        (None, Locked::Passphrase) => Err(KeyError::WrongPassphrase),
    }
}

/// Locks the profile in `dir` that `passphrase` opens another way; what is sealed stays as it is. The old passphrase no longer opens this
/// file, but it does open copies that were made of it earlier.
///
/// # Errors
/// As [`open_profile`]; [`KeyError::InUse`]; [`KeyError::NotOwner`] when the last lock is to go while other profiles are there.
pub fn relock(dir: &Path, passphrase: Option<&str>, lock: &Lock<'_>) -> Result<(), KeyError> {
    let new = kind(lock)?;
    let mut read = KeyFile::read(dir)?;
    let (number, mut content, _) = unseal(&read, dir, passphrase)?;
    if read.locked == new && new == Locked::Passphrase {
        let stretched = read.stretch(lock)?;
        if read.open(&stretched).is_some_and(|(other, _)| other != number) {
            return Err(KeyError::InUse);
        }
        read.seal(number, &stretched, &content)?;
    } else {
        // The kind of lock stands in what every slot is bound to, so the file is made anew: with this profile alone.
        if !content.owner || content.known != 1 << number {
            return Err(KeyError::NotOwner);
        }
        read = KeyFile::empty(new, read.cost)?;
        content.known = 1 << number;
        let stretched = read.stretch(lock)?;
        read.seal(number, &stretched, &content)?;
    }
    Ok(read.rewrite(dir)?)
}

/// Makes a further profile that `new` opens; `passphrase` must open the first one. With `destroys_others`, opening it destroys every other
/// profile. The caller makes its store first ([`DataKey::generate`]): a slot never opens a profile without one.
///
/// # Errors
/// As [`open_profile`]; [`KeyError::NotOwner`], [`KeyError::InUse`], [`KeyError::Empty`] or [`KeyError::Full`].
pub fn add(
    dir: &Path,
    passphrase: Option<&str>,
    new: &str,
    key: &DataKey,
    destroys_others: bool,
) -> Result<(), KeyError> {
    let lock = Lock::Passphrase(new);
    kind(&lock)?;
    let mut read = KeyFile::read(dir)?;
    let (number, mut owner, stretched) = unseal(&read, dir, passphrase)?;
    if !owner.owner || read.locked == Locked::No {
        return Err(KeyError::NotOwner);
    }
    let new = read.stretch(&lock)?;
    if read.open(&new).is_some() {
        return Err(KeyError::InUse);
    }
    let free = (0..SLOTS).filter(|slot| owner.known & 1 << slot == 0).collect::<Vec<_>>();
    let [random] = file::random::<1>()?;
    let slot = *free.get(usize::from(random) % free.len().max(1)).ok_or(KeyError::Full)?;
    owner.known |= 1 << slot;
    let added = Content { key: key.clone(), owner: false, destroys_others, known: owner.known };
    read.seal(number, &stretched, &owner)?;
    read.seal(slot, &new, &added)?;
    Ok(read.rewrite(dir)?)
}

/// Destroys the key file: without it nothing in the stores can be read again, by anybody. Media may keep old blocks for a while; a
/// passphrase still protects those. A mark stays until [`remove_destroyed`], so that whoever starts next finishes the wipe.
///
/// # Errors
/// [`KeyError::Missing`], [`KeyError::Forbidden`] or [`KeyError::Io`].
pub fn destroy(dir: &Path) -> Result<(), KeyError> {
    Ok(file::destroy(dir)?)
}

/// Removes the mark of [`destroy`] and the count of tries: the last step of a wipe.
///
/// # Errors
/// [`KeyError::Forbidden`] or [`KeyError::Io`].
pub fn remove_destroyed(dir: &Path) -> Result<(), KeyError> {
    patience::forget(dir)?;
    Ok(file::remove(dir)?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::file::{COPY, NAME};
    use super::*;

    /// The slow hash made quick, so that tests of everything around it are.
    const QUICK: Cost = Cost { memory_kib: 64, passes: 1, lanes: 1 };

    fn same(a: &DataKey, b: &DataKey) -> bool {
        (a.bytes(), a.profile()) == (b.bytes(), b.profile())
    }

    #[test]
    fn a_passphrase_opens_what_it_locked_and_nothing_else_does() {
        let dir = tempfile::tempdir().unwrap();
        let key = create(dir.path(), &Lock::Passphrase("точно моя фраза")).unwrap();
        assert_eq!(locked(dir.path()).unwrap(), Locked::Passphrase);
        assert!(same(&open(dir.path(), Some("точно моя фраза")).unwrap(), &key));
        assert!(matches!(open(dir.path(), Some("точно моя")), Err(KeyError::WrongPassphrase)));
        assert!(matches!(open(dir.path(), None), Err(KeyError::Locked)));
        assert!(matches!(create(dir.path(), &Lock::None), Err(KeyError::Exists)));
        relock(dir.path(), Some("точно моя фраза"), &Lock::None).unwrap();
        assert!(same(&open(dir.path(), None).unwrap(), &key), "the data key stays");
    }

    #[test]
    fn without_a_lock_anybody_opens_it_and_the_file_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let key = create(&dir.path().join("new/dir"), &Lock::None).unwrap();
        let dir = dir.path().join("new/dir");
        assert_eq!(locked(&dir).unwrap(), Locked::No);
        assert!(same(&open(&dir, None).unwrap(), &key));
        assert!(same(&open(&dir, Some("left unused")).unwrap(), &key));
        assert!(matches!(create(&dir.join("x"), &Lock::Passphrase("")), Err(KeyError::Empty)));
    }

    #[test]
    fn damage_to_one_copy_is_survived_and_to_both_is_told_apart_from_a_wrong_passphrase() {
        let dir = tempfile::tempdir().unwrap();
        let key = create_with(dir.path(), &Lock::Passphrase("p"), QUICK).unwrap();
        let path = dir.path().join(NAME);
        let good = std::fs::read(&path).unwrap();
        for at in (0..good.len()).step_by(97) {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            std::fs::write(&path, &bad).unwrap();
            assert!(same(&open(dir.path(), Some("p")).unwrap(), &key), "byte {at}");
        }
        std::fs::write(&path, &good[..COPY]).unwrap();
        assert!(same(&open(dir.path(), Some("p")).unwrap(), &key), "the second copy is missing");
        for bad in [Vec::new(), good[..100].to_vec(), vec![0; 2 * COPY]] {
            std::fs::write(&path, &bad).unwrap();
            assert!(matches!(open(dir.path(), Some("p")), Err(KeyError::Damaged)));
        }
    }

    #[test]
    fn a_torn_change_of_the_passphrase_leaves_the_old_or_the_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let key = create_with(dir.path(), &Lock::Passphrase("old"), QUICK).unwrap();
        let path = dir.path().join(NAME);
        let before = std::fs::read(&path).unwrap();
        relock(dir.path(), Some("old"), &Lock::Passphrase("new")).unwrap();
        let after = std::fs::read(&path).unwrap();
        assert_eq!(before.len(), after.len());
        for cut in (0..=after.len()).step_by(256) {
            std::fs::write(&path, [&after[..cut], &before[cut..]].concat()).unwrap();
            let opens: Vec<_> = ["old", "new"]
                .into_iter()
                .filter(|word| {
                    // Not what is tested here.
                    patience::forget(dir.path()).unwrap();
                    open(dir.path(), Some(word)).is_ok_and(|opened| same(&opened, &key))
                })
                .collect();
            assert_eq!(opens.len(), 1, "cut at {cut}: {opens:?}");
            let healed = std::fs::read(&path).unwrap();
            assert_eq!(healed[..COPY], healed[COPY..], "both copies are the same again");
        }
        assert!(open(dir.path(), Some("new")).is_ok());
    }

    #[test]
    fn absurd_costs_in_a_file_are_damage_and_not_obeyed() {
        let dir = tempfile::tempdir().unwrap();
        let key = DataKey::generate().unwrap();
        let mut made = new_file(&Lock::Passphrase("p"), QUICK, &key).unwrap();
        made.cost.memory_kib = u32::MAX;
        made.write_new(dir.path()).unwrap();
        assert!(matches!(open(dir.path(), Some("p")), Err(KeyError::Damaged)));
    }

    #[test]
    fn any_slot_may_be_the_one_in_use_and_unused_ones_do_not_stand_out() {
        let dir = tempfile::tempdir().unwrap();
        let key = DataKey::generate().unwrap();
        let mut used = [false; SLOTS];
        for _ in 0..200 {
            let made = new_file(&Lock::Passphrase("p"), QUICK, &key).unwrap();
            let stretched = made.stretch(&Lock::Passphrase("p")).unwrap();
            let (number, _) = made.open(&stretched).unwrap();
            used[number] = true;
            made.write_new(dir.path()).unwrap();
            let bytes = std::fs::read(dir.path().join(NAME)).unwrap();
            for slot in bytes[37..37 + 416].chunks(104) {
                assert!(slot.iter().filter(|byte| **byte == 0).count() < 12);
            }
        }
        assert_eq!(used, [true; SLOTS]);
    }

    #[test]
    fn wrong_passphrases_cost_a_growing_wait_and_erase_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let key = create_with(dir.path(), &Lock::Passphrase("right"), QUICK).unwrap();
        for _ in 0..3 {
            assert!(matches!(open(dir.path(), Some("wrong")), Err(KeyError::WrongPassphrase)));
        }
        assert!(matches!(open(dir.path(), Some("right")), Err(KeyError::Wait { seconds: 1..=2 })));
        patience::forget(dir.path()).unwrap();
        assert!(same(&open(dir.path(), Some("right")).unwrap(), &key));
        assert!(!dir.path().join(patience::NAME).exists(), "the right one ends the count");
    }

    #[test]
    fn four_profiles_fit_each_under_its_own_passphrase_and_none_displaces_another() {
        let dir = tempfile::tempdir().unwrap();
        let first = create_with(dir.path(), &Lock::Passphrase("1"), QUICK).unwrap();
        assert!(open_profile(dir.path(), Some("1")).unwrap().alone);
        let more: Vec<_> = ["2", "3", "4"]
            .iter()
            .map(|word| {
                let key = DataKey::generate().unwrap();
                add(dir.path(), Some("1"), word, &key, false).unwrap();
                (word, key)
            })
            .collect();
        assert!(same(&open(dir.path(), Some("1")).unwrap(), &first));
        for (word, key) in &more {
            let opened = open_profile(dir.path(), Some(word)).unwrap();
            assert!(same(&opened.key, key) && !opened.alone);
        }
        let spare = DataKey::generate().unwrap();
        assert!(matches!(add(dir.path(), Some("1"), "5", &spare, false), Err(KeyError::Full)));
        assert!(matches!(add(dir.path(), Some("1"), "2", &spare, false), Err(KeyError::InUse)));
        assert!(matches!(add(dir.path(), Some("2"), "5", &spare, false), Err(KeyError::NotOwner)));
        assert!(matches!(relock(dir.path(), Some("1"), &Lock::Passphrase("2")), Err(KeyError::InUse)));
        assert!(matches!(relock(dir.path(), Some("1"), &Lock::None), Err(KeyError::NotOwner)));
        relock(dir.path(), Some("3"), &Lock::Passphrase("drei")).unwrap();
        assert!(matches!(open(dir.path(), Some("3")), Err(KeyError::WrongPassphrase)));
        assert!(open(dir.path(), Some("drei")).is_ok() && open(dir.path(), Some("1")).is_ok());
    }

    #[test]
    fn a_profile_made_to_destroy_the_others_does_so_when_it_is_opened() {
        let dir = tempfile::tempdir().unwrap();
        create_with(dir.path(), &Lock::Passphrase("real"), QUICK).unwrap();
        let key = DataKey::generate().unwrap();
        add(dir.path(), Some("real"), "forced", &key, true).unwrap();
        assert!(open(dir.path(), Some("real")).is_ok());
        let opened = open_profile(dir.path(), Some("forced")).unwrap();
        assert!(same(&opened.key, &key) && opened.alone);
        assert!(matches!(open(dir.path(), Some("real")), Err(KeyError::WrongPassphrase)));
        let again = open_profile(dir.path(), Some("forced")).unwrap();
        assert!(same(&again.key, &key) && again.alone, "it is the first profile from now on");
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_its_owners_alone_and_a_missing_one_is_told() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(open(dir.path(), None), Err(KeyError::Missing)));
        create(dir.path(), &Lock::None).unwrap();
        let mode = std::fs::metadata(dir.path().join(NAME)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let refused = KeyError::from(io::Error::from(io::ErrorKind::PermissionDenied));
        assert!(matches!(refused, KeyError::Forbidden));
    }

    #[test]
    fn a_destroyed_key_is_gone_and_says_so_until_the_wipe_is_finished() {
        let dir = tempfile::tempdir().unwrap();
        create_with(dir.path(), &Lock::Passphrase("p"), QUICK).unwrap();
        let whole = std::fs::read(dir.path().join(NAME)).unwrap();
        std::fs::write(dir.path().join("key.new"), &whole).unwrap();
        destroy(dir.path()).unwrap();
        let wiped = std::fs::read(dir.path().join(NAME)).unwrap();
        assert_eq!(wiped.len(), whole.len());
        assert!(matches!(open(dir.path(), Some("p")), Err(KeyError::Wiped)));
        assert!(matches!(create(dir.path(), &Lock::None), Err(KeyError::Exists)));
        // Whichever half of the overwriting reached the disk, the other one is not believed any more.
        for half in [[&wiped[..COPY], &whole[COPY..]], [&whole[..COPY], &wiped[COPY..]]] {
            std::fs::write(dir.path().join(NAME), half.concat()).unwrap();
            assert!(matches!(open(dir.path(), Some("p")), Err(KeyError::Wiped)));
        }
        let copy = std::fs::read(dir.path().join("key.new")).unwrap();
        assert!(!copy.windows(64).any(|part| part == &whole[37..101]), "an unfinished file is destroyed too");
        remove_destroyed(dir.path()).unwrap();
        assert!(matches!(open(dir.path(), None), Err(KeyError::Missing)));
        assert!(matches!(destroy(dir.path()), Err(KeyError::Missing)));
    }
}
