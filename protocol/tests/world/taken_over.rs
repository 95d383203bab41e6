//! A device that was taken over: its session, with which any cell can be made, and the way to the other side's mailbox.

use super::{Host, World};
use karvon_protocol::body::{MailboxDescriptor, Payload};
use karvon_protocol::cbor::read_map;
use karvon_protocol::cell::{Cell, Class};
use karvon_protocol::core::{Key, Space};
use karvon_protocol::engine::api::ContactId;
use karvon_protocol::session::{Session, capacity};
use karvon_protocol::tags::nth_of_class;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;

pub struct TakenOver {
    pub session: Session,
    next: [u64; 3],
    their: MailboxDescriptor,
    pub rng: ChaCha20Rng,
    /// The first number that was not said yet.
    pub said: u64,
}

impl TakenOver {
    /// Stops a person's program for good and takes what it knew of a contact.
    pub fn new(world: &mut World, person: usize, contact: ContactId) -> Self {
        world.crash(Host::Person(person));
        let row = &world.people[person].node.disk.kv[&Key::single(Space::Session, u64::from(contact.0))];
        let (mut session, mut their, mut next, mut said) = (None, MailboxDescriptor::default(), [0; 3], 0);
        read_map(row, |key, field| {
            match key {
                0 => session = Session::decode(field.bytes(1 << 20)?),
                1 => their = MailboxDescriptor::decode(field.raw()?)?,
                3 => next = field.array(3, |item| item.uint())?.try_into().unwrap(),
                4 => said = field.uint()?,
                _ => drop(field.raw()?),
            }
            Ok(true)
        })
        .unwrap();
        Self { session: session.unwrap(), next, their, rng: ChaCha20Rng::seed_from_u64(said), said }
    }

    /// The index of the next unused tag of a class.
    pub fn index(&mut self, class: Class) -> u64 {
        let nth = &mut self.next[class as usize];
        *nth += 1;
        nth_of_class(class, *nth - 1)
    }

    pub fn seal(&mut self, class: Class, payload: &[u8]) -> Cell {
        let index = self.index(class);
        self.session.seal(class, index, payload, &mut self.rng).unwrap()
    }

    pub fn cell(&mut self, payload: &Payload) -> Cell {
        let payload = payload.encode();
        let class = Class::ALL.into_iter().find(|class| payload.len() <= capacity(*class)).unwrap();
        self.seal(class, &payload)
    }

    /// Cells appear in one of the other side's mailboxes as if its relay had taken them.
    pub fn deposit(&self, world: &mut World, cells: Vec<Cell>) {
        let (relay, mailbox) = self.their.mailboxes[0];
        let relay = world.relays.iter().position(|host| host.id == relay).unwrap();
        world.crash(Host::Relay(relay));
        let held = &mut world.relays[relay].node.disk.cells;
        let last = held.range((mailbox, 0)..=(mailbox, u64::MAX)).next_back();
        let first = last.map_or(1, |((_, seq), _)| seq + 1);
        for (cell, seq) in cells.into_iter().zip(first..) {
            held.insert((mailbox, seq), (u64::MAX >> 8, cell));
        }
        world.start(Host::Relay(relay));
        world.run_ms(20_000);
    }

    pub fn say(&mut self, world: &mut World, payload: &Payload) {
        let cell = self.cell(payload);
        self.deposit(world, vec![cell]);
    }
}
