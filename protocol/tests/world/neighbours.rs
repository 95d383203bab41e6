//! People on one local network, and what they hand to each other there for others.

use super::friends::{Friends, NAMES};
use super::{Host, World};
use karvon_protocol::bundle_file::Carried;
use karvon_protocol::cell::{Cell, Class};
use karvon_protocol::core::{Range, Space};
use karvon_protocol::engine::api::{Command, ContactId, Reply};
use karvon_protocol::engine::carrier::{CarryCommand, CarryReply, Row};
use karvon_protocol::engine::lan::{LanCommand, LanReply};
use karvon_protocol::error::ErrorKind;
use karvon_protocol::ids::{CellHash, Tag};
use karvon_protocol::lan::message::NAMES_MAX;
use std::collections::{BTreeMap, BTreeSet};

/// Bytes that each device carries.
pub const ROOM: usize = 1 << 20;

/// Who is which contact of whom: `ends[a][b]` is b at a.
pub type Ends = Vec<Vec<ContactId>>;

pub fn carry(world: &mut World, person: usize, command: CarryCommand) -> Result<CarryReply, ErrorKind> {
    match world.ask(person, Command::Carry(command))? {
        Reply::Carry(reply) => Ok(reply),
        other => panic!("{other:?}"),
    }
}

pub fn lan(world: &mut World, person: usize, command: LanCommand) -> Result<LanReply, ErrorKind> {
    match world.ask(person, Command::Lan(command))? {
        Reply::Lan(reply) => Ok(reply),
        other => panic!("{other:?}"),
    }
}

pub fn meet(world: &mut World, ends: &Ends, a: usize, b: usize) {
    for (one, other) in [(a, b), (b, a)] {
        assert!(lan(world, one, LanCommand::Up(ends[one][other])).is_ok());
    }
}

pub fn part(world: &mut World, ends: &Ends, a: usize, b: usize) {
    for (one, other) in [(a, b), (b, a)] {
        assert!(lan(world, one, LanCommand::Down(ends[one][other])).is_ok());
    }
}

pub fn offers(world: &mut World, person: usize, to: ContactId) -> Vec<CellHash> {
    match carry(world, person, CarryCommand::Offers(to)) {
        Ok(CarryReply::Names(names)) => names,
        // It died, or is not up.
        other => panic!("{other:?}"),
    }
}

/// The cells behind names that were offered, as they lie on disk.
pub fn fetch(world: &mut World, person: usize, to: ContactId, names: Vec<CellHash>) -> Vec<Carried> {
    let rows = match carry(world, person, CarryCommand::Wanted(to, names)) {
        Ok(CarryReply::Rows(rows)) => rows,
        other => panic!("{other:?}"),
    };
    read(world, person, &rows)
}

pub fn read(world: &World, person: usize, rows: &[Row]) -> Vec<Carried> {
    let disk = &world.people[person].node.disk;
    let cell = |row: &Row| {
        let value = disk.load(&Range::One(row.key)).first()?.1.to_vec();
        Some(Carried { cell: Cell::parse(value).expect("a cell"), until_day: row.until_day })
    };
    rows.iter().filter_map(cell).collect()
}

/// Everything that one person can hand to the other goes over. Returns how many cells did.
pub fn hand(world: &mut World, ends: &Ends, from: usize, to: usize) -> usize {
    let (there, back) = (ends[from][to], ends[to][from]);
    let mut moved = 0;
    loop {
        let names = offers(world, from, there);
        if names.is_empty() {
            return moved;
        }
        assert!(names.len() <= NAMES_MAX);
        let (wanted, kept) = match carry(world, to, CarryCommand::Offered(back, names)) {
            Ok(CarryReply::Offered { wanted, kept }) => (wanted, kept),
            other => panic!("{other:?}"),
        };
        assert!(carry(world, from, CarryCommand::Kept(there, kept)).is_ok());
        let cells = fetch(world, from, there, wanted);
        moved += cells.len();
        let brought = CarryCommand::Brought { contact: back, cells, room: ROOM };
        let kept = match carry(world, to, brought) {
            Ok(CarryReply::Names(kept)) => kept,
            other => panic!("{other:?}"),
        };
        assert!(carry(world, from, CarryCommand::Kept(there, kept)).is_ok());
    }
}

/// Two people are near each other for a while, and part.
pub fn visit(world: &mut World, ends: &Ends, a: usize, b: usize) -> usize {
    meet(world, ends, a, b);
    let mut moved = 0;
    for _ in 0..3 {
        world.run_ms(6_000);
        moved += hand(world, ends, a, b) + hand(world, ends, b, a);
    }
    part(world, ends, a, b);
    moved
}

pub fn status(world: &mut World, person: usize) -> (bool, u64, u64) {
    match carry(world, person, CarryCommand::Status) {
        Ok(CarryReply::Status { on, cells, bytes }) => (on, cells, bytes),
        other => panic!("{other:?}"),
    }
}

pub fn made_up(n: u64, class: Class) -> Carried {
    let mut bytes = vec![n as u8; class.bytes()];
    let mut tag = [7; 16];
    tag[..8].copy_from_slice(&n.to_be_bytes());
    let outer = Cell::outer(class, &Tag(tag), 0);
    bytes[..outer.len()].copy_from_slice(&outer);
    Carried { cell: Cell::parse(bytes).expect("a cell"), until_day: u32::MAX }
}

