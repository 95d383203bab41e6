//! What people in the world do and see.

use super::{Disk, Host, Node, PersonHost, RelayHost, World};
use karvon_protocol::body::{Body, Content};
use karvon_protocol::cell::{Cell, Class};
use karvon_protocol::core::*;
use karvon_protocol::descriptor::{Door, RelayAddr, flags};
use karvon_protocol::engine::api::{Command, ContactId, ContactInfo, Event, Meeting, Reply, StoredMessage};
use karvon_protocol::error::ErrorKind;
use karvon_protocol::identity::LocalIdentity;
use karvon_protocol::ids::{MessageId, RelayId};
use karvon_protocol::relay::api::{Pressure, RelayCommand, RelayReply, RelaySetup, RelayStatus};
use rand_chacha::rand_core::Rng as _;
use zeroize::Zeroizing;

impl World {
    pub fn add_relay_as(&mut self, flags: u64) {
        let number = self.relays.len();
        let mut seed = Zeroizing::new([0; 32]);
        self.rng.fill_bytes(&mut *seed);
        let key = ed25519_dalek::SigningKey::from_bytes(&seed);
        let static_key = key.verifying_key().to_bytes();
        let mut mesh_key = [0; 32];
        self.rng.fill_bytes(&mut mesh_key);
        let at = |port: usize| format!("192.0.2.{}:{port}", number + 1).parse().unwrap();
        let door = if self.web { RelayAddr::Web(at(443)) } else { RelayAddr::Ip(at(443)) };
        let setup = RelaySetup {
            static_seed: seed,
            mesh_key,
            door,
            mesh: RelayAddr::Ip(at(4001)),
            flags,
            family: None,
        };
        let id = RelayId::of(&static_key);
        self.relays.push(RelayHost { node: Node::new(), setup, static_key, id });
        self.start(Host::Relay(number));
    }

    pub fn add_person(&mut self, name: &str) -> usize {
        let number = self.people.len();
        let (mut root, mut stretched) = ([0; 16], [0; 32]);
        self.rng.fill_bytes(&mut root);
        self.rng.fill_bytes(&mut stretched);
        let identity = LocalIdentity::from_stretched(&root, &stretched, &mut self.rng).encode();
        self.people.push(PersonHost { node: Node::new(), name: name.to_owned(), identity });
        self.start(Host::Person(number));
        number
    }

    /// An unlisted relay, linked with its guards as its operator's program would see to. Returns its number.
    pub fn add_bridge(&mut self, guards: &[usize]) -> usize {
        let bridge = self.relays.len();
        self.add_relay_as(flags::BRIDGE);
        self.run_ms(200);
        for guard in guards {
            self.connect(Host::Relay(bridge), Target::Relay(self.relays[*guard].id));
        }
        self.run_ms(200);
        bridge
    }

    /// A new slot at a relay.
    pub fn slot(&mut self, relay: usize) -> Door {
        let id = self.relay_command(relay, RelayCommand::NewSlot);
        self.run_ms(50);
        match self.relays[relay].node.replies.remove(&id) {
            Some(Ok(RelayReply::Door(door))) => door,
            other => panic!("no slot: {other:?}"),
        }
    }

    /// A relay's disk is full, or no longer.
    pub fn fill(&mut self, relay: usize, full: bool) {
        let pressure = Pressure { storage: full, traffic: false };
        self.relay_command(relay, RelayCommand::Pressure(pressure));
        self.run_ms(50);
    }

    /// What a relay says of itself.
    pub fn relay_status(&mut self, relay: usize) -> RelayStatus {
        let id = self.relay_command(relay, RelayCommand::Status);
        self.run_ms(50);
        match self.relays[relay].node.replies.remove(&id) {
            Some(Ok(RelayReply::Status(status))) => status,
            other => panic!("no status: {other:?}"),
        }
    }

    /// A relay forgets all cells it has confirmed, without telling anybody.
    pub fn lose_cells(&mut self, relay: usize) {
        self.crash(Host::Relay(relay));
        self.relays[relay].node.disk.cells.clear();
        self.start(Host::Relay(relay));
    }

