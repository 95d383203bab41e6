//! The backend of the local interface: requests become commands of the engine or reads of the history.

use super::lan::Bell;
use super::{channels, copies, data, files, groups, messages, netcheck, search, strangers};
use crate::api::error::{BAD_REQUEST, CLOSED, code};
use crate::api::time::rfc3339;
use crate::api::{self, ApiError, DoorInfo, Request, Response, State, Status, Trail};
use crate::driver::Call;
use crate::net::{Counters, DoorFaults};
use crate::os;
use crate::store::History;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use karvon_protocol::descriptor::Door;
use karvon_protocol::engine::Engine;
use karvon_protocol::engine::api::{
    Command, ContactId, DoorInfo as KnownDoor, Event, Meeting, MessageState, Reply, Setting, TrailEvent,
};
use karvon_protocol::engine::carrier::CarryCommand;
use karvon_protocol::ids::{MessageId, RelayId};
use karvon_protocol::pt::PtLine;
use std::fmt::Write as _;
use std::sync::{Arc, Weak};
use std::time::Instant;
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

/// What is known of the network beside what the engine is told.
pub(super) struct Watched {
    pub(super) counters: Arc<Counters>,
    pub(super) faults: Arc<DoorFaults>,
}

/// What every request needs.
pub(super) struct Inner {
    pub(super) commands: mpsc::Sender<Call<Engine>>,
    pub(super) history: History,
    pub(super) name: String,
    pub(super) watched: Watched,
    /// Bytes of cells that are carried for others at the most.
    pub(super) room: usize,
    pub(super) bell: Bell,
    pub(super) started: Instant,
    pub(super) checks: Arc<netcheck::Checks>,
    pub(super) meter: data::Meter,
}

/// A person's node with its keys; what stands in front of it is [`super::guard`].
pub(super) struct LeafBackend {
    inner: Arc<Inner>,
    stop: watch::Sender<bool>,
    tasks: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

impl LeafBackend {
    pub(super) fn new(inner: Inner, stop: watch::Sender<bool>, tasks: Vec<JoinHandle<()>>) -> Self {
        Self { inner: Arc::new(inner), stop, tasks: Arc::new(Mutex::new(tasks)) }
    }
}

impl LeafBackend {
    /// As [`crate::api::backend::Backend::call`].
    pub(super) fn call(&self, request: Request) -> BoxFuture<'static, Result<Response, ApiError>> {
        let inner = self.inner.clone();
        async move { inner.answer(request).await }.boxed()
    }

    /// The engine has ended though nobody asked it to: its store failed.
    pub(super) fn has_failed(&self) -> bool {
        self.inner.commands.is_closed()
    }

    /// Waits until the engine has ended, for whatever reason.
    pub(super) fn ended(&self) -> BoxFuture<'static, ()> {
        let commands = self.inner.commands.clone();
        async move { commands.closed().await }.boxed()
    }

    /// Lives as long as a request is under way, and with it the store's keys.
    pub(super) fn used(&self) -> Weak<Inner> {
        Arc::downgrade(&self.inner)
    }

    /// As [`crate::api::backend::Backend::close`].
    pub(super) fn close(&self) -> BoxFuture<'static, ()> {
        let (stop, tasks, meter) = (self.stop.clone(), self.tasks.clone(), self.inner.meter.clone());
        async move {
            meter.close().await;
            // The driver may be gone already.
            let _ = stop.send(true);
            for task in tasks.lock().await.drain(..) {
                if task.await.is_err() {
                    tracing::error!("the node ended by a defect");
                }
            }
        }
        .boxed()
    }
}

pub(super) fn closed() -> ApiError {
    ApiError::new(CLOSED, "the node has stopped: start it again")
}

