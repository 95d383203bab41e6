//! A model with a small world in it, for stories and snapshots.

pub(crate) mod rooms;

use karvon_node::api::data::{self, DataUse};
use karvon_node::api::{
    ApiError, Contact, DoorInfo, Event, Hit, LanNetwork, Meeting, Message, Reaction, Request, Response, Said,
    Setting, State, Status, Stranger, Trail,
};

use super::file::Entry;
use super::{Action, Model, update};
use crate::command::Command;
use crate::lang::Lang;
use crate::text::time::Zone;
use crate::theme::Theme;

/// A node that answers from memory.
pub(crate) struct World {
    pub(crate) contacts: Vec<Contact>,
    pub(crate) messages: Vec<Message>,
    /// Local networks.
    pub(crate) networks: Vec<LanNetwork>,
    /// The published address.
    pub(crate) address: Option<String>,
    /// Requests that came, oldest first.
    pub(crate) asked: Vec<String>,
    pub(crate) strangers: Vec<Stranger>,
    pub(crate) rooms: rooms::Rooms,
    /// What was used of the line.
    pub(crate) data: Option<Box<DataUse>>,
    /// What `Send` answers, if not that it is queued.
    pub(crate) refuse: Option<&'static str>,
    pub(crate) finished: Option<crate::command::WizardResult>,
    pub(crate) quit: bool,
    pub(crate) copied: Vec<String>,
    pub(crate) alerts: Vec<super::alert::Alert>,
    /// The person has no door but those behind transports.
    pub(crate) all_behind: bool,
}

pub(crate) const INVITATION: &str = "KARVON:K7QFZ2MD5TYAK7QFZ2MD5TYAK7QFZ2MD5TYAK7QFZ2MD5TYAK7QFZ2MD5TYAK7QFZ2MD5TYAK7QFZ2MD5TYAK7QFZ2MD5TYA9";

pub(crate) const ADDRESS: &str =
    "KARVON:K7QFZ2MD5TYAMM4TQ7ZK2FD5YAQXW3ESRC6VTGBYHNUJMIK7OLP2QAZWSXEDC5RFVTGBYHNUJMIKOLP3QAZXSW";

pub(crate) fn contact(number: u32, name: &str, unread: u64, meeting: Meeting) -> Contact {
    Contact {
        contact: number,
        name: name.to_owned(),
        meeting,
        fingerprint: "ab".repeat(16),
        verified: number == 1,
        unread,
        ..Contact::default()
    }
}

