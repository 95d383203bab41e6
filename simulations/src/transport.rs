//! The libp2p transport over the modelled network: TCP addresses outside, byte streams inside.

use crate::net::{Connecting, HostId, Listener, Net, SimStream};
use libp2p::Multiaddr;
use libp2p::core::Transport;
use libp2p::core::transport::{DialOpts, ListenerId, TransportError, TransportEvent};
use libp2p::multiaddr::Protocol;
use std::collections::VecDeque;
use std::future::{Ready, ready};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// A transport of one host.
#[derive(Debug)]
pub struct SimTransport {
    net: Net,
    host: HostId,
    listeners: Vec<(ListenerId, Listener)>,
    events: VecDeque<TransportEvent<Ready<io::Result<SimStream>>, io::Error>>,
    waker: Option<Waker>,
}

impl SimTransport {
    /// The transport of `host`; a host may have several.
    #[must_use]
    pub const fn new(net: Net, host: HostId) -> Self {
        Self { net, host, listeners: Vec::new(), events: VecDeque::new(), waker: None }
    }
}

/// `/ip4/a/tcp/p`, perhaps followed by `/p2p/peer`; anything else is not for this transport.
fn socket(addr: &Multiaddr) -> Option<SocketAddr> {
    let mut parts = addr.iter();
    let ip: Ipv4Addr = match parts.next()? {
        Protocol::Ip4(ip) => ip,
        _ => return None,
    };
    let Protocol::Tcp(port) = parts.next()? else { return None };
    match (parts.next(), parts.next()) {
        (None | Some(Protocol::P2p(_)), None) => Some((ip, port).into()),
        _ => None,
    }
}

fn multiaddr(addr: SocketAddr) -> Multiaddr {
    Multiaddr::from(addr.ip()).with(Protocol::Tcp(addr.port()))
}

impl Transport for SimTransport {
    type Output = SimStream;
    type Error = io::Error;
    type ListenerUpgrade = Ready<io::Result<SimStream>>;
    type Dial = Connecting;

    fn listen_on(&mut self, id: ListenerId, addr: Multiaddr) -> Result<(), TransportError<io::Error>> {
        let wanted = socket(&addr).ok_or(TransportError::MultiaddrNotSupported(addr))?;
        let listener = self.net.listen(self.host, wanted.port()).map_err(TransportError::Other)?;
        let listen_addr = multiaddr(listener.local());
        self.listeners.push((id, listener));
        self.events.push_back(TransportEvent::NewAddress { listener_id: id, listen_addr });
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
        Ok(())
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        let before = self.listeners.len();
        self.listeners.retain(|(other, _)| *other != id);
        let removed = self.listeners.len() < before;
        if removed {
            self.events.push_back(TransportEvent::ListenerClosed { listener_id: id, reason: Ok(()) });
            if let Some(waker) = self.waker.take() {
                waker.wake();
            }
        }
        removed
    }

    fn dial(&mut self, addr: Multiaddr, _: DialOpts) -> Result<Connecting, TransportError<io::Error>> {
        match socket(&addr) {
            Some(to) if to.port() != 0 => Ok(self.net.connect(self.host, to)),
            _ => Err(TransportError::MultiaddrNotSupported(addr)),
        }
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        let this = &mut *self;
        if let Some(event) = this.events.pop_front() {
            return Poll::Ready(event);
        }
        for (listener_id, listener) in &mut this.listeners {
            if let Poll::Ready((stream, from)) = listener.poll_accept(cx) {
                return Poll::Ready(TransportEvent::Incoming {
                    listener_id: *listener_id,
                    upgrade: ready(Ok(stream)),
                    local_addr: multiaddr(listener.local()),
                    send_back_addr: multiaddr(from),
                });
            }
        }
        this.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tcp_addresses_are_understood_and_others_are_left_to_others() {
        let read = |text: &str| socket(&text.parse().unwrap());
        assert_eq!(read("/ip4/95.1.0.1/tcp/443"), Some("95.1.0.1:443".parse().unwrap()));
        assert!(read("/ip4/95.1.0.1/udp/443/quic-v1").is_none());
        assert!(read("/ip6/::1/tcp/443").is_none());
        assert!(read("/ip4/95.1.0.1/tcp/443/ws").is_none());
    }
}