impl Inner {
    /// Hands a command to the engine; the answer can be awaited later.
    async fn submit(
        &self,
        command: Command,
    ) -> Result<oneshot::Receiver<Result<Reply, karvon_protocol::error::ErrorKind>>, ApiError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send((command, reply)).await.map_err(|_| closed())?;
        Ok(answer)
    }

    pub(super) async fn command(&self, command: Command) -> Result<Reply, ApiError> {
        let answer = self.submit(command).await?;
        Ok(answer.await.map_err(|_| closed())??)
    }

    async fn answer(&self, request: Request) -> Result<Response, ApiError> {
        match request {
            Request::Hello { .. } => {
                Ok(Response::Hello { version: api::API_VERSION, name: self.name.clone() })
            }
            Request::Status => self.status().await,
            Request::Contacts => Ok(Response::Contacts { contacts: self.contacts().await? }),
            Request::Invite => match self.command(Command::Invite).await? {
                Reply::Invitation { text, long, expiry_s } => Ok(Response::Invitation {
                    text: text.to_string(),
                    long: long.map(|long| long.to_string()),
                    expires: rfc3339(expiry_s.saturating_mul(1_000)),
                }),
                _ => Err(closed()),
            },
            Request::Add { invitation, name, text } => {
                let invitation = Zeroizing::new(invitation);
                self.added(Command::Add { invitation, name, text }).await
            }
            Request::Address => strangers::address(self, Command::Address).await,
            Request::NewAddress => strangers::address(self, Command::NewAddress).await,
            Request::EndAddress => self.done(Command::EndAddress).await,
            Request::Requests => strangers::requests(self).await,
            Request::AcceptRequest { request, name } => self.added(Command::Accept { request, name }).await,
            Request::DeclineRequest { request } => self.done(Command::Decline(request)).await,
            Request::BlockRequest { request } => self.done(Command::Block(request)).await,
            Request::Rename { contact, name } => self.done(Command::Rename(ContactId(contact), name)).await,
            Request::Send { contact, text } => {
                self.queued(Command::Send { contact: ContactId(contact), text }).await
            }
            Request::Message { id } => copies::recognise(self, messages::one(self, &id).await?).await,
            Request::Reply { to, text } => self.queued(Command::Answer { to: message_id(&to)?, text }).await,
            Request::Forward { id, contact } => messages::forward(self, &id, ContactId(contact)).await,
            Request::React { id, emoji } => self.queued(Command::React(message_id(&id)?, emoji)).await,
            Request::Edit { id, text } => self.queued(Command::Edit(message_id(&id)?, text)).await,
            Request::Delete { id } => self.queued(Command::Delete(message_id(&id)?)).await,
            Request::SendFile { contact, name, data } => {
                files::send(self, ContactId(contact), &name, &data).await
            }
            Request::File { id } => files::read(self, &id).await,
            Request::Introduce { contact, name, invitation } => {
                let invitation = Zeroizing::new(invitation);
                self.queued(Command::Introduce { contact: ContactId(contact), name, invitation }).await
            }
            Request::AddIntroduced { id, name } => {
                let add = files::introduced(self, &id, name).await?;
                self.added(add).await
            }
            Request::Safety { contact } => match self.command(Command::Safety(ContactId(contact))).await? {
                Reply::Safety(number) => {
                    let qr = format!("KARVON-SAFETY:{number}");
                    Ok(Response::Safety { number, qr })
                }
                _ => Err(closed()),
            },
            Request::Set { contact, setting: wanted } => {
                self.done(Command::Set(ContactId(contact), setting(wanted))).await
            }
            Request::Typing { contact } => self.done(Command::Typing(ContactId(contact))).await,
            Request::SendMany { contact, texts } => self.send_many(ContactId(contact), texts).await,
            Request::Messages { contact, before, since, limit } => {
                copies::recognise(self, messages::read(self, contact, before, since, limit).await?).await
            }
            Request::MessagesAfter { contact, position, limit } => {
                copies::recognise(self, messages::after(self, contact, position, limit).await?).await
            }
            Request::Search { text, contact, group, channel, limit } => {
                let only = search::Where { contact, group, channel };
                copies::recognise(self, search::search(self, &text, only, limit).await?).await
            }
            Request::Info { id } => {
                let info = self.info(&id).await;
                if messages::is_missing(&info) {
                    return groups::info(self, &id).await.map(Response::Group);
                }
                info
            }
            Request::MarkRead { contact, seq } => self.done(Command::MarkRead(ContactId(contact), seq)).await,
            Request::Doors => match self.command(Command::Doors).await? {
                Reply::Doors(doors) => Ok(Response::Doors { doors: self.doors(&doors).await? }),
                _ => Err(closed()),
            },
            Request::AddDoor { door } => {
                let door = Door::from_text(&Zeroizing::new(door))?;
                self.done(Command::AddDoor(door)).await
            }
            Request::RemoveDoor { relay } => {
                let relay = unhex(&relay).map(RelayId).ok_or_else(bad_id)?;
                self.done(Command::RemoveDoor(relay)).await
            }
            Request::NetCheck { begin } => netcheck::answer(self, begin.then_some(None)).await,
            Request::TestDoor { relay } => {
                let relay = unhex(&relay).map(RelayId).ok_or_else(bad_id)?;
                netcheck::answer(self, Some(Some(relay))).await
            }
            Request::Group(ask) => {
                copies::recognise(self, Response::Group(groups::answer(self, ask).await?)).await
            }
            Request::Channel(ask) => channels::answer(self, ask).await.map(Response::Channel),
            Request::RecoveryCode => self.recovery_code().await,
            Request::Backup { path, history } => self.back_up(&path, history).await,
            Request::ExportBundle { path, contact } => {
                self.export_bundle(&path, contact.map(ContactId)).await
            }
            Request::ImportBundle { path } => self.import_bundle(&path).await,
            Request::Data(ask) => self.data(ask).await,
            Request::Lan => self.lan().await,
            Request::LanAccept { name } => self.lan_accept(name).await,
            Request::LanForget { name, all } => self.lan_forget(name, all).await,
            Request::LanCarry { on } => self.done(Command::Carry(CarryCommand::Switch(on))).await,
            Request::Lock
            | Request::Unlock { .. }
            | Request::Present
            | Request::Wipe
            | Request::Subscribe
            | Request::Shutdown => {
                Err(ApiError::new(BAD_REQUEST, "this request is answered by the interface itself"))
            }
        }
    }

    async fn doors(&self, doors: &[KnownDoor]) -> Result<Vec<DoorInfo>, ApiError> {
        let contacts =
            if doors.iter().any(|door| door.from.is_some()) { self.contacts().await? } else { Vec::new() };
        let name = |id: ContactId| {
            contacts.iter().find(|known| known.contact == id.0).map(|found| found.name.clone())
        };
        let info = |held: &KnownDoor| {
            let pt = held.door.pt.as_ref();
            // Also while the link is still up: a session outlives the connection that broke below it.
            let fault = pt.and_then(|_| self.watched.faults.of(held.door.relay));
            DoorInfo {
                relay: hex(&held.door.relay.0),
                addr: pt.map_or_else(|| held.door.addr.socket(), PtLine::addr).to_string(),
                connected: held.linked,
                transport: pt.map(|pt| pt.name().to_owned()),
                fault: fault.map(|fault| ApiError::new(fault.code(), fault.to_string())),
                from: held.from.and_then(name),
                lost_at: held.lost_ms.map(rfc3339),
            }
        };
        Ok(doors.iter().map(info).collect())
    }

    async fn done(&self, command: Command) -> Result<Response, ApiError> {
        self.command(command).await.map(|_| Response::Done)
    }

    async fn added(&self, command: Command) -> Result<Response, ApiError> {
        match self.command(command).await? {
            Reply::Added(id) => Ok(Response::Added { contact: id.0 }),
            _ => Err(closed()),
        }
    }

    /// Carries out a command that queues a body.
    pub(super) async fn queued(&self, command: Command) -> Result<Response, ApiError> {
        match self.command(command).await? {
            Reply::Queued { id, seq } => Ok(Response::Queued { id: hex(&id.0), seq }),
            _ => Err(closed()),
        }
    }

    async fn send_many(&self, contact: ContactId, texts: Vec<String>) -> Result<Response, ApiError> {
        let mut answers = Vec::with_capacity(texts.len());
        for text in texts {
            answers.push(self.submit(Command::Send { contact, text }).await?);
        }
        let mut ids = Vec::with_capacity(answers.len());
        for answer in answers {
            match answer.await.map_err(|_| closed())?? {
                Reply::Queued { id, .. } => ids.push(hex(&id.0)),
                _ => return Err(closed()),
            }
        }
        Ok(Response::QueuedMany { ids })
    }

    pub(super) async fn contacts(&self) -> Result<Vec<api::Contact>, ApiError> {
        let Reply::Contacts(contacts) = self.command(Command::Contacts).await? else { return Err(closed()) };
        Ok(contacts
            .into_iter()
            .map(|contact| api::Contact {
                contact: contact.id.0,
                name: contact.name,
                meeting: match contact.meeting {
                    Meeting::LookingUp => api::Meeting::LookingUp,
                    Meeting::Greeting => api::Meeting::Greeting,
                    Meeting::Asking => api::Meeting::Asking,
                    Meeting::Waiting => api::Meeting::Waiting,
                    Meeting::Connected => api::Meeting::Connected,
                    Meeting::Failed(kind) => api::Meeting::Failed(code(kind).to_owned()),
                },
                work_percent: contact.work_percent,
                fingerprint: hex(&contact.fingerprint.0),
                verified: contact.verified,
                receipts: contact.receipts,
                typing: contact.typing,
                timer_s: contact.timer_s,
                blocked: contact.blocked,
                keys_changed: contact.keys_changed,
                unread: contact.unread,
            })
            .collect())
    }

    async fn status(&self) -> Result<Response, ApiError> {
        let Reply::Status(status) = self.command(Command::Status).await? else { return Err(closed()) };
        let fault = match self.command(Command::Doors).await? {
            Reply::Doors(doors) => {
                let doors = self.doors(&doors).await?;
                let open = doors.iter().any(|door| door.connected && door.fault.is_none());
                doors.into_iter().filter(|_| !open).find_map(|door| door.fault)
            }
            _ => None,
        };
        Ok(Response::Status(Status {
            state: state_word(status.doors, status.links, status.mailboxes_attached).to_owned(),
            name: self.name.clone(),
            links: status.links,
            near: self.bell.seen(),
            doors: status.doors,
            mailboxes_attached: status.mailboxes_attached,
            mailboxes: status.mailboxes,
            one_operator: status.one_operator,
            queued: status.queued,
            stored: status.stored,
            delivered: status.delivered,
            received: status.received,
            contacts: status.contacts,
            fault,
            bytes_in: self.watched.counters.bytes_in(),
            bytes_out: self.watched.counters.bytes_out(),
            data: Some(Box::new(self.data_use().await?)),
            rss: os::rss_bytes(),
            cpu_ms: os::cpu_ms(),
            faults: status.faults,
            pid: std::process::id(),
            uptime_ms: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
        }))
    }

    pub(super) async fn find(&self, id: &str) -> Result<Reply, ApiError> {
        self.command(Command::Message(message_id(id)?)).await
    }

    async fn info(&self, id: &str) -> Result<Response, ApiError> {
        let Reply::Message { contact, seq, mine, state: known, trail } = self.find(id).await? else {
            return Err(closed());
        };
        let trail = trail
            .into_iter()
            .map(|step| {
                let (what, relay, note) = match step.what {
                    TrailEvent::Queued => ("queued", None, None),
                    TrailEvent::Sent(relay) => ("sent", Some(relay), None),
                    TrailEvent::Stored(relay, until) => {
                        ("stored", Some(relay), Some(rfc3339(until.saturating_mul(1_000))))
                    }
                    TrailEvent::Refused(relay, why) => ("refused", Some(relay), Some(why.to_owned())),
                    TrailEvent::Near => ("near", None, None),
                    TrailEvent::Carried => ("carried", None, None),
                    TrailEvent::Delivered => ("delivered", None, None),
                    TrailEvent::Read => ("read", None, None),
                };
                let relay = relay.map(|relay| hex(&relay.0));
                Trail { at: rfc3339(step.at_ms), what: what.to_owned(), relay, note }
            })
            .collect();
        let state = if mine { state(known) } else { State::Received };
        let held = if state == State::Queued { self.held().await? } else { None };
        Ok(Response::Info { state, contact: contact.0, seq, mine, trail, held })
    }
}

