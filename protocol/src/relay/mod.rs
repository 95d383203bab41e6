//! A volunteer's relay: slots, forwarding, mailboxes and objects behind one dispatcher.
//!
//! Links and their frames come in here; what a tunnel carries is served in `serve`, what time brings in `upkeep`.

pub mod api;
mod catch_up;
mod cx;
mod dialback;
mod directory;
mod ends;
mod forward;
mod grants;
mod handover;
mod knocks;
mod leaf_link;
pub mod limits;
mod links;
mod mailboxes;
mod mesh_link;
mod objects;
mod onion;
mod serve;
mod shards;
mod slots;
mod start;
mod tag_pages;
pub mod unit;
mod upkeep;

use crate::core::{Core, Input, LinkId, LinkInfo, Mono, Now, Output, Reason, Target};
use crate::descriptor::Door;
use crate::error::{ErrorKind, PeerFault};
use crate::ids::{RelayId, SlotId};
use crate::link::{Frame, Kind};
use api::{RelayCommand, RelayEvent, RelayReply, RelaySetup, RelayStatus};
use cx::{Cx, Told};
use directory::Directory;
use ends::Ends;
use forward::Forward;
use grants::Grants;
use knocks::Knocks;
use limits::{DIRECTORY_ANSWER_MAX, RelayLimits};
use links::{Links, Role};
use mailboxes::Mailboxes;
use objects::Objects;
use onion::Onion;
use rand_core::CryptoRng;
use slots::Slots;

/// A relay.
pub struct RelayCore {
    cx: Cx,
    onion: Onion,
    links: Links,
    slots: Slots,
    directory: Directory,
    forward: Forward,
    ends: Ends,
    mailboxes: Mailboxes,
    objects: Objects,
    grants: Grants,
    knocks: Knocks,
    handover: handover::Handover,
    shards: shards::Shards,
    catch_up: catch_up::CatchUp,
    dialback: dialback::Dialback,
    start: start::Start,
    /// When the next round of upkeep is due; `None` until the state is loaded.
    sweep_at: Option<Mono>,
}

impl core::fmt::Debug for RelayCore {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "RelayCore({:?})", self.onion.id)
    }
}

impl Core for RelayCore {
    type Command = RelayCommand;
    type Reply = RelayReply;
    type Event = RelayEvent;

    fn handle(&mut self, input: Input<RelayCommand>, now: Now) {
        self.cx.now = Now { mono: now.mono.max(self.cx.now.mono), wall_ms: now.wall_ms };
        match input {
            Input::Persisted { upto } => self.cx.fx.stored(upto),
            Input::Loaded(id, rows) => {
                if let Some(purpose) = self.cx.loaded(id) {
                    self.on_loaded(purpose, rows);
                }
            }
            Input::Done(job, output) => self.on_checked(job, &output),
            // The driver drops this core; the driver bounds the queue of a link and ends a slow one.
            Input::PersistFailed(_) | Input::Credit(..) => {}
            early if !self.onion.is_published() => self.hold_early(early),
            Input::Command(id, command) => {
                let reply = self.on_command(command);
                self.cx.fx.after_stored(Output::Reply(id, reply));
            }
            Input::LinkUp(link, info) => self.on_link_up(link, info),
            Input::LinkDown(link, _) => self.forget_link(link),
            Input::ConnectFailed(Target::Relay(relay), _) => self.forward.failed(relay, &mut self.cx),
            Input::ConnectFailed(Target::Door { .. }, _) => {}
            Input::Frame { link, frame } => self.on_frame(link, frame),
            Input::Timeout => self.tick(),
        }
    }

