//! One local network: finds contacts there and opens sessions with them (SPEC §12).
//!
//! What contacts say is [`crate::leaf`]'s matter; here are datagrams, connections and their bounds.

mod socket;

use crate::clock::Clock;
use crate::os::networks::Network;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use karvon_protocol::engine::api::ContactId;
use karvon_protocol::lan::LanKeys;
use karvon_protocol::lan::finder::{DATAGRAM_BYTES, Finder, Found};
use karvon_protocol::lan::message::Message;
use karvon_protocol::lan::session::{Channel, Dialler, Taken, UNIT_BYTES};
use rand_core::{CryptoRng, Rng as _};
use socket::Sockets;
use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// Presence is told after these pauses at first, milliseconds, and then after the last one and up to as much again.
const PRESENCE_MS: [u64; 5] = [0, 300, 700, 1_500, 20_000];
/// Connections that are not sessions yet.
const UNKNOWN_MAX: usize = 32;
/// A neighbour answers within this time or is none.
const PATIENCE: Duration = Duration::from_secs(5);
/// Whose turn it is not to begin a session waits so long before it does.
const SECOND: Duration = Duration::from_millis(1_500);

/// It is looked no more often than this whether the network is still the one that was accepted.
const LOOK: Duration = Duration::from_millis(500);

/// Contacts with whom there is a session.
pub(crate) type Near = Arc<Mutex<BTreeSet<ContactId>>>;

/// A session that was opened.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) contact: ContactId,
    pub(crate) stream: TcpStream,
    pub(crate) channel: Channel,
    /// What the other side has said already.
    pub(crate) first: Option<Message>,
    /// Whose turn it was to begin it has begun it.
    pub(crate) in_turn: bool,
}

/// What the search on one network is given.
pub(crate) struct Search {
    pub(crate) network: Network,
    /// Whether this device is still on it.
    pub(crate) is_here: fn(&Network) -> bool,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Box<dyn CryptoRng + Send>,
    /// Whom to look for.
    pub(crate) contacts: watch::Receiver<Vec<(ContactId, LanKeys)>>,
    pub(crate) near: Near,
    /// Rings when presence should be told again at once.
    pub(crate) again: watch::Receiver<u64>,
    pub(crate) sessions: mpsc::Sender<Session>,
}

/// What a connection has come to.
enum Step {
    /// Somebody came and sent the first unit.
    Hello(TcpStream, Box<[u8; UNIT_BYTES]>),
    /// It is time to call a contact.
    Call(Found, SocketAddr, bool),
    Open(Box<Session>),
    /// A call of this contact came to nothing.
    Failed(ContactId),
    /// A stranger, or a neighbour that is gone.
    Nobody,
}

enum Woken {
    Contacts(bool),
    Presence,
    Heard(io::Result<(usize, SocketAddr)>, bool),
    Came(io::Result<(TcpStream, SocketAddr)>),
    Step(Step),
}

