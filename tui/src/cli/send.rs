//! `send`: queues texts and, if asked, waits until they are as far as promised; it never says more than is true.

use super::args::{Send, Wait};
use super::failure::{Failure, NO_ANSWER, TIMEOUT};
use super::lines::{bounded, stdin_lines, stdin_text};
use super::resolve::resolve;
use super::save::to_send;
use super::session::{Session, contacts, unexpected};
use karvon_node::api::error::CLOSED;
use karvon_node::api::{ApiError, Event, Request, Response, State};
use karvon_node::client::{Client, Events};
use serde::Serialize;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, timeout_at};
use zeroize::Zeroizing;

/// Most lines that are queued by one request; with the longest texts it stays below the bound of a request.
const TEXTS_AT_ONCE: usize = 256;

/// Most messages that are waited for before more lines are read.
const WAITING_MAX: usize = 16_384;

/// What a script gets for each message.
#[derive(Serialize)]
struct Sent<'a> {
    id: &'a str,
    state: State,
}

/// A message that was queued.
struct Queued {
    id: String,
    since: Instant,
}

/// Work that may go on with another node.
struct Progress {
    contact: Option<u32>,
    text: Option<String>,
    /// Name and contents of a file, the latter as base64.
    file: Option<(String, Zeroizing<String>)>,
    lines: Option<Receiver<Result<String, Failure>>>,
    /// Queued, not yet reported.
    waiting: VecDeque<Queued>,
    /// Why no more is queued; told after what was queued has been waited for.
    failed: Option<Failure>,
    last_report: Instant,
}

/// Carries it out.
///
/// # Errors
/// The node's, `timeout` if a message was queued but did not get as far as asked in time, `no_door` if it can not get anywhere.
pub(super) async fn send(session: &Session<'_>, args: Send) -> Result<(), Failure> {
    let text = match args.text.as_deref() {
        _ if args.batch && !matches!(args.text.as_deref(), None | Some("-")) => {
            return Err(Failure::usage("with --batch the texts come from standard input: leave TEXT out"));
        }
        None | Some("-") if args.batch => None,
        None if args.file.is_some() => None,
        Some("-") => Some(stdin_text()?),
        Some(text) => Some(bounded(text)?.to_owned()),
        None => return Err(Failure::usage("write the text, or - to read it from standard input")),
    };
    let lines = args.batch.then(stdin_lines);
    let file = args.file.as_deref().map(to_send).transpose()?;
    let mut progress = Progress {
        contact: None,
        text,
        file,
        lines,
        waiting: VecDeque::new(),
        failed: None,
        last_report: Instant::now(),
    };
    session.with_node(async |client| progress.advance(session, &client, &args).await).await
}

impl Progress {
    async fn advance(&mut self, session: &Session<'_>, client: &Client, args: &Send) -> Result<(), Failure> {
        if self.contact.is_none()
            && let Some(group) = super::groups::named(client, &args.who).await?
        {
            let (file, text) = (self.file.take(), self.text.take());
            return super::group_send::send(session, client, group, file, text, &mut self.lines, args).await;
        }
        let contact = match self.contact {
            Some(contact) => contact,
            None => resolve(&contacts(client).await?, &args.who)?.contact,
        };
        self.contact = Some(contact);
        // Events are asked for before anything is sent, so that none is missed.
        let mut events = match args.wait {
            Wait::Queued => None,
            Wait::Stored | Wait::Delivered => Some(client.subscribe().await?),
        };
        if let Some((name, data)) = self.file.take() {
            let request = Request::SendFile { contact, name, data: data.to_string() };
            match client.call(request).await.map_err(unclear)? {
                Response::Queued { id, .. } => self.queued(id),
                _ => return Err(unexpected()),
            }
        }
        if let Some(text) = self.text.take() {
            match client.call(Request::Send { contact, text }).await.map_err(unclear)? {
                Response::Queued { id, .. } => self.queued(id),
                _ => return Err(unexpected()),
            }
        }
        if !self.waiting.is_empty() && args.wait != Wait::Queued && has_no_door(client).await {
            return Err(self.give_up(session, client, args).await);
        }
        loop {
            let reads = self.lines.is_some() && self.waiting.len() < WAITING_MAX;
            let waits = !self.waiting.is_empty();
            let limit = self.limit(args.timeout);
            tokio::select! {
                biased;
                // What is done is told before more is begun.
                state = reached(client, &mut self.waiting, args.wait, events.as_mut(), limit), if waits => {
                    let Some(state) = state? else { return Err(self.give_up(session, client, args).await) };
                    self.report(session, state)?;
                }
                items = next_items(&mut self.lines), if reads => self.send_many(client, contact, items).await?,
                else => break,
            }
        }
        match self.failed.take() {
            Some(failure) => Err(failure),
            None => Ok(()),
        }
    }

    fn queued(&mut self, id: String) {
        self.waiting.push_back(Queued { id, since: Instant::now() });
    }

    /// Until when the first message may take: the time runs from when it was queued or from the last one that was done.
    fn limit(&self, patience: Duration) -> Instant {
        let since = self.waiting.front().map_or(self.last_report, |queued| queued.since);
        since.max(self.last_report) + patience
    }

