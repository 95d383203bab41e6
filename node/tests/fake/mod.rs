//! A node without a network, for tests of front ends: contacts, messages and events in memory.
#![allow(dead_code, reason = "each test file uses a part of it")]

use futures::FutureExt as _;
use futures::future::BoxFuture;
use karvon_node::api::backend::Backend;
use karvon_node::api::groups::{Ask, Told};
use karvon_node::api::*;
use karvon_node::config::Config;
use karvon_node::host::{Host, NewProfile, Passphrase};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::broadcast;

#[derive(Default)]
pub(crate) struct Inner {
    pub messages: Vec<Message>,
    pub contacts: Vec<Contact>,
    pub doors: Vec<DoorInfo>,
}

pub(crate) struct Fake {
    pub inner: Arc<Mutex<Inner>>,
    pub events: broadcast::Sender<Event>,
    pub closed: Arc<AtomicU32>,
}

pub(crate) fn contact(number: u32, name: &str) -> Contact {
    Contact {
        contact: number,
        name: name.into(),
        meeting: Meeting::Connected,
        fingerprint: "00".repeat(20),
        verified: false,
        unread: 0,
        ..Contact::default()
    }
}

impl Fake {
    pub(crate) fn new(names: &[&str]) -> Self {
        let contacts = (1..).zip(names).map(|(number, name)| contact(number, name)).collect();
        let inner = Inner { contacts, ..Inner::default() };
        Self {
            inner: Arc::new(Mutex::new(inner)),
            events: broadcast::Sender::new(64),
            closed: Arc::default(),
        }
    }

    pub(crate) fn receive(&self, from: u32, text: &str) {
        let seq = add(&mut self.inner.lock().unwrap(), from, text, false).seq;
        let _ = self.events.send(Event::Received { contact: from, from: seq, to: seq });
    }

    /// All own messages have this state from now on.
    pub(crate) fn advance(&self, state: State) {
        let mut inner = self.inner.lock().unwrap();
        inner.messages.iter_mut().filter(|message| message.mine).for_each(|message| message.state = state);
        let _ = self.events.send(delivery(1));
    }
}

fn delivery(contact: u32) -> Event {
    Event::Delivery { contact, delivered_below: 1, stored: vec![], read_upto: 0 }
}

fn add(inner: &mut Inner, contact: u32, text: &str, mine: bool) -> Message {
    let same = |message: &&Message| message.contact == contact && message.mine == mine;
    let seq = inner.messages.iter().filter(same).count() as u64 + 1;
    let position = inner.messages.len() as u64 + 1;
    let name = inner.contacts.iter().find(|known| known.contact == contact).map(|known| known.name.clone());
    let message = Message {
        id: format!("{position:032x}"),
        contact,
        from: if mine { "Me".into() } else { name.unwrap_or_default() },
        text: Some(text.to_owned()),
        sent_at: time::rfc3339(position * 1000),
        received_at: (!mine).then(|| time::rfc3339(position * 1000)),
        seq,
        mine,
        state: if mine { State::Queued } else { State::Received },
        position,
        ..Message::default()
    };
    inner.messages.push(message.clone());
    message
}

