//! The listening side of web doors: a web server that hands connections with a good path to the sessions. It may stand behind another web
//! server on the same machine.

use super::http::{self, NoRequest};
use super::{Web, tls};
use crate::net::bounds::{Bounds, Refused};
use crate::net::veil::{Carrier, Common, Hall, Io, VeilStream, locked};
use karvon_protocol::veil::path::day_of;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// Time for the TLS handshake, and for each request after it.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(20);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Connections held in all, and from one address behind which hundreds of people may be.
const CONNECTIONS_MAX: usize = 4_096;
const PER_ADDRESS_MAX: usize = 256;
/// What the handshake of a server in front weighs: a chain of two or three certificates, tickets and the answer's head. Nobody here sees it.
const FRONT_BYTES: u64 = 4_608;

/// Listens on `addr`; sessions come out of the receiver until it is dropped.
pub(in crate::net) fn listen(
    common: &Common,
    web: &Arc<Web>,
    addr: SocketAddr,
) -> io::Result<(SocketAddr, mpsc::Receiver<(VeilStream, SocketAddr)>)> {
    let acceptor = if web.options.behind {
        if !addr.ip().is_loopback() {
            return Err(invalid("a web door behind another server listens on this machine only"));
        }
        None
    } else {
        let identity =
            web.options.identity.as_ref().ok_or_else(|| invalid("a web door needs a certificate"))?;
        Some(TlsAcceptor::from(tls::server(identity).map_err(invalid)?))
    };
    let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A relay that starts again must find its port.
    socket.set_reuseaddr(cfg!(unix))?;
    socket.bind(addr)?;
    let listener = socket.listen(1_024)?;
    let bound = listener.local_addr()?;
    let (hall, incoming) = Hall::new(common.clone());
    let server = Server { common: common.clone(), web: web.clone(), acceptor, hall, counts: Arc::default() };
    common.spawner.spawn(Box::pin(server.run(listener)));
    Ok((bound, incoming))
}

