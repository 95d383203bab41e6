//! Opens the terminal for the screen and gives it back, whatever happens.

use std::cell::Cell;
use std::io::{self, Stdout, Write as _, stdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once, PoisonError};

use crossterm::clipboard::CopyToClipboard;
use crossterm::event::{
    DisableBracketedPaste, DisableFocusChange, DisableMouseCapture, EnableBracketedPaste, EnableFocusChange,
    EnableMouseCapture,
};
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use crossterm::{cursor::Show, execute};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

use super::Device;
use crate::app::alert::Alert;

/// Longest text handed to a clipboard: terminals cut or refuse longer sequences.
const COPY_MAX: usize = 64 * 1024;

/// The screen is open.
static OPEN: AtomicBool = AtomicBool::new(false);
/// Panics of other threads while the screen was open, printed when it is closed.
static HELD_BACK: Mutex<Vec<String>> = Mutex::new(Vec::new());
static HOOK: Once = Once::new();

thread_local! {
    /// This thread is inside the screen's own code.
    static ON_SCREEN: Cell<bool> = const { Cell::new(false) };
}

/// The open screen; gives the terminal back when dropped.
pub(super) struct Guard {
    /// Dropped after the guard's own work, so that its complaints about a terminal that is gone go nowhere.
    pub(super) terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Guard {
    /// Opens the screen. Keyboard-enhancement flags are left alone: with them Ctrl with a Cyrillic letter loses its Latin key.
    pub(super) fn open(mouse: bool) -> io::Result<Self> {
        HOOK.call_once(install_hook);
        let opened = Self::resume(mouse).and_then(|()| Terminal::new(CrosstermBackend::new(stdout())));
        if opened.is_err() {
            restore();
        }
        Ok(Self { terminal: opened? })
    }

    /// Gives the terminal to another program for a while.
    pub(super) fn pause() {
        restore();
    }

    /// Takes it back.
    pub(super) fn resume(mouse: bool) -> io::Result<()> {
        enable_raw_mode()?;
        OPEN.store(true, Ordering::SeqCst);
        execute!(stdout(), EnterAlternateScreen, EnableBracketedPaste, EnableFocusChange)?;
        if mouse {
            execute!(stdout(), EnableMouseCapture)?;
        }
        Ok(())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        restore();
        let held_back = std::mem::take(&mut *HELD_BACK.lock().unwrap_or_else(PoisonError::into_inner));
        for panic in held_back {
            eprintln!("{panic}");
        }
    }
}

/// Gives the terminal back; a second time changes nothing.
fn restore() {
    if OPEN.swap(false, Ordering::SeqCst) {
        // Each step is tried even when one before it failed: there is nobody left to tell.
        let modes = execute!(stdout(), DisableMouseCapture, DisableFocusChange, DisableBracketedPaste);
        let screen = execute!(stdout(), LeaveAlternateScreen, Show);
        let raw = disable_raw_mode();
        if modes.and(screen).and(raw).is_err() {
            karvon_node::os::forget_terminal();
        }
    }
}

/// A panic of the screen gives the terminal back before its message is printed. One of another thread (the node in this process
/// catches its own) must not draw over the screen: its message waits until the screen is closed.
fn install_hook() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if OPEN.load(Ordering::SeqCst) && !ON_SCREEN.get() {
            HELD_BACK.lock().unwrap_or_else(PoisonError::into_inner).push(info.to_string());
            return;
        }
        restore();
        before(info);
    }));
}

/// Runs the screen's own code, so that a panic in it is told from those of others.
pub(super) fn on_screen<T>(run: impl FnOnce() -> T) -> T {
    ON_SCREEN.set(true);
    let out = run();
    ON_SCREEN.set(false);
    out
}

/// The terminal this program was started in.
pub(super) struct Screen;

impl Device for Screen {
    /// Hands a text to the terminal's clipboard (OSC 52); terminals without it ignore the sequence.
    fn copy(&mut self, text: &str) -> io::Result<()> {
        if text.len() > COPY_MAX {
            return Ok(());
        }
        execute!(stdout(), CopyToClipboard::to_clipboard_from(text))
    }

    fn alert(&mut self, alert: &Alert) -> io::Result<()> {
        let mut out = stdout();
        if let Some(words) = &alert.words {
            out.write_all(notification(words, &std::env::var("TERM").unwrap_or_default()).as_bytes())?;
        }
        if alert.bell {
            out.write_all(b"\x07")?;
        }
        out.flush()
    }

    fn mouse(&mut self, on: bool) -> io::Result<()> {
        if on { execute!(stdout(), EnableMouseCapture) } else { execute!(stdout(), DisableMouseCapture) }
    }
}

/// The sequence that shows a notification: OSC 777 where that is the terminal's own, else OSC 9, which most others know. Never both,
/// because terminals that know both would show it twice.
fn notification(words: &str, term: &str) -> String {
    let words = crate::text::one_line(words).replace(';', ",");
    let own = ["rxvt", "foot", "ghostty"].iter().any(|name| term.contains(name));
    if own { format!("\x1b]777;notify;Karvon;{words}\x07") } else { format!("\x1b]9;{words}\x07") }
}

/// Ends when the system asks the program to leave.
#[cfg(unix)]
pub(super) async fn stop() {
    use tokio::signal::unix::{SignalKind, signal};
    match (signal(SignalKind::terminate()), signal(SignalKind::hangup())) {
        (Ok(mut terminate), Ok(mut hangup)) => {
            tokio::select! {
                biased;
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
        }
        _ => std::future::pending().await,
    }
}

/// Ends when the system asks the program to leave.
#[cfg(not(unix))]
pub(super) async fn stop() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::notification;

    #[test]
    fn a_notification_is_one_sequence_whatever_a_name_holds() {
        assert_eq!(notification("2 new", "xterm-256color"), "\x1b]9;2 new\x07");
        assert_eq!(notification("2 new", "foot"), "\x1b]777;notify;Karvon;2 new\x07");
        let hostile = notification("a\x07\x1b]52;c;eA==\x07b;c", "xterm");
        assert_eq!(hostile.matches('\x1b').count() + hostile.matches('\x07').count(), 2);
    }
}