pub(crate) fn message(contact: u32, position: u64, mine: bool, text: &str, state: State) -> Message {
    let day = 21 + position / 3;
    let sent_at = format!("2026-11-{:02}T09:{:02}:00Z", day.min(30), position % 60);
    Message {
        id: format!("{contact:016x}{position:016x}"),
        contact,
        from: if mine { "Али" } else { "Модар" }.to_owned(),
        text: Some(text.to_owned()),
        received_at: (!mine).then(|| sent_at.clone()),
        sent_at,
        seq: position,
        mine,
        state,
        position,
        ..Message::default()
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let received = State::Received;
        Self {
            contacts: vec![
                contact(1, "Модар", 2, Meeting::Connected),
                contact(2, "Рустам", 0, Meeting::Failed("invite_used".to_owned())),
                contact(3, "Фарҳод", 0, Meeting::Greeting),
            ],
            messages: vec![
                message(1, 1, false, "Писарам, чӣ хел ҳастӣ?", received),
                message(1, 2, true, "Хуб, модарҷон. Кор бисёр аст.", State::Read),
                message(1, 3, true, "Пагоҳ занг мезанам", State::Delivered),
                message(1, 4, true, "Пул фиристодам", State::Stored),
                message(1, 5, true, "Навис, ки расид ё не", State::Queued),
                message(1, 6, false, "Пулро гирифтам, раҳмат", received),
                message(1, 7, false, "Кай меоӣ? Мо туро интизорем, ӯҳ, хеле пазмон шудем 👨‍👩‍👧‍👦", received),
                message(2, 1, true, "Салом, Рустам", State::Queued),
            ],
            asked: Vec::new(),
            all_behind: false,
            networks: [("wlan0", "192.168.1.0/24", true), ("eth0", "10.0.0.0/8", false)]
                .map(|(name, range, accepted)| LanNetwork {
                    name: name.into(),
                    range: range.into(),
                    accepted,
                })
                .to_vec(),
            address: None,
            strangers: Vec::new(),
            rooms: rooms::Rooms::default(),
            data: None,
            refuse: None,
            finished: None,
            quit: false,
            copied: Vec::new(),
            alerts: Vec::new(),
        }
    }

    /// A world with one conversation of so many messages.
    pub(crate) fn long(messages: u64) -> Self {
        let mut world = Self::new();
        world.messages =
            (1..=messages).map(|n| message(1, n, false, &format!("number {n}"), State::Received)).collect();
        world.contacts.truncate(1);
        world.contacts[0].unread = 0;
        world
    }

    pub(crate) fn answer(&mut self, request: Request) -> Result<Response, ApiError> {
        self.asked.push(serde_json::to_string(&request).unwrap());
        Ok(match request {
            Request::Hello { version } => Response::Hello { version, name: "Али".to_owned() },
            Request::Status => Response::Status(status(&self.messages, self.data.clone())),
            Request::Contacts => Response::Contacts { contacts: self.contacts.clone() },
            Request::Invite => Response::Invitation {
                text: INVITATION.to_owned(),
                long: None,
                expires: "2026-12-22T09:00:00Z".to_owned(),
            },
            Request::Add { invitation, name, .. } => {
                if invitation.ends_with('9') {
                    return Err(ApiError { code: "invite_used".to_owned(), message: String::new() });
                }
                self.contacts.push(contact(9, &name, 0, Meeting::LookingUp));
                Response::Added { contact: 9 }
            }
            Request::Send { contact, text } => {
                if let Some(code) = self.refuse {
                    return Err(ApiError { code: code.to_owned(), message: String::new() });
                }
                let position =
                    self.messages.iter().rfind(|m| m.contact == contact).map_or(1, |m| m.position + 1);
                self.messages.push(message(contact, position, true, &text, State::Queued));
                Response::Queued { id: format!("{contact:016x}{position:016x}"), seq: position }
            }
            Request::Messages { contact, before, since, limit } => {
                self.page(contact, before, since.as_deref(), limit)
            }
            Request::MessagesAfter { contact, position, limit } => {
                let mut all: Vec<_> =
                    self.messages.iter().filter(|m| m.contact == contact).cloned().collect();
                all.retain(|m| m.position > position);
                let more = all.len() > limit;
                all.truncate(limit);
                Response::Messages { messages: all, more }
            }
            Request::Search { text, limit, .. } => {
                let query = karvon_node::api::fold::Query::new(&text);
                let fits = |text: &Option<String>| text.as_ref().is_some_and(|text| query.matches(text));
                let found = self.messages.iter().rev().filter(|one| fits(&one.text));
                let hit = |said| Hit { place: String::new(), said };
                let people = found.map(|one| hit(Said::Person(one.clone())));
                let mut found: Vec<_> = people.chain(self.rooms.search(fits).map(hit)).collect();
                let more = found.len() > limit;
                found.truncate(limit);
                Response::Found { messages: found, more }
            }
            Request::Rename { contact, name } => {
                self.contacts
                    .iter_mut()
                    .filter(|c| c.contact == contact)
                    .for_each(|c| c.name.clone_from(&name));
                Response::Done
            }
            Request::Message { id } => {
                let found = self.messages.iter().find(|m| m.id == id).cloned().unwrap();
                Response::Message(Box::new(found))
            }
            Request::Reply { to, text } if self.rooms.said.iter().any(|one| one.id == to) => {
                let answer = self.group(karvon_node::api::groups::Ask::Send { group: 1, text })?;
                self.rooms.said.iter_mut().next_back().unwrap().reply_to = Some(to);
                answer
            }
            Request::Reply { to, text } => self.say(&to, Some(&to), &text),
            Request::Forward { id, contact } => {
                let text = self.text_of(&id);
                let position =
                    self.messages.iter().rfind(|m| m.contact == contact).map_or(1, |m| m.position + 1);
                let forwarded = message(contact, position, true, &text, State::Queued);
                self.messages.push(Message { forwarded: true, ..forwarded });
                Response::Queued { id: String::new(), seq: position }
            }
            Request::Edit { id, text } => self.change(&id, |one| {
                one.text = Some(text.clone());
                one.edited = true;
            }),
            Request::Delete { id } => self.change(&id, |one| {
                one.text = None;
                one.deleted = true;
            }),
            Request::React { id, emoji } => self.change(&id, |one| {
                one.reactions.retain(|sign| !sign.mine);
                if !emoji.is_empty() {
                    one.reactions
                        .push(Reaction { emoji: emoji.clone(), mine: true, from: "Али".to_owned() });
                }
            }),
            Request::Safety { .. } => Response::Safety { number: "0123456789".repeat(6), qr: String::new() },
            Request::Set { contact, setting } => {
                let known = self.contacts.iter_mut().find(|known| known.contact == contact).unwrap();
                match setting {
                    Setting::Receipts(on) => known.receipts = on,
                    Setting::Typing(on) => known.typing = on,
                    Setting::Timer(seconds) => known.timer_s = seconds,
                    Setting::Blocked(on) => known.blocked = on,
                    Setting::Verified(on) => known.verified = on,
                    Setting::KeysAccepted => known.keys_changed = false,
                }
                Response::Done
            }
            Request::File { .. } => Response::File {
                name: "patent.jpg".to_owned(),
                media_type: "image/jpeg".to_owned(),
                data: "AAAA".to_owned(),
            },
            Request::Unlock { passphrase } if passphrase.0.as_str() != "right" => {
                return Err(ApiError { code: "wrong_passphrase".to_owned(), message: String::new() });
            }
            Request::Doors => {
                let mut doors = doors();
                doors.retain(|door| !self.all_behind || door.transport.is_some());
                Response::Doors { doors }
            }
            Request::NetCheck { .. } => Response::NetCheck { running: false, found: Some(checked()) },
            Request::Requests => Response::Requests { requests: self.strangers.clone(), dropped: 0 },
            Request::Lan => Response::Lan {
                networks: self.networks.clone(),
                elsewhere: 0,
                near: vec![1],
                carrying: true,
                carried: 0,
                carried_bytes: 0,
            },
            Request::LanAccept { name } | Request::LanForget { name, .. } => {
                for network in self.networks.iter_mut().filter(|network| Some(&network.name) == name.as_ref())
                {
                    network.accepted = !network.accepted;
                }
                Response::Done
            }
            Request::Address => Response::Address { text: self.address.clone() },
            Request::NewAddress => {
                self.address = Some(ADDRESS.to_owned());
                Response::Address { text: self.address.clone() }
            }
            Request::EndAddress => {
                self.address = None;
                Response::Done
            }
            Request::AcceptRequest { request, .. } => {
                let at = self.strangers.iter().position(|stranger| stranger.request == request).unwrap();
                let accepted = self.strangers.remove(at);
                self.contacts.push(contact(8, &accepted.name, 1, Meeting::Connected));
                Response::Added { contact: 8 }
            }
            Request::DeclineRequest { request } => {
                self.strangers.retain(|stranger| stranger.request != request);
                Response::Done
            }
            Request::BlockRequest { request } => {
                self.strangers
                    .iter_mut()
                    .filter(|stranger| stranger.request == request)
                    .for_each(|stranger| stranger.blocked = true);
                Response::Done
            }
            Request::MarkRead { contact, .. } => {
                self.contacts.iter_mut().filter(|c| c.contact == contact).for_each(|c| c.unread = 0);
                Response::Done
            }
            Request::Group(ask) => self.group(ask)?,
            Request::Channel(ask) => self.channel(ask)?,
            Request::Info { id } if self.rooms.said.iter().any(|one| one.id == id) => {
                Response::Group(self.rooms.info(&id))
            }
            Request::Info { .. } => Response::Info {
                state: State::Stored,
                contact: 1,
                seq: 4,
                mine: true,
                trail: trail(),
                held: None,
            },
            _ => Response::Done,
        })
    }

    /// The text of a message, wherever it was said.
    fn text_of(&self, id: &str) -> String {
        let with_people = self.messages.iter().find(|one| one.id == id).and_then(|one| one.text.clone());
        with_people.or_else(|| self.rooms.text_of(id)).unwrap()
    }

    fn say(&mut self, beside: &str, to: Option<&str>, text: &str) -> Response {
        let contact = self.messages.iter().find(|m| m.id == beside).unwrap().contact;
        let position = self.messages.iter().rfind(|m| m.contact == contact).map_or(1, |m| m.position + 1);
        let said = message(contact, position, true, text, State::Queued);
        let id = said.id.clone();
        self.messages.push(Message { reply_to: to.map(str::to_owned), ..said });
        Response::Queued { id, seq: position }
    }

    fn change(&mut self, id: &str, change: impl Fn(&mut Message)) -> Response {
        self.messages.iter_mut().filter(|m| m.id == id).for_each(change);
        Response::Queued { id: "f".repeat(32), seq: 99 }
    }

    /// The node says that a message is not what it was.
    pub(crate) fn changed(&mut self, model: &mut Model, id: &str) {
        let event = Event::Changed { contact: 1, id: id.to_owned() };
        self.play(model, [Action::Event(event)]);
    }

    fn page(&self, contact: Option<u32>, before: Option<u64>, since: Option<&str>, limit: usize) -> Response {
        let mut all: Vec<_> = self
            .messages
            .iter()
            .filter(|m| contact.is_none_or(|contact| m.contact == contact))
            .cloned()
            .collect();
        if let Some(before) = before {
            all.retain(|m| m.position < before);
        }
        let more = all.len() > limit;
        if let Some(since) = since {
            let after = all.iter().position(|m| m.id == since).map_or(0, |at| at + 1);
            let rest = all.split_off(after);
            return Response::Messages {
                more: rest.len() > limit,
                messages: rest.into_iter().take(limit).collect(),
            };
        }
        let messages = all.split_off(all.len().saturating_sub(limit));
        Response::Messages { messages, more }
    }

    /// Applies actions, and the answers to everything they ask, in order.
    pub(crate) fn play(&mut self, model: &mut Model, actions: impl IntoIterator<Item = Action>) {
        for action in actions {
            let commands = update(model, action);
            self.carry_out(model, commands);
        }
    }

    pub(crate) fn carry_out(&mut self, model: &mut Model, commands: Vec<Command>) {
        let mut queue = std::collections::VecDeque::from(commands);
        while let Some(command) = queue.pop_front() {
            match command {
                Command::Call(request, purpose) => {
                    let answer = self.answer(request);
                    queue.extend(update(model, Action::Answer(purpose, answer)));
                }
                Command::Copy(text) => self.copied.push(text),
                Command::Alert(alert) => self.alerts.push(alert),
                Command::Set(key, value) => self.asked.push(format!("set {key} {value}")),
                Command::Mouse(_) | Command::Unlock(_) | Command::Later(..) => {}
                Command::ListFiles(folder) => {
                    let entries = files(&folder);
                    queue.extend(update(model, Action::Listed(folder, entries)));
                }
                Command::SendFile(talk, path) => {
                    self.asked.push(format!("file {path}"));
                    let result = if path.contains("none") { Err("io".to_owned()) } else { Ok(()) };
                    queue.extend(update(model, Action::FileSent(talk, result)));
                }
                Command::SaveFile(name, _) => {
                    queue.extend(update(model, Action::FileSaved(Ok(format!("~/Downloads/{name}")))));
                }
                Command::Edit(text) => {
                    let text = zeroize::Zeroizing::new(format!("{}\nаз муҳаррир\n", *text));
                    queue.extend(update(model, Action::Edited(Some(text))));
                }
                Command::Finish(result) => self.finished = Some(result),
                Command::Quit => self.quit = true,
            }
        }
    }

    /// A message of the contact arrives and the node says so.
    pub(crate) fn receive(&mut self, model: &mut Model, contact: u32, text: &str) {
        let position = self.messages.iter().rfind(|m| m.contact == contact).map_or(1, |m| m.position + 1);
        self.messages.push(message(contact, position, false, text, State::Received));
        self.contacts.iter_mut().filter(|c| c.contact == contact).for_each(|c| c.unread += 1);
        self.play(model, [Action::Event(Event::Received { contact, from: position, to: position })]);
    }
}

