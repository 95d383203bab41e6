//! One world, one fresh thread, one current-thread runtime whose clock moves only when every task waits.

use super::interpose;
use super::scope;
use std::future::Future;
use std::time::{Duration, Instant};

/// The monotonic clock starts here, so that code may look back from the first moment: nanoseconds.
const START_MONO_NS: u64 = 1_000_000 * 1_000_000_000;
/// The wall clock starts here: 1 January 2027, nanoseconds since 1970.
pub(super) const START_WALL_NS: u64 = 1_798_761_600 * 1_000_000_000;
/// Deep libp2p stacks in debug builds need more than the usual 2 MiB.
const STACK_BYTES: usize = 64 << 20;

/// Why a world did not come to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The build does not replace libc's functions.
    #[error(
        "deterministic worlds need Linux with glibc on a 64-bit machine; this build can not replace the clock and entropy of libc"
    )]
    Unsupported,
    /// The operating system refused a thread or a runtime.
    #[error("the world's thread could not be started: {0}")]
    Start(#[from] std::io::Error),
    /// Code of the world panicked.
    #[error("the world panicked: {0}")]
    Panicked(String),
}

/// Runs the world that `make` returns, under `seed`, until its future ends. Two processes of the same build that run the same world
/// under the same seed see the same bytes at the same virtual times; two runs in one process may differ (libp2p counts globally).
///
/// # Errors
/// [`RunError`]
pub fn run<T, F, Fut>(seed: u64, make: F) -> Result<T, RunError>
where
    T: Send + 'static,
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = T>,
{
    if !interpose::in_place() {
        return Err(RunError::Unsupported);
    }
    let thread =
        std::thread::Builder::new().name("world".to_owned()).stack_size(STACK_BYTES).spawn(move || {
            interpose::enable(seed, START_MONO_NS, START_WALL_NS);
            // Not every kernel or container allows the filter; the trace tests would still find foreign entropy.
            let _ = interpose::forbid_raw_entropy();
            let origin = Instant::now();
            let mut builder = tokio::runtime::Builder::new_current_thread();
            builder.enable_time().start_paused(true).on_thread_unpark(move || {
                let passed = nanos(tokio::time::Instant::now().into_std().duration_since(origin));
                interpose::set_now(START_MONO_NS + passed, START_WALL_NS + passed);
                scope::time_moved();
            });
            let result = builder.build().map(|runtime| {
                let value = runtime.block_on(async { make().await });
                // Tasks that are left are dropped here, still in virtual time.
                drop(runtime);
                value
            });
            interpose::disable();
            result
        })?;
    match thread.join() {
        Ok(result) => Ok(result?),
        Err(panic) => Err(RunError::Panicked(panic_words(panic.as_ref()))),
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// What a panic said.
#[must_use]
pub fn panic_words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    #[test]
    fn a_year_passes_at_once_on_all_clocks() {
        let year = Duration::from_secs(365 * 86_400);
        let (mono, wall, inner) = run(1, move || async move {
            let (mono, wall, inner) = (Instant::now(), SystemTime::now(), tokio::time::Instant::now());
            tokio::time::sleep(year).await;
            (mono.elapsed(), wall.elapsed().unwrap(), inner.elapsed())
        })
        .unwrap();
        assert_eq!((mono, wall), (inner, inner));
        assert!(inner >= year && inner < year + Duration::from_millis(2));
    }

    #[test]
    fn a_panic_in_the_world_is_an_error_with_its_words() {
        let result: Result<(), _> = run(1, || async { panic!("as planned") });
        assert!(matches!(result, Err(RunError::Panicked(words)) if words == "as planned"));
    }

    #[test]
    fn entropy_follows_the_seed() {
        let draw = |seed| {
            run(seed, || async {
                use std::hash::BuildHasher;
                std::collections::hash_map::RandomState::new().hash_one(1)
            })
            .unwrap()
        };
        assert_eq!(draw(5), draw(5));
        assert_ne!(draw(5), draw(6));
    }
}
