//! What this process has with its surroundings: user, memory, processor time, private files, signals, log lines.

pub mod networks;

use tracing_subscriber::{filter::Targets, fmt, prelude::*};

/// Environment variable with a filter of log lines like `info` or `karvon_node=debug`.
pub const LOG_VARIABLE: &str = "KARVON_LOG";

/// What relays and nodes in the foreground write by default. libp2p's own lines name peers, and gossip says of each copy that it is one.
pub const LOG_DEFAULT: &str = "info,libp2p=warn,libp2p_kad=error,libp2p_gossipsub=error";

/// Writes log lines that pass the filter in [`LOG_VARIABLE`], or else `default`, to standard error; without either, none. Only the
/// first call counts.
pub fn log_to_stderr(default: Option<&str>) {
    let asked = std::env::var(LOG_VARIABLE).ok().and_then(|text| filter(&text));
    if let Some(filter) = asked.or_else(|| default.and_then(filter)) {
        let _ = tracing_subscriber::registry()
            .with(fmt::layer().with_writer(std::io::stderr))
            .with(filter)
            .try_init();
    }
}

/// What a filter lets through; nothing if it is not understood. Parts are told apart by commas, and an empty one means nothing.
fn filter(text: &str) -> Option<Targets> {
    let parts: Vec<&str> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    parts.join(",").parse().ok()
}

/// How late a thread may be woken that waits for nothing but a time.
#[cfg(any(target_os = "linux", target_os = "android"))]
const LAZY_NS: u64 = 60_000_000_000;

/// Number of the user this process runs as.
#[cfg(unix)]
#[must_use]
pub fn uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Files made from now on belong to this user alone, and no memory image is written if the process dies: it would hold keys.
///
/// Both are precautions: files with secrets set their mode themselves, and a system that refuses the second is used as it is.
pub fn keep_private() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit, umask};
        umask(rustix::fs::Mode::from_raw_mode(0o077));
        let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        // Also keeps other processes of the same user from reading this one's memory.
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}

/// Leaves the terminal and the session this process was started from.
///
/// # Errors
/// The system's, for example if the process leads a session already.
#[cfg(unix)]
pub fn leave_session() -> std::io::Result<()> {
    rustix::process::setsid()?;
    Ok(())
}

/// The terminal this process was started in is gone: what would still be written there goes nowhere from now on. Otherwise the first
/// complaint about it would end the process while it tidies up.
pub fn forget_terminal() {
    #[cfg(unix)]
    if let Ok(nowhere) = std::fs::File::options().read(true).write(true).open("/dev/null") {
        use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};
        for refused in [dup2_stdin(&nowhere), dup2_stdout(&nowhere), dup2_stderr(&nowhere)] {
            // There is nobody left to tell.
            let _ = refused;
        }
    }
}

/// How a process is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndSignal {
    /// By the person at the terminal: Ctrl-C, or the terminal was closed.
    Interrupt,
    /// By a service supervisor or the system.
    Terminate,
}

/// Returns when the process is asked to end. From the first call on, these signals no longer end it by themselves.
#[cfg(unix)]
pub async fn end_signal() -> EndSignal {
    use tokio::signal::unix::{SignalKind, signal};
    let next = |kind| async move {
        match signal(kind) {
            Ok(mut signal) => drop(signal.recv().await),
            // Then the signal ends the process as it always does.
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        () = next(SignalKind::terminate()) => EndSignal::Terminate,
        () = next(SignalKind::interrupt()) => EndSignal::Interrupt,
        () = next(SignalKind::hangup()) => EndSignal::Interrupt,
    }
}

/// As [`end_signal`] for a service: a hangup does not end it.
#[cfg(unix)]
pub async fn service_end_signal() -> EndSignal {
    use tokio::signal::unix::{SignalKind, signal};
    let next = |kind| async move {
        match signal(kind) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        () = next(SignalKind::terminate()) => EndSignal::Terminate,
        () = next(SignalKind::interrupt()) => EndSignal::Interrupt,
    }
}

/// Calls `act` for each hangup signal, by which services are told to read their configuration again. From the first call on, a hangup no
/// longer ends the process by itself.
#[cfg(unix)]
pub async fn on_hangup(mut act: impl FnMut()) {
    use tokio::signal::unix::{SignalKind, signal};
    if let Ok(mut signal) = signal(SignalKind::hangup()) {
        while signal.recv().await.is_some() {
            act();
        }
    }
}

/// Lets this process open as many files as the system permits it: each connection is one.
pub fn raise_descriptors() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let limit = getrlimit(Resource::Nofile);
        // What can not be raised stays as it is.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    }
}