/// Two strangers who ask, one of them with hostile words.
pub(crate) fn strangers() -> Vec<Stranger> {
    let stranger = |request: u64, name: &str, text: &str| Stranger {
        request,
        name: name.to_owned(),
        text: text.to_owned(),
        at: "2026-11-22T09:00:00Z".to_owned(),
        ..Stranger::default()
    };
    vec![
        stranger(3, "Зафар", "Салом! Мо дар Хуҷанд шинос шудем."),
        stranger(4, "\u{1b}[2JBob\u{202e}", "http://example.org\n> Модар  online"),
    ]
}

/// A day's data that are used up.
pub(crate) fn used_up() -> DataUse {
    DataUse {
        cap: Some(5_000_000),
        cap_today: Some(5_000_000),
        received: data::Bytes { texts: 1_800_000, receipts: 200_000, rest: 1_400_000 },
        sent: data::Bytes { texts: 900_000, receipts: 300_000, rest: 406_000 },
        percent: Some(100),
        level: data::Level::Spent,
        resets_at: "2026-11-23T00:00:00.000Z".to_owned(),
        ..DataUse::default()
    }
}

fn status(messages: &[Message], data: Option<Box<DataUse>>) -> Status {
    let count = |state| messages.iter().filter(|message| message.state == state).count() as u64;
    Status {
        state: "online".to_owned(),
        name: "Али".to_owned(),
        links: 1,
        near: None,
        doors: 1,
        mailboxes_attached: 1,
        mailboxes: 1,
        one_operator: true,
        queued: count(State::Queued),
        stored: count(State::Stored),
        delivered: count(State::Delivered),
        received: count(State::Received),
        contacts: 3,
        bytes_in: 0,
        bytes_out: 0,
        data,
        rss: 0,
        cpu_ms: 0,
        faults: 0,
        fault: None,
        pid: 1,
        uptime_ms: 1,
    }
}

