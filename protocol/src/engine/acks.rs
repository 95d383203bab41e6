//! Acknowledgements of own messages: what is delivered, what the relays lost, and whether they are for this device at all.

use super::contact::Contact;
use super::cx::{Alarm, Cx};
use super::setback;
use crate::body::Ack;
use crate::core::{Key, Op, Space};

/// What the other side has on disk, and the run of the highest number of it. Returns whether that is news.
pub(crate) fn on_ack(contact: &mut Contact, ack: &Ack, run: Option<u64>, cx: &mut Cx<'_>) -> bool {
    let Some(talk) = &contact.talk else { return false };
    if contact.setback.doubt.is_some() || ack.below < talk.delivered.below {
        return false;
    }
    if setback::is_foreign(contact, ack, run) {
        // It is for messages that this device does not know of: it was set back to an older copy of itself.
        setback::notice(contact, ack.highest().saturating_add(1), cx);
        return false;
    }
    let Some(talk) = contact.talk.as_mut() else { return false };
    let top = talk.next_pack.max(talk.top_pack);
    // Ranges beyond may be numbers that another restored device used.
    let ack =
        &Ack { below: ack.below, ranges: ack.ranges.iter().copied().filter(|(_, to)| *to < top).collect() };
    let highest = ack.ranges.last().map_or(ack.below, |(_, to)| to + 1);
    if *ack == talk.delivered {
        return false;
    }
    talk.delivered = ack.clone();
    if ack.below > talk.next_pack {
        // An earlier session carried them already.
        talk.next_pack = ack.below;
        contact.out.read_again(ack.below, contact.next_seq);
    }
    let delivered =
        |seq: u64| seq < ack.below || ack.ranges.iter().any(|(from, to)| (*from..=*to).contains(&seq));
    for seq in contact.out.letters.take_below(ack.below) {
        cx.write(Op::Remove(Key::of(Space::Sent, contact.id.group(), seq)));
    }
    let done: Vec<u64> = contact
        .out
        .cells
        .iter()
        .filter(|(_, cell)| cell.count > 0 && (cell.first_seq..=cell.last_seq()).all(delivered))
        .map(|(number, _)| *number)
        .collect();
    for number in done {
        if let Some(cell) = contact.out.cells.remove(&number) {
            cell.retire(contact.id, number, Some(cx.now.wall_ms), cx);
        }
    }
    // What came later is there and this is not: the relays lost it, or still carry it.
    let missing: Vec<u64> = contact
        .out
        .cells
        .iter()
        .filter(|(_, cell)| {
            cell.count > 0
                && cell.last_seq() + 1 < highest
                && cell.settled.is_some_and(|at| cx.now.mono >= at.after_ms(5_000))
        })
        .map(|(number, _)| *number)
        .collect();
    for number in missing {
        if let Some(cell) = contact.out.cells.get_mut(&number) {
            cell.start_again();
            cx.alarm_in(Alarm::Cell(contact.id, number), 0);
        }
    }
    true
}
