//! Keeps a swarm running: one that panics or loses its listener is built anew (2026 saw several remote panics in libp2p).

use super::NetError;
use futures::FutureExt as _;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

/// First pause before a swarm is built anew; doubles up to [`PAUSE_MAX`].
const PAUSE: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Why a swarm's loop ended.
pub(super) enum Exit {
    /// Its handle is gone.
    Stopped,
    /// It can not go on.
    Broken(NetError),
}

/// Something that runs a swarm.
pub(super) trait Supervised {
    /// Builds the swarm and runs it until it can not go on. What must survive a panic lies in `self`.
    fn run(&mut self) -> impl Future<Output = Exit> + Send;
}

/// Runs `task` again and again until it says that it was stopped.
pub(super) async fn supervise(name: &'static str, mut task: impl Supervised) {
    let mut pause = PAUSE;
    loop {
        let started = tokio::time::Instant::now();
        match AssertUnwindSafe(task.run()).catch_unwind().await {
            Ok(Exit::Stopped) => return,
            Ok(Exit::Broken(error)) => tracing::warn!(swarm = name, %error, "building the swarm anew"),
            Err(_) => tracing::error!(swarm = name, "the swarm panicked; building it anew"),
        }
        if started.elapsed() > PAUSE_MAX {
            pause = PAUSE;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    struct Fragile {
        runs: Arc<AtomicU32>,
    }

    impl Supervised for Fragile {
        async fn run(&mut self) -> Exit {
            match self.runs.fetch_add(1, Ordering::Relaxed) {
                0 => panic!("as libp2p did"),
                1 => Exit::Broken(NetError::Key),
                _ => Exit::Stopped,
            }
        }
    }

    #[tokio::test]
    async fn a_swarm_that_panics_is_run_again() {
        let runs = Arc::new(AtomicU32::new(0));
        supervise("test", Fragile { runs: runs.clone() }).await;
        assert_eq!(runs.load(Ordering::Relaxed), 3);
    }
}
