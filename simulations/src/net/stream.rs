//! What programs hold: connections, attempts at one, and listeners.

use super::flow::{Side, Stage};
use super::host::HostId;
use super::state::{Accepting, Net, State};
use super::{FlowId, SimTime};
use futures::{AsyncRead, AsyncWrite};
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

/// Bytes that a program may write before it flushes; then they leave anyway.
const COALESCE_MAX: usize = 16 << 10;
/// Bounds of what may be on the way or unread in one direction, bytes.
const WINDOW_MIN: usize = 16 << 10;
const WINDOW_MAX: usize = 256 << 10;

impl Net {
    /// Connects from `host`; nothing happens before the first poll.
    #[must_use]
    pub fn connect(&self, host: HostId, to: SocketAddr) -> Connecting {
        Connecting { net: self.clone(), host, to, flow: None }
    }

    /// Listens on `port` of `host`; 0 takes a free one.
    ///
    /// # Errors
    /// If the port is taken, or the host does not exist or is off.
    pub fn listen(&self, host: HostId, port: u16) -> io::Result<Listener> {
        let made = self.with(|state| {
            let machine = state.hosts.get(host.0 as usize).filter(|host| host.powered);
            let own = machine.ok_or(io::ErrorKind::NetworkDown)?.own;
            let free = |port: &u16| !state.listeners.contains_key(&(host, *port));
            let port = if port == 0 { (10_000..20_000).find(free) } else { Some(port).filter(free) };
            let port = port.ok_or(io::ErrorKind::AddrInUse)?;
            state.listeners_made += 1;
            let number = state.listeners_made;
            state.listeners.insert((host, port), Accepting { number, queue: VecDeque::new(), waker: None });
            Ok((number, own, port))
        });
        let (number, own, port) = made.map_err(|kind: io::ErrorKind| io::Error::from(kind))?;
        Ok(Listener { net: self.clone(), host, own, port, number })
    }
}

/// A connection being opened.
#[derive(Debug)]
pub struct Connecting {
    net: Net,
    host: HostId,
    to: SocketAddr,
    flow: Option<FlowId>,
}

impl Future for Connecting {
    type Output = io::Result<SimStream>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<SimStream>> {
        let (host, to) = (self.host, self.to);
        let id = match self.flow {
            Some(id) => id,
            None => match self.net.with(|state| state.dial(host, to)) {
                Some(id) => *self.flow.insert(id),
                None => return Poll::Ready(Err(io::ErrorKind::AddrNotAvailable.into())),
            },
        };
        let result = self.net.with(|state| {
            let Some(flow) = state.flows.get_mut(&id) else {
                return Poll::Ready(Err(io::ErrorKind::ConnectionAborted));
            };
            if let Some(kind) = flow.end(Side::Client).error {
                return Poll::Ready(Err(kind));
            }
            if flow.stage == Stage::Open {
                return Poll::Ready(Ok(()));
            }
            flow.dialer = Some(cx.waker().clone());
            Poll::Pending
        });
        match result {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(kind)) => Poll::Ready(Err(kind.into())),
            Poll::Ready(Ok(())) => {
                self.flow = None;
                Poll::Ready(Ok(SimStream::new(self.net.clone(), id, Side::Client)))
            }
        }
    }
}

impl Drop for Connecting {
    fn drop(&mut self) {
        if let Some(id) = self.flow {
            self.net.with(|state| {
                state.send(id, Side::Client, &[]);
                state.release(id, Side::Client);
            });
        }
    }
}

/// A port that a program listens on.
#[derive(Debug)]
pub struct Listener {
    net: Net,
    host: HostId,
    own: Ipv4Addr,
    port: u16,
    number: u64,
}