fn invalid(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

#[derive(Clone)]
struct Server {
    common: Common,
    web: Arc<Web>,
    /// `None` behind a server that opens TLS.
    acceptor: Option<TlsAcceptor>,
    hall: Hall,
    counts: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Server {
    async fn run(self, listener: TcpListener) {
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.hall.closed() => return,
                accepted = listener.accept() => accepted,
            };
            let Ok((stream, from)) = accepted else {
                // Out of files, most likely: some must be closed first.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            if let Some(why) = self.common.bounds.closed_to_newcomers() {
                self.common.bounds.count_refused(why);
                continue;
            }
            // All come from the server in front; whom for is known with the request.
            let each = if self.acceptor.is_some() { PER_ADDRESS_MAX } else { CONNECTIONS_MAX };
            let Some(place) = Place::take(&self.counts, from.ip(), each) else {
                self.common.bounds.count_refused(Refused::Address);
                continue;
            };
            let server = self.clone();
            self.common.spawner.spawn(Box::pin(async move {
                // Small frames must not wait for one another.
                let _ = stream.set_nodelay(true);
                server.serve(stream, from, place).await;
            }));
        }
    }

    async fn serve(&self, stream: TcpStream, from: SocketAddr, place: Place) {
        let sent = Arc::new(AtomicU64::new(0));
        let counted = Counted::new(stream, sent.clone(), self.common.bounds.clone());
        let Some(acceptor) = &self.acceptor else {
            sent.store(FRONT_BYTES, Ordering::Relaxed);
            return self.requests(counted, sent, None, from, place).await;
        };
        // On failure rustls has sent its alert; the connection is closed as any other server would.
        let Ok(Ok(stream)) = timeout(HANDSHAKE_TIMEOUT, acceptor.accept(counted)).await else {
            return;
        };
        let binding = tls::binding(stream.get_ref().1);
        self.requests(stream, sent, binding, from, place).await;
    }

    /// Answers requests until one of them turns the connection into a carrier.
    async fn requests<S: Io + 'static>(
        &self,
        mut stream: S,
        sent: Arc<AtomicU64>,
        binding: Option<[u8; 32]>,
        from: SocketAddr,
        mut place: Place,
    ) {
        let mut buffer = Vec::new();
        loop {
            let request = match timeout(REQUEST_TIMEOUT, http::request(&mut stream, &mut buffer)).await {
                Ok(Ok(request)) => Some(request),
                Ok(Err(NoRequest::Bad)) => None,
                Ok(Err(NoRequest::Closed)) | Err(_) => break,
            };
            let unix_s = self.common.clock.now().wall_ms / 1_000;
            let binding = binding.as_ref().map_or(&[][..], |binding| &binding[..]);
            let admitted = request.as_ref().and_then(|request| {
                let today = day_of(unix_s);
                let mut table = locked(&self.web.table);
                // A name's certificate is what a leaf relies on there; without a name it is the binding.
                table.admit(&request.path, today, binding).or_else(|| table.admit(&request.path, today, &[]))
            });
            let upgrade = request.as_ref().is_some_and(|request| request.upgrade && request.method == "GET");
            let admitted = admitted.filter(|_| upgrade && buffer.is_empty());
            let from = self.whose(request.as_ref(), from);
            let room = admitted.is_none() || self.acceptor.is_some() || self.move_to(&mut place, from.ip());
            if let Some((_, answer)) = admitted.filter(|_| room) {
                if stream.write_all(&http::switching(&answer)).await.is_ok() && stream.flush().await.is_ok() {
                    self.hall.enter(Carrier::new(stream, sent), from).await;
                }
                return;
            }
            let (answer, keep) = self.answer(request.as_ref(), unix_s);
            if stream.write_all(&answer).await.is_err() || stream.flush().await.is_err() || !keep {
                break;
            }
        }
        // Whoever was answered may still be reading.
        let _ = stream.shutdown().await;
    }

    /// Who sent a request: whom the server in front names.
    fn whose(&self, request: Option<&http::Request>, from: SocketAddr) -> SocketAddr {
        let named = request.and_then(|request| request.forwarded_for).filter(|_| self.acceptor.is_none());
        named.map_or(from, |ip| SocketAddr::new(ip, 0))
    }

    /// Counts a connection for the address it was passed on for; false if that has too many.
    fn move_to(&self, place: &mut Place, ip: IpAddr) -> bool {
        let moved = Place::take(&self.counts, ip, PER_ADDRESS_MAX);
        if moved.is_none() {
            self.common.bounds.count_refused(Refused::Address);
        }
        moved.map(|moved| *place = moved).is_some()
    }

    /// The site's answer, and whether the connection stays open.
    fn answer(&self, request: Option<&http::Request>, unix_s: u64) -> (Vec<u8>, bool) {
        let site = &self.web.options.site;
        let Some(request) = request else {
            return (http::answer("400 Bad Request", "text/plain", 0, unix_s, false), false);
        };
        if self.acceptor.is_none() {
            // The server in front puts its own page in the place of this one.
            let keep = request.keep_alive && !request.body;
            return (http::answer("404 Not Found", "text/plain", 0, unix_s, keep), keep);
        }
        // A body would have to be read to find the next request; this site wants none.
        let keep = request.keep_alive && !request.body;
        let (status, page) = match request.method.as_str() {
            "GET" | "HEAD" => match site.find(&request.path) {
                Some(page) => ("200 OK", page),
                None => ("404 Not Found", site.missing()),
            },
            _ => ("405 Method Not Allowed", site.missing()),
        };
        let mut out = http::answer(status, page.kind, page.body.len(), unix_s, keep);
        if request.method != "HEAD" {
            out.extend_from_slice(&page.body);
        }
        (out, keep)
    }
}

/// A connection's place among those of its address.
struct Place(Arc<Mutex<HashMap<IpAddr, usize>>>, IpAddr);

impl Place {
    /// `each`: how many one address may have.
    fn take(counts: &Arc<Mutex<HashMap<IpAddr, usize>>>, ip: IpAddr, each: usize) -> Option<Self> {
        let ip = crate::net::address::subscriber(ip);
        let mut held = locked(counts);
        let total: usize = held.values().sum();
        let count = held.entry(ip).or_default();
        if *count >= each || total >= CONNECTIONS_MAX {
            return None;
        }
        *count += 1;
        Some(Self(counts.clone(), ip))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = locked(&self.0);
        if let Some(count) = held.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.1);
            }
        }
    }
}

/// Counts what goes out on the wire.
pub(super) struct Counted {
    inner: TcpStream,
    sent: Arc<AtomicU64>,
    bounds: Arc<Bounds>,
}

impl Counted {
    /// A connection that was just opened.
    pub(super) fn new(inner: TcpStream, sent: Arc<AtomicU64>, bounds: Arc<Bounds>) -> Self {
        bounds.count_handshake();
        Self { inner, sent, bounds }
    }

    fn count(&self, written: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(count)) = written {
            self.bounds.count_written(*count);
            self.sent.fetch_add(*count as u64, Ordering::Relaxed);
        }
    }

    /// An error once the relay's byte budget is used up.
    fn check(&self) -> io::Result<()> {
        if self.bounds.room() == 0 { Err(io::ErrorKind::QuotaExceeded.into()) } else { Ok(()) }
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check()?;
        let before = buf.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(cx, buf);
        self.bounds.count_read(buf.filled().len() - before);
        read
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.check()?;
        let written = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.count(&written);
        written
    }

    /// Several TLS records in one packet, as web servers send the first ones.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.count(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