    fn poll(&mut self) -> Option<Output<RelayReply, RelayEvent>> {
        loop {
            return Some(match self.cx.fx.poll()? {
                Output::Notify(Told::Event(event)) => {
                    if let RelayEvent::OwnDescriptor(_, signed) = &*event {
                        self.publish(signed.clone());
                    }
                    Output::Notify(*event)
                }
                Output::Notify(Told::Message { end, plain, answers }) => {
                    let Some((link, frame)) = self.ends.seal(end, &plain, answers) else { continue };
                    Output::Send { link, frame }
                }
                Output::Persist(batch) => Output::Persist(batch),
                Output::Load(id, range) => Output::Load(id, range),
                Output::Send { link, frame } => Output::Send { link, frame },
                Output::Connect(target) => Output::Connect(target),
                Output::Disconnect(link, reason) => Output::Disconnect(link, reason),
                Output::Reply(id, reply) => Output::Reply(id, reply),
                Output::Run(id, job) => Output::Run(id, job),
            });
        }
    }

    fn next_timeout(&self) -> Option<Mono> {
        let upkeep = self.sweep_at?;
        let others =
            [self.links.next_deadline(), self.forward.next_deadline(), self.dialback.next_deadline()];
        Some(others.into_iter().flatten().fold(upkeep, Mono::min))
    }

    fn ready(&self) -> bool {
        self.onion.is_published() && self.cx.fx.ready()
    }
}

impl RelayCore {
    /// A relay with the default bounds; it loads its state first and tells [`RelayEvent::Ready`] when it serves.
    #[must_use]
    pub fn new(setup: RelaySetup, rng: Box<dyn CryptoRng + Send>) -> Self {
        Self::with_limits(setup, RelayLimits::default(), rng)
    }

    /// A relay with other bounds.
    #[must_use]
    pub fn with_limits(setup: RelaySetup, limits: RelayLimits, rng: Box<dyn CryptoRng + Send>) -> Self {
        let mut cx = Cx::new(rng, limits);
        Self {
            start: start::Start::new(&mut cx),
            cx,
            onion: Onion::new(setup),
            links: Links::default(),
            slots: Slots::default(),
            directory: Directory::default(),
            forward: Forward::default(),
            ends: Ends::default(),
            mailboxes: Mailboxes::default(),
            objects: Objects::default(),
            grants: Grants::default(),
            knocks: Knocks::default(),
            handover: handover::Handover::default(),
            shards: shards::Shards::default(),
            catch_up: catch_up::CatchUp::default(),
            dialback: dialback::Dialback::default(),
            sweep_at: None,
        }
    }

    fn on_command(&mut self, command: RelayCommand) -> Result<RelayReply, ErrorKind> {
        match command {
            RelayCommand::Heard(signed) => match self.directory.learn(&signed, self.onion.id, &mut self.cx) {
                Ok(_) => Ok(RelayReply::Done),
                Err(_) => {
                    self.cx.counts.faults += 1;
                    Err(ErrorKind::Unavailable)
                }
            },
            RelayCommand::Gossip(token, bytes) => {
                self.on_gossip(token, &bytes);
                Ok(RelayReply::Done)
            }
            RelayCommand::NewSlot => {
                let (slot, key) = self.slots.make(&mut self.cx).ok_or(ErrorKind::Limit)?;
                let addr = self.onion.setup().door.clone();
                Ok(RelayReply::Door(Door { relay: self.onion.id, addr, slot, key, pt: None }))
            }
            RelayCommand::DropSlot(slot) => {
                self.end_slot(slot);
                Ok(RelayReply::Done)
            }
            RelayCommand::Slots => Ok(RelayReply::Slots(self.slots.made_here())),
            RelayCommand::Subtrees => Ok(RelayReply::Subtrees(self.slots.subtrees())),
            RelayCommand::Blocked { slot, undo } => {
                Ok(RelayReply::Blocked(self.slots.note_blocked(slot, undo, &mut self.cx)))
            }
            RelayCommand::SetLimits(limits) => {
                self.cx.limits = limits;
                Ok(RelayReply::Done)
            }
            RelayCommand::Pressure(pressure) => {
                self.cx.counts.pressure = pressure;
                Ok(RelayReply::Done)
            }
            RelayCommand::DialledBack(token, findings) => {
                self.on_dialled_back(token, findings);
                Ok(RelayReply::Done)
            }
            RelayCommand::AskDialback => {
                self.ask_now();
                Ok(RelayReply::Done)
            }
            RelayCommand::Drain(on) => {
                if self.onion.set_draining(on, &mut self.cx) {
                    self.cx.counts.draining = on;
                    self.onion.announce(&mut self.cx);
                }
                Ok(RelayReply::Done)
            }
            RelayCommand::Status => Ok(RelayReply::Status(RelayStatus {
                leaves: self.links.leaves_len() as u32,
                mesh_links: self.links.mesh().len() as u32,
                relays_known: self.directory.len() as u32,
                tunnels: (self.ends.len() + self.forward.len()) as u32,
                mailboxes: self.mailboxes.boxes.len() as u64,
                slots: self.slots.len() as u32,
                objects: self.objects.len() as u32,
                ..self.cx.counts
            })),
        }
    }

