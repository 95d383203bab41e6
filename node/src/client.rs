//! A front end's connection to a node: over its socket, or straight to a node in the same process.

use crate::api::backend::Backend;
use crate::api::error::{CLOSED, IO, VERSION};
use crate::api::line::{ANSWER_LINE_MAX, FromNode, Lines, call_line, parse_from_node};
use crate::api::{API_VERSION, ApiError, Event, Request, Response};
use crate::rundir::NodeFile;
use karvon_protocol::descriptor::Door;
use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, unconstrained};
use tokio::time::timeout;

/// Most calls that wait to be written, and that are written at once.
const CALLS_AT_ONCE: usize = 256;

/// Events kept for a front end that is busy; older ones are lost and it is told so.
const EVENTS_KEPT: usize = 1024;

/// A node that has not said hello after this time is not answering.
const HELLO_WITHIN: Duration = Duration::from_secs(10);

/// Checks a door line without using it.
///
/// # Errors
/// `door_damaged` or `invite_newer`.
pub fn check_door(line: &str) -> Result<(), ApiError> {
    Door::from_text(line).map(drop).map_err(ApiError::from)
}

/// Whether this may be an address of a relay on the internet.
#[must_use]
pub fn is_public(addr: std::net::SocketAddr) -> bool {
    karvon_protocol::descriptor::RelayAddr::Ip(addr).is_global()
}

/// A connection; clones share it. Calls may be made at the same time and are answered in their order.
#[derive(Clone)]
pub struct Client(Way);

#[derive(Clone)]
enum Way {
    Local(Arc<dyn Backend>),
    Socket(Arc<Socket>),
}

impl Client {
    /// Connects to the node that runs in `data_dir`; `None` if none runs.
    ///
    /// # Errors
    /// `version` if the node is of another version of Karvon, `closed` if it does not answer, `io` for the system's errors.
    pub async fn connect(data_dir: &Path) -> Result<Option<Self>, ApiError> {
        let Some(file) = NodeFile::read(data_dir) else { return Ok(None) };
        let stream = match UnixStream::connect(&file.socket).await {
            Ok(stream) => stream,
            // What a killed node leaves, or one that stops just now: its file, and a socket without a listener or none at all.
            Err(error) if is_gone(error.kind()) => return Ok(None),
            Err(error) => {
                return Err(ApiError::new(IO, format!("the node's socket can not be used: {error}")));
            }
        };
        if !stream.peer_cred().is_ok_and(|peer| peer.uid() == crate::os::uid()) {
            return Err(ApiError::new(IO, "the node's socket belongs to another user"));
        }
        let client = Self(Way::Socket(Arc::new(Socket::over(stream))));
        match timeout(HELLO_WITHIN, client.call(Request::Hello { version: API_VERSION })).await {
            Ok(Ok(Response::Hello { version: API_VERSION, .. })) => Ok(Some(client)),
            Ok(Ok(_)) => Err(ApiError::new(VERSION, "the running node is of another version: stop it first")),
            // It stopped between the file and the greeting.
            Ok(Err(error)) if error.code == CLOSED => Ok(None),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(ApiError::new(CLOSED, "the running node does not answer")),
        }
    }

    /// Uses a node of this process.
    #[must_use]
    pub fn local(backend: Arc<dyn Backend>) -> Self {
        Self(Way::Local(backend))
    }

    /// Asks and waits for the answer. Calls take effect in the order in which they are first polled.
    ///
    /// # Errors
    /// The node's; `closed` if it stopped before it answered.
    pub async fn call(&self, request: Request) -> Result<Response, ApiError> {
        match &self.0 {
            Way::Local(backend) => backend.call(request).await,
            Way::Socket(socket) => socket.call(request).await,
        }
    }

    /// Events from now on.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn subscribe(&self) -> Result<Events, ApiError> {
        match &self.0 {
            Way::Local(backend) => Ok(Events(backend.events())),
            Way::Socket(socket) => {
                let events = socket.events()?;
                socket.call(Request::Subscribe).await?;
                Ok(Events(events))
            }
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if matches!(self.0, Way::Local(_)) { "Client(local)" } else { "Client(socket)" })
    }
}

/// Events of a node.
#[derive(Debug)]
pub struct Events(broadcast::Receiver<Event>);

