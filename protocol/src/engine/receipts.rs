//! What a person lets others notice: what was read, late and together, and that they are typing, at once and never stored.

use super::contact::Contact;
use super::cx::{Alarm, Cx};
use crate::body::{Body, Content};
use crate::core::Mono;

/// A receipt waits at least so long, and as long again at the most, milliseconds: when somebody reads must not follow from when
/// cells leave (research §5.3).
const READ_MS: (u64, u64) = (2_000, 28_000);
/// Typing is told no more often than this, milliseconds.
const TYPING_MS: u64 = 8_000;
/// Typing that was told longer ago, or from a clock further ahead, is not shown, milliseconds.
const TYPING_OLD_MS: u64 = 15_000;

/// What is to be told soon; lives in memory only, apart from what was told (see `Terms`).
#[derive(Debug, Default)]
pub(crate) struct Telling {
    /// When what was read is told.
    read_at: Option<Mono>,
    /// It is time.
    read_now: bool,
    typing_now: bool,
    typing_told: Option<Mono>,
}

/// The person saw more, or allows now that it is told: it is, after a while.
pub(crate) fn on_seen(contact: &mut Contact, cx: &mut Cx<'_>) {
    let owed = contact.card.seen_upto > contact.terms.read_told;
    if contact.terms.receipts && !contact.terms.blocked && owed && contact.telling.read_at.is_none() {
        let delay = READ_MS.0 + cx.rng.next_u64() % READ_MS.1;
        let at = cx.now.mono.after_ms(delay);
        contact.telling.read_at = Some(at);
        cx.timers.set(Alarm::Receipt(contact.id), at);
    }
}

/// The time of a receipt has come: it leaves with a cell now. Returns whether there is one.
pub(crate) fn on_alarm(contact: &mut Contact) -> bool {
    contact.telling.read_now = contact.telling.read_at.take().is_some() && contact.terms.receipts;
    contact.telling.read_now
}

/// The person is typing. Returns whether that is told now: only if they allow it, and only while nothing waits for a path.
pub(crate) fn on_typing(contact: &mut Contact, cx: &mut Cx<'_>) -> bool {
    let lately = contact.telling.typing_told.is_some_and(|told| cx.now.mono < told.after_ms(TYPING_MS));
    let waits = contact.out.cells.values().any(|cell| cell.settled.is_none());
    let tells = contact.terms.typing && !contact.terms.blocked && !lately && !waits;
    if tells {
        contact.telling.typing_now = true;
        contact.telling.typing_told = Some(cx.now.mono);
    }
    tells
}

/// Loose bodies that leave with the next cell.
pub(crate) fn due(contact: &Contact, now_ms: u64) -> Vec<Body> {
    let mut out = Vec::new();
    if contact.telling.read_now {
        out.push(Body::new(0, Content::Read(contact.card.seen_upto)));
    }
    if contact.telling.typing_now {
        out.push(Body::new(now_ms, Content::Typing));
    }
    out
}

/// The bodies that were [`due`] are in a cell.
pub(crate) fn told(contact: &mut Contact, cx: &mut Cx<'_>) {
    contact.telling.typing_now = false;
    if core::mem::take(&mut contact.telling.read_now) {
        contact.terms.read_told = contact.card.seen_upto;
        cx.write(contact.terms.save(contact.id));
    }
}

/// Whether typing that was told at `sent_ms` by the author's clock may still go on.
pub(crate) fn is_typing_now(sent_ms: u64, now_ms: u64) -> bool {
    sent_ms.abs_diff(now_ms) <= TYPING_OLD_MS
}
