//! Plain doors behind a transport as a libp2p transport; web doors behind one are veil's.

use super::super::veil::Common;
use super::super::web::{Door, Web};
use crate::net::address::multiaddr;
use crate::net::watch::{Stage, Watched};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use karvon_protocol::netcheck::Outcome;
use libp2p::Multiaddr;
use libp2p::core::transport::{DialOpts, ListenerId, Transport, TransportError, TransportEvent};
use libp2p::multiaddr::Protocol;
use std::future::Ready;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::net::TcpStream;

/// Dials what [`way`] names.
pub(in crate::net) struct PtTransport {
    common: Common,
    web: Arc<Web>,
}

impl PtTransport {
    pub(in crate::net) const fn new(common: Common, web: Arc<Web>) -> Self {
        Self { common, web }
    }
}

/// An address that [`PtTransport`] dials: it only names an entry of the table of `web`, where the secrets are.
pub(in crate::net) fn way(web: &Web, door: Door) -> Multiaddr {
    let addr = multiaddr(door.addr.socket());
    addr.with(Protocol::Memory(web.remember(door)))
}

fn entry(addr: &Multiaddr) -> Option<u64> {
    match addr.iter().nth(2)? {
        Protocol::Memory(number) => Some(number),
        _ => None,
    }
}

impl Transport for PtTransport {
    type Output = Passage;
    type Error = io::Error;
    type ListenerUpgrade = Ready<Result<Passage, io::Error>>;
    type Dial = BoxFuture<'static, Result<Passage, io::Error>>;

    fn listen_on(&mut self, _: ListenerId, addr: Multiaddr) -> Result<(), TransportError<io::Error>> {
        Err(TransportError::MultiaddrNotSupported(addr))
    }

    fn remove_listener(&mut self, _: ListenerId) -> bool {
        false
    }

    fn dial(&mut self, addr: Multiaddr, _: DialOpts) -> Result<Self::Dial, TransportError<io::Error>> {
        let Some(number) = entry(&addr) else { return Err(TransportError::MultiaddrNotSupported(addr)) };
        let gone = || TransportError::Other(io::ErrorKind::NotFound.into());
        let Door { relay, pt, .. } = self.web.take(number).ok_or_else(gone)?;
        let line = pt.ok_or_else(gone)?;
        let (web, common) = (self.web.clone(), self.common.clone());
        Ok(async move {
            // Whether the relay answers is known when the link is up: `Programs::opened` takes back what the end of the try notes here.
            common.watch.reached(relay, Stage::Proxy, common.now());
            let through = web.programs.connect(&*common.spawner, relay, &line).await;
            let (tcp, _) = through.inspect_err(|_| common.watch.known(relay, Outcome::Transport))?;
            common.watch.reached(relay, Stage::Connects, common.now());
            // Small frames must not wait for one another.
            let _ = tcp.set_nodelay(true);
            Ok(Passage(Watched::new(tcp, Some((common.watch.clone(), relay)), common.clock.clone())))
        }
        .boxed())
    }

    fn poll(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        Poll::Pending
    }
}

/// A connection through a program, with the traits that libp2p asks for.
pub(in crate::net) struct Passage(Watched<TcpStream>);

impl futures::AsyncRead for Passage {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buf);
        ready!(Pin::new(&mut self.0).poll_read(cx, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }
}

impl futures::AsyncWrite for Passage {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