    /// A relay hands out large cells bent from now on: in each piece a byte is another one.
    pub fn bend_cells(&mut self, relay: usize) {
        for (_, cell) in self.relays[relay].node.disk.cells.values_mut() {
            let mut bytes = cell.bytes().to_vec();
            if cell.class() == Class::L {
                bytes.iter_mut().skip(100).step_by(2_048).for_each(|byte| *byte ^= 1);
            }
            *cell = Cell::parse(bytes).unwrap();
        }
    }

    /// A relay hands out every cell that it holds now with another last byte.
    pub fn bend_all(&mut self, relay: usize) -> usize {
        self.crash(Host::Relay(relay));
        let cells = &mut self.relays[relay].node.disk.cells;
        for (_, cell) in cells.values_mut() {
            let mut bytes = cell.bytes().to_vec();
            *bytes.last_mut().unwrap() ^= 1;
            *cell = Cell::parse(bytes).unwrap();
        }
        let bent = cells.len();
        self.start(Host::Relay(relay));
        bent
    }

    /// All relays want so many bits of work from now on, also for work that is under way: they start anew.
    pub fn set_request_bits(&mut self, bits: u8) {
        self.limits.request_bits = bits;
        for relay in 0..self.relays.len() {
            self.crash(Host::Relay(relay));
            self.start(Host::Relay(relay));
        }
        self.run_ms(20_000);
    }

    /// The person begins anew on the same device, with nothing but the keys that say who it is, and doors to these relays.
    pub fn forget(&mut self, person: usize, doors: &[usize]) {
        self.crash(Host::Person(person));
        self.people[person].node.disk = Disk::default();
        self.start(Host::Person(person));
        self.run_ms(100);
        for relay in doors {
            let door = self.slot(*relay);
            assert!(self.ask(person, Command::AddDoor(door)).is_ok());
        }
        self.run_ms(3_500);
    }

    /// Input that broke the rules, since the person's start.
    pub fn faults(&mut self, person: usize) -> u64 {
        match self.ask(person, Command::Status) {
            Ok(Reply::Status(status)) => status.faults,
            other => panic!("{other:?}"),
        }
    }

    /// Runs until `done`, at most so many virtual milliseconds. Returns whether it came true.
    pub fn run_until(&mut self, ms: u64, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        for _ in 0..ms.div_ceil(5) {
            if done(self) {
                return true;
            }
            self.run_ms(5);
        }
        done(self)
    }

    /// Gives a command and returns its number.
    pub fn tell(&mut self, person: usize, command: Command) -> u64 {
        let now = self.time_at(Host::Person(person));
        let node = &mut self.people[person].node;
        node.next_command += 1;
        let id = node.next_command;
        if let Some(core) = node.core.as_mut() {
            core.handle(Input::Command(CommandId(id), command), now);
        }
        self.drain(Host::Person(person));
        id
    }

    /// Gives a command and waits for its answer.
    pub fn ask(&mut self, person: usize, command: Command) -> Result<Reply, ErrorKind> {
        let id = self.tell(person, command);
        assert!(
            self.run_until(1_000, |world| world.people[person].node.replies.contains_key(&id)),
            "no answer to a command"
        );
        self.people[person].node.replies.remove(&id).unwrap()
    }

    pub fn invite(&mut self, person: usize) -> String {
        match self.ask(person, Command::Invite) {
            Ok(Reply::Invitation { text, .. }) => text.to_string(),
            other => panic!("no invitation: {other:?}"),
        }
    }

    pub fn add(&mut self, person: usize, invitation: &str, name: &str) -> ContactId {
        let command = Command::Add {
            invitation: Zeroizing::new(invitation.to_owned()),
            name: name.to_owned(),
            text: String::new(),
        };
        match self.ask(person, command) {
            Ok(Reply::Added(id)) => id,
            other => panic!("not added: {other:?}"),
        }
    }

    pub fn contacts(&mut self, person: usize) -> Vec<ContactInfo> {
        match self.ask(person, Command::Contacts) {
            Ok(Reply::Contacts(all)) => all,
            other => panic!("no contacts: {other:?}"),
        }
    }

