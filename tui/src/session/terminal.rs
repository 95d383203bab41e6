//! Opens the terminal for the screen and gives it back, whatever happens.

use std::cell::Cell;
use std::io::{self, Stdout, stdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once, PoisonError};

use crossterm::clipboard::CopyToClipboard;
use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
};
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use crossterm::{cursor::Show, execute};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

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

/// Gives the terminal back when dropped.
pub(super) struct Guard;

impl Guard {
    /// Opens the screen. Keyboard-enhancement flags are left alone: with them Ctrl with a Cyrillic letter loses its Latin key.
    pub(super) fn open(mouse: bool) -> io::Result<(Self, Terminal<CrosstermBackend<Stdout>>)> {
        HOOK.call_once(install_hook);
        enable_raw_mode()?;
        OPEN.store(true, Ordering::SeqCst);
        let guard = Self;
        execute!(stdout(), EnterAlternateScreen, EnableBracketedPaste)?;
        if mouse {
            execute!(stdout(), EnableMouseCapture)?;
        }
        Ok((guard, Terminal::new(CrosstermBackend::new(stdout()))?))
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
        let _ = execute!(stdout(), DisableMouseCapture, DisableBracketedPaste, LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
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

/// Hands a text to the terminal's clipboard (OSC 52); terminals without it ignore the sequence.
pub(super) fn copy(text: &str) -> io::Result<()> {
    if text.len() > COPY_MAX {
        return Ok(());
    }
    execute!(stdout(), CopyToClipboard::to_clipboard_from(text))
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