impl Search {
    /// Searches until it is dropped, or its receivers are gone.
    ///
    /// # Errors
    /// The system's, if the sockets can not be opened or the network is gone.
    pub(crate) async fn run(mut self) -> io::Result<()> {
        let sockets = Sockets::open(&self.network).await?;
        let port = sockets.sessions.local_addr()?.port();
        let contacts = self.contacts.borrow_and_update().clone();
        let mut finder = Finder::new(port, contacts, &mut *self.rng, self.clock.now().mono);
        let mut steps: FuturesUnordered<BoxFuture<'static, Step>> = FuturesUnordered::new();
        let mut calling = BTreeSet::new();
        let (mut presence, mut told) = (Instant::now(), 0_usize);
        let mut looked = Instant::now();
        let mut to_all = [0; DATAGRAM_BYTES + 1];
        let mut to_me = [0; DATAGRAM_BYTES + 1];
        loop {
            let woken = tokio::select! {
                biased;
                changed = self.contacts.changed() => Woken::Contacts(changed.is_ok()),
                changed = self.again.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    (presence, told) = (Instant::now(), 1);
                    continue;
                }
                () = sleep_until(presence) => Woken::Presence,
                Some(step) = steps.next() => Woken::Step(step),
                heard = sockets.own.recv_from(&mut to_me) => Woken::Heard(heard, false),
                heard = sockets.all.recv_from(&mut to_all) => Woken::Heard(heard, true),
                came = sockets.sessions.accept(), if steps.len() < UNKNOWN_MAX => Woken::Came(came),
            };
            // Another network may number its addresses alike, and nothing is to be sent there.
            if !matches!(woken, Woken::Contacts(_)) && looked.elapsed() >= LOOK {
                if !(self.is_here)(&self.network) {
                    return Err(io::ErrorKind::NetworkUnreachable.into());
                }
                looked = Instant::now();
            }
            match woken {
                Woken::Contacts(false) => return Ok(()),
                Woken::Contacts(true) => finder.set_keys(self.contacts.borrow_and_update().clone()),
                Woken::Presence => {
                    let bytes = finder.presence(&mut *self.rng, self.clock.now().mono);
                    if !self.contacts.borrow().is_empty() {
                        sockets.own.send_to(&bytes, sockets.everybody).await?;
                    }
                    told = (told + 1).min(PRESENCE_MS.len() - 1);
                    let pause = PRESENCE_MS[told];
                    let more = if told + 1 == PRESENCE_MS.len() { self.rng.next_u64() % pause } else { 0 };
                    presence = Instant::now() + Duration::from_millis(pause + more);
                }
                Woken::Heard(heard, by_all) => {
                    let (length, from) = match heard {
                        Ok(heard) => heard,
                        // A neighbour that is gone makes the system complain about what was sent to it.
                        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => continue,
                        Err(error) => return Err(error),
                    };
                    let bytes = if by_all { &to_all } else { &to_me };
                    let bytes = bytes.get(..length).unwrap_or_default();
                    if !self.is_neighbour(from) {
                        continue;
                    }
                    let now = self.clock.now().mono;
                    let Ok(heard) = finder.hear(bytes, &mut *self.rng, now) else { continue };
                    if let Some(answer) = heard.answer {
                        // It comes again with the next presence.
                        let _ = sockets.own.send_to(&answer, from).await;
                    }
                    for found in heard.found {
                        if self.is_near(found.contact) || calling.contains(&found.contact) {
                            continue;
                        }
                        calling.insert(found.contact);
                        let to = self.network.at(from.ip(), found.port);
                        let first = self.is_first(found.contact);
                        let wait = if first { Duration::ZERO } else { SECOND };
                        steps.push(sleep(wait).map(move |()| Step::Call(found, to, first)).boxed());
                    }
                }
                Woken::Came(Ok((stream, from))) => {
                    if self.is_neighbour(from) {
                        steps.push(hello(stream).boxed());
                    }
                }
                // Too many files are open, or the caller is gone already.
                Woken::Came(Err(_)) => sleep(Duration::from_millis(100)).await,
                Woken::Step(Step::Hello(stream, hello)) => {
                    if let Ok((contact, taken)) = finder.take(&hello[..], &mut *self.rng) {
                        steps.push(answer(stream, contact, taken, !self.is_first(contact)).boxed());
                    }
                }
                Woken::Step(Step::Call(found, to, in_turn)) => match finder.dial(&found, &mut *self.rng) {
                    Ok((dialler, hello)) if !self.is_near(found.contact) => {
                        let from = self.network.clone();
                        steps.push(call(from, to, found.contact, dialler, hello, in_turn).boxed());
                    }
                    _ => {
                        calling.remove(&found.contact);
                    }
                },
                Woken::Step(Step::Open(session)) => {
                    calling.remove(&session.contact);
                    if self.sessions.send(*session).await.is_err() {
                        return Ok(());
                    }
                }
                Woken::Step(Step::Failed(contact)) => {
                    calling.remove(&contact);
                }
                Woken::Step(Step::Nobody) => {}
            }
        }
    }

    fn is_neighbour(&self, from: SocketAddr) -> bool {
        self.network.holds(from)
    }

    fn is_near(&self, contact: ContactId) -> bool {
        self.near.lock().unwrap_or_else(PoisonError::into_inner).contains(&contact)
    }

    /// Whether it is this side's turn to begin a session with a contact.
    fn is_first(&self, contact: ContactId) -> bool {
        self.contacts.borrow().iter().any(|(known, keys)| *known == contact && keys.is_first())
    }
}

async fn read_unit(stream: &mut TcpStream) -> io::Result<Box<[u8; UNIT_BYTES]>> {
    let mut unit = Box::new([0; UNIT_BYTES]);
    stream.read_exact(&mut unit[..]).await?;
    Ok(unit)
}

/// Waits for the first unit of somebody who came; a stranger hears nothing at all.
async fn hello(mut stream: TcpStream) -> Step {
    match timeout(PATIENCE, read_unit(&mut stream)).await {
        Ok(Ok(hello)) => Step::Hello(stream, hello),
        _ => Step::Nobody,
    }
}

/// Answers a contact and waits for what only it can say.
async fn answer(mut stream: TcpStream, contact: ContactId, taken: Taken, in_turn: bool) -> Step {
    let Taken { answer, mut channel } = taken;
    let said = timeout(PATIENCE, async {
        // Texts are small and should not wait for one another.
        stream.set_nodelay(true)?;
        stream.write_all(&answer).await?;
        let unit = read_unit(&mut stream).await?;
        channel.open(&unit[..]).map_err(io::Error::other)
    });
    match said.await {
        Ok(Ok(first @ Some(Message::Had { .. }))) => {
            Step::Open(Box::new(Session { contact, stream, channel, first, in_turn }))
        }
        _ => Step::Nobody,
    }
}

/// Calls a contact that was recognised.
async fn call(
    from: Network,
    to: SocketAddr,
    contact: ContactId,
    dialler: Dialler,
    hello: Vec<u8>,
    in_turn: bool,
) -> Step {
    let called = timeout(PATIENCE, async {
        let mut stream = socket::connect(&from, to).await?;
        stream.set_nodelay(true)?;
        stream.write_all(&hello).await?;
        let answer = read_unit(&mut stream).await?;
        let channel = dialler.finish(&answer[..]).map_err(io::Error::other)?;
        Ok::<_, io::Error>((stream, channel))
    });
    match called.await {
        Ok(Ok((stream, channel))) => {
            Step::Open(Box::new(Session { contact, stream, channel, first: None, in_turn }))
        }
        _ => Step::Failed(contact),
    }
}

#[cfg(test)]
mod tests;
