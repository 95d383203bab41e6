//! Serves the local interface on a Unix socket: ordered answers to pipelined requests, events, and bounds that no client can pass.
//!
//! Each connection is one task that never waits for one thing only: while a slow client is not reading, its calls still make
//! progress, its events are dropped and replaced by [`Event::Lagged`], and nobody else notices.

use super::backend::Backend;
use super::error::{BAD_REQUEST, TOO_MANY_CLIENTS, VERSION};
use super::line::{Answer, BATCH_LINE_MAX, Call, Lines, event_line, parse_call};
use super::{API_VERSION, ApiError, Event, MESSAGES_LIMIT_MAX, Request, Response, TEXT_BYTES_MAX};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use futures::stream::{FuturesOrdered, StreamExt as _};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::sync::watch;
use tokio::task::{JoinSet, unconstrained};
use tokio::time::{sleep, timeout};

/// Most front ends at a time.
pub const CLIENTS_MAX: usize = 32;

/// Most requests of one connection under way; more are left unread.
const WINDOW: usize = 256;

/// Most bytes of requests under way, or of answers not yet taken, before reading pauses.
const HELD_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Events are written only while fewer bytes than this wait for the client; the others wait in the bounded channel.
const EVENTS_ABOVE: usize = 64 * 1024;

/// After a stop a connection ends once it has been silent for this long, so that a request just sent is still answered.
const DRAIN_IDLE: Duration = Duration::from_millis(200);

/// After a stop all connections end within this time.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// Tells everyone who holds a copy that the node is to stop.
#[derive(Debug, Clone)]
pub struct Stop(Arc<watch::Sender<bool>>);

impl Default for Stop {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl Stop {
    /// Tells it.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }

    /// Returns once it was told.
    pub async fn wait(&self) {
        // The sender lives in `self`, so the wait ends only when it was told.
        let _ = self.0.subscribe().wait_for(|stopped| *stopped).await;
    }
}

/// A bound socket of one user.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    uid: u32,
}

impl Listener {
    /// Binds a socket at `path`, for this process's user only. The caller has made sure that nobody else serves it.
    ///
    /// # Errors
    /// What the system says; `path` must be shorter than 108 bytes and its directory must exist.
    pub fn bind(path: &Path) -> io::Result<Self> {
        Self::bind_for(path, crate::os::uid())
    }

    /// As [`Listener::bind`], for the user `uid`.
    ///
    /// # Errors
    /// As [`Listener::bind`].
    pub fn bind_for(path: &Path, uid: u32) -> io::Result<Self> {
        let socket = UnixListener::bind(path)?;
        restrict(path)?;
        Ok(Self { socket, uid })
    }

    /// The next connection of this user, or of the machine's administrator, who could take this user's place anyway.
    ///
    /// # Errors
    /// What the system says, or that it is a process of another user.
    pub(crate) async fn accept_operator(&self) -> io::Result<UnixStream> {
        let (stream, _) = self.socket.accept().await?;
        let welcome = is_own(&stream, self.uid) || is_own(&stream, 0);
        if welcome { Ok(stream) } else { Err(io::ErrorKind::PermissionDenied.into()) }
    }
}

fn restrict(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
}

