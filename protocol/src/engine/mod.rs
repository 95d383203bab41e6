//! A person's messenger: contacts, sessions, outbox, inbox, routes and mailboxes behind one dispatcher.
//!
//! Each machine owns its state and its records and names no other: it changes its state, writes, and signals; the dispatcher passes the
//! signals on until none is left.

mod acks;
mod addresses;
mod answers;
pub mod api;
mod arrivals;
mod beacons;
mod canary;
pub mod carrier;
mod changes;
pub mod channel_api;
mod channel_dispatch;
mod channel_state;
mod channels;
mod comeback;
mod contact;
pub mod courier;
mod cx;
mod dispatch;
mod doors;
mod expiry;
mod gaps;
pub mod group_api;
mod group_changes;
mod group_dispatch;
mod group_expiry;
mod group_fork;
mod group_letters;
mod group_links;
pub mod group_marks;
mod group_posts;
pub mod group_reached;
mod group_shards;
mod group_state;
mod groups;
mod handouts;
mod held;
mod inbox;
mod invites;
mod island;
mod knocks;
pub mod lan;
mod lane;
mod letters;
mod mailboxes;
mod meeting;
mod message;
mod moves;
mod near;
mod outbox;
mod outcell;
mod pace;
mod pulls;
mod questions;
mod receipts;
mod reform;
mod requests;
mod resets;
mod routes;
mod safety;
mod say;
mod setback;
mod shard_in;
mod shard_out;
pub mod spend;
mod start;
mod terms;

use crate::core::{Core, Input, Mono, Now, Output};
use crate::effects::Effects;
use crate::identity::LocalIdentity;
use crate::timers::Timers;
use api::{Command, ContactId, Event, Reply};
use contact::Contact;
use cx::{Alarm, Cx, Signal};
use rand_core::CryptoRng;
use std::collections::{BTreeMap, VecDeque};

/// Contacts of one person.
const CONTACTS_MAX: usize = 10_000;

/// What an engine starts from.
pub struct Setup {
    /// The person.
    pub identity: LocalIdentity,
    /// The name told to contacts.
    pub name: String,
}

/// The messenger of one person; see [`crate::core::Core`].
pub struct Engine {
    setup: Setup,
    rng: Box<dyn CryptoRng + Send>,
    fx: Effects<Reply, Event>,
    timers: Timers<Alarm>,
    paces: pace::Paces,
    spending: spend::Spending,
    signals: VecDeque<Signal>,
    next_load: u64,
    faults: u64,
    now: Now,
    contacts: BTreeMap<ContactId, Contact>,
    doors: doors::Doors,
    routes: routes::Routes,
    mailboxes: mailboxes::Mailboxes,
    inbox: inbox::Inbox,
    invites: invites::Invites,
    groups: groups::Groups,
    channels: channels::Channels,
    questions: questions::Questions,
    resets: resets::Resets,
    addresses: addresses::Addresses,
    knocks: knocks::Knocks,
    requests: requests::Requests,
    beacons: beacons::Beacons,
    handouts: handouts::Handouts,
    start: start::Start,
    network: (u32, u32),
    networks: std::collections::BTreeSet<lan::NetworkId>,
    carrier: carrier::Carrier,
}

impl core::fmt::Debug for Engine {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Engine({} contacts)", self.contacts.len())
    }
}