    fn on_link_up(&mut self, link: LinkId, info: LinkInfo) {
        if !self.links.up(link, info, self.cx.now.mono, self.cx.limits.links) {
            self.cx.fx.at_once(Output::Disconnect(link, Reason::Idle));
        } else if let LinkInfo::Mesh { .. } = info {
            self.send_own(link, Kind::Welcome);
        }
    }

    fn send_own(&mut self, link: LinkId, kind: Kind) {
        self.cx.send(link, kind, 0, self.onion.signed().to_vec());
    }

    fn on_frame(&mut self, link: LinkId, frame: Frame) {
        let Some((info, role)) = self.links.get(link) else { return };
        self.links.heard(link, self.cx.now.mono);
        let done = match role {
            Role::NewLeaf => return self.on_hello(link, info, &frame),
            Role::NewMesh => return self.on_welcome(link, info, &frame),
            Role::Leaf(slot) => self.on_leaf_frame(link, slot, frame),
            Role::Mesh(relay) => self.on_mesh_frame(link, relay, frame),
        };
        if done.is_err() {
            self.cx.counts.faults += 1;
            self.blame(link);
        }
    }

    fn on_ask(&mut self, link: LinkId, payload: &[u8]) -> Result<(), PeerFault> {
        let (asked, most) = match payload {
            [] => (None, DIRECTORY_ANSWER_MAX),
            [most] => (None, usize::from(*most).min(DIRECTORY_ANSWER_MAX)),
            _ => (Some(RelayId::from_slice(payload).ok_or(PeerFault::Length)?), 1),
        };
        if asked.is_none() && !self.links.may_ask(link, self.cx.now.mono) {
            self.cx.send(link, Kind::Descriptor, 0, Vec::new());
        } else {
            let own = (self.onion.id, self.onion.signed());
            self.directory.answer(link, (asked, most), own, &mut self.cx);
        }
        Ok(())
    }

    /// Ends a slot, the guest slots under it, and the links that use any of them.
    fn end_slot(&mut self, slot: SlotId) {
        for ended in self.slots.drop(slot, &mut self.cx) {
            for link in self.links.of_slot(ended) {
                self.end_link(link, Reason::BadSlot);
            }
        }
    }

    /// Counts a breach of the protocol against a link.
    fn blame(&mut self, link: LinkId) {
        if self.links.fault(link) {
            self.end_link(link, Reason::Protocol);
        }
    }

    fn end_link(&mut self, link: LinkId, reason: Reason) {
        self.forget_link(link);
        self.cx.fx.at_once(Output::Disconnect(link, reason));
    }

    fn forget_link(&mut self, link: LinkId) {
        if self.links.down(link) {
            for end in self.ends.on_link(link) {
                self.close_end(end, None);
            }
            self.catch_up.forget(link);
            self.handover.forget(link);
            self.forward.link_down(link, &mut self.cx);
        }
    }
}
