//! One session with a contact on the same network: cells go over as soon as they are durable, and what is durable there is told back. What
//! each side carries for others is offered, fetched and carried on (SPEC §12.4).

use super::Desk;
use crate::net::lan::Session;
use crate::store::bundles::elsewhere;
use karvon_protocol::bundle_file::Carried;
use karvon_protocol::cell::Cell;
use karvon_protocol::engine::api::ContactId;
use karvon_protocol::engine::carrier::{CarryCommand, CarryReply, Row};
use karvon_protocol::engine::lan::{LanCommand, LanReply};
use karvon_protocol::ids::CellHash;
use karvon_protocol::lan::message::{HAD_MAX, Message, NAMES_MAX};
use karvon_protocol::lan::session::{Channel, UNIT_BYTES};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// No more cells are fetched while so many bytes wait for the network, and nothing more is read while as many more do.
const WAITING_MAX: usize = 256 * 1_024;
/// Bytes read at once.
const READ: usize = 64 * UNIT_BYTES;
/// Silence is broken after this time, and ends the session after that.
const IDLE: Duration = Duration::from_secs(20);
const SILENCE: Duration = Duration::from_secs(50);
/// A contact's device may bring so many bytes in that time.
const QUOTA: (u64, Duration) = (64 << 20, Duration::from_secs(60));

/// How often it is looked for cells that the other side could carry, or has for this one.
const OFFER: Duration = Duration::from_secs(10);
/// Carried cells that are read from disk at once.
const ROWS: usize = 16;

/// One side of a session.
struct Exchange {
    desk: Desk,
    contact: ContactId,
    channel: Channel,
    /// Sealed and not yet sent.
    out: VecDeque<u8>,
    /// Read and not yet a whole unit.
    read: Vec<u8>,
    /// There may be cells that were not fetched.
    more: bool,
    /// There may be cells that were not offered to be carried.
    offers: bool,
    /// Carried cells that the other side wants.
    wanted: VecDeque<Row>,
}

enum Woken {
    Read(usize),
    Sent(usize),
    Waits,
    Idle,
    Offer,
    Over,
}

/// Serves a session until it ends. Whoever started it tells the engine.
pub(super) async fn run(desk: Desk, mut waits: watch::Receiver<u64>, session: Session) {
    let Session { contact, mut stream, channel, first, .. } = session;
    let mut exchange = Exchange {
        desk,
        contact,
        channel,
        out: VecDeque::new(),
        read: Vec::new(),
        more: true,
        offers: true,
        wanted: VecDeque::new(),
    };
    waits.mark_unchanged();
    if exchange.begin(first).await.is_none() {
        return;
    }
    let (mut reader, mut writer) = stream.split();
    let mut buffer = vec![0; READ];
    let (mut heard, mut spoke) = (Instant::now(), Instant::now());
    let (mut quota, mut offered) = ((0, Instant::now()), Instant::now());
    loop {
        if exchange.more && exchange.out.len() < WAITING_MAX && exchange.fetch().await.is_none() {
            return;
        }
        // What is for the other side itself goes first.
        if !exchange.more && exchange.hand_on().await.is_none() {
            return;
        }
        let due = (spoke + IDLE).min(heard + SILENCE);
        let woken = tokio::select! {
            biased;
            sent = writer.write(exchange.out.as_slices().0), if !exchange.out.is_empty() => {
                sent.map_or(Woken::Over, Woken::Sent)
            }
            read = reader.read(&mut buffer), if exchange.out.len() < 2 * WAITING_MAX => {
                read.map_or(Woken::Over, Woken::Read)
            }
            rung = waits.changed() => if rung.is_ok() { Woken::Waits } else { Woken::Over },
            () = sleep_until(offered + OFFER) => Woken::Offer,
            () = sleep_until(due) => Woken::Idle,
        };
        match woken {
            Woken::Over | Woken::Read(0) => return,
            Woken::Sent(length) => {
                exchange.out.drain(..length);
                spoke = Instant::now();
            }
            Woken::Read(length) => {
                heard = Instant::now();
                if quota.1.elapsed() > QUOTA.1 {
                    quota = (0, heard);
                }
                quota.0 += length as u64;
                let bytes = buffer.get(..length).unwrap_or_default();
                if quota.0 > QUOTA.0 || exchange.take(bytes).await.is_none() {
                    return;
                }
            }
            Woken::Waits => exchange.more = true,
            Woken::Offer => (exchange.offers, offered) = (true, Instant::now()),
            Woken::Idle if heard.elapsed() >= SILENCE => return,
            Woken::Idle => {
                if exchange.take_cells(Vec::new(), &[]).await.is_none() {
                    return;
                }
                spoke = Instant::now();
            }
        }
    }
}

impl Exchange {
    /// Tells the engine that the contact is near, and the contact how far its tags are expected.
    async fn begin(&mut self, first: Option<Message>) -> Option<()> {
        let reply = self.desk.ask(LanCommand::Up(self.contact)).await?;
        self.tell(&reply, &[])?;
        if let Some(Message::Had { room, numbers }) = first {
            self.had(numbers, room).await?;
        }
        Some(())
    }

    /// Seals a message for the network.
    fn say(&mut self, message: &Message) -> Option<()> {
        self.out.extend(self.channel.seal(message).ok()?);
        Some(())
    }