const fn setting(setting: api::Setting) -> Setting {
    match setting {
        api::Setting::Receipts(on) => Setting::Receipts(on),
        api::Setting::Typing(on) => Setting::Typing(on),
        api::Setting::Timer(seconds) => Setting::Timer(seconds),
        api::Setting::Blocked(on) => Setting::Blocked(on),
        api::Setting::Verified(on) => Setting::Verified(on),
        api::Setting::KeysAccepted => Setting::KeysAccepted,
    }
}

pub(super) fn message_id(text: &str) -> Result<MessageId, ApiError> {
    unhex(text).map(MessageId).ok_or_else(bad_id)
}

fn bad_id() -> ApiError {
    ApiError::new(BAD_REQUEST, "an id has 32 hexadecimal digits")
}

/// The state of an own message.
pub(super) const fn state(state: MessageState) -> State {
    match state {
        MessageState::Queued => State::Queued,
        MessageState::Stored => State::Stored,
        MessageState::Delivered => State::Delivered,
        MessageState::Read => State::Read,
    }
}

const fn state_word(doors: u32, links: u32, attached: u32) -> &'static str {
    match (doors, links, attached) {
        (0, 0, _) => "no_door",
        (_, 0, _) => "connecting",
        (_, _, 0) => "connected",
        _ => "online",
    }
}

