//! The dialling side of web doors: visits a site as a browser's web socket would and shows the door's path.

use super::certificate::home_name;
use super::hello::{self, HelloKind, Opened, Wanted};
use super::server::Counted;
use super::{Door, Web, http, proxy, tls};
use crate::net::veil::{Carrier, Common, DIAL_TIMEOUT, Dial, DialFault, Io};
use crate::net::watch::{Stage, Watch, Watched, connect_error};
use data_encoding::BASE64;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use karvon_protocol::netcheck::Outcome;
use karvon_protocol::pt::PtLine;
use karvon_protocol::veil::path::{ask, day_of};
use rustls::pki_types::ServerName;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
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
        let (tcp, attempt) = match &self.door.pt {
            Some(line) => {
                self.reached(Stage::Proxy);
                let through = self.web.programs.connect(&*self.common.spawner, self.door.relay, line).await;
                let (tcp, attempt) = through.map_err(|_| self.refused(Outcome::Transport))?;
                self.reached(Stage::Connects);
                (tcp, Some(attempt))
            }
            None => (self.connect(target).await?, None),
        };
        // Small frames must not wait for one another.
        let _ = tcp.set_nodelay(true);
        let watched = Some((self.common.watch.clone(), self.door.relay));
        let sent = Arc::new(AtomicU64::new(0));
        let tcp = Counted::new(tcp, sent.clone(), self.common.bounds.clone());
        let opened = self.handshake(Watched::new(tcp, watched, self.common.clock.clone())).await?;
        if opened.alpn.is_some_and(|chosen| chosen != b"http/1.1") {
            tracing::info!("the web site of this door speaks HTTP/2 only; its operator must allow HTTP/1.1");
            self.known(Outcome::Foreign);
            return Err(DialFault::NoDoor);
        }
        let binding = match self.door.addr.name() {
            Some(_) => Vec::new(),
            // A door without a name speaks TLS 1.3; anything else is somebody in the middle.
            None => opened
                .binding
                .ok_or_else(|| {
                    self.known(Outcome::Foreign);
                    DialFault::NoDoor
                })?
                .to_vec(),
        };
        let mut stream = opened.stream;
        let today = day_of(self.common.clock.now().wall_ms / 1_000);
        match self.knock(&mut stream, today, &binding).await? {
            Knocked::In => {}
            // This device's clock may be wrong; the site's is what counts there.
            Knocked::Out(Some(day)) if day != today => match self.knock(&mut stream, day, &binding).await? {
                Knocked::In => {}
                Knocked::Out(_) => return Err(self.not_let_in()),
            },
            Knocked::Out(_) => return Err(self.not_let_in()),
        }
        if let Some(attempt) = attempt {
            attempt.opened();
        }
        Ok(Carrier::new(stream, sent))
    }

    /// A connection to the door's address, through the user's proxy if there is one.
    async fn connect(&self, target: SocketAddr) -> Result<TcpStream, DialFault> {
        let Some(proxy) = &self.web.options.proxy else {
            self.reached(Stage::Connects);
            let connected = TcpStream::connect(target).await;
            return connected.map_err(|error| self.refused(connect_error(&error)));
        };
        self.reached(Stage::Proxy);
        let connected = proxy.connect(target, &|| self.reached(Stage::Connects)).await;
        connected.map_err(|error| {
            self.refused(if proxy::is_gone(&error) { Outcome::ProxyGone } else { Outcome::ProxyRefused })
        })
    }

    fn refused(&self, outcome: Outcome) -> DialFault {
        self.known(outcome);
        DialFault::Refused
    }

    fn reached(&self, stage: Stage) {
        self.common.watch.reached(self.door.relay, stage, self.common.now());
    }

    fn known(&self, outcome: Outcome) {
        self.common.watch.known(self.door.relay, outcome);
    }

    fn not_let_in(&self) -> DialFault {
        self.known(Outcome::NotLetIn);
        DialFault::NoDoor
    }

    fn name(&self) -> &str {
        self.door.addr.name().unwrap_or_else(|| home_name(self.door.relay))
    }

    async fn handshake(&self, tcp: Tcp) -> Result<Opened, DialFault> {
        let verifier = match self.door.addr.name() {
            Some(_) => self.web.trust.named(&self.web.options.roots).ok_or(DialFault::Refused)?,
            None => self.web.trust.nameless(),
        };
        let name = ServerName::try_from(self.name().to_owned()).map_err(|_| DialFault::NoDoor)?;
        let mut chance = [0; 2];
        self.common.fill(&mut chance);
        let wanted = Wanted { verifier, name, kind: HelloKind::of(&self.door.key), chance };
        hello::connect(wanted, tcp).await.map_err(|error| {
            tracing::debug!(%error, "no TLS with this door");
            if let Some(fault) = tls::fault(&error) {
                self.known(fault);
            }
            DialFault::Refused
        })
    }

    /// Asks to be let in with the path of `day`.
    async fn knock(&self, stream: &mut Box<dyn Io>, day: u32, binding: &[u8]) -> Result<Knocked, DialFault> {
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
            if right {
                return Ok(Knocked::In);
            }
            self.known(Outcome::WrongRelay);
            return Err(DialFault::NoDoor);
        }
        if response.status != 404 {
            // A door's site answers this to everybody; who says something else knows no door.
            self.known(Outcome::Foreign);
        } else if let Some(theirs) = response.date_s.and_then(|date| i64::try_from(date).ok()) {
            let ours = i64::try_from(self.common.clock.now().wall_ms / 1_000).unwrap_or(i64::MAX);
            self.common.watch.clock(self.door.relay, ours.saturating_sub(theirs));
        }
        let length = response.length.filter(|length| *length <= BODY_MAX).ok_or(DialFault::NoDoor)?;
        let mut body = vec![0; length.saturating_sub(buffer.len())];
        stream.read_exact(&mut body).await.map_err(broken)?;
        Ok(Knocked::Out(response.date_s.map(day_of)))
    }
}

/// The connection under TLS.
type Tcp = Watched<Counted>;

/// Notes a dial that failed, also one that was given up while it waited.
struct Noted<'a> {
    watch: &'a Watch,
    visitor: &'a Visitor,
    done: bool,
}

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.watch.failed(self.visitor.door.relay, None, self.visitor.common.now());
        }
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
        async {
            let mut noted = Noted { watch: &self.common.watch, visitor: self, done: false };
            let carrier = self.visit().await?;
            noted.done = true;
            self.common.watch.carried(self.door.relay, self.common.now());
            Ok(carrier)
        }
        .boxed()
    }

    fn froze(&self) {
        self.common.watch.froze(self.door.relay, self.common.now());
    }
}
