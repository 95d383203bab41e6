//! What a device may use of its line: bytes are told by the shell, the level follows, and what has to wait waits (DESIGN N2).
//!
//! From 80 % of a day's cap on the rest waits: upkeep, files, channels; from 95 % receipts and acknowledgements as well; at 100 % there are
//! no links, and texts are held. Whatever waits is on disk or follows from what is, so a lower level goes on where the higher one stopped.

use super::Engine;
use super::api::{Event, Reply};
use super::cx::{Alarm, context};
use crate::core::{Key, Op, Output, Space, Value};
use crate::error::ErrorKind;
use crate::spending::{Book, Bytes, CAP, Level, NetworkId, Plan, Terms, Use};
use zeroize::Zeroizing;

/// A command about bytes.
#[derive(Debug, Clone)]
pub enum DataCommand {
    /// What holds, and what was used.
    Show,
    /// So many bytes passed at the sockets since this was said last, headers included; the device is on this network now.
    Count {
        /// Where.
        network: NetworkId,
        /// Came in.
        received: u64,
        /// Went out.
        sent: u64,
    },
    /// Changes the plan of this network, or of all.
    Plan {
        /// Of all networks.
        everywhere: bool,
        /// The plan.
        plan: Plan,
    },
    /// Changes the daily cap of this network, or of all.
    Cap {
        /// Of all networks.
        everywhere: bool,
        /// Bytes within [`CAP`]; `None` takes it away.
        cap: Option<u64>,
    },
    /// Allows so many more bytes on this network today.
    More(u64),
}

/// What holds on this network, and what was used here today.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DataInfo {
    /// Which network: all zeros for none that is local.
    pub network: NetworkId,
    /// What holds here.
    pub terms: Terms,
    /// It was said for this network alone.
    pub own: bool,
    /// Bytes that may be used here today.
    pub cap_today: Option<u64>,
    /// What was used here today.
    pub used: Use,
    /// What may still be sent.
    pub level: Level,
    /// When the next day begins (UTC), Unix milliseconds.
    pub turns_ms: u64,
    /// Contacts to whom a receipt or acknowledgement is due that waits for more bytes.
    pub receipts_waiting: u64,
}

/// What a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum For {
    Texts,
    Receipts,
    Rest,
}

/// Bytes of frames since the shell counted last, and the level that holds.
#[derive(Debug, Default)]
pub(crate) struct Spending {
    book: Book,
    level: Level,
    received: Bytes,
    sent: Bytes,
    /// What the cell that is being opened is.
    heard: Option<For>,
}

impl Spending {
    /// Two links at most, and checks less often.
    pub(crate) fn is_low(&self) -> bool {
        self.book.terms().0.plan == Plan::Low
    }

    /// Upkeep, files and channels wait.
    pub(crate) fn rests(&self) -> bool {
        self.level >= Level::Saving
    }

    /// So do receipts.
    pub(crate) fn is_for_texts(&self) -> bool {
        self.level >= Level::Texts
    }

    /// So does everything.
    pub(crate) fn is_spent(&self) -> bool {
        self.level >= Level::Spent
    }

    /// A frame leaves; it counts as the rest until [`Spending::carries`] says better.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.sent.rest = self.sent.rest.saturating_add(bytes as u64);
    }

    /// A frame came.
    pub(crate) fn received(&mut self, bytes: usize) {
        self.received.rest = self.received.rest.saturating_add(bytes as u64);
    }

    /// What the cell is that is being opened.
    pub(crate) fn heard(&mut self, what: For) {
        self.heard = Some(what);
    }

    /// It was opened, and came from a relay.
    pub(crate) fn count_heard(&mut self, bytes: usize) {
        if let Some(what) = self.heard.take() {
            self.carries(false, what, bytes);
        }
    }

    /// A cell of so many bytes is what a frame carries, or carried.
    pub(crate) fn carries(&mut self, sent: bool, what: For, bytes: usize) {
        let frames = if sent { &mut self.sent } else { &mut self.received };
        let bytes = (bytes as u64).saturating_add(CELL_FRAME);
        let to = match what {
            For::Texts => &mut frames.texts,
            For::Receipts => &mut frames.receipts,
            For::Rest => return,
        };
        *to = to.saturating_add(bytes);
        frames.rest = frames.rest.saturating_sub(bytes);
    }
}