/// Serves `backend` until `stop` is told, by a client or by its holder; then lets connections finish what they began.
pub async fn serve(listener: Listener, backend: Arc<dyn Backend>, stop: Stop) {
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = stop.wait() => break,
            Some(_) = clients.join_next(), if !clients.is_empty() => {}
            accepted = listener.socket.accept() => match accepted {
                Ok((stream, _)) if !is_own(&stream, listener.uid) => {
                    tracing::warn!("a process of another user tried to connect to the local interface");
                }
                Ok((stream, _)) if clients.len() >= CLIENTS_MAX => refuse(&stream),
                Ok((stream, _)) => {
                    clients.spawn(Connection::new(stream, backend.clone(), stop.clone()).run());
                }
                Err(error) => {
                    // Out of file descriptors, most likely: they come back when somebody leaves.
                    tracing::warn!(%error, "the local interface can not accept a connection");
                    sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
    drop(listener);
    let _ = timeout(DRAIN_MAX, async { while clients.join_next().await.is_some() {} }).await;
}

/// Whether the process at the other end runs as `uid`. The socket's mode says the same; this holds where modes are not kept.
fn is_own(stream: &UnixStream, uid: u32) -> bool {
    stream.peer_cred().is_ok_and(|peer| peer.uid() == uid)
}

fn refuse(stream: &UnixStream) {
    let error = ApiError::new(TOO_MANY_CLIENTS, "too many programs are connected to this node: close one");
    // An empty socket buffer takes one short line; if it does not, closing says enough.
    let _ = stream.try_write(&Answer::line(None, Err(error)));
}

/// One front end.
struct Connection {
    stream: UnixStream,
    backend: Arc<dyn Backend>,
    stop: Stop,
    lines: Lines,
    /// Answers under way with the length of their request, in the order of the requests.
    answers: FuturesOrdered<BoxFuture<'static, (usize, Vec<u8>)>>,
    /// Bytes of the requests under way.
    held: usize,
    out: Vec<u8>,
    /// Bytes of `out` that were written.
    written: usize,
    events: Option<Receiver<Event>>,
    greeted: bool,
    /// Nothing more will be read.
    ended: bool,
    /// The node stops once the answers are written.
    stops_node: bool,
}

impl Connection {
    fn new(stream: UnixStream, backend: Arc<dyn Backend>, stop: Stop) -> Self {
        Self {
            stream,
            backend,
            stop,
            lines: Lines::new(BATCH_LINE_MAX),
            answers: FuturesOrdered::new(),
            held: 0,
            out: Vec::new(),
            written: 0,
            events: None,
            greeted: false,
            ended: false,
            stops_node: false,
        }
    }

    fn unwritten(&self) -> &[u8] {
        self.out.get(self.written..).unwrap_or_default()
    }

    fn has_room(&self) -> bool {
        self.answers.len() < WINDOW && self.held < HELD_BYTES_MAX && self.unwritten().len() < HELD_BYTES_MAX
    }

    async fn run(mut self) {
        let mut chunk = vec![0; 16 * 1024];
        let mut draining = false;
        loop {
            self.take_lines();
            let idle = self.answers.is_empty() && self.unwritten().is_empty();
            if idle && self.stops_node {
                self.stop.stop();
            }
            if idle && self.ended {
                return;
            }
            let reads = !self.ended && self.has_room();
            let listens = !draining && self.unwritten().len() < EVENTS_ABOVE;
            let Self { stream, answers, out, written, events, stop, .. } = &mut self;
            let (mut from, mut to) = stream.split();
            let waiting = out.get(*written..).unwrap_or_default();
            tokio::select! {
                biased;
                () = stop.wait(), if !draining => draining = true,
                Some((length, line)) = answers.next() => {
                    self.held = self.held.saturating_sub(length);
                    self.out.extend_from_slice(&line);
                }
                sent = to.write(waiting), if !waiting.is_empty() => match sent {
                    Ok(1..) => self.advance(sent.unwrap_or_default()),
                    _ => return,
                },
                event = next_event(events), if listens => match event {
                    Some(event) => self.out.extend_from_slice(&event_line(&event)),
                    None => self.events = None,
                },
                read = from.read(&mut chunk), if reads => match read {
                    Ok(0) | Err(_) => self.ended = true,
                    Ok(length) => self.lines.push(chunk.get(..length).unwrap_or_default()),
                },
                () = sleep(DRAIN_IDLE), if draining && idle => return,
            }
        }
    }

    fn advance(&mut self, sent: usize) {
        self.written += sent;
        if self.written >= self.out.len() {
            self.written = 0;
            self.out.clear();
            // One large answer must not keep its memory for the life of the connection.
            self.out.shrink_to(EVENTS_ABOVE);
        }
    }

    /// Starts the requests that have come in whole, as far as there is room.
    fn take_lines(&mut self) {
        while self.has_room() && !self.ended {
            let (length, call) = match self.lines.next_line() {
                Ok(None) => return,
                Ok(Some(line)) if line.trim_ascii().is_empty() => continue,
                Ok(Some(line)) => (line.len(), parse_call(line)),
                Err(too_long) => {
                    self.answer(0, None, Err(ApiError::new(BAD_REQUEST, too_long.to_string())));
                    self.ended = true;
                    return;
                }
            };
            match call {
                Ok(call) => self.start(length, call),
                Err((id, error)) => self.answer(length, id, Err(error)),
            }
        }
    }

    fn start(&mut self, length: usize, call: Call) {
        let id = Some(call.id);
        let mut cost = length;
        let request = match call.request {
            Request::Hello { version } if version != API_VERSION => {
                self.greeted = false;
                let text = format!(
                    "this node speaks version {API_VERSION} of the local interface, the program {version}: update the older one"
                );
                return self.answer(length, id, Err(ApiError::new(VERSION, text)));
            }
            hello @ Request::Hello { .. } => {
                self.greeted = true;
                hello
            }
            _ if !self.greeted => {
                let text = "say hello with the version of the interface first";
                return self.answer(length, id, Err(ApiError::new(VERSION, text)));
            }
            Request::Subscribe => {
                self.events.get_or_insert_with(|| self.backend.events());
                return self.answer(length, id, Ok(Response::Done));
            }
            Request::Shutdown => {
                self.stops_node = true;
                return self.answer(length, id, Ok(Response::Done));
            }
            Request::Messages { contact, before, since, limit } => {
                let limit = limit.clamp(1, MESSAGES_LIMIT_MAX);
                // A small request with a large answer counts as what it may bring.
                cost += limit * TEXT_BYTES_MAX;
                Request::Messages { contact, before, since, limit }
            }
            Request::Wipe => {
                self.stops_node = true;
                Request::Wipe
            }
            request => request,
        };
        let length = cost;
        // The first poll happens here, so that requests take effect in the order in which they came. It is not to be put off by the
        // runtime's budget for a task's turn, or a later request could come first.
        let mut outcome = Box::pin(unconstrained(self.backend.call(request)));
        match outcome.as_mut().now_or_never() {
            Some(outcome) => self.answer(length, id, outcome),
            None => {
                self.queue(length, outcome.map(move |outcome| (length, Answer::line(id, outcome))).boxed())
            }
        }
    }

    fn answer(&mut self, length: usize, id: Option<u64>, outcome: Result<Response, ApiError>) {
        self.queue(length, std::future::ready((length, Answer::line(id, outcome))).boxed());
    }

    fn queue(&mut self, length: usize, answer: BoxFuture<'static, (usize, Vec<u8>)>) {
        self.held += length;
        self.answers.push_back(answer);
    }
}

/// The next event of a subscribed client; without a subscription it never comes.
async fn next_event(events: &mut Option<Receiver<Event>>) -> Option<Event> {
    match events {
        None => std::future::pending().await,
        Some(events) => match events.recv().await {
            Ok(event) => Some(event),
            Err(RecvError::Lagged(_)) => Some(Event::Lagged),
            Err(RecvError::Closed) => None,
        },
    }
}