impl Engine {
    /// An engine that first loads its state through [`Output::Load`]; [`Event::Ready`] says when it has.
    #[must_use]
    pub fn new(setup: Setup, rng: Box<dyn CryptoRng + Send>) -> Self {
        let mut engine = Self {
            setup,
            rng,
            fx: Effects::default(),
            timers: Timers::default(),
            paces: pace::Paces::default(),
            spending: spend::Spending::default(),
            signals: VecDeque::new(),
            next_load: 0,
            faults: 0,
            now: Now::default(),
            contacts: BTreeMap::new(),
            doors: doors::Doors::default(),
            routes: routes::Routes::default(),
            mailboxes: mailboxes::Mailboxes::default(),
            inbox: inbox::Inbox::default(),
            invites: invites::Invites::default(),
            groups: groups::Groups::default(),
            channels: channels::Channels::default(),
            questions: questions::Questions::default(),
            resets: resets::Resets::default(),
            addresses: addresses::Addresses::default(),
            knocks: knocks::Knocks::default(),
            requests: requests::Requests::default(),
            beacons: beacons::Beacons::default(),
            handouts: handouts::Handouts::default(),
            start: start::Start::default(),
            network: (0, 0),
            networks: std::collections::BTreeSet::new(),
            carrier: carrier::Carrier::default(),
        };
        engine.begin();
        engine
    }

    /// From now on doors are opened and tested, and nothing is fetched, sent, registered or looked up through them.
    pub const fn only_look(&mut self) {
        self.doors.only_look();
    }
}

impl Core for Engine {
    type Command = Command;
    type Reply = Reply;
    type Event = Event;

    fn handle(&mut self, input: Input<Command>, now: Now) {
        self.now = now;
        match input {
            Input::Command(id, command) => self.on_command(id, command),
            Input::Frame { link, frame } => self.on_frame(link, &frame),
            Input::LinkUp(link, info) => {
                let (doors, mut cx) = self.with_doors();
                doors.on_link_up(link, &info, &mut cx);
            }
            Input::LinkDown(link, reason) => {
                let (doors, mut cx) = self.with_doors();
                if doors.on_link_down(link, reason, &mut cx) {
                    let (routes, mut cx) = self.with_routes();
                    routes.on_link_down(link, &mut cx);
                }
            }
            Input::ConnectFailed(crate::core::Target::Door { door, .. }, reason) => {
                let (doors, mut cx) = self.with_doors();
                doors.on_connect_failed(door, reason, &mut cx);
            }
            Input::Persisted { upto } => self.fx.stored(upto),
            Input::Loaded(load, rows) => self.on_loaded(load, &rows),
            Input::Timeout => {
                while let Some(alarm) = self.timers.pop(self.now.mono) {
                    self.on_alarm(alarm);
                    self.pass_signals();
                }
            }
            Input::Done(job, output) => self.on_job(job, &output),
            // Frames wait in bounded queues of the driver; a failed store ends this engine.
            Input::Credit(..) | Input::PersistFailed(_) | Input::ConnectFailed(..) => {}
        }
        self.pass_signals();
    }

    fn poll(&mut self) -> Option<Output<Reply, Event>> {
        self.fx.poll()
    }

    fn next_timeout(&self) -> Option<Mono> {
        self.timers.next()
    }

    fn ready(&self) -> bool {
        self.start.is_done() && self.fx.ready()
    }
}

/// Borrows one machine and the context beside it.
macro_rules! with {
    ($name:ident, $field:ident, $type:ty) => {
        fn $name(&mut self) -> (&mut $type, Cx<'_>) {
            let cx = Cx {
                fx: &mut self.fx,
                now: self.now,
                rng: &mut *self.rng,
                timers: &mut self.timers,
                paces: &mut self.paces,
                spending: &mut self.spending,
                signals: &mut self.signals,
                next_load: &mut self.next_load,
                faults: &mut self.faults,
            };
            (&mut self.$field, cx)
        }
    };
}

impl Engine {
    with!(with_doors, doors, doors::Doors);
    with!(with_routes, routes, routes::Routes);
    with!(with_mailboxes, mailboxes, mailboxes::Mailboxes);
    with!(with_invites, invites, invites::Invites);
    with!(with_addresses, addresses, addresses::Addresses);
    with!(with_knocks, knocks, knocks::Knocks);
    with!(with_requests, requests, requests::Requests);
    with!(with_groups, groups, groups::Groups);
    with!(with_channels, channels, channels::Channels);
    with!(with_resets, resets, resets::Resets);
    with!(with_contacts, contacts, BTreeMap<ContactId, Contact>);
}