    /// Tells which of the other side's cells are durable here: `numbers` are those that were brought.
    fn tell(&mut self, reply: &LanReply, numbers: &[u64]) -> Option<()> {
        let LanReply::Taken { had, room } = reply else { return None };
        let named: Vec<u64> = had.iter().filter_map(|place| numbers.get(*place as usize)).copied().collect();
        let mut parts = named.chunks(HAD_MAX);
        // Also without any it tells that this side is there.
        let first = parts.next().unwrap_or_default();
        for part in std::iter::once(first).chain(parts) {
            self.say(&Message::Had { room: *room, numbers: part.to_vec() })?;
        }
        Some(())
    }

    async fn had(&self, numbers: Vec<u64>, room: u64) -> Option<()> {
        self.desk.ask(LanCommand::Had { contact: self.contact, numbers, room }).await.map(|_| ())
    }

    async fn take_cells(&mut self, cells: Vec<Cell>, numbers: &[u64]) -> Option<()> {
        let reply = self.desk.ask(LanCommand::Take(self.contact, cells)).await?;
        self.tell(&reply, numbers)
    }

    /// Fetches cells that wait, as the store has them: what is named is durable.
    async fn fetch(&mut self) -> Option<()> {
        let LanReply::Next(numbers) = self.desk.ask(LanCommand::Next(self.contact)).await? else {
            return None;
        };
        self.more = !numbers.is_empty();
        if numbers.is_empty() {
            return Some(());
        }
        let (history, contact) = (self.desk.history.clone(), self.contact);
        let rows = elsewhere(move || {
            let row = |number| history.out_cell(contact, number).map(|row| (number, row));
            Ok(numbers.into_iter().map(row).collect::<Result<Vec<_>, _>>())
        });
        // The store has failed, and the node with it.
        let rows = rows.await.ok()?.ok()?;
        for (number, row) in rows {
            // One that is acknowledged meanwhile is gone.
            if let Some(cell) = row.and_then(|row| Cell::parse(row.to_vec()).ok()) {
                self.say(&Message::Cell { number, cell })?;
            }
        }
        Some(())
    }

    /// Takes bytes from the network; `None` ends the session.
    async fn take(&mut self, bytes: &[u8]) -> Option<()> {
        self.read.extend_from_slice(bytes);
        let whole = self.read.len() / UNIT_BYTES * UNIT_BYTES;
        let units: Vec<u8> = self.read.drain(..whole).collect();
        let (mut numbers, mut cells, mut carried) = (Vec::new(), Vec::new(), Vec::new());
        for unit in units.chunks(UNIT_BYTES) {
            match self.channel.open(unit).ok()? {
                None => {}
                Some(Message::Cell { number, cell }) => {
                    numbers.push(number);
                    cells.push(cell);
                }
                Some(Message::Had { room, numbers }) => self.had(numbers, room).await?,
                Some(Message::Offer(names)) => self.offered(names).await?,
                Some(Message::Want(names)) => {
                    let wanted = CarryCommand::Wanted(self.contact, names);
                    let CarryReply::Rows(rows) = self.desk.carry(wanted).await? else { return None };
                    self.wanted.extend(rows);
                }
                Some(Message::Kept(names)) => {
                    self.desk.carry(CarryCommand::Kept(self.contact, names)).await?;
                }
                Some(Message::Carried { until_day, cell }) => carried.push(Carried { cell, until_day }),
            }
        }
        if !cells.is_empty() {
            self.take_cells(cells, &numbers).await?;
        }
        if !carried.is_empty() {
            let (contact, room) = (self.contact, self.desk.room);
            let brought = CarryCommand::Brought { contact, cells: carried, room };
            let CarryReply::Names(kept) = self.desk.carry(brought).await? else { return None };
            self.say_names(&kept, Message::Kept)?;
        }
        Some(())
    }

    /// Offers what can be carried and brings what is wanted, as far as there is room on the way.
    async fn hand_on(&mut self) -> Option<()> {
        while !self.wanted.is_empty() && self.out.len() < WAITING_MAX {
            let rows: Vec<Row> = self.wanted.drain(..ROWS.min(self.wanted.len())).collect();
            let history = self.desk.history.clone();
            let read = move |row: Row| history.cell(row.key).map(|value| (row.until_day, value));
            let cells = elsewhere(move || Ok(rows.into_iter().map(read).collect::<Result<Vec<_>, _>>()));
            // The store has failed, and the node with it.
            for (until_day, value) in cells.await.ok()?.ok()? {
                // One that is acknowledged or too old meanwhile is gone.
                if let Some(cell) = value.and_then(|value| Cell::parse(value.to_vec()).ok()) {
                    self.say(&Message::Carried { until_day, cell })?;
                }
            }
        }
        while self.offers && self.out.len() < WAITING_MAX {
            let CarryReply::Names(names) = self.desk.carry(CarryCommand::Offers(self.contact)).await? else {
                return None;
            };
            self.offers = !names.is_empty();
            self.say_names(&names, Message::Offer)?;
        }
        Some(())
    }

    async fn offered(&mut self, names: Vec<CellHash>) -> Option<()> {
        let offered = CarryCommand::Offered(self.contact, names);
        let CarryReply::Offered { wanted, kept } = self.desk.carry(offered).await? else { return None };
        self.say_names(&wanted, Message::Want)?;
        self.say_names(&kept, Message::Kept)
    }

    fn say_names(&mut self, names: &[CellHash], message: fn(Vec<CellHash>) -> Message) -> Option<()> {
        names.chunks(NAMES_MAX).try_for_each(|names| self.say(&message(names.to_vec())))
    }
}