fn answer(inner: &mut Inner, request: Request) -> Result<Response, ApiError> {
    Ok(match request {
        Request::Hello { .. } => Response::Hello { version: API_VERSION, name: "Me".into() },
        Request::Contacts => Response::Contacts { contacts: inner.contacts.clone() },
        Request::Send { text, .. } if text.is_empty() => {
            return Err(ApiError::new("empty", "nothing to send"));
        }
        Request::Send { contact, text } => {
            let message = add(inner, contact, &text, true);
            Response::Queued { id: message.id, seq: message.seq }
        }
        Request::SendMany { contact, texts } => Response::QueuedMany {
            ids: texts.iter().map(|text| add(inner, contact, text, true).id).collect(),
        },
        Request::Messages { contact, before, since, limit } => {
            let since = since
                .and_then(|id| inner.messages.iter().find(|message| message.id == id))
                .map(|m| m.position);
            let all: Vec<Message> = inner
                .messages
                .iter()
                .filter(|message| contact.is_none_or(|contact| message.contact == contact))
                .filter(|message| before.is_none_or(|before| message.position < before))
                .filter(|message| since.is_none_or(|since| message.position > since))
                .cloned()
                .collect();
            let more = all.len() > limit;
            let skip = if since.is_some() { 0 } else { all.len().saturating_sub(limit) };
            Response::Messages { messages: all.into_iter().skip(skip).take(limit).collect(), more }
        }
        Request::SendFile { .. }
        | Request::File { .. }
        | Request::Introduce { .. }
        | Request::AddIntroduced { .. }
        | Request::Address
        | Request::NewAddress
        | Request::EndAddress
        | Request::Requests
        | Request::AcceptRequest { .. }
        | Request::DeclineRequest { .. }
        | Request::BlockRequest { .. }
        | Request::Safety { .. }
        | Request::Set { .. }
        | Request::Typing { .. }
        | Request::Message { .. }
        | Request::Reply { .. }
        | Request::Forward { .. }
        | Request::React { .. }
        | Request::Edit { .. }
        | Request::Delete { .. } => return Err(ApiError::new("no_such_message", "no message has this id")),
        Request::Info { id } => {
            let message = inner.messages.iter().find(|message| message.id == id);
            let message =
                message.ok_or_else(|| ApiError::new("no_such_message", "no message has this id"))?;
            Response::Info {
                state: message.state,
                contact: message.contact,
                seq: message.seq,
                mine: message.mine,
                trail: vec![Trail {
                    at: message.sent_at.clone(),
                    what: "queued".into(),
                    relay: None,
                    note: None,
                }],
                held: None,
            }
        }
        Request::Status => Response::Status(status(inner)),
        Request::Invite => {
            Response::Invitation { text: "KARVON:ABC234".into(), long: None, expires: time::rfc3339(0) }
        }
        Request::Add { invitation, .. } if !invitation.starts_with("KARVON:") => {
            return Err(ApiError::new("invite_damaged", "the invitation is damaged"));
        }
        Request::Add { name, .. } => {
            let number = inner.contacts.len() as u32 + 1;
            let added = Contact { meeting: Meeting::LookingUp, ..contact(number, &name) };
            inner.contacts.push(added);
            Response::Added { contact: number }
        }
        Request::Rename { contact, name } => {
            inner
                .contacts
                .iter_mut()
                .filter(|known| known.contact == contact)
                .for_each(|known| known.name = name.clone());
            Response::Done
        }
        Request::AddDoor { door } => {
            inner.doors.push(DoorInfo { relay: door, addr: "192.0.2.1:443".into(), ..DoorInfo::default() });
            Response::Done
        }
        Request::RemoveDoor { relay } => {
            inner.doors.retain(|door| door.relay != relay);
            Response::Done
        }
        Request::Group(Ask::List) => Response::Group(Told::Groups { groups: Vec::new() }),
        Request::Doors => Response::Doors { doors: inner.doors.clone() },
        Request::MarkRead { .. } | Request::Subscribe | Request::Shutdown => Response::Done,
        _ => return Err(ApiError::new("unavailable", "the stand-in does not do this")),
    })
}

fn status(inner: &Inner) -> Status {
    Status {
        fault: None,
        state: "online".into(),
        name: "Me".into(),
        links: 1,
        near: None,
        doors: inner.doors.len() as u32,
        mailboxes_attached: 1,
        mailboxes: 1,
        one_operator: true,
        queued: inner.messages.iter().filter(|message| message.state == State::Queued).count() as u64,
        stored: 0,
        delivered: 0,
        received: 0,
        contacts: inner.contacts.len() as u32,
        bytes_in: 0,
        bytes_out: 0,
        data: None,
        rss: 0,
        cpu_ms: 0,
        faults: 0,
        pid: 0,
        uptime_ms: 0,
    }
}

impl Backend for Fake {
    fn call(&self, request: Request) -> BoxFuture<'static, Result<Response, ApiError>> {
        let inner = self.inner.clone();
        async move {
            // Some answers take longer than those asked for after them.
            let slow = matches!(&request, Request::Send { text, .. } if text.starts_with("slow"));
            let outcome = answer(&mut inner.lock().unwrap(), request);
            if slow {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            outcome
        }
        .boxed()
    }

    fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    fn close(&self) -> BoxFuture<'static, ()> {
        self.closed.fetch_add(1, Ordering::SeqCst);
        std::future::ready(()).boxed()
    }
}

/// Starts [`Fake`]s and counts how many ran at the same time.
#[derive(Default)]
pub(crate) struct FakeHost {
    pub started: AtomicU32,
    pub closed: Arc<AtomicU32>,
    pub two_at_once: AtomicU32,
}

impl Host for FakeHost {
    fn create<'a>(&'a self, _: &'a Path, _: NewProfile) -> BoxFuture<'a, Result<(), ApiError>> {
        std::future::ready(Ok(())).boxed()
    }

    fn start<'a>(
        &'a self,
        _: &'a Path,
        _: &'a Config,
        passphrase: Option<Passphrase>,
    ) -> BoxFuture<'a, Result<Arc<dyn Backend>, ApiError>> {
        async move {
            if passphrase.is_some_and(|passphrase| *passphrase != "right") {
                return Err(ApiError::new("wrong_passphrase", "the passphrase is wrong"));
            }
            let before = self.started.fetch_add(1, Ordering::SeqCst);
            if before != self.closed.load(Ordering::SeqCst) {
                self.two_at_once.fetch_add(1, Ordering::SeqCst);
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
            let fake: Arc<dyn Backend> =
                Arc::new(Fake { closed: self.closed.clone(), ..Fake::new(&["Ali", "Bob"]) });
            Ok(fake)
        }
        .boxed()
    }

    fn demo(&self) -> BoxFuture<'_, Result<Arc<dyn Backend>, ApiError>> {
        std::future::ready(Err(ApiError::new("unavailable", "not in tests"))).boxed()
    }
}
