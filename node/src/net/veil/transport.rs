//! Veil as a libp2p transport: web addresses are dialled and listened on here, everything else is left to others.

use super::stream::VeilStream;
use super::{Common, Dial, dialler, locked};
use crate::net::bounds::Bounds;
use crate::net::pt::PtTransport;
use crate::net::web::{self, Web};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use libp2p::Multiaddr;
use libp2p::core::transport::{DialOpts, ListenerId, Transport, TransportError, TransportEvent};
use libp2p::multiaddr::Protocol;
use std::collections::{BTreeMap, VecDeque};
use std::future::{Ready, ready};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

type Event = TransportEvent<Ready<Result<VeilStream, io::Error>>, io::Error>;

/// New sessions with their addresses.
type Incoming = mpsc::Receiver<(VeilStream, SocketAddr)>;

/// The transport.
pub(in crate::net) struct Veil {
    common: Common,
    web: Arc<Web>,
    listeners: Vec<(ListenerId, Multiaddr, Incoming)>,
    events: VecDeque<Event>,
}

impl Veil {
    pub(in crate::net) fn new(common: Common, web: Arc<Web>) -> Self {
        Self { common, web, listeners: Vec::new(), events: VecDeque::new() }
    }

    /// What all sessions of this network share.
    pub(in crate::net) const fn common(&self) -> &Common {
        &self.common
    }

    /// The transport for plain doors behind pluggable transports.
    pub(in crate::net) fn behind_programs(&self) -> PtTransport {
        PtTransport::new(self.common.clone(), self.web.clone())
    }

    /// What all connections of this network keep to.
    pub(in crate::net) fn bounds(&self) -> Arc<Bounds> {
        self.common.bounds.clone()
    }
}

/// An address that [`Veil`] dials: the door's secret stays in a table of `web`, the address only names the entry.
pub(in crate::net) fn way(web: &Web, door: web::Door) -> Multiaddr {
    let addr = listening(door.addr.socket());
    addr.with(Protocol::Memory(web.remember(door)))
}

/// An address that [`Veil`] listens on.
pub(in crate::net) fn listening(addr: SocketAddr) -> Multiaddr {
    crate::net::address::multiaddr(addr).with(Protocol::Https)
}

/// The entry that a web address names, if it is one.
fn entry(addr: &Multiaddr) -> Option<u64> {
    match addr.iter().last()? {
        Protocol::Memory(number) if is_web(addr) => Some(number),
        _ => None,
    }
}

/// Whether this is an address of [`Veil`].
pub(in crate::net) fn is_web(addr: &Multiaddr) -> bool {
    matches!(addr.iter().nth(2), Some(Protocol::Https))
}

impl Transport for Veil {
    type Output = VeilStream;
    type Error = io::Error;
    type ListenerUpgrade = Ready<Result<VeilStream, io::Error>>;
    type Dial = BoxFuture<'static, Result<VeilStream, io::Error>>;

    fn listen_on(&mut self, id: ListenerId, addr: Multiaddr) -> Result<(), TransportError<io::Error>> {
        let socket = crate::net::address::socket(&addr).filter(|_| is_web(&addr));
        let Some(socket) = socket else { return Err(TransportError::MultiaddrNotSupported(addr)) };
        let (bound, incoming) =
            web::listen(&self.common, &self.web, socket).map_err(TransportError::Other)?;
        let addr = listening(bound);
        self.events.push_back(TransportEvent::NewAddress { listener_id: id, listen_addr: addr.clone() });
        self.listeners.push((id, addr, incoming));
        Ok(())
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        let before = self.listeners.len();
        self.listeners.retain(|(other, ..)| *other != id);
        before != self.listeners.len()
    }

    fn dial(&mut self, addr: Multiaddr, _: DialOpts) -> Result<Self::Dial, TransportError<io::Error>> {
        let Some(number) = entry(&addr) else { return Err(TransportError::MultiaddrNotSupported(addr)) };
        let Some(door) = self.web.take(number) else {
            return Err(TransportError::Other(io::ErrorKind::NotFound.into()));
        };
        let door: Arc<dyn Dial> = Arc::new(web::Visitor::new(self.web.clone(), self.common.clone(), door));
        let common = self.common.clone();
        Ok(async move { dialler::open(common, door).await.map_err(io::Error::from) }.boxed())
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Event> {
        if let Some(event) = self.events.pop_front() {
            return Poll::Ready(event);
        }
        for (id, addr, incoming) in &mut self.listeners {
            if let Poll::Ready(Some((stream, from))) = incoming.poll_recv(cx) {
                return Poll::Ready(TransportEvent::Incoming {
                    listener_id: *id,
                    upgrade: ready(Ok(stream)),
                    local_addr: addr.clone(),
                    send_back_addr: listening(from),
                });
            }
        }
        Poll::Pending
    }
}

/// Doors about to be dialled, by the number in their address.
#[derive(Default)]
pub(in crate::net) struct Entries(std::sync::Mutex<(u64, BTreeMap<u64, web::Door>)>);

/// Dials that may be under way at once; older ones were refused before they began.
const ENTRIES_MAX: usize = 64;

impl Entries {
    pub(in crate::net) fn put(&self, door: web::Door) -> u64 {
        let mut inner = locked(&self.0);
        inner.0 += 1;
        let number = inner.0;
        inner.1.insert(number, door);
        if inner.1.len() > ENTRIES_MAX {
            inner.1.pop_first();
        }
        number
    }

    pub(in crate::net) fn take(&self, number: u64) -> Option<web::Door> {
        locked(&self.0).1.remove(&number)
    }
}
