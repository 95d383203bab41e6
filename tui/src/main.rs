//! The `karvon` program: hands the command line the maker of nodes.
#![forbid(unsafe_code)]

use futures::FutureExt as _;
use futures::future::BoxFuture;
use karvon_node::api::ApiError;
use karvon_node::api::backend::Backend;
use karvon_node::api::error::UNAVAILABLE;
use karvon_node::config::Config;
use karvon_node::host::{Host, NewProfile, Passphrase};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

/// Runs no nodes of its own: commands can only attach to a running one.
struct AttachOnly;

fn unavailable<T: Send + 'static>() -> BoxFuture<'static, Result<T, ApiError>> {
    std::future::ready(Err(ApiError::new(UNAVAILABLE, "this build can not run a node itself"))).boxed()
}

impl Host for AttachOnly {
    fn create<'a>(&'a self, _: &'a Path, _: NewProfile) -> BoxFuture<'a, Result<(), ApiError>> {
        unavailable()
    }

    fn start<'a>(
        &'a self,
        _: &'a Path,
        _: &'a Config,
        _: Option<Passphrase>,
    ) -> BoxFuture<'a, Result<Arc<dyn Backend>, ApiError>> {
        unavailable()
    }

    fn demo(&self) -> BoxFuture<'_, Result<Arc<dyn Backend>, ApiError>> {
        unavailable()
    }
}

fn main() -> ExitCode {
    karvon::cli::main(&AttachOnly)
}