/// Bytes of a frame around its cell.
const CELL_FRAME: u64 = 96;

impl Engine {
    /// Takes the record at start: what was used counts before anything is dialled.
    pub(super) fn load_spending(&mut self, value: &Value) {
        match Book::decode(value) {
            Some(book) => self.spending.book = book,
            None => self.faults += 1,
        }
    }

    pub(super) fn start_spending(&mut self) {
        self.spending.book.turn(self.now.wall_ms);
        self.spending.level = self.spending.book.level();
        self.wait_for_day();
    }

    pub(super) fn on_data_command(&mut self, command: DataCommand) -> Result<Reply, ErrorKind> {
        let before = self.spending.book.clone();
        let book = &mut self.spending.book;
        book.turn(self.now.wall_ms);
        match command {
            DataCommand::Show => {}
            DataCommand::Count { network, received, sent } => {
                // What passed belongs to the network on which the device was.
                let frames =
                    (core::mem::take(&mut self.spending.received), core::mem::take(&mut self.spending.sent));
                book.count(received, sent, frames);
                book.move_to(network);
            }
            DataCommand::Plan { everywhere, plan } => book.set(everywhere, |terms| terms.plan = plan),
            DataCommand::Cap { everywhere, cap } => {
                if cap.is_some_and(|cap| !(CAP.0..=CAP.1).contains(&cap)) {
                    return Err(ErrorKind::Limit);
                }
                book.set(everywhere, |terms| terms.cap = cap);
            }
            DataCommand::More(more) => {
                if book.terms().0.cap.is_none() || more > CAP.1 {
                    return Err(ErrorKind::Limit);
                }
                book.allow(more);
            }
        }
        if before != self.spending.book {
            let value = Zeroizing::new(self.spending.book.encode());
            self.fx.write(Op::Put(Key::single(Space::Spending, 0), value));
        }
        let terms = before.terms() != self.spending.book.terms();
        self.take_level(terms);
        Ok(Reply::Data(self.data()))
    }

    /// Another day may have begun.
    pub(super) fn on_day(&mut self) {
        self.spending.book.turn(self.now.wall_ms);
        self.take_level(false);
        self.wait_for_day();
    }

    fn wait_for_day(&mut self) {
        let ms = self.spending.book.turns_ms().saturating_sub(self.now.wall_ms);
        // Clocks are set: an hour at most, and a look.
        self.timers.set(Alarm::Day, self.now.mono.after_ms(ms.clamp(1_000, 3_600_000)));
    }

    /// What holds now.
    pub(super) fn data(&self) -> DataInfo {
        let Spending { book, level, .. } = &self.spending;
        let (terms, own) = book.terms();
        let owed = self.contacts.values().filter(|contact| contact.out.is_ack_due()).count() as u64;
        DataInfo {
            network: book.here(),
            terms,
            own,
            cap_today: book.cap_today(),
            used: book.used(),
            level: *level,
            turns_ms: book.turns_ms(),
            receipts_waiting: if self.spending.is_for_texts() { owed } else { 0 },
        }
    }

    /// The level that follows from what was used holds from now on; `terms`: so do other terms.
    fn take_level(&mut self, terms: bool) {
        let level = self.spending.book.level();
        let before = core::mem::replace(&mut self.spending.level, level);
        if level == before && !terms {
            return;
        }
        let Self { doors, routes, .. } = self;
        let mut cx = context!(self);
        if level >= Level::Saving {
            // What is posted there would come all the same.
            routes.drop_channels(&mut cx);
        }
        if level == Level::Spent {
            doors.hang_up(&mut cx);
        } else if before == Level::Spent {
            doors.dial_anew(&mut cx);
        } else {
            doors.fit_links(&mut cx);
        }
        if level < before {
            let (contacts, mut cx) = self.with_contacts();
            for contact in contacts.values() {
                if contact.talk.as_ref().is_some_and(|talk| talk.owes) {
                    cx.alarm_by(Alarm::Ack(contact.id), 0);
                }
            }
            let (groups, mut cx) = self.with_groups();
            groups.wake(&mut cx);
            for number in self.channels.numbers() {
                context!(self).alarm_by(Alarm::Channel(number), 0);
            }
            self.tend_invites();
        }
        self.fx.after_stored(Output::Notify(Event::Data(level)));
    }
}
