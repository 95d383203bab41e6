//! Asking own mailboxes for pieces of what they announced.

use super::{BUSY_MS, LOOK_AGAIN_MS, Mailboxes, NOTICE_MS};
use crate::engine::cx::{Alarm, Ask, Cx, Signal, Token};
use crate::engine::pulls::{Took, Wish};
use crate::engine::routes::{Lane, RouteError};
use crate::ids::TagPrefix;
use crate::rpc::{Refusal, Reply, Request};

impl Mailboxes {
    /// Asks for pieces of announced cells, as many as may be under way.
    pub(super) fn pull(&mut self, cx: &mut Cx<'_>) {
        let Self { boxes, pulls, .. } = self;
        let attached = |number: u32| boxes.get(&number).filter(|held| held.is_attached());
        for wish in pulls.wishes(cx.paces.all_narrow(), cx.now.mono, |number| attached(number).is_some()) {
            let Some(held) = attached(wish.mailbox) else { continue };
            let Wish { mailbox, prefix, from, count, .. } = wish;
            let ask = Ask::Plain(Request::Pieces { prefix, from, count });
            cx.signal(Signal::Ask(Lane::Mailbox(mailbox), held.relay, ask, Token::Pieces(wish)));
        }
        if pulls.waits() {
            cx.alarm_by(Alarm::Removals, LOOK_AGAIN_MS);
        }
        for (number, held) in boxes.iter_mut() {
            if !held.claims.is_empty() && !pulls.waits_for(*number) {
                held.judge_claims(*number, cx);
            }
        }
    }

    /// A piece of a cell came from a mailbox.
    pub(crate) fn on_piece(
        &mut self,
        number: u32,
        (prefix, index): (TagPrefix, u8),
        bytes: &[u8],
        cx: &mut Cx<'_>,
    ) {
        match self.pulls.took(number, prefix, index, bytes, cx.now.mono) {
            Took::More => {}
            Took::Whole(cell) => cx.signal(Signal::Item(number, cell)),
            Took::Unasked => cx.fault(),
            Took::Bent => {
                cx.fault();
                self.bent(prefix, cx);
            }
        }
    }

    /// A cell that may have come in pieces is no good. Returns whether its relays are asked once more, one at a time.
    pub(crate) fn bent(&mut self, prefix: TagPrefix, cx: &mut Cx<'_>) -> bool {
        let again = self.pulls.refused(prefix);
        self.pull(cx);
        again
    }

    /// The end of a request for pieces.
    pub(crate) fn on_pieces(&mut self, wish: Wish, answer: &Result<Reply, RouteError>, cx: &mut Cx<'_>) {
        self.pulls.ended(wish, matches!(answer, Ok(Reply::Done)));
        // It still holds it, and says so only if it is asked.
        let later = match answer {
            Err(RouteError::Refused(refusal)) => *refusal != Refusal::NotFound,
            // Too much waits for its tunnel here.
            Err(RouteError::Busy) => true,
            _ => false,
        };
        if later && let Some(held) = self.boxes.get_mut(&wish.mailbox) {
            held.put_off_claims();
            held.stale = true;
            cx.alarm_by(Alarm::Removals, BUSY_MS);
        }
        for number in self.pulls.starved() {
            if let Some(held) = self.boxes.get_mut(&number) {
                held.put_off_claims();
                held.stale = true;
                cx.alarm_by(Alarm::Removals, NOTICE_MS);
            }
        }
        self.pull(cx);
    }
}
