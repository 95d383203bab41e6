//! Promises with a number in them: confirmations behind `↑`, and the bounds of queues and quotas.

use super::{Fact, Oracle};

/// `↑` is never shown with fewer confirmations than promised.
#[derive(Debug, Default)]
pub struct Promise;

impl Oracle for Promise {
    fn name(&self) -> &'static str {
        "stored means stored"
    }

    fn judge(&mut self, fact: &Fact) -> Result<(), String> {
        match fact {
            Fact::Stored { message, confirmed, promised } if confirmed < promised => {
                Err(format!("{message:?} is called stored with {confirmed} of {promised} confirmations"))
            }
            _ => Ok(()),
        }
    }
}

/// Nothing grows beyond its bound.
#[derive(Debug, Default)]
pub struct Bounds;

impl Oracle for Bounds {
    fn name(&self) -> &'static str {
        "bounds"
    }

    fn judge(&mut self, fact: &Fact) -> Result<(), String> {
        match fact {
            Fact::Measured { node, what, value, bound } if value > bound => {
                Err(format!("{what} of node {} is {value}, more than {bound}", node.0))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Message, Person};
    use super::*;
    use crate::det::NodeId;

    #[test]
    fn a_node_that_calls_one_confirmation_enough_is_found() {
        let message = Message { from: Person(1), to: Person(2), number: 1 };
        let stored = |confirmed| Fact::Stored { message, confirmed, promised: 2 };
        assert!(Promise.judge(&stored(1)).is_err());
        assert_eq!(Promise.judge(&stored(2)), Ok(()));
    }

    #[test]
    fn a_queue_without_an_end_is_found_when_it_passes_its_bound() {
        let mut queue = Vec::new();
        let first_bad = (1..100).find(|n| {
            queue.push(*n);
            let value = queue.len() as u64;
            Bounds.judge(&Fact::Measured { node: NodeId(1), what: "queue", value, bound: 32 }).is_err()
        });
        assert_eq!(first_bad, Some(33));
    }
}
