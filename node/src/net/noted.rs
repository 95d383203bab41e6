//! A transport whose dials of plain doors are noted in the watch; everything else passes through.

use super::address::socket;
use super::veil::Common;
use super::watch::{Stage, Watched, connect_error};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use karvon_protocol::netcheck::Outcome;
use libp2p::Multiaddr;
use libp2p::core::transport::{DialOpts, ListenerId, Transport, TransportError, TransportEvent};
use std::error::Error;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

/// See the module.
pub(super) struct Noted<T> {
    inner: T,
    common: Common,
}

impl<T> Noted<T> {
    pub(super) const fn new(inner: T, common: Common) -> Self {
        Self { inner, common }
    }
}

impl<T> Transport for Noted<T>
where
    T: Transport + Unpin + 'static,
    T::Output: Send + 'static,
    T::Error: Send,
    T::Dial: Send + 'static,
    T::ListenerUpgrade: Send + 'static,
{
    type Output = Watched<T::Output>;
    type Error = T::Error;
    type ListenerUpgrade = BoxFuture<'static, Result<Self::Output, T::Error>>;
    type Dial = BoxFuture<'static, Result<Self::Output, T::Error>>;

    fn listen_on(&mut self, id: ListenerId, addr: Multiaddr) -> Result<(), TransportError<T::Error>> {
        self.inner.listen_on(id, addr)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.inner.remove_listener(id)
    }

    fn dial(&mut self, addr: Multiaddr, opts: DialOpts) -> Result<Self::Dial, TransportError<T::Error>> {
        let common = self.common.clone();
        let relay = socket(&addr).and_then(|addr| common.watch.at(&addr));
        let dial = self.inner.dial(addr, opts)?;
        Ok(async move {
            if let Some(relay) = relay {
                common.watch.reached(relay, Stage::Connects, common.now());
            }
            let dialled = dial.await;
            if let (Some(relay), Err(error)) = (relay, &dialled) {
                common.watch.known(relay, outcome(error));
            }
            let to = relay.map(|relay| (common.watch.clone(), relay));
            dialled.map(|stream| Watched::new(stream, to, common.clock.clone()))
        }
        .boxed())
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, T::Error>> {
        let clock = self.common.clock.clone();
        Pin::new(&mut self.inner).poll(cx).map(|event| {
            event.map_upgrade(|upgrade| {
                upgrade.map(|upgraded| upgraded.map(|stream| Watched::new(stream, None, clock))).boxed()
            })
        })
    }
}

/// What the system, somewhere below, said of a dial.
fn outcome(error: &(dyn Error + 'static)) -> Outcome {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return connect_error(io);
        }
        cause = error.source();
    }
    Outcome::ConnectSilent
}
