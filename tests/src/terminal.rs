//! A terminal of our own for a real program: a pseudo-terminal, what is on its screen, and how many keys were pressed.

use crate::until::until;
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use std::io::{Read as _, Write};
use std::num::NonZero;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// What programs are told about this terminal.
const TERM: &str = "xterm-256color";

/// What has come from the program.
struct Seen {
    parser: vt100::Parser,
    /// Every byte, as long as somebody asked for it.
    raw: Vec<u8>,
    bytes: u64,
    last: Instant,
    ended: bool,
}

/// A terminal with a program in it, which is killed when the terminal is dropped.
pub struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    seen: Arc<Mutex<Seen>>,
    /// Key presses so far, without typed and pasted text.
    pub presses: usize,
}

impl std::fmt::Debug for Terminal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.text())
    }
}

impl Terminal {
    /// Starts `command` in a terminal of this size.
    ///
    /// # Panics
    /// If the system gives no pseudo-terminal, or the program can not be started.
    #[must_use]
    pub fn open(command: &Command, columns: u16, rows: u16) -> Self {
        let pair = native_pty_system().openpty(size(columns, rows)).expect("the system has pseudo-terminals");
        let mut builder = CommandBuilder::new(command.get_program());
        builder.args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => builder.env(name, value),
                None => builder.env_remove(name),
            }
        }
        if let Some(folder) = command.get_current_dir() {
            builder.cwd(folder);
        }
        builder.env("TERM", TERM);
        builder.env_remove("NO_COLOR");
        let child = pair.slave.spawn_command(builder).expect("the program can be started");
        let mut reader = pair.master.try_clone_reader().expect("a terminal can be read");
        let keys = pair.master.take_writer().expect("a terminal can be written");
        let seen = Arc::new(Mutex::new(Seen {
            parser: vt100::Parser::new(at_least_one(rows), at_least_one(columns), 0),
            raw: Vec::new(),
            bytes: 0,
            last: Instant::now(),
            ended: false,
        }));
        let shared = Arc::clone(&seen);
        thread::spawn(move || {
            let mut chunk = [0; 64 * 1024];
            while let Ok(length @ 1..) = reader.read(&mut chunk) {
                let mut seen = lock(&shared);
                let part = chunk.get(..length).unwrap_or_default();
                seen.parser.process(part);
                seen.raw.extend_from_slice(part);
                seen.bytes += u64::try_from(length).unwrap_or(0);
                seen.last = Instant::now();
            }
            lock(&shared).ended = true;
        });
        Self { child, master: pair.master, keys, seen, presses: 0 }
    }

    /// Types a text, letter by letter as a keyboard does.
    ///
    /// # Panics
    /// If the program is gone.
    pub fn type_text(&mut self, text: &str) {
        self.bytes_in(text.as_bytes());
    }

    /// Pastes a text, bracketed as terminals do.
    ///
    /// # Panics
    /// If the program is gone.
    pub fn paste(&mut self, text: &str) {
        self.bytes_in(format!("\x1b[200~{text}\x1b[201~").as_bytes());
    }

    /// Presses a key: `Enter`, `Esc`, `Tab`, `Up`, `Down`, `Left`, `Right`, `PgUp`, `PgDn`, `Home`, `End`, `^Home`, `^End`, `Backspace`,
    /// `^K` and the like, or a letter.
    ///
    /// # Panics
    /// If there is no such key, or the program is gone.
    pub fn press(&mut self, key: &str) {
        self.presses += 1;
        let bytes = bytes_of(key);
        self.bytes_in(&bytes);
    }

    /// Presses many keys, each only after the program has answered the one before with a quiet screen.
    pub fn press_each(&mut self, keys: &[&str]) {
        for key in keys {
            self.press(key);
            self.settle();
        }
    }

    /// Sends bytes as they are.
    ///
    /// # Panics
    /// If the program is gone.
    pub fn bytes_in(&mut self, bytes: &[u8]) {
        self.keys.write_all(bytes).and_then(|()| self.keys.flush()).expect("the program reads its terminal");
    }

    /// The rows of the screen.
    #[must_use]
    pub fn rows(&self) -> Vec<String> {
        let seen = lock(&self.seen);
        let (_, columns) = seen.parser.screen().size();
        seen.parser.screen().rows(0, columns.get()).map(|row| row.trim_end().to_owned()).collect()
    }

    /// The screen as text.
    #[must_use]
    pub fn text(&self) -> String {
        self.rows().join("\n")
    }

    /// The screen with its colours.
    #[must_use]
    pub fn screen(&self) -> vt100::Screen {
        lock(&self.seen).parser.screen().clone()
    }

    /// Bytes the program has written so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        lock(&self.seen).bytes
    }

    /// Takes out every byte that the program wrote since the last call.
    #[must_use]
    pub fn take_raw(&self) -> Vec<u8> {
        std::mem::take(&mut lock(&self.seen).raw)
    }

    /// When the program wrote something the last time.
    #[must_use]
    pub fn last_output(&self) -> Instant {
        lock(&self.seen).last
    }

    /// Waits until the screen shows `words`; a row may be anywhere.
    ///
    /// # Panics
    /// If it does not.
    pub fn shows(&self, words: &str) {
        self.shows_that(&format!("the screen shows {words:?}"), |text| text.contains(words));
    }

    /// Waits until `wanted` is true of the screen.
    ///
    /// # Panics
    /// If it is not in time.
    pub fn shows_that(&self, what: &str, wanted: impl Fn(&str) -> bool) {
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(60) {
            if wanted(&self.text()) {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("not true in time: {what}\n{}", self.text());
    }

    /// Waits until the program has written nothing for a while.
    ///
    /// # Panics
    /// If it never stops writing.
    pub fn settle(&self) {
        thread::sleep(Duration::from_millis(30));
        until("the screen is at rest", || {
            (self.last_output().elapsed() > Duration::from_millis(60)).then_some(())
        });
    }

    /// Gives the terminal another size.
    ///
    /// # Panics
    /// If the system refuses it.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        lock(&self.seen).parser.screen_mut().set_size(at_least_one(rows), at_least_one(columns));
        self.master.resize(size(columns, rows)).expect("a terminal can be resized");
    }

    /// The process id of the program.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.process_id()
    }

    /// Waits until the program has ended, and returns its exit code.
    ///
    /// # Panics
    /// If it does not end.
    pub fn ends(&mut self) -> u32 {
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(60) {
            if let Some(status) = self.child.try_wait().ok().flatten() {
                return status.exit_code();
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("the program does not end\n{}", self.text());
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

fn at_least_one(cells: u16) -> NonZero<u16> {
    NonZero::new(cells).unwrap_or(NonZero::<u16>::MIN)
}

fn size(columns: u16, rows: u16) -> PtySize {
    PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }
}

/// What a terminal sends for a key.
fn bytes_of(key: &str) -> Vec<u8> {
    let sequence = match key {
        "Enter" => "\r",
        "Esc" => "\x1b",
        "Tab" => "\t",
        "Backspace" => "\x7f",
        "Up" => "\x1b[A",
        "Down" => "\x1b[B",
        "Right" => "\x1b[C",
        "Left" => "\x1b[D",
        "Home" => "\x1b[H",
        "End" => "\x1b[F",
        "PgUp" => "\x1b[5~",
        "PgDn" => "\x1b[6~",
        "F1" => "\x1bOP",
        "^Home" => "\x1b[1;5H",
        "^End" => "\x1b[1;5F",
        "Alt-Enter" => "\x1b\r",
        _ => "",
    };
    if !sequence.is_empty() {
        return sequence.as_bytes().to_vec();
    }
    match key.strip_prefix('^').and_then(|letter| letter.bytes().next()) {
        Some(letter @ b'A'..=b'Z') => vec![letter - b'A' + 1],
        Some(letter) => panic!("no key ^{letter}"),
        None => key.as_bytes().to_vec(),
    }
}