/// What is in a folder of this world.
fn files(folder: &str) -> Vec<Entry> {
    let entry = |name: &str, folder, bytes| Entry { name: name.to_owned(), folder, bytes };
    match folder {
        "~/" => vec![
            entry("Downloads", true, 0),
            entry("Суратҳо", true, 0),
            entry("patent.jpg", false, 41_000),
            entry("шартнома.pdf", false, 3_400_000),
            entry(".bashrc", false, 200),
        ],
        "~/Суратҳо/" => vec![entry("модар.jpg", false, 30_000)],
        _ => Vec::new(),
    }
}

/// What a check of [`doors`] found.
fn checked() -> karvon_node::api::NetCheck {
    let mut found = crate::netcheck::example("freeze");
    found.code = "N03".to_owned();
    found.doors = doors()
        .into_iter()
        .map(|door| karvon_node::api::DoorCheck {
            outcome: if door.connected { "open" } else { "connect_silent" }.to_owned(),
            door: door.relay,
            addr: door.addr,
            kind: "web".to_owned(),
            network: 0,
            open_ms: None,
            echo_ms: Some(210),
            freezes: u32::from(door.connected),
            saving: false,
        })
        .collect();
    found
}

fn doors() -> Vec<DoorInfo> {
    let door = |relay: &str, addr: &str, connected| DoorInfo {
        relay: relay.repeat(2),
        addr: addr.to_owned(),
        connected,
        ..DoorInfo::default()
    };
    let fault = ApiError { code: "transport_missing".to_owned(), message: String::new() };
    vec![
        door("0123456789abcdef", "203.0.113.5:7443", true),
        door("fedcba9876543210", "198.51.100.7:443", false),
        DoorInfo {
            transport: Some("obfs4".to_owned()),
            fault: Some(fault),
            ..door("89abcdef01234567", "192.0.2.8:9443", false)
        },
    ]
}

fn trail() -> Vec<Trail> {
    let step = |minute: u8, what: &str, relay: Option<&str>, note: Option<&str>| Trail {
        at: format!("2026-11-22T09:{minute:02}:00Z"),
        what: what.to_owned(),
        relay: relay.map(str::to_owned),
        note: note.map(str::to_owned),
    };
    vec![
        step(4, "queued", None, None),
        step(4, "sent", Some("0123456789abcdef"), None),
        step(5, "refused", Some("0123456789abcdef"), Some("busy")),
        step(6, "stored", Some("fedcba9876543210"), Some("2026-12-22T09:06:00Z")),
        step(7, "carried-by-camel", None, None),
    ]
}

/// A screen on a running node.
pub(crate) fn open(world: &mut World, lang: Lang, plain: bool, size: (u16, u16)) -> Model {
    let mut model = Model::new(lang, Theme { color: true, plain, light: false }, Zone::fixed(5 * 3600), size);
    let commands = super::begin(&mut model);
    world.carry_out(&mut model, commands);
    model
}

/// Keys that type a text.
pub(crate) fn typed(text: &str) -> impl Iterator<Item = Action> {
    text.chars().map(Action::Char)
}
