//! What readers see against what authors were told: nothing lost silently, nothing twice, nothing out of an author's order.

use super::{Fact, Message, Oracle, Person};
use std::collections::{BTreeMap, BTreeSet};

/// A message that the author was told is delivered was shown; in the end every queued message was shown or given up openly.
#[derive(Debug, Default)]
pub struct NothingLost {
    waiting: BTreeSet<Message>,
    shown: BTreeSet<Message>,
    held: BTreeSet<Message>,
    lost_devices: BTreeSet<Person>,
}

impl Oracle for NothingLost {
    fn name(&self) -> &'static str {
        "nothing lost"
    }

    fn judge(&mut self, fact: &Fact) -> Result<(), String> {
        match fact {
            // Also what a device writes, or is written, after it was set back.
            Fact::Queued(message) if !self.shown.contains(message) => {
                self.waiting.insert(*message);
            }
            Fact::Shown(message) => {
                self.waiting.remove(message);
                self.shown.insert(*message);
            }
            Fact::Held(message) => {
                self.held.insert(*message);
            }
            Fact::GivenUp(message) => {
                self.waiting.remove(message);
            }
            // A reader whose device is gone can not show it any more.
            Fact::Delivered(message)
                if !self.shown.contains(message)
                    && !self.held.contains(message)
                    && !self.lost_devices.contains(&message.to) =>
            {
                return Err(format!("{message:?} is called delivered, but its reader does not have it"));
            }
            Fact::DeviceLost(person) => {
                self.lost_devices.insert(*person);
                self.waiting.retain(|message| message.from != *person && message.to != *person);
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), String> {
        match self.waiting.first() {
            None => Ok(()),
            Some(first) => Err(format!(
                "{} acknowledged messages were neither shown nor given up, the first is {first:?}",
                self.waiting.len()
            )),
        }
    }
}

/// No message is shown twice.
#[derive(Debug, Default)]
pub struct NothingTwice {
    shown: BTreeSet<Message>,
}

impl Oracle for NothingTwice {
    fn name(&self) -> &'static str {
        "nothing twice"
    }

    fn judge(&mut self, fact: &Fact) -> Result<(), String> {
        match fact {
            Fact::Shown(message) if !self.shown.insert(*message) => {
                Err(format!("{message:?} is shown a second time"))
            }
            // An older copy of the device has to be shown what it does not hold.
            Fact::DeviceLost(person) => {
                self.shown.retain(|message| message.to != *person);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// Each reader sees each author's messages in the order in which they were written.
#[derive(Debug, Default)]
pub struct SenderOrder {
    last: BTreeMap<(Person, Person), u64>,
}

impl Oracle for SenderOrder {
    fn name(&self) -> &'static str {
        "order"
    }

    fn judge(&mut self, fact: &Fact) -> Result<(), String> {
        let message = match fact {
            Fact::Shown(message) => message,
            Fact::DeviceLost(person) => {
                self.last.retain(|(_, to), _| to != person);
                return Ok(());
            }
            _ => return Ok(()),
        };
        let last = self.last.entry((message.from, message.to)).or_default();
        // A second copy is another oracle's business.
        if message.number < *last {
            return Err(format!("{message:?} is shown after number {last}"));
        }
        *last = message.number;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How a broken messenger treats the third of five messages.
    #[derive(Clone, Copy)]
    enum Bug {
        None,
        Loses,
        LosesAndLies,
        Repeats,
        Reorders,
        SaysSo,
    }

    /// A messenger with one bug, seen through its facts.
    fn messenger(bug: Bug) -> Vec<Fact> {
        let mut facts = Vec::new();
        let message = |number| Message { from: Person(1), to: Person(2), number };
        let mut wire: Vec<u64> = (1..=5).collect();
        facts.extend(wire.iter().map(|n| Fact::Queued(message(*n))));
        match bug {
            Bug::None => {}
            Bug::Loses | Bug::LosesAndLies | Bug::SaysSo => wire.retain(|n| *n != 3),
            Bug::Repeats => wire.insert(3, 3),
            Bug::Reorders => wire.swap(2, 3),
        }
        facts.extend(wire.iter().map(|n| Fact::Shown(message(*n))));
        let confirmed = (1..=5).filter(|n| wire.contains(n) || matches!(bug, Bug::LosesAndLies));
        facts.extend(confirmed.map(|n| Fact::Delivered(message(n))));
        if matches!(bug, Bug::SaysSo) {
            facts.push(Fact::GivenUp(message(3)));
        }
        facts
    }

    /// The names of the oracles that object.
    fn objections(facts: &[Fact]) -> Vec<&'static str> {
        let mut oracles = super::super::standard();
        let mut found = Vec::new();
        for oracle in &mut oracles {
            let judged: Result<(), String> = facts.iter().try_for_each(|fact| oracle.judge(fact));
            if judged.and_then(|()| oracle.finish()).is_err() {
                found.push(oracle.name());
            }
        }
        found
    }

    #[test]
    fn a_sound_messenger_passes() {
        assert!(objections(&messenger(Bug::None)).is_empty());
    }

    #[test]
    fn silent_loss_is_found_and_loss_that_is_told_is_not() {
        assert_eq!(objections(&messenger(Bug::Loses)), ["nothing lost"]);
        assert_eq!(objections(&messenger(Bug::LosesAndLies)), ["nothing lost"]);
        assert!(objections(&messenger(Bug::SaysSo)).is_empty());
    }

    #[test]
    fn what_waits_for_an_earlier_message_may_be_called_delivered_but_not_wait_forever() {
        let message = Message { from: Person(1), to: Person(2), number: 2 };
        let mut facts = vec![Fact::Queued(message), Fact::Held(message), Fact::Delivered(message)];
        assert_eq!(objections(&facts), ["nothing lost"], "it was never shown");
        facts.push(Fact::Shown(message));
        assert!(objections(&facts).is_empty());
    }

    #[test]
    fn a_second_copy_is_found() {
        assert_eq!(objections(&messenger(Bug::Repeats)), ["nothing twice"]);
    }

    #[test]
    fn a_wrong_order_is_found() {
        assert_eq!(objections(&messenger(Bug::Reorders)), ["order"]);
    }

    #[test]
    fn a_device_that_was_set_back_may_not_be_wrong_either() {
        let message = Message { from: Person(1), to: Person(2), number: 1 };
        let lie = [Fact::Queued(message), Fact::Delivered(message)];
        let with = |before: &[Fact]| objections(&[before, &lie].concat());
        assert_eq!(with(&[Fact::DeviceLost(Person(1))]), ["nothing lost"]);
        assert_eq!(with(&[]), ["nothing lost"]);
        assert_eq!(with(&[Fact::DeviceLost(Person(2))]), ["nothing lost"], "it was written afterwards");
        let [queued, delivered] = lie.clone();
        let between = [queued, Fact::DeviceLost(Person(2)), delivered];
        assert!(objections(&between).is_empty(), "its reader can not show it any more");
    }

    #[test]
    fn an_older_copy_of_a_device_is_shown_anew_what_it_lacks() {
        let mut facts = messenger(Bug::None);
        facts.push(Fact::DeviceLost(Person(2)));
        let again = |number| Fact::Shown(Message { from: Person(1), to: Person(2), number });
        facts.extend([again(3), again(4)]);
        assert!(objections(&facts).is_empty());
        facts.push(again(4));
        assert_eq!(objections(&facts), ["nothing twice"]);
    }

    #[test]
    fn what_only_a_destroyed_device_held_may_be_gone() {
        let mut facts = messenger(Bug::Loses);
        facts.push(Fact::DeviceLost(Person(1)));
        assert!(objections(&facts).is_empty());
    }
}
