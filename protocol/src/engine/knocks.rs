//! Asking at a published address: terms are asked for, the work is done elsewhere in small pieces, and the cell goes with its proof.
//!
//! One piece is under way at a time. Nothing of it is stored: after a restart the terms are asked for again.

use super::Engine;
use super::api::{ContactId, Event, Meeting};
use super::contact::Contact;
use super::cx::{Ask, Cx, Signal, Token};
use super::routes::{Lane, RouteError};
use crate::cell::Cell;
use crate::core::{Job, JobId, JobOutput, Output};
use crate::ids::{MailboxId, RelayId};
use crate::rpc::{Reply, Request};
use crate::work::{BITS_MAX, NONCE_BYTES, Puzzle};

/// Answers tried in one piece of work: a fraction of a second, after which it can be given up.
const PIECE: u32 = 8;

/// A cell that a relay is to be paid for.
#[derive(Debug)]
pub(crate) struct Knock {
    pub(crate) contact: ContactId,
    pub(crate) number: u64,
    pub(crate) relay: RelayId,
    pub(crate) mailbox: MailboxId,
    pub(crate) cell: Cell,
}

#[derive(Debug)]
struct Work {
    puzzle: Puzzle,
    nonce: [u8; NONCE_BYTES],
    next: u64,
    tried: u64,
}

/// Work that is under way, in the order in which it was begun.
#[derive(Debug, Default)]
pub(crate) struct Knocks {
    knocks: Vec<(Knock, Option<Work>)>,
    running: Option<(JobId, ContactId, RelayId)>,
    jobs: u64,
}

impl Knocks {
    /// Begins with a cell, unless that is under way already.
    pub(crate) fn begin(&mut self, knock: Knock, cx: &mut Cx<'_>) {
        if self.place(knock.contact, knock.relay).is_some() {
            return;
        }
        let ask = Ask::Plain(Request::Terms(knock.mailbox));
        cx.signal(Signal::Ask(Lane::Contact(knock.contact), knock.relay, ask, Token::Terms(knock.contact)));
        self.knocks.push((knock, None));
    }

    fn place(&self, contact: ContactId, relay: RelayId) -> Option<usize> {
        self.knocks.iter().position(|(knock, _)| knock.contact == contact && knock.relay == relay)
    }

    /// It can not go on: the cell's own retries decide what then.
    fn give_up(&mut self, at: usize, why: RouteError, cx: &mut Cx<'_>) {
        let (knock, _) = self.knocks.remove(at);
        cx.signal(Signal::Answer(Token::Deposit(knock.contact, knock.number), knock.relay, Err(why)));
    }

    /// What a relay wants for it.
    pub(crate) fn on_terms(
        &mut self,
        contact: ContactId,
        relay: RelayId,
        answer: &Result<Reply, RouteError>,
        cx: &mut Cx<'_>,
    ) {
        let Some(at) = self.place(contact, relay) else { return };
        match answer {
            Ok(Reply::Terms { nonce, bits }) if *bits <= BITS_MAX => {
                if let Some((knock, work)) = self.knocks.get_mut(at) {
                    let puzzle = Puzzle::new(knock.mailbox, nonce, &knock.cell, *bits);
                    *work = Some(Work { puzzle, nonce: *nonce, next: cx.rng.next_u64(), tried: 0 });
                }
                self.go_on(cx);
            }
            Ok(Reply::Terms { .. }) => self.give_up(at, RouteError::TooDear, cx),
            answer => {
                let why = answer.as_ref().err().copied().unwrap_or(RouteError::Broken);
                self.give_up(at, why, cx);
            }
        }
    }

    fn go_on(&mut self, cx: &mut Cx<'_>) {
        if self.running.is_some() {
            return;
        }
        let first = self.knocks.iter().find_map(|(knock, work)| Some((knock, work.as_ref()?)));
        let Some((knock, work)) = first else { return };
        self.jobs += 1;
        let job = JobId(self.jobs);
        self.running = Some((job, knock.contact, knock.relay));
        let search = Job::Search { puzzle: work.puzzle, from: work.next, count: PIECE };
        cx.fx.at_once(Output::Run(job, search));
    }

    /// A piece of work is done. `wanted` tells whether this contact is still to be asked.
    pub(crate) fn on_done(
        &mut self,
        job: JobId,
        output: &JobOutput,
        wanted: impl Fn(ContactId) -> bool,
        cx: &mut Cx<'_>,
    ) {
        let Some((_, contact, relay)) = self.running.take_if(|(running, ..)| *running == job) else { return };
        if let Some(at) = self.place(contact, relay) {
            match (output, self.knocks.get_mut(at)) {
                (_, _) if !wanted(contact) => self.give_up(at, RouteError::GivenUp, cx),
                (JobOutput::Searched(Some(answer)), Some((knock, Some(work)))) => {
                    let request = Request::Knock {
                        mailbox: knock.mailbox,
                        nonce: work.nonce,
                        answer: answer.to_be_bytes(),
                        cell: knock.cell.clone(),
                    };
                    let token = Token::Deposit(contact, knock.number);
                    cx.signal(Signal::Ask(Lane::Contact(contact), relay, Ask::Plain(request), token));
                    self.knocks.remove(at);
                }
                (JobOutput::Searched(None), Some((_, Some(work)))) => {
                    work.next = work.next.wrapping_add(u64::from(PIECE));
                    work.tried += u64::from(PIECE);
                    cx.notify(Event::Contact(contact));
                }
                // There was not enough memory for it.
                _ => self.give_up(at, RouteError::Busy, cx),
            }
        }
        self.go_on(cx);
    }

    /// How much of the work that is to be expected was done for a contact, percent; luck decides when it ends.
    fn percent(&self, contact: ContactId) -> Option<u8> {
        let mut works = self.knocks.iter().filter(|(knock, _)| knock.contact == contact);
        let work = works.find_map(|(_, work)| work.as_ref())?;
        u8::try_from((work.tried * 100 / work.puzzle.tries()).min(99)).ok()
    }

    /// How far asking a contact is, and the work done for it.
    pub(crate) fn shown(&self, contact: &Contact) -> (Meeting, Option<u8>) {
        let meeting = match contact.card.meeting {
            Meeting::Greeting if contact.card.asking => match contact.out.cells.get(&0) {
                Some(cell) if cell.confirmed() > 0 => Meeting::Waiting,
                _ => Meeting::Asking,
            },
            other => other,
        };
        (meeting, self.percent(contact.id))
    }
}

/// Whether a contact is being asked and this person still wants that.
fn is_wanted(contact: &Contact) -> bool {
    contact.card.asking && contact.card.meeting == Meeting::Greeting && !contact.terms.blocked
}

impl Engine {
    /// A cell is to be paid for. Nothing is begun that would be given up.
    pub(crate) fn on_knock(&mut self, knock: Knock) {
        let wanted = self.contacts.get(&knock.contact).is_some_and(is_wanted);
        let (knocks, mut cx) = self.with_knocks();
        if wanted {
            knocks.begin(knock, &mut cx);
        } else {
            let token = Token::Deposit(knock.contact, knock.number);
            cx.signal(Signal::Answer(token, knock.relay, Err(RouteError::GivenUp)));
        }
    }

    /// A job is done: all of them are pieces of this work.
    pub(crate) fn on_job(&mut self, job: JobId, output: &JobOutput) {
        let Self { knocks, contacts, .. } = self;
        let mut cx = super::cx::context!(self);
        knocks.on_done(job, output, |id| contacts.get(&id).is_some_and(is_wanted), &mut cx);
    }
}
