//! Local networks that this person has accepted: searches them, and lets contacts who are there have what waits (DESIGN N2, SPEC §12).
//!
//! On a network that was not accepted no socket is open and nothing is sent.

mod exchange;

use super::backend::{Inner, closed};
use crate::api::error::{BAD_REQUEST, LAN_UNCLEAR, NO_LAN};
use crate::api::{ApiError, Event, LanNetwork, Response};
use crate::clock::Clock;
use crate::driver::Call;
use crate::net::lan::{Near, Search, Session};
use crate::os::networks::{Network, networks};
use crate::port::generator;
use crate::store::History;
use karvon_protocol::engine::Engine;
use karvon_protocol::engine::api::{Command, ContactId, Reply};
use karvon_protocol::engine::carrier::{CarryCommand, CarryReply};
use karvon_protocol::engine::lan::{LanCommand, LanReply, NetworkId};
use karvon_protocol::lan::LanKeys;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::{Id, JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

/// How often it is looked which networks there are, while one was accepted.
const LOOK: Duration = Duration::from_secs(5);
/// Every how many looks contacts are asked for though nothing was told of a change.
const LOOKS: u32 = 12;
/// Sessions that wait to be served.
const SESSIONS: usize = 16;
/// Of two sessions that began within this time of one another, the one that was begun in turn is kept.
const AT_ONCE: Duration = Duration::from_secs(5);

/// What the rest of the node tells local networks, and hears of them.
#[derive(Debug, Clone)]
pub(super) struct Bell {
    /// Rings when a cell waits for somebody who is near.
    waits: watch::Sender<u64>,
    /// Rings when contacts or accepted networks may have changed.
    changed: watch::Sender<u64>,
    pub(super) near: Near,
    /// How many contacts are near, while an accepted network is searched; front ends are told when that changes.
    seen: watch::Sender<Option<u16>>,
    events: broadcast::Sender<Event>,
}

impl Bell {
    pub(super) fn new(events: broadcast::Sender<Event>) -> Self {
        let (waits, changed, seen) = (watch::channel(0).0, watch::channel(0).0, watch::channel(None).0);
        Self { waits, changed, near: Near::default(), seen, events }
    }

    /// How many contacts are near; `None` while no accepted network is here.
    pub(super) fn seen(&self) -> Option<u16> {
        *self.seen.borrow()
    }

    pub(super) fn waits(&self) {
        self.waits.send_modify(|rung| *rung = rung.wrapping_add(1));
    }

    pub(super) fn changed(&self) {
        self.changed.send_modify(|rung| *rung = rung.wrapping_add(1));
    }

    fn near(&self) -> BTreeSet<ContactId> {
        self.near.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The way to the engine and to cells on disk.
#[derive(Clone)]
struct Desk {
    commands: mpsc::Sender<Call<Engine>>,
    history: History,
    /// Bytes of cells that are carried for others at the most.
    room: usize,
}

impl Desk {
    /// `None` once the engine has ended or refuses.
    async fn ask(&self, command: LanCommand) -> Option<LanReply> {
        let (reply, answer) = oneshot::channel();
        self.commands.send((Command::Lan(command), reply)).await.ok()?;
        match answer.await {
            Ok(Ok(Reply::Lan(reply))) => Some(reply),
            _ => None,
        }
    }

    /// As [`Desk::ask`], about cells that are carried for others.
    async fn carry(&self, command: CarryCommand) -> Option<CarryReply> {
        let (reply, answer) = oneshot::channel();
        self.commands.send((Command::Carry(command), reply)).await.ok()?;
        match answer.await {
            Ok(Ok(Reply::Carry(reply))) => Some(reply),
            _ => None,
        }
    }
}

/// A session that is served.
struct Served {
    task: Id,
    /// Dropped to end it; `None` once it is told.
    quit: Option<oneshot::Sender<()>>,
    /// Tells that it has ended and the engine knows.
    ended: Option<oneshot::Receiver<()>>,
    since: Instant,
    in_turn: bool,
}

/// The one that searches accepted networks.
pub(super) struct Lan {
    desk: Desk,
    bell: Bell,
    clock: Arc<dyn Clock>,
    searches: BTreeMap<NetworkId, (Network, JoinHandle<()>)>,
    served: BTreeMap<ContactId, Served>,
    tasks: JoinSet<()>,
    /// Looks since contacts were asked for.
    looks: u32,
    contacts: watch::Sender<Vec<(ContactId, LanKeys)>>,
    again: watch::Sender<u64>,
    sessions: mpsc::Sender<Session>,
}

enum Woken {
    Stop,
    Look,
    Session(Box<Session>),
    Ended(Id),
}

impl Lan {
    /// Starts the task that ends when `stop` says so.
    pub(super) fn start(
        (commands, history, room): (mpsc::Sender<Call<Engine>>, History, usize),
        bell: Bell,
        clock: Arc<dyn Clock>,
        stop: watch::Receiver<bool>,
    ) -> JoinHandle<()> {
        let (sessions, coming) = mpsc::channel(SESSIONS);
        let lan = Self {
            desk: Desk { commands, history, room },
            bell,
            clock,
            searches: BTreeMap::new(),
            served: BTreeMap::new(),
            tasks: JoinSet::new(),
            looks: 0,
            contacts: watch::channel(Vec::new()).0,
            again: watch::channel(0).0,
            sessions,
        };
        tokio::spawn(lan.run(coming, stop))
    }

    async fn run(mut self, mut coming: mpsc::Receiver<Session>, mut stop: watch::Receiver<bool>) {
        let mut changed = self.bell.changed.subscribe();
        let mut look = Some(Instant::now());
        // Groups and channels are kept for neighbours from the start on, whether somebody is near or not.
        self.desk.carry(CarryCommand::Room(self.desk.room)).await;
        loop {
            let woken = tokio::select! {
                biased;
                // A dropped sender stops it as well.
                _ = stop.wait_for(|stop| *stop) => Woken::Stop,
                () = async { sleep_until(look.unwrap_or_else(Instant::now)).await }, if look.is_some() => Woken::Look,
                Ok(()) = changed.changed() => {
                    self.looks = 0;
                    Woken::Look
                }
                Some(ended) = self.tasks.join_next_with_id() => Woken::Ended(match ended {
                    Ok((id, ())) => id,
                    Err(error) => error.id(),
                }),
                Some(session) = coming.recv() => Woken::Session(Box::new(session)),
            };
            match woken {
                Woken::Stop => break,
                Woken::Look => {
                    let Some(searching) = self.look().await else { break };
                    look = searching.then(|| Instant::now() + LOOK);
                }
                Woken::Session(session) => self.serve(*session),
                Woken::Ended(id) => self.ended(id),
            }
        }
        for (_, (_, search)) in std::mem::take(&mut self.searches) {
            search.abort();
            // It was told to end.
            let _ = search.await;
        }
        self.tasks.shutdown().await;
        self.note_near();
    }

    /// Looks which networks there are, whom to look for, and starts and ends searches. Returns whether any network was accepted; `None`
    /// once the engine is gone.
    async fn look(&mut self) -> Option<bool> {
        let Some(LanReply::Networks(accepted)) = self.desk.ask(LanCommand::Networks).await else {
            return None;
        };
        let here: BTreeMap<NetworkId, Network> = if accepted.is_empty() {
            BTreeMap::new()
        } else {
            networks()
                .into_iter()
                .filter(|network| accepted.contains(&network.id))
                .map(|network| (network.id, network))
                .collect()
        };
        if !here.is_empty() && self.looks.is_multiple_of(LOOKS) {
            self.refresh().await?;
        }
        self.looks = if here.is_empty() { 0 } else { self.looks.wrapping_add(1) };
        let before = self.searches.len();
        self.searches.retain(|id, (network, search)| {
            let stays = here.get(id) == Some(network) && !search.is_finished();
            if !stays {
                search.abort();
            }
            stays
        });
        if self.searches.len() < before {
            // Sessions over a network that is gone or not accepted any more end with it; others are found again at once.
            for contact in self.served.keys().copied().collect::<Vec<_>>() {
                self.end(contact);
            }
        }
        for (id, network) in here {
            if !self.searches.contains_key(&id) {
                let search = self.search(network.clone())?;
                self.searches.insert(id, (network, search));
            }
        }
        self.note_seen();
        Some(!accepted.is_empty())
    }

    /// Asks whom to look for, and ends sessions with those who are not to be served any more.
    async fn refresh(&mut self) -> Option<()> {
        let Some(LanReply::Contacts(contacts)) = self.desk.ask(LanCommand::Contacts).await else {
            return None;
        };
        let gone = |near: &ContactId| !contacts.iter().any(|(contact, _)| contact == near);
        for contact in self.served.keys().copied().filter(gone).collect::<Vec<_>>() {
            self.end(contact);
        }
        let more = contacts.len() > self.contacts.borrow().len();
        self.contacts.send_replace(contacts);
        if more {
            // Who is new may have been here all the time.
            self.again.send_modify(|rung| *rung = rung.wrapping_add(1));
        }
        Some(())
    }

    fn search(&self, network: Network) -> Option<JoinHandle<()>> {
        let search = Search {
            network,
            is_here: |network| networks().contains(network),
            clock: self.clock.clone(),
            rng: Box::new(generator().ok()?),
            contacts: self.contacts.subscribe(),
            near: self.bell.near.clone(),
            again: self.again.subscribe(),
            sessions: self.sessions.clone(),
        };
        Some(tokio::spawn(async move {
            if let Err(error) = search.run().await {
                tracing::info!(%error, "a local network can not be searched");
            }
        }))
    }

    fn serve(&mut self, session: Session) {
        let contact = session.contact;
        if let Some(served) = self.served.get(&contact)
            && served.quit.is_some()
            && served.since.elapsed() < AT_ONCE
            && served.in_turn
            && !session.in_turn
        {
            return;
        }
        // Whoever comes again has lost the other one.
        self.end(contact);
        let before = self.served.get_mut(&contact).and_then(|served| served.ended.take());
        let (quit, quitting) = oneshot::channel::<()>();
        let (done, ended) = oneshot::channel::<()>();
        let in_turn = session.in_turn;
        let (desk, waits) = (self.desk.clone(), self.bell.waits.subscribe());
        let task = self.tasks.spawn(async move {
            if let Some(before) = before {
                // It says nothing, but that it is over.
                let _ = before.await;
            }
            tokio::select! {
                biased;
                _ = quitting => {}
                () = exchange::run(desk.clone(), waits, session) => {}
            }
            // The engine may be gone.
            let _ = desk.ask(LanCommand::Down(contact)).await;
            drop(done);
        });
        let served =
            Served { task: task.id(), quit: Some(quit), ended: Some(ended), since: Instant::now(), in_turn };
        self.served.insert(contact, served);
        self.note_near();
    }

    fn end(&mut self, contact: ContactId) {
        if let Some(served) = self.served.get_mut(&contact) {
            served.quit = None;
        }
        self.note_near();
    }

    fn ended(&mut self, id: Id) {
        let ended = self.served.iter().find(|(_, served)| served.task == id).map(|(id, _)| *id);
        if let Some(contact) = ended {
            self.served.remove(&contact);
            self.note_near();
            // Perhaps the way was lost, not the contact.
            self.again.send_modify(|rung| *rung = rung.wrapping_add(1));
        }
    }

    fn note_near(&self) {
        let near =
            self.served.iter().filter(|(_, served)| served.quit.is_some()).map(|(id, _)| *id).collect();
        *self.bell.near.lock().unwrap_or_else(PoisonError::into_inner) = near;
        self.note_seen();
    }

    fn note_seen(&self) {
        let count = u16::try_from(self.bell.near().len()).unwrap_or(u16::MAX);
        let seen = (!self.searches.is_empty()).then_some(count);
        if self.bell.seen.send_replace(seen) != seen {
            // Nobody may be listening.
            let _ = self.bell.events.send(Event::Near);
        }
    }
}

impl Inner {
    /// Answers [`crate::api::Request::Lan`].
    pub(super) async fn lan(&self) -> Result<Response, ApiError> {
        let accepted = self.accepted().await?;
        let here = networks();
        let elsewhere = accepted.iter().filter(|id| here.iter().all(|network| network.id != **id)).count();
        let networks = here
            .into_iter()
            .map(|network| LanNetwork {
                range: format!("{}/{}", network.base(), network.prefix),
                accepted: accepted.contains(&network.id),
                name: network.name,
            })
            .collect();
        let near = self.bell.near().into_iter().map(|contact| contact.0).collect();
        let Reply::Carry(CarryReply::Status { on, cells, bytes }) =
            self.command(Command::Carry(CarryCommand::Status)).await?
        else {
            return Err(closed());
        };
        Ok(Response::Lan { networks, elsewhere, near, carrying: on, carried: cells, carried_bytes: bytes })
    }

    /// Answers [`crate::api::Request::LanAccept`].
    pub(super) async fn lan_accept(&self, name: Option<String>) -> Result<Response, ApiError> {
        let network = chosen(networks(), name)?;
        self.lan_change(LanCommand::Accept(network.id)).await
    }

    /// Answers [`crate::api::Request::LanForget`].
    pub(super) async fn lan_forget(&self, name: Option<String>, all: bool) -> Result<Response, ApiError> {
        if all {
            return self.lan_change(LanCommand::Forget(None)).await;
        }
        let accepted = self.accepted().await?;
        let here = networks().into_iter().filter(|network| accepted.contains(&network.id)).collect();
        let network = chosen(here, name)?;
        self.lan_change(LanCommand::Forget(Some(network.id))).await
    }

    async fn accepted(&self) -> Result<BTreeSet<NetworkId>, ApiError> {
        match self.command(Command::Lan(LanCommand::Networks)).await? {
            Reply::Lan(LanReply::Networks(accepted)) => Ok(accepted),
            _ => Err(closed()),
        }
    }

    async fn lan_change(&self, command: LanCommand) -> Result<Response, ApiError> {
        self.command(Command::Lan(command)).await?;
        self.bell.changed();
        Ok(Response::Done)
    }
}

/// The network with this name, or the only one.
fn chosen(mut here: Vec<Network>, name: Option<String>) -> Result<Network, ApiError> {
    if let Some(name) = &name {
        if name.len() > 64 {
            return Err(ApiError::new(BAD_REQUEST, "no interface has so long a name"));
        }
        here.retain(|network| network.name == *name);
    } else if here.iter().filter(|network| network.address.is_ipv4()).count() == 1 {
        // Interfaces without IPv4 are often not what people mean, and have to be named beside one that has it.
        here.retain(|network| network.address.is_ipv4());
    }
    match (here.pop(), here.is_empty()) {
        (Some(network), true) => Ok(network),
        (Some(_), false) => {
            Err(ApiError::new(LAN_UNCLEAR, "there are several networks: name one of those in `karvon lan`"))
        }
        (None, _) => Err(ApiError::new(NO_LAN, "there is no such local network here: see `karvon lan`")),
    }
}
