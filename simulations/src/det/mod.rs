//! Determinism: virtual time and seeded entropy for everything that runs on a world's thread (DESIGN M1).

#[cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
mod interpose;
#[cfg(not(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64")))]
#[path = "elsewhere.rs"]
mod interpose;
mod rng;
mod runtime;
mod scope;

pub use interpose::{cpu_ns, rss_bytes};
pub use rng::Rng;
pub use runtime::{RunError, panic_words, run};
pub use scope::{NodeId, Scope, Skew, current_node, poll_limit};

/// Whether the two functions of libc are really replaced in this build: both for callers that were linked and for `dlsym`.
#[must_use]
pub fn supported() -> bool {
    interpose::in_place()
}
