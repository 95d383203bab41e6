//! A small world on loopback: a scratch folder, relays and people as real processes, all gone when it is dropped.

use crate::binaries::{binaries, lock_file};
use crate::person::Person;
use crate::relay::Relay;
use crate::until::DEADLINE;
use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;
use tempfile::TempDir;

/// At most this many worlds at once on a machine, over all test processes.
const WORLDS: usize = 2;

/// Relays and the place where people live.
#[derive(Debug)]
pub struct World {
    /// Relays in the order of their start; each but the first joins the mesh of the first.
    pub relays: Vec<Relay>,
    place: Place,
    _permit: File,
}

/// The scratch folder of a world, and how its programs are started.
#[derive(Debug)]
pub struct Place {
    folder: TempDir,
}

impl Place {
    fn new(base: &Path) -> Self {
        // Short, because the path of a socket has a hard limit of about a hundred bytes.
        let folder =
            tempfile::Builder::new().prefix("kv").tempdir_in(base).expect("a scratch folder can be made");
        let place = Self { folder };
        for name in ["run", "home", "logs"] {
            let mut builder = DirBuilder::new();
            builder.mode(0o700).create(place.path(name)).expect("a folder can be made");
        }
        place
    }

    /// A path in the scratch folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command that sees nothing of the real user: home, runtime folder and language are this world's.
    #[must_use]
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        // `KARVON_LOG` stays, so that a failing test can be made to talk.
        let own =
            |name: &str| (name.starts_with("XDG_") || name.starts_with("KARVON_")) && name != "KARVON_LOG";
        for (name, _) in std::env::vars().filter(|(name, _)| own(name)) {
            command.env_remove(name);
        }
        command
            .current_dir(self.folder.path())
            .env("HOME", self.path("home"))
            .env("XDG_RUNTIME_DIR", self.path("run"))
            .env("LC_ALL", "C.UTF-8")
            .env("NO_COLOR", "1");
        command
    }
}

impl World {
    /// A world of `relays` relays, each ready. Waits while too many worlds exist.
    ///
    /// # Panics
    /// If a relay does not get ready.
    #[must_use]
    pub fn new(relays: usize) -> Self {
        Self::within(&std::env::temp_dir(), relays)
    }

    /// [`World::new`] with its scratch folder under `base`, for measurements on a certain disk.
    ///
    /// # Panics
    /// If a relay does not get ready.
    #[must_use]
    pub fn within(base: &Path, relays: usize) -> Self {
        Self::of(base, relays, Relay::start)
    }

    /// [`World::new`] with web doors only.
    ///
    /// # Panics
    /// If a relay does not get ready.
    #[must_use]
    pub fn of_web_doors(relays: usize) -> Self {
        Self::of(&std::env::temp_dir(), relays, Relay::start_web)
    }

    fn of(base: &Path, relays: usize, start: fn(&Place, usize, Vec<String>) -> Relay) -> Self {
        let _ = binaries();
        let permit = permit();
        let mut world = Self { relays: Vec::new(), place: Place::new(base), _permit: permit };
        for number in 0..relays {
            let peers: Vec<String> =
                world.relays.first().map(|first| first.door().to_owned()).into_iter().collect();
            let relay = start(&world.place, number, peers);
            world.relays.push(relay);
        }
        world
    }

    /// A new person called `name` with doors at these relays; their node is not up yet.
    ///
    /// # Panics
    /// If `init` fails.
    #[must_use]
    pub fn person(&self, name: &str, doors: &[usize]) -> Person {
        let doors: Vec<&str> = doors.iter().map(|number| self.relays[*number].door()).collect();
        Person::init(&self.place, name, &doors)
    }

    /// Three relays and two people who have met: Ali with doors 0 and 1, Bob with doors 2 and 1, both up.
    ///
    /// # Panics
    /// If they do not meet.
    #[must_use]
    pub fn of_two_friends() -> (Self, Person, Person) {
        let world = Self::new(3);
        let (ali, bob) = (world.person("Ali", &[0, 1]), world.person("Bob", &[2, 1]));
        ali.up();
        bob.up();
        bob.meet(&ali);
        (world, ali, bob)
    }

    /// The scratch folder.
    #[must_use]
    pub const fn place(&self) -> &Place {
        &self.place
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // What the programs said is shown only when it is wanted.
        if std::thread::panicking() {
            show_logs(self.place.folder.path());
        }
    }
}

fn show_logs(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.is_dir() {
            show_logs(&path);
        } else if path.extension().is_some_and(|extension| extension == "log") {
            let text = String::from_utf8_lossy(&fs::read(&path).unwrap_or_default()).into_owned();
            let lines: Vec<&str> = text.lines().collect();
            let tail = lines.get(lines.len().saturating_sub(60)..).unwrap_or_default().join("\n");
            eprintln!("---- {} ({} lines)\n{tail}", path.display(), lines.len());
        }
    }
}

/// Waits for one of the permits to have a world. Held as a file lock, so that the system gives it back however a test ends.
fn permit() -> File {
    let mut files: Vec<File> =
        (0..WORLDS).map(|number| lock_file(&format!("karvon-tests-world-{number}.lock"))).collect();
    // Other worlds may take long in turn, so this wait is much longer than any single deadline.
    for _ in 0..DEADLINE.as_millis() * 40 / 50 {
        if let Some(free) = files.iter().position(|file| file.try_lock().is_ok()) {
            return files.swap_remove(free);
        }
        sleep(Duration::from_millis(50));
    }
    panic!("other worlds are still running")
}