/// What front ends are told of an event of the engine.
pub(super) fn event(event: Event) -> Option<api::Event> {
    Some(match event {
        Event::Ready | Event::LanWaits => return None,
        Event::Network { links, mailboxes_attached } => {
            api::Event::Network { state: state_word(1, links, mailboxes_attached).to_owned(), links }
        }
        Event::Data(_) => api::Event::Data,
        Event::Group(event) => api::Event::Group(groups::event(event)),
        Event::Channel(event) => api::Event::Channel(channels::event(event)),
        Event::Contact(id) => api::Event::Contact { contact: id.0 },
        Event::Received { contact, from, to } => api::Event::Received { contact: contact.0, from, to },
        Event::Requests => api::Event::Requests,
        Event::Typing(id) => api::Event::Typing { contact: id.0 },
        Event::Changed { contact, id } => api::Event::Changed { contact: contact.0, id: hex(&id.0) },
        Event::Renumbered { contact, old, new, old_seq, seq } => {
            let (contact, id, new_id) = (contact.0, hex(&old.0), hex(&new.0));
            api::Event::Renumbered { contact, id, new_id, old_seq, seq }
        }
        Event::Delivery(id, delivery) => api::Event::Delivery {
            contact: id.0,
            delivered_below: delivery.delivered_below,
            stored: delivery.stored,
            read_upto: delivery.read_upto,
        },
    })
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        // Writing to a string can not fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

pub(super) fn unhex(text: &str) -> Option<[u8; 16]> {
    data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?.try_into().ok()
}