/// How many files this process may open at most; `None` without a bound.
#[must_use]
pub fn descriptors_max() -> Option<u64> {
    #[cfg(unix)]
    return rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    #[cfg(not(unix))]
    None
}

/// Resident memory of this process in bytes; 0 where the system does not say.
#[must_use]
pub fn rss_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    resident(&status).unwrap_or_default()
}

/// Processor time this process has used, in milliseconds; 0 where the system does not say.
#[must_use]
pub fn cpu_ms() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    processor_ms(&stat).unwrap_or_default()
}

/// `VmRSS` of `/proc/self/status`, which is in kibibytes.
fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

/// `utime` and `stime` of `/proc/self/stat`. They count hundredths of a second on every architecture Linux shows to programs.
fn processor_ms(stat: &str) -> Option<u64> {
    // The name of the program, in brackets, may itself hold blanks and brackets; fields are counted from behind it.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11);
    let user: u64 = times.next()?.parse().ok()?;
    let system: u64 = times.next()?.parse().ok()?;
    user.checked_add(system)?.checked_mul(10)
}

/// The table of routes in Linux' form; empty where the system has none.
#[must_use]
pub fn routes() -> String {
    std::fs::read_to_string("/proc/self/net/route").unwrap_or_default()
}

/// The file that describes this device's time zone (RFC 9636), if there is one.
#[must_use]
pub fn zone_file() -> Option<Vec<u8>> {
    std::fs::read("/etc/localtime").ok()
}

/// Threads that `work` starts may be woken late from waiting for a time: together with others instead of each at its own moment, which
/// is what empties a phone. What they are told by other threads reaches them at once as ever.
pub fn with_lazy_threads<R>(work: impl FnOnce() -> R) -> R {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        use rustix::thread::{current_timer_slack, set_current_timer_slack};
        let before = current_timer_slack().ok().and_then(std::num::NonZeroU64::new);
        // A system that refuses is used as it is.
        let _ = set_current_timer_slack(std::num::NonZeroU64::new(LAZY_NS));
        let done = work();
        let _ = set_current_timer_slack(before);
        done
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    work()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_of_log_lines_says_who_may_write_what() {
        use tracing_subscriber::filter::LevelFilter;
        let shown = |text, target, level| filter(text).map(|filter| filter.would_enable(target, &level));
        let usual = filter(LOG_DEFAULT).expect("it is understood");
        assert!(usual.would_enable("karvon_node::relay", &tracing::Level::INFO));
        assert!(!usual.would_enable("karvon_node::relay", &tracing::Level::DEBUG));
        assert!(!usual.would_enable("libp2p_gossipsub::behaviour", &tracing::Level::WARN));
        assert_eq!(shown("karvon_node=debug", "karvon_node::net", tracing::Level::DEBUG), Some(true));
        assert_eq!(shown("karvon_node=debug", "libp2p_kad", tracing::Level::ERROR), Some(false));
        assert_eq!(shown("info, karvon_node=debug,", "karvon_node::net", tracing::Level::DEBUG), Some(true));
        assert_eq!(shown("info,", "libp2p_kad", tracing::Level::INFO), Some(true));
        assert_eq!(filter("off").expect("it is understood").default_level(), Some(LevelFilter::OFF));
        assert!(filter("karvon_node=loud").is_none());
    }

    #[test]
    fn the_systems_tables_are_read() {
        assert_eq!(resident("Name:\tx\nVmRSS:\t    1234 kB\nThreads:\t1\n"), Some(1234 * 1024));
        assert_eq!(resident("nothing"), None);
        let stat = "7 (a ) b) S 1 2 3 4 5 6 7 8 9 10 21 12 0 0 20 0 1 0 5 6";
        assert_eq!(processor_ms(stat), Some(330));
        assert_eq!(processor_ms("7 (cut"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_memory() {
        assert!(rss_bytes() > 100_000);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn only_threads_that_are_started_meanwhile_are_lazy() {
        let slack = || -> u64 {
            let file = format!("/proc/{}/timerslack_ns", rustix::thread::gettid().as_raw_pid());
            let text = std::fs::read_to_string(file).expect("Linux tells it");
            text.trim().parse().expect("a number")
        };
        let before = slack();
        let started = with_lazy_threads(|| std::thread::spawn(slack));
        assert_eq!(started.join().expect("the thread ends"), LAZY_NS);
        assert_eq!(slack(), before, "this one is as it was");
        assert_eq!(std::thread::spawn(slack).join().expect("the thread ends"), before);
    }
}