    async fn send_many(
        &mut self,
        client: &Client,
        contact: u32,
        items: Vec<Result<String, Failure>>,
    ) -> Result<(), Failure> {
        if items.is_empty() {
            self.lines = None;
        }
        let mut texts = Vec::with_capacity(items.len());
        for item in items {
            match item {
                Ok(text) => texts.push(text),
                // The lines before the wrong one are sent, and all of them waited for, before this is told.
                Err(failure) => self.fail(failure),
            }
        }
        if texts.is_empty() {
            return Ok(());
        }
        match client.call(Request::SendMany { contact, texts }).await.map_err(unclear) {
            Ok(Response::QueuedMany { ids }) => ids.into_iter().for_each(|id| self.queued(id)),
            Ok(_) => return Err(unexpected()),
            Err(failure) => self.fail(failure),
        }
        Ok(())
    }

    fn fail(&mut self, failure: Failure) {
        self.lines = None;
        self.failed.get_or_insert(failure);
    }

    fn report(&mut self, session: &Session<'_>, state: State) -> Result<(), Failure> {
        self.last_report = Instant::now();
        let Some(Queued { id, .. }) = self.waiting.pop_front() else { return Ok(()) };
        let id = id.as_str();
        session.out.result(&Sent { id, state }, || format!("{} {id}", word(state)))
    }

    /// Reports what is queued as far as it is, and says why the wait ends.
    async fn give_up(&mut self, session: &Session<'_>, client: &Client, args: &Send) -> Failure {
        let count = self.waiting.len();
        while let Some(id) = self.waiting.front().map(|queued| queued.id.clone()) {
            let reported = match state_of(client, &id).await {
                Ok(state) => self.report(session, state),
                Err(failure) => Err(failure),
            };
            if let Err(failure) = reported {
                return failure;
            }
        }
        if has_no_door(client).await {
            let text = "there is no door to the network yet: add one with `karvon door add`; what was sent is safe and queued";
            return Failure::new("no_door", text);
        }
        let messages = if count == 1 { "the message is".to_owned() } else { format!("{count} messages are") };
        let wanted = if args.wait == Wait::Delivered { "delivered" } else { "stored" };
        Failure::new(
            TIMEOUT,
            format!("not {wanted} in time; {messages} safe and still queued on this device"),
        )
    }
}

/// A request whose answer was lost may have been carried out; repeating it could send twice.
pub(super) fn unclear(error: ApiError) -> Failure {
    if error.code == CLOSED {
        let text = "the node stopped before it said whether the message is queued: look with `karvon read`";
        return Failure::new(NO_ANSWER, text);
    }
    error.into()
}

async fn has_no_door(client: &Client) -> bool {
    matches!(client.call(Request::Status).await, Ok(Response::Status(status)) if status.doors == 0)
}

/// The lines that are there, at least one; none at the end. May be dropped while waiting without losing any.
pub(super) async fn next_items(
    lines: &mut Option<Receiver<Result<String, Failure>>>,
) -> Vec<Result<String, Failure>> {
    let mut items = Vec::new();
    if let Some(lines) = lines {
        lines.recv_many(&mut items, TEXTS_AT_ONCE).await;
    }
    items
}

/// Waits until the first of the messages is as far as `wanted`; `None` when the time is over.
async fn reached(
    client: &Client,
    waiting: &mut VecDeque<Queued>,
    wanted: Wait,
    events: Option<&mut Events>,
    limit: Instant,
) -> Result<Option<State>, Failure> {
    let Some(events) = events else { return Ok(Some(State::Queued)) };
    loop {
        let Some(id) = waiting.front().map(|queued| queued.id.clone()) else { return Ok(None) };
        let state = match client.call(Request::Info { id }).await {
            Ok(Response::Info { state, .. }) => state,
            Ok(_) => return Err(unexpected()),
            // It has another id since a moment: the event is on its way.
            Err(error) if error.code == "no_such_message" => State::Queued,
            Err(error) => return Err(error.into()),
        };
        let enough = match wanted {
            Wait::Queued => State::Queued,
            Wait::Stored => State::Stored,
            Wait::Delivered => State::Delivered,
        };
        if state >= enough {
            return Ok(Some(state));
        }
        loop {
            match timeout_at(limit, events.next()).await {
                Err(_) => return Ok(None),
                Ok(Some(Event::Delivery { .. } | Event::Lagged)) => break,
                Ok(Some(Event::Renumbered { id, new_id, .. })) => {
                    if let Some(queued) = waiting.iter_mut().find(|queued| queued.id == id) {
                        queued.id = new_id;
                    }
                }
                Ok(Some(_)) => {}
                Ok(None) => {
                    return Err(Failure::new(
                        CLOSED,
                        "the node stopped; the message is safe and still queued",
                    ));
                }
            }
        }
    }
}

/// A state as scripts read it.
#[must_use]
pub(super) fn word(state: State) -> &'static str {
    match state {
        State::Queued => "queued",
        State::Stored => "stored",
        State::Delivered => "delivered",
        State::Read => "read",
        State::Received => "received",
    }
}

async fn state_of(client: &Client, id: &str) -> Result<State, Failure> {
    match client.call(Request::Info { id: id.to_owned() }).await? {
        Response::Info { state, .. } => Ok(state),
        _ => Err(unexpected()),
    }
}