impl Listener {
    /// The address as the host itself sees it.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        (self.own, self.port).into()
    }

    fn with<T>(&self, work: impl FnOnce(&mut State, (HostId, u16)) -> Option<T>) -> Option<T> {
        let key = (self.host, self.port);
        self.net.with(|state| {
            // After a power cut another listener may have the port.
            let mine = state.listeners.get(&key).is_some_and(|listener| listener.number == self.number);
            if mine { work(state, key) } else { None }
        })
    }

    /// The next connection and the address it comes from.
    pub fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<(SimStream, SocketAddr)> {
        let next = self.with(|state, key| {
            let listener = state.listeners.get_mut(&key)?;
            let Some(id) = listener.queue.pop_front() else {
                listener.waker = Some(cx.waker().clone());
                return None;
            };
            Some((id, state.flows.get(&id)?.client))
        });
        match next {
            Some((id, client)) => Poll::Ready((SimStream::new(self.net.clone(), id, Side::Server), client)),
            None => Poll::Pending,
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.with(|state, key| {
            for id in state.listeners.remove(&key)?.queue {
                state.send(id, Side::Server, &[]);
                state.release(id, Side::Server);
            }
            Some(())
        });
    }
}

/// A connection. Writes are gathered until they are flushed, as a kernel would gather them.
#[derive(Debug)]
pub struct SimStream {
    net: Net,
    flow: FlowId,
    side: Side,
    gathered: Vec<u8>,
    finished: bool,
}

impl SimStream {
    fn new(net: Net, flow: FlowId, side: Side) -> Self {
        Self { net, flow, side, gathered: Vec::new(), finished: false }
    }

    /// The flow's number.
    #[must_use]
    pub const fn flow(&self) -> FlowId {
        self.flow
    }

    fn push(&mut self) {
        if !self.gathered.is_empty() {
            let bytes = std::mem::take(&mut self.gathered);
            self.net.with(|state| state.send(self.flow, self.side, &bytes));
        }
    }

    fn finish(&mut self) {
        self.push();
        if !std::mem::replace(&mut self.finished, true) {
            self.net.with(|state| state.send(self.flow, self.side, &[]));
        }
    }
}

/// What may be unread on a line of this speed: two seconds' worth, as a kernel's buffers come to hold.
fn window(up_per_s: u64) -> usize {
    usize::try_from(2 * up_per_s).unwrap_or(WINDOW_MAX).clamp(WINDOW_MIN, WINDOW_MAX)
}

impl AsyncRead for SimStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut [u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.net.with(|state| {
            let Some(flow) = state.flows.get_mut(&this.flow) else { return Poll::Ready(Ok(0)) };
            let end = flow.end(this.side);
            let taken = end.take(out);
            if taken > 0 {
                let other = flow.end(this.side.other());
                other.unread = other.unread.saturating_sub(taken);
                state.wakes.extend(other.writer.take());
                return Poll::Ready(Ok(taken));
            }
            if let Some(kind) = end.error {
                return Poll::Ready(Err(kind.into()));
            }
            if end.eof || out.is_empty() {
                return Poll::Ready(Ok(0));
            }
            end.reader = Some(cx.waker().clone());
            Poll::Pending
        })
    }
}

impl AsyncWrite for SimStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.finished {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let waiting = this.gathered.len();
        let room = this.net.with(|state| {
            let flow = state.flows.get_mut(&this.flow).ok_or(io::ErrorKind::BrokenPipe)?;
            let end = flow.end(this.side);
            if let Some(kind) = end.error {
                return Err(kind);
            }
            let line = state.hosts.get(end.host.0 as usize).map_or(0, |host| host.line.up_per_s);
            let room = window(line).saturating_sub(end.unread + waiting);
            if room == 0 && waiting == 0 {
                end.writer = Some(cx.waker().clone());
            }
            Ok(room)
        });
        let room = match room {
            Ok(room) => room,
            Err(kind) => return Poll::Ready(Err(kind.into())),
        };
        if room == 0 && waiting > 0 {
            // What was gathered must leave before anything can make room.
            this.push();
            return Pin::new(this).poll_write(cx, bytes);
        }
        if room == 0 {
            return Poll::Pending;
        }
        let part = bytes.get(..room.min(bytes.len())).unwrap_or_default();
        this.gathered.extend_from_slice(part);
        let taken = part.len();
        if this.gathered.len() >= COALESCE_MAX {
            this.push();
        }
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().push();
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().finish();
        Poll::Ready(Ok(()))
    }
}

impl Drop for SimStream {
    fn drop(&mut self) {
        self.finish();
        self.net.with(|state| state.release(self.flow, self.side));
    }
}

/// How long `time` is in milliseconds, rounded.
#[must_use]
pub const fn to_ms(time: SimTime) -> u64 {
    (time + 500_000) / 1_000_000
}
