//! The queue of what will happen on the network, in order of time and then of being scheduled.

use super::{FlowId, Side, SimTime};
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Something that will happen.
#[derive(Debug)]
pub(super) enum Event {
    /// The first segment of a flow reaches the other host.
    Syn(FlowId),
    /// It is sent again: the number says how often it was.
    SynAgain(FlowId, u32),
    /// The dialer learns that the flow is open.
    Opened(FlowId),
    /// The listener's side may accept it.
    Accept(FlowId),
    /// The dialer is refused.
    Refused(FlowId, std::io::ErrorKind),
    /// Bytes reach the access line of the host on the other side than `Side`; none: the end of what `Side` sends.
    Arrive(FlowId, Side, Vec<u8>),
    /// Bytes reach the program on the other side than `Side`.
    Deliver(FlowId, Side, Vec<u8>),
    /// A reset reaches this side.
    Reset(FlowId, Side, std::io::ErrorKind),
    /// `Side` sends again what did not get through.
    Retry(FlowId, Side),
}

struct Entry {
    at: SimTime,
    order: u64,
    event: Event,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}
impl Eq for Entry {}
impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        // The heap gives the greatest first; the earliest is wanted.
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

/// The queue.
#[derive(Default)]
pub(super) struct Queue {
    heap: BinaryHeap<Entry>,
    scheduled: u64,
}

impl Queue {
    pub(super) fn push(&mut self, at: SimTime, event: Event) {
        self.scheduled += 1;
        self.heap.push(Entry { at, order: self.scheduled, event });
    }

    /// The time of the next event.
    pub(super) fn next(&self) -> Option<SimTime> {
        self.heap.peek().map(|entry| entry.at)
    }

    /// The next event if its time has come.
    pub(super) fn due(&mut self, now: SimTime) -> Option<(SimTime, Event)> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|entry| (entry.at, entry.event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_in_order_of_time_then_of_scheduling() {
        let mut queue = Queue::default();
        for (at, flow) in [(5, 1), (3, 2), (5, 3), (4, 4)] {
            queue.push(at, Event::Syn(FlowId(flow)));
        }
        assert!(queue.due(2).is_none());
        let order: Vec<_> = std::iter::from_fn(|| queue.due(5))
            .map(|(_, event)| match event {
                Event::Syn(flow) => flow.0,
                _ => 0,
            })
            .collect();
        assert_eq!(order, [2, 4, 1, 3]);
    }
}
