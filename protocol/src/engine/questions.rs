//! Questions of the front end that need the disk: a message's state and its way.

use super::Engine;
use super::api::{ContactId, MessageState, Reply, StoredMessage, TrailEvent, TrailStep};
use super::outcell::decode_trail;
use crate::core::{CommandId, Key, LoadId, Output, Range, Space, Value};
use crate::error::ErrorKind;
use crate::ids::MessageId;
use std::collections::BTreeMap;

#[derive(Debug)]
struct Question {
    command: CommandId,
    contact: ContactId,
    seq: u64,
    mine: bool,
    /// The message itself, once it is loaded.
    message: Option<StoredMessage>,
    second: bool,
}

/// Questions whose answer is being loaded.
#[derive(Debug, Default)]
pub(crate) struct Questions(BTreeMap<LoadId, Question>);

impl Engine {
    /// Looks a message up by its id.
    pub(crate) fn ask_message(&mut self, command: CommandId, id: &MessageId) {
        let found = self.contacts.values().find_map(|contact| Some((contact.id, contact.card.find(id)?)));
        let Some((contact, (mine, seq))) = found else {
            self.fx.after_stored(Output::Reply(command, Err(ErrorKind::NoSuchMessage)));
            return;
        };
        let space = if mine { Space::Sent } else { Space::Received };
        let (_, mut cx) = self.with_doors();
        let load = cx.load(Range::One(Key::of(space, contact.group(), seq)));
        self.questions.0.insert(load, Question { command, contact, seq, mine, message: None, second: false });
    }

    /// Takes loaded records; `false` if no question waits for them.
    pub(crate) fn on_question_loaded(&mut self, load: LoadId, rows: &[(Key, Value)]) -> bool {
        let Some(mut question) = self.questions.0.remove(&load) else { return false };
        if !question.second {
            question.message = rows.first().and_then(|(_, value)| StoredMessage::decode(value));
            if question.message.is_none() {
                self.fx.after_stored(Output::Reply(question.command, Err(ErrorKind::NoSuchMessage)));
                return true;
            }
            if question.mine {
                // The trail of a cell lies under its first message.
                let range = Range::Group {
                    space: Space::Trail,
                    group: question.contact.group(),
                    from: 0,
                    to: question.seq.saturating_add(1),
                    limit: 1,
                    newest: true,
                };
                question.second = true;
                let (_, mut cx) = self.with_doors();
                let load = cx.load(range);
                self.questions.0.insert(load, question);
                return true;
            }
        }
        let reply = self.answer(&question, rows);
        self.fx.after_stored(Output::Reply(question.command, reply));
        true
    }

    fn answer(&self, question: &Question, rows: &[(Key, Value)]) -> Result<Reply, ErrorKind> {
        let contact = self.contacts.get(&question.contact).ok_or(ErrorKind::NoSuchMessage)?;
        let message = question.message.as_ref().ok_or(ErrorKind::NoSuchMessage)?;
        let seq = question.seq;
        let mut trail = Vec::new();
        let mut state = MessageState::Delivered;
        if question.mine {
            trail.push(TrailStep { at_ms: message.at_ms, what: TrailEvent::Queued });
            state = contact.delivery().state(seq);
            let carries = |first: u64, count: u64| (first..first.saturating_add(count)).contains(&seq);
            // What was sent again lies in two cells: the one that got furthest tells.
            let carriers = contact.out.cells.values().filter(|cell| carries(cell.first_seq, cell.count));
            let under_way = carriers.max_by_key(|cell| (cell.settled.is_some(), cell.confirmed()));
            match under_way {
                Some(cell) => trail.extend_from_slice(cell.trail()),
                None => {
                    if let Some((key, value)) = rows.first()
                        && let Some((count, steps)) = decode_trail(value)
                        && carries(key.seq, count)
                    {
                        trail.extend(steps);
                    }
                }
            }
        }
        Ok(Reply::Message { contact: question.contact, seq, mine: question.mine, state, trail })
    }
}
