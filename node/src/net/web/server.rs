//! The listening side of web doors: a web server that hands connections with a good path to the sessions.

use super::http::{self, NoRequest};
use super::{Web, tls};
use crate::net::bounds::{Bounds, Refused};
use crate::net::veil::{Carrier, Common, Hall, VeilStream, locked};
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

/// Listens on `addr`; sessions come out of the receiver until it is dropped.
pub(in crate::net) fn listen(
    common: &Common,
    web: &Arc<Web>,
    addr: SocketAddr,
) -> io::Result<(SocketAddr, mpsc::Receiver<(VeilStream, SocketAddr)>)> {
    let no_identity = || io::Error::new(io::ErrorKind::InvalidInput, "a web door needs a certificate");
    let identity = web.options.identity.as_ref().ok_or_else(no_identity)?;
    let config = tls::server(identity).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A relay that starts again must find its port.
    socket.set_reuseaddr(cfg!(unix))?;
    socket.bind(addr)?;
    let listener = socket.listen(1_024)?;
    let bound = listener.local_addr()?;
    let (hall, incoming) = Hall::new(common.clone());
    let server = Server {
        common: common.clone(),
        web: web.clone(),
        acceptor: TlsAcceptor::from(config),
        hall,
        counts: Arc::default(),
    };
    common.spawner.spawn(Box::pin(server.run(listener)));
    Ok((bound, incoming))
}

#[derive(Clone)]
struct Server {
    common: Common,
    web: Arc<Web>,
    acceptor: TlsAcceptor,
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
            let Some(place) = Place::take(&self.counts, from.ip()) else {
                self.common.bounds.count_refused(Refused::Address);
                continue;
            };
            let server = self.clone();
            self.common.spawner.spawn(Box::pin(async move {
                // Small frames must not wait for one another.
                let _ = stream.set_nodelay(true);
                server.serve(stream, from).await;
                drop(place);
            }));
        }
    }

    async fn serve(&self, stream: TcpStream, from: SocketAddr) {
        let sent = Arc::new(AtomicU64::new(0));
        let counted = Counted::new(stream, sent.clone(), self.common.bounds.clone());
        // On failure rustls has sent its alert; the connection is closed as any other server would.
        let Ok(Ok(mut stream)) = timeout(HANDSHAKE_TIMEOUT, self.acceptor.accept(counted)).await else {
            return;
        };
        let binding = tls::binding(stream.get_ref().1);
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
            if let Some((_, answer)) = admitted.filter(|_| upgrade && buffer.is_empty()) {
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

    /// The site's answer, and whether the connection stays open.
    fn answer(&self, request: Option<&http::Request>, unix_s: u64) -> (Vec<u8>, bool) {
        let site = &self.web.options.site;
        let Some(request) = request else {
            return (http::answer("400 Bad Request", "text/plain", 0, unix_s, false), false);
        };
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
    fn take(counts: &Arc<Mutex<HashMap<IpAddr, usize>>>, ip: IpAddr) -> Option<Self> {
        let ip = crate::net::address::subscriber(ip);
        let mut held = locked(counts);
        let total: usize = held.values().sum();
        let count = held.entry(ip).or_default();
        if *count >= PER_ADDRESS_MAX || total >= CONNECTIONS_MAX {
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
        if let Poll::Ready(Ok(count)) = &written {
            self.bounds.count_written(*count);
            self.sent.fetch_add(*count as u64, Ordering::Relaxed);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