/// A neighbour offers these and brings them; how many are carried then.
pub fn bring(world: &mut World, person: usize, from: ContactId, cells: &[Carried], room: usize) -> usize {
    let mut kept = 0;
    for some in cells.chunks(NAMES_MAX) {
        let names = some.iter().map(|carried| carried.cell.hash()).collect();
        let Ok(CarryReply::Offered { wanted, .. }) = carry(world, person, CarryCommand::Offered(from, names))
        else {
            panic!("no answer");
        };
        let wanted = some.iter().filter(|carried| wanted.contains(&carried.cell.hash())).cloned().collect();
        let brought = CarryCommand::Brought { contact: from, cells: wanted, room };
        match carry(world, person, brought) {
            Ok(CarryReply::Names(names)) => kept += names.len(),
            other => panic!("{other:?}"),
        }
    }
    kept
}

/// One command, unless its device dies over it.
pub fn brave(world: &mut World, person: usize, command: Command) -> Option<Reply> {
    if !world.is_up(Host::Person(person)) {
        return None;
    }
    let number = world.tell(person, command);
    for _ in 0..100 {
        world.run_ms(1);
        if let Some(reply) = world.people[person].node.replies.remove(&number) {
            return reply.ok();
        }
    }
    None
}

pub fn brave_hand(world: &mut World, ends: &Ends, from: usize, to: usize) -> Option<()> {
    let (there, back) = (ends[from][to], ends[to][from]);
    let names = |reply| match reply {
        Reply::Carry(CarryReply::Names(names)) => Some(names),
        _ => None,
    };
    brave(world, from, Command::Lan(LanCommand::Up(there)))?;
    brave(world, to, Command::Lan(LanCommand::Up(back)))?;
    loop {
        let offered = names(brave(world, from, Command::Carry(CarryCommand::Offers(there)))?)?;
        if offered.is_empty() {
            break;
        }
        let Reply::Carry(CarryReply::Offered { wanted, kept }) =
            brave(world, to, Command::Carry(CarryCommand::Offered(back, offered)))?
        else {
            return None;
        };
        brave(world, from, Command::Carry(CarryCommand::Kept(there, kept)))?;
        let Reply::Carry(CarryReply::Rows(rows)) =
            brave(world, from, Command::Carry(CarryCommand::Wanted(there, wanted)))?
        else {
            return None;
        };
        let cells = read(world, from, &rows);
        for cell in cells {
            let brought = CarryCommand::Brought { contact: back, cells: vec![cell], room: ROOM };
            let kept = names(brave(world, to, Command::Carry(brought))?)?;
            // What is called durable is on the disk.
            let marks = world.people[to].node.disk.load(&Range::Space(Space::CarriedMark));
            assert!(kept.iter().all(|name| marks.iter().any(|(_, mark)| mark.ends_with(&name.0))));
            brave(world, from, Command::Carry(CarryCommand::Kept(there, kept)))?;
        }
    }
    brave(world, from, Command::Lan(LanCommand::Down(there)))?;
    brave(world, to, Command::Lan(LanCommand::Down(back)))?;
    Some(())
}

/// People of whom these pairs have met, and who is which contact of whom.
pub fn people(seed: u64, count: usize, pairs: &[(usize, usize)]) -> (Friends, Ends) {
    let names: Vec<(&str, &[usize])> = (0..count).map(|n| (NAMES[n], &[0, 1][..])).collect();
    let mut world = World::with(seed, 3, &names);
    let mut contacts = BTreeMap::new();
    for (a, b) in pairs {
        world.meet(*a, *b);
        world.run_ms(5_000);
        for (one, other) in [(*a, *b), (*b, *a)] {
            contacts.insert((one, other), world.contacts(one).last().expect("a contact").id);
        }
    }
    world.run_ms(20_000);
    let end = |a, b| contacts.get(&(a, b)).copied().unwrap_or(ContactId(0));
    let ends = (0..count).map(|a| (0..count).map(|b| end(a, b)).collect()).collect();
    (Friends { world, contacts }, ends)
}

/// Starts a device again, as the node does it.
pub fn restart(world: &mut World, person: usize) {
    world.crash(Host::Person(person));
    world.start(Host::Person(person));
    world.run_ms(500);
    assert!(carry(world, person, CarryCommand::Room(ROOM)).is_ok());
}

/// Everybody is on a Wi-Fi that they have accepted.
pub fn accept(world: &mut World) {
    for person in 0..world.people.len() {
        assert!(carry(world, person, CarryCommand::Room(ROOM)).is_ok());
        assert!(lan(world, person, LanCommand::Accept([7; 16])).is_ok());
    }
}

pub fn relays(world: &mut World, there: bool) {
    for relay in 0..world.relays.len() {
        if there { world.start(Host::Relay(relay)) } else { world.crash(Host::Relay(relay)) }
    }
    world.run_ms(1_000);
}

/// Bytes of the cells that a device carries.
pub fn rows(world: &World, person: usize) -> BTreeSet<Vec<u8>> {
    let rows = world.people[person].node.disk.load(&Range::Space(Space::Carried));
    rows.into_iter().map(|(_, row)| row.to_vec()).collect()
}
