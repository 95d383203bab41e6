//! The dialling side of web doors: visits a site as a browser's web socket would and shows the door's path.

use super::certificate::home_name;
use super::{Door, Web, http, tls};
use crate::net::veil::{Carrier, Common, DIAL_TIMEOUT, Dial, DialFault};
use data_encoding::BASE64;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use karvon_protocol::pt::PtLine;
use karvon_protocol::veil::path::{ask, day_of};
use rustls::pki_types::ServerName;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use zeroize::Zeroizing;

/// A transport's program may have to start first, and its server to be found.
const PT_PATIENCE: Duration = Duration::from_secs(45);
/// A site's 404 that is longer than this is not read for its date.
const BODY_MAX: usize = 64 << 10;

/// Dials one web door.
pub(in crate::net) struct Visitor {
    web: Arc<Web>,
    common: Common,
    door: Door,
}

impl Visitor {
    pub(in crate::net) const fn new(web: Arc<Web>, common: Common, door: Door) -> Self {
        Self { web, common, door }
    }

    async fn visit(&self) -> Result<Carrier, DialFault> {
        let target = self.door.addr.socket();
        let straight = |tcp| (tcp, None);
        let connected = match (&self.door.pt, &self.web.options.proxy) {
            (Some(line), _) => {
                let through = self.web.programs.connect(&*self.common.spawner, self.door.relay, line).await;
                through.map(|(tcp, attempt)| (tcp, Some(attempt)))
            }
            (None, Some(proxy)) => proxy.connect(target).await.map(straight),
            (None, None) => TcpStream::connect(target).await.map(straight),
        };
        let (tcp, attempt) = connected.map_err(|_| DialFault::Refused)?;
        // Small frames must not wait for one another.
        let _ = tcp.set_nodelay(true);
        let mut stream = self.handshake(tcp).await?;
        let connection = stream.get_ref().1;
        if connection.alpn_protocol().is_some_and(|chosen| chosen != b"http/1.1") {
            tracing::info!("the web site of this door speaks HTTP/2 only; its operator must allow HTTP/1.1");
            return Err(DialFault::NoDoor);
        }
        let binding = match self.door.addr.name() {
            Some(_) => Vec::new(),
            // A door without a name speaks TLS 1.3; anything else is somebody in the middle.
            None => tls::binding(connection).ok_or(DialFault::NoDoor)?.to_vec(),
        };
        let today = day_of(self.common.clock.now().wall_ms / 1_000);
        match self.knock(&mut stream, today, &binding).await? {
            Knocked::In => {}
            // This device's clock may be wrong; the site's is what counts there.
            Knocked::Out(Some(day)) if day != today => match self.knock(&mut stream, day, &binding).await? {
                Knocked::In => {}
                Knocked::Out(_) => return Err(DialFault::NoDoor),
            },
            Knocked::Out(_) => return Err(DialFault::NoDoor),
        }
        if let Some(attempt) = attempt {
            attempt.opened();
        }
        Ok(Carrier::new(stream, Arc::new(AtomicU64::new(0))))
    }

    fn name(&self) -> &str {
        self.door.addr.name().unwrap_or_else(|| home_name(self.door.relay))
    }

    async fn handshake(&self, tcp: TcpStream) -> Result<TlsStream<TcpStream>, DialFault> {
        let config = match self.door.addr.name() {
            Some(_) => self.web.client.named(&self.web.options.roots),
            None => self.web.client.nameless(),
        };
        let config = config.ok_or(DialFault::Refused)?;
        let name = ServerName::try_from(self.name().to_owned()).map_err(|_| DialFault::NoDoor)?;
        TlsConnector::from(config).connect(name, tcp).await.map_err(|error| {
            tracing::debug!(%error, "no TLS with this door");
            DialFault::Refused
        })
    }

    /// Asks to be let in with the path of `day`.
    async fn knock(
        &self,
        stream: &mut TlsStream<TcpStream>,
        day: u32,
        binding: &[u8],
    ) -> Result<Knocked, DialFault> {
        let (mut nonce, mut key) = ([0; 12], [0; 16]);
        self.common.fill(&mut nonce);
        self.common.fill(&mut key);
        let asked = ask(&self.door.key, day, &nonce, binding);
        let host = match self.door.addr.socket().port() {
            443 => self.name().to_owned(),
            port => format!("{}:{port}", self.name()),
        };
        let request = Zeroizing::new(format!(
            "GET {} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nPragma: no-cache\r\nCache-Control: no-cache\r\nUpgrade: websocket\r\n\
             Origin: https://{host}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {}\r\n\r\n",
            &*asked.path,
            BASE64.encode(&key)
        ));
        let broken = |_| DialFault::Refused;
        stream.write_all(request.as_bytes()).await.map_err(broken)?;
        stream.flush().await.map_err(broken)?;
        let mut buffer = Vec::new();
        let response = http::response(stream, &mut buffer).await.map_err(broken)?;
        if response.status == 101 {
            // Only a holder of the slot's secret can have answered so.
            let right = response.accept.as_deref() == Some(asked.answer.as_str()) && buffer.is_empty();
            return if right { Ok(Knocked::In) } else { Err(DialFault::NoDoor) };
        }
        let length = response.length.filter(|length| *length <= BODY_MAX).ok_or(DialFault::NoDoor)?;
        let mut body = vec![0; length.saturating_sub(buffer.len())];
        stream.read_exact(&mut body).await.map_err(broken)?;
        Ok(Knocked::Out(response.date_s.map(day_of)))
    }
}

enum Knocked {
    /// The connection is a carrier now.
    In,
    /// The site's own answer, with the day of its clock.
    Out(Option<u32>),
}

impl Dial for Visitor {
    fn addr(&self) -> SocketAddr {
        self.door.pt.as_ref().map_or_else(|| self.door.addr.socket(), PtLine::addr)
    }

    fn patience(&self) -> Duration {
        if self.door.pt.is_some() { PT_PATIENCE } else { DIAL_TIMEOUT }
    }

    fn dial(&self) -> BoxFuture<'_, Result<Carrier, DialFault>> {
        self.visit().boxed()
    }
}
