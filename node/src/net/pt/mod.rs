//! Pluggable transports: doors that are reached through a program of the user's (obfs4, WebTunnel, Snowflake), run as Tor's pt-spec says.
//!
//! The program is started when a door needs it and lives as long as the network. Each connection asks it by SOCKS5 for one to the
//! transport's server, with the door's arguments as login; what comes out of it is the connection to the relay's ordinary door.

mod fault;
mod program;
mod transport;

pub use fault::{DoorFaults, PtFault};
pub(super) use transport::{PtTransport, way};

use super::socks::{self, LOGIN_MAX, SocksFault};
use super::veil::locked;
use super::web::Proxy;
use crate::deps::Spawner;
use karvon_protocol::ids::RelayId;
use karvon_protocol::pt::PtLine;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// A transport's server must be reached within this time. Some ask a broker and wait for a volunteer first.
const SERVER_MAX: Duration = Duration::from_secs(25);
/// Requests for a program that may wait while it starts.
const ASKS_MAX: usize = 64;

/// Transports that are known, with the programs that provide them. A door's line can name no other, or it could start anything here.
const KNOWN: &[(&str, &[&str])] = &[
    ("obfs4", &["obfs4proxy", "lyrebird"]),
    ("webtunnel", &["webtunnel-client", "lyrebird"]),
    ("snowflake", &["snowflake-client", "lyrebird"]),
    ("meek_lite", &["lyrebird", "obfs4proxy"]),
];

/// Transports whose programs accept a connection before they have reached their server.
const HASTY: [&str; 2] = ["snowflake", "meek_lite"];

/// How programs of transports are found and started.
#[derive(Debug, Clone)]
pub struct PtOptions {
    /// Programs by the name of their transport, where the user named one; the others are looked for by their usual names.
    pub programs: BTreeMap<String, PathBuf>,
    /// A folder for what programs keep; without one none is started.
    pub state_dir: Option<PathBuf>,
    /// The proxy that they are to go through.
    pub proxy: Option<Proxy>,
    /// A program that has not said where it is within this time is of no use.
    pub ready_within: Duration,
}

impl Default for PtOptions {
    fn default() -> Self {
        Self {
            programs: BTreeMap::new(),
            state_dir: None,
            proxy: None,
            ready_within: Duration::from_secs(15),
        }
    }
}

impl PtOptions {
    /// What may be started for a transport, in this order; `None` for one that is not known.
    fn candidates(&self, name: &str) -> Option<Vec<PathBuf>> {
        if let Some(named) = self.programs.get(name) {
            return Some(vec![named.clone()]);
        }
        let (_, programs) = KNOWN.iter().find(|(known, _)| *known == name)?;
        Some(programs.iter().map(PathBuf::from).collect())
    }
}

/// A transport's server was reached. However the try ends, and if by being dropped, the door behind did not open unless that is said.
pub(super) struct Attempt<'a> {
    faults: &'a DoorFaults,
    relay: RelayId,
    /// What it is called if the door does not open.
    fault: PtFault,
    opened: bool,
}

impl Attempt<'_> {
    /// The relay has answered.
    pub(super) fn opened(mut self) {
        self.opened = true;
        self.faults.clear(self.relay);
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.opened {
            self.faults.note(self.relay, self.fault.clone());
        }
    }
}

/// Asks where a program's proxy is.
type Ask = oneshot::Sender<Result<std::net::SocketAddr, PtFault>>;

/// The programs of one network.
#[derive(Default)]
pub(super) struct Programs {
    options: Arc<PtOptions>,
    running: Mutex<BTreeMap<String, mpsc::Sender<Ask>>>,
    faults: Arc<DoorFaults>,
}

impl Programs {
    pub(super) fn new(options: PtOptions) -> Self {
        Self { options: Arc::new(options), ..Self::default() }
    }

    /// Why doors behind transports do not open.
    pub(super) fn faults(&self) -> Arc<DoorFaults> {
        self.faults.clone()
    }

    /// A connection to what lies behind a transport's server, and the try whose outcome is still open.
    pub(super) async fn connect(
        &self,
        spawner: &dyn Spawner,
        relay: RelayId,
        line: &PtLine,
    ) -> io::Result<(TcpStream, Attempt<'_>)> {
        match self.through(spawner, line).await {
            Ok(tcp) => {
                let fault = if HASTY.contains(&line.name()) { PtFault::Unanswered } else { PtFault::Behind };
                Ok((tcp, Attempt { faults: &self.faults, relay, fault, opened: false }))
            }
            Err(fault) => {
                let code = fault.code();
                if self.faults.note(relay, fault.clone()) {
                    tracing::info!(transport = line.name(), code, "a transport does not connect");
                }
                Err(io::Error::other(fault))
            }
        }
    }

    /// The relay behind a transport has answered.
    pub(super) fn opened(&self, relay: RelayId) {
        self.faults.clear(relay);
    }

    async fn through(&self, spawner: &dyn Spawner, line: &PtLine) -> Result<TcpStream, PtFault> {
        let (ask, answer) = oneshot::channel();
        let program = self.program(spawner, line.name());
        program.try_send(ask).map_err(|_| PtFault::Slow)?;
        let proxy = answer.await.map_err(|_| PtFault::Slow)??;
        let asked = async {
            let mut tcp = TcpStream::connect(proxy).await.map_err(|_| PtFault::NoSocks)?;
            let args = line.args();
            let (user, password) = args.as_bytes().split_at(args.len().min(LOGIN_MAX));
            // A password must have a byte; pt-spec asks for this one.
            let password = if password.is_empty() { &[0][..] } else { password };
            let login = (!user.is_empty()).then_some((user, password));
            socks::connect(&mut tcp, login, line.addr(), &|| ()).await.map_err(|fault| match fault {
                SocksFault::Login => PtFault::Line,
                SocksFault::Refused(code) => PtFault::Server(code),
                SocksFault::Broken(_) | SocksFault::Foreign => PtFault::NoSocks,
            })?;
            Ok(tcp)
        };
        timeout(SERVER_MAX, asked).await.unwrap_or(Err(PtFault::ServerSilent))
    }

    /// The task that keeps the program of a transport; begun if there is none.
    fn program(&self, spawner: &dyn Spawner, name: &str) -> mpsc::Sender<Ask> {
        let mut running = locked(&self.running);
        if let Some(known) = running.get(name).filter(|asks| !asks.is_closed()) {
            return known.clone();
        }
        let (asks, asked) = mpsc::channel(ASKS_MAX);
        spawner.spawn(Box::pin(program::keep(self.options.clone(), name.to_owned(), asked)));
        running.insert(name.to_owned(), asks.clone());
        asks
    }
}