impl Events {
    /// The next one; `None` once the node has stopped. May be dropped while waiting without losing anything.
    pub async fn next(&mut self) -> Option<Event> {
        match self.0.recv().await {
            Ok(event) => Some(event),
            Err(RecvError::Lagged(_)) => Some(Event::Lagged),
            Err(RecvError::Closed) => None,
        }
    }
}

/// What a connection waits for.
struct Waiting {
    answers: HashMap<u64, oneshot::Sender<Result<Response, ApiError>>>,
    next_id: u64,
    events: broadcast::Sender<Event>,
}

/// `None` once the connection has ended.
type Shared = Arc<Mutex<Option<Waiting>>>;

struct Socket {
    waiting: Shared,
    lines: mpsc::Sender<Vec<u8>>,
    tasks: [JoinHandle<()>; 2],
}

impl Drop for Socket {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Socket {
    fn over(stream: UnixStream) -> Self {
        let (from, to) = stream.into_split();
        let waiting =
            Waiting { answers: HashMap::new(), next_id: 1, events: broadcast::Sender::new(EVENTS_KEPT) };
        let waiting = Arc::new(Mutex::new(Some(waiting)));
        let (lines, queue) = mpsc::channel(CALLS_AT_ONCE);
        let tasks = [tokio::spawn(read(from, waiting.clone())), tokio::spawn(write(to, queue))];
        Self { waiting, lines, tasks }
    }

    async fn call(&self, request: Request) -> Result<Response, ApiError> {
        // Places are given in the order in which they are asked for. Not to be put off by the runtime's budget for a task's turn,
        // or a later call could ask first.
        let place = unconstrained(self.lines.reserve()).await.map_err(|_| closed())?;
        let (sender, answer) = oneshot::channel();
        {
            let mut guard = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let waiting = guard.as_mut().ok_or_else(closed)?;
            let id = waiting.next_id;
            waiting.next_id += 1;
            waiting.answers.insert(id, sender);
            place.send(call_line(id, &request));
        }
        answer.await.map_err(|_| closed())?
    }

    fn events(&self) -> Result<broadcast::Receiver<Event>, ApiError> {
        let guard = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        guard.as_ref().map(|waiting| waiting.events.subscribe()).ok_or_else(closed)
    }
}

const fn is_gone(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, NotFound};
    matches!(kind, NotFound | ConnectionRefused | ConnectionReset)
}

fn closed() -> ApiError {
    ApiError::new(CLOSED, "the node stopped before it answered: try again")
}

/// Hands on what the node writes, until it ends; then every caller learns that no answer will come.
async fn read(mut from: OwnedReadHalf, waiting: Shared) {
    let (mut lines, mut chunk) = (Lines::new(ANSWER_LINE_MAX), vec![0; 64 * 1024]);
    'connection: while let Ok(length @ 1..) = from.read(&mut chunk).await {
        lines.push(chunk.get(..length).unwrap_or_default());
        loop {
            match lines.next_line() {
                Ok(Some(line)) => hand_on(line, &waiting),
                Ok(None) => break,
                Err(_) => break 'connection,
            }
        }
    }
    *waiting.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

fn hand_on(line: &[u8], waiting: &Shared) {
    let known = parse_from_node(line);
    let mut guard = waiting.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(waiting) = guard.as_mut() else { return };
    match known {
        // Nobody listening is no error.
        Some(FromNode::Event(event)) => drop(waiting.events.send(event)),
        Some(FromNode::Answer(answer)) => {
            let outcome = match (answer.result, answer.error) {
                (Some(result), None) => Ok(result),
                (_, Some(error)) => Err(error),
                (None, None) => {
                    Err(ApiError::new(VERSION, "the running node gave an answer without content"))
                }
            };
            match answer.id {
                Some(id) => {
                    if let Some(caller) = waiting.answers.remove(&id) {
                        let _ = caller.send(outcome);
                    }
                }
                // The node refuses the connection as a whole.
                None => {
                    for (_, caller) in waiting.answers.drain() {
                        let _ = caller.send(outcome.clone());
                    }
                }
            }
        }
        None => {}
    }
}

/// Writes calls; what has queued meanwhile leaves together.
async fn write(mut to: OwnedWriteHalf, mut queue: mpsc::Receiver<Vec<u8>>) {
    let mut lines = Vec::new();
    while queue.recv_many(&mut lines, CALLS_AT_ONCE).await > 0 {
        if to.write_all(&lines.concat()).await.is_err() {
            return;
        }
        lines.clear();
    }
}
