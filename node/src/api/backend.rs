//! What stands behind the local interface: one running node, asked and listened to by every front end.

use super::{ApiError, Event, Request, Response};
use futures::future::BoxFuture;
use tokio::sync::broadcast;

/// A running node as front ends see it.
pub trait Backend: Send + Sync + 'static {
    /// Carries out one request. Requests take effect in the order in which their futures are first polled, so that several may be
    /// under way at once.
    ///
    /// [`Request::Hello`] is answered with the person's name (its version was checked before); [`Request::Subscribe`] and
    /// [`Request::Shutdown`] never arrive here.
    fn call(&self, request: Request) -> BoxFuture<'static, Result<Response, ApiError>>;

    /// Events from now on. The channel is bounded: a receiver that is too slow loses the oldest and is told so.
    fn events(&self) -> broadcast::Receiver<Event>;

    /// Ends the node: everything accepted so far is on disk and the store is closed when this returns.
    fn close(&self) -> BoxFuture<'static, ()>;
}
