//! Work that would block a core: each job runs on one of the runtime's threads for blocking calls.

use crate::driver::Jobs;
use karvon_protocol::core::{Job, JobOutput};
use std::future::Future;
use std::pin::Pin;
use tokio::task::spawn_blocking;

/// Runs jobs on this machine's threads. A core gives out one at a time.
#[derive(Debug, Clone, Copy, Default)]
pub struct Threads;

impl Jobs for Threads {
    fn run(&self, job: Job) -> Pin<Box<dyn Future<Output = JobOutput> + Send>> {
        Box::pin(async move {
            // A thread that ended by a defect has done nothing.
            spawn_blocking(move || job.carry_out()).await.unwrap_or(JobOutput::Failed)
        })
    }
}