    /// Person `b` uses an invitation of person `a`; returns how each numbers the other.
    pub fn meet(&mut self, a: usize, b: usize) -> (ContactId, ContactId) {
        let text = self.invite(a);
        let a_of_b = self.add(b, &text, "");
        let met = |world: &mut Self, person: usize| {
            world.contacts(person).iter().any(|contact| contact.meeting == Meeting::Connected)
        };
        assert!(self.run_until(30_000, |world| met(world, a) && met(world, b)), "they never met");
        let b_of_a = self.contacts(a).last().unwrap().id;
        (b_of_a, a_of_b)
    }

    pub fn send(&mut self, person: usize, to: ContactId, text: &str) -> u64 {
        self.tell(person, Command::Send { contact: to, text: text.to_owned() })
    }

    /// Links of a host that are up.
    pub fn links_of(&self, host: Host) -> Vec<LinkId> {
        let own = self.links.iter().filter(|(_, (a, b))| *a == host || *b == host);
        own.map(|(link, _)| *link).collect()
    }

    /// A link breaks.
    pub fn lose(&mut self, link: LinkId) {
        self.cut(link, Reason::Lost);
    }

    /// Texts that lie in the store of a person, received from a contact, in order of their numbers.
    pub fn received(&self, person: usize, from: ContactId) -> Vec<String> {
        let shown = self.rows(person, from, Space::Received).into_iter().filter(|(_, row)| !row.marks.hidden);
        shown.map(|(_, row)| text_of(&row).unwrap_or_else(|| panic!("no text: {row:?}"))).collect()
    }

    /// All rows of one author in a conversation as they lie in the store of a person, in order of their numbers.
    pub fn rows(&self, person: usize, with: ContactId, space: Space) -> Vec<(u64, StoredMessage)> {
        let rows = self.people[person].node.disk.load(&Range::Group {
            space,
            group: with.group(),
            from: 0,
            to: u64::MAX,
            limit: usize::MAX,
            newest: false,
        });
        let rows: Vec<_> =
            rows.iter().map(|(key, value)| (key.seq, StoredMessage::decode(value).unwrap())).collect();
        let positions: Vec<_> = rows.iter().map(|(_, row)| row.position).collect();
        assert!(positions.is_sorted(), "shown out of order: {positions:?}");
        rows
    }

    /// One message as it lies in the store of a person.
    pub fn row(&self, person: usize, with: ContactId, mine: bool, seq: u64) -> StoredMessage {
        let space = if mine { Space::Sent } else { Space::Received };
        let found = self.rows(person, with, space).into_iter().find(|(number, _)| *number == seq);
        found.unwrap_or_else(|| panic!("person {person} has no message {seq}")).1
    }

    /// Gives a command that queues a body, and returns its id and number.
    pub fn queue(&mut self, person: usize, command: Command) -> (MessageId, u64) {
        match self.ask(person, command) {
            Ok(Reply::Queued { id, seq }) => (id, seq),
            other => panic!("not queued: {other:?}"),
        }
    }

    /// Whether `needle` lies in any record of a person's store.
    pub fn holds(&self, person: usize, needle: &str) -> bool {
        let needle = needle.as_bytes();
        self.people[person]
            .node
            .disk
            .kv
            .values()
            .any(|value| value.windows(needle.len()).any(|part| part == needle))
    }

    pub fn delivered_below(&mut self, person: usize, to: ContactId) -> u64 {
        match self.ask(person, Command::Delivery(to)) {
            Ok(Reply::Delivery(delivery)) => delivery.delivered_below,
            other => panic!("{other:?}"),
        }
    }

    /// Whether an event was told to a person.
    pub fn told(&self, person: usize, event: &Event) -> bool {
        self.people[person].node.events.contains(event)
    }
}

/// The text of a message.
pub fn text_of(row: &StoredMessage) -> Option<String> {
    match Body::decode(&row.body).unwrap().content {
        Content::Text(text) | Content::Reply { text, .. } => Some(text),
        _ => None,
    }
}
