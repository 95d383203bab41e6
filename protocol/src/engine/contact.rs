//! A contact: who it is, how far the meeting is, and the counters of the conversation; with the records that keep them.

use super::api::{ContactId, ContactInfo, Delivery, Meeting};
use super::changes::Changes;
use super::expiry::Expiry;
use super::gaps::{self, Gaps};
use super::outbox::Outbox;
use super::receipts::Telling;
use super::setback::SetBack;
use super::terms::Terms;
use crate::body::{Ack, MailboxDescriptor};
use crate::cbor::{Field, MapWriter, array, bytes, read_map, uint};
use crate::core::{Key, Op, Space, Value};
use crate::crypto::labels::CONVERSATION;
use crate::error::{ErrorKind, PeerFault};
use crate::identity::RemoteIdentity;
use crate::ids::{Fingerprint, MessageId};
use crate::limits::{MOVE_KEEP_MS, NAME_BYTES_MAX, OLDER_SETS_MAX, TAGS_QUIET};
use crate::runs::Runs;
use crate::session::Session;
use std::borrow::Cow;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// Messages that may wait for an earlier one: more than an honest sender has tags for.
pub(crate) const EARLY_MAX: usize = 300_000;

/// What is known of a person.
#[derive(Debug, Clone)]
pub(crate) struct Card {
    pub(crate) name: String,
    pub(crate) remote_name: String,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) identity: Option<RemoteIdentity>,
    pub(crate) meeting: Meeting,
    /// Shared by both sides from the invitation on: message ids are derived from it.
    pub(crate) conversation: Zeroizing<[u8; 32]>,
    /// This side used the other's invitation.
    pub(crate) initiator: bool,
    /// The invitation or address this contact was added from, until they answered.
    pub(crate) invitation: Option<Zeroizing<String>>,
    /// This side asked at a published address and was not answered yet.
    pub(crate) asking: bool,
    pub(crate) verified: bool,
    /// Received messages up to this number were seen.
    pub(crate) seen_upto: u64,
    /// The pair's secret for beacons; zeros until the first session.
    pub(crate) pair: Zeroizing<[u8; 32]>,
    /// Number of the present session; each reset has a higher one.
    pub(crate) generation: u64,
    /// Which restored backup this device grew from, and the other one: sessions are counted anew with each.
    pub(crate) line: u64,
    pub(crate) their_line: u64,
    /// How many own and how many of the other side's numbers were left out by restored devices.
    pub(crate) skipped: (u64, u64),
    /// Own messages have no number below this that is not on disk: set when a backup is restored.
    pub(crate) floor: u64,
    /// Which starts of the own device, and of the other side's, gave out which numbers.
    pub(crate) runs: Runs,
    pub(crate) their_runs: Runs,
    /// The session is lost and has to be formed again, with these counters.
    pub(crate) pending: Option<Pending>,
}

/// Counters of a conversation that outlive its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pending {
    pub(crate) next_seq: u64,
    pub(crate) delivered_below: u64,
    pub(crate) receive_next: u64,
}

/// The conversation: keys and counters; rewritten with each cell.
pub(crate) struct Talk {
    pub(crate) session: Session,
    /// Where the other side's cells go.
    pub(crate) their: MailboxDescriptor,
    /// Where they went before, newest first, with the time of the change (Unix milliseconds).
    pub(crate) older: Vec<(MailboxDescriptor, u64)>,
    /// Tags below this index may be used.
    pub(crate) credit: u64,
    /// The next unused tag of each class, counted within the class.
    pub(crate) next_nth: [u64; 3],
    /// The first own message that no cell carries yet.
    pub(crate) next_pack: u64,
    pub(crate) next_cell: u64,
    pub(crate) delivered: Ack,
    pub(crate) read_upto: u64,
    /// All received messages below this number are on disk, in order.
    pub(crate) receive_next: u64,
    /// Highest `seq` of the own mailbox descriptor that the other side holds.
    pub(crate) seen_mailboxes: u64,
    /// One past the highest tag index that a cell came with.
    pub(crate) used_index: u64,
    /// Tags below this index are expected.
    pub(crate) wanted: u64,
    /// How far tags are registered, by mailbox number.
    pub(crate) registered: Vec<(u32, u64)>,
    /// The other side must hear from this one: an acknowledgement, credit or mailboxes.
    pub(crate) owes: bool,
    /// The credit that the other side was told last.
    pub(crate) told_credit: u64,
    /// Own messages below this may be acknowledged though the present session has not carried them.
    pub(crate) top_pack: u64,
    /// The other side has no messages from the first of these numbers up to the second.
    pub(crate) void: (u64, u64),
    /// When the own mailboxes or a gift were told last, Unix milliseconds.
    pub(crate) told_ms: u64,
}

impl core::fmt::Debug for Talk {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Talk(next {}, received {})", self.next_pack, self.receive_next)
    }
}

/// A contact and the conversation with it.
#[derive(Debug)]
pub(crate) struct Contact {
    pub(crate) id: ContactId,
    pub(crate) card: Card,
    pub(crate) talk: Option<Talk>,
    pub(crate) out: Outbox,
    /// Received messages that wait for an earlier one: number and place in the order of display.
    pub(crate) early: BTreeMap<u64, u64>,
    /// The next place in the order of display.
    pub(crate) position: u64,
    /// The next own message number.
    pub(crate) next_seq: u64,
    /// The run of what is written to this contact since the program started.
    pub(crate) run: Option<u64>,
    /// Sessions that began since the program started.
    pub(crate) sessions: u64,
    /// Mailboxes where tags are being registered, and of which of these sessions.
    pub(crate) registering: Vec<(u32, u64)>,
    /// Changes of messages that wait.
    pub(crate) changes: Changes,
    pub(crate) terms: Terms,
    pub(crate) telling: Telling,
    pub(crate) expiry: Expiry,
    pub(crate) gaps: Gaps,
    pub(crate) setback: SetBack,
}

impl Contact {
    pub(crate) fn new(id: ContactId, card: Card) -> Self {
        Self {
            id,
            card,
            talk: None,
            out: Outbox::default(),
            early: BTreeMap::new(),
            position: 1,
            next_seq: 1,
            run: None,
            sessions: 0,
            registering: Vec::new(),
            changes: Changes::default(),
            terms: Terms::default(),
            telling: Telling::default(),
            expiry: Expiry::default(),
            gaps: Gaps::default(),
            setback: SetBack::default(),
        }
    }

    pub(crate) fn info(&self) -> ContactInfo {
        let last = gaps::shown_below(self) - 1;
        // Numbers that a restored device of theirs jumped over.
        let (from, to) = self.talk.as_ref().map_or((0, 0), |talk| talk.void);
        let jumped = to.min(last + 1).saturating_sub(from.max(self.card.seen_upto + 1));
        ContactInfo {
            id: self.id,
            name: self.name().to_owned(),
            meeting: self.card.meeting,
            work_percent: None,
            fingerprint: self.card.fingerprint,
            verified: self.card.verified,
            receipts: self.terms.receipts,
            typing: self.terms.typing,
            timer_s: self.terms.timer_s,
            blocked: self.terms.blocked,
            keys_changed: self.terms.keys_changed,
            unread: last
                .saturating_sub(self.card.seen_upto)
                .saturating_sub(jumped)
                .saturating_sub(self.terms.hidden.count_between(self.card.seen_upto, last + 1))
                .saturating_sub(self.terms.passed_over.count_between(self.card.seen_upto, last + 1)),
        }
    }

    pub(crate) fn name(&self) -> &str {
        if self.card.name.is_empty() { &self.card.remote_name } else { &self.card.name }
    }

    /// What a reset keeps of the conversation.
    pub(crate) fn begin_session(&mut self, talk: Talk) {
        self.talk = Some(talk);
        self.sessions += 1;
    }

    pub(crate) fn pending(&self) -> Pending {
        let kept = self.talk.as_ref().map(|talk| Pending {
            next_seq: self.next_seq,
            delivered_below: talk.delivered.below,
            receive_next: talk.receive_next,
        });
        let fresh = Pending { next_seq: self.next_seq, delivered_below: 1, receive_next: 1 };
        self.card.pending.or(kept).unwrap_or(fresh)
    }

    /// All of the other side's messages below this are on disk; also while a session is yet to be formed anew.
    pub(crate) fn receive_next(&self) -> u64 {
        match &self.talk {
            Some(talk) => talk.receive_next,
            None => self.pending().receive_next,
        }
    }

    /// Whether the other side's message with this number is on disk.
    pub(crate) fn has_received(&self, seq: u64) -> bool {
        seq < self.receive_next() || self.early.contains_key(&seq)
    }

    pub(crate) fn take_position(&mut self) -> u64 {
        let position = self.position;
        self.position += 1;
        position
    }

    /// How far the own messages are.
    pub(crate) fn delivery(&self) -> Delivery {
        let Some(talk) = &self.talk else {
            let delivered_below = self.pending().delivered_below;
            let received_below = gaps::shown_below(self);
            return Delivery { delivered_below, received_below, ..Delivery::default() };
        };
        Delivery {
            delivered_below: talk.delivered.below,
            delivered: talk.delivered.ranges.clone(),
            stored: self.out.stored_ranges(),
            read_upto: talk.read_upto,
            received_below: gaps::shown_below(self),
        }
    }

    /// Which of the other side's messages are on disk.
    pub(crate) fn ack(&self) -> Option<Ack> {
        let talk = self.talk.as_ref()?;
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        for seq in self.early.keys() {
            match ranges.last_mut() {
                Some((_, to)) if *to + 1 == *seq => *to = *seq,
                _ => ranges.push((*seq, *seq)),
            }
        }
        ranges.truncate(crate::body::ACK_RANGES_MAX);
        Some(Ack { below: talk.receive_next, ranges })
    }

    /// The run of the highest of the other side's messages that [`Contact::ack`] names; none while it names none of the present line.
    pub(crate) fn ack_run(&self, ack: &Ack) -> Option<u64> {
        let highest = ack.highest();
        let void = self.talk.as_ref().is_some_and(|talk| (talk.void.0..talk.void.1).contains(&highest));
        let run = self.card.their_runs.at(highest).map(|(_, run)| run);
        run.filter(|run| !void && *run != 0)
    }

    pub(crate) fn save_card(&self) -> Op {
        Op::Put(Key::single(Space::Contact, u64::from(self.id.0)), self.card.encode())
    }

    pub(crate) fn save_talk(&self) -> Option<Op> {
        let talk = self.talk.as_ref()?;
        Some(Op::Put(Key::single(Space::Session, u64::from(self.id.0)), talk.encode()))
    }
}

impl Card {
    /// A person met by the invitation with this secret.
    pub(crate) fn new(fingerprint: Fingerprint, secret: &[u8; 16], initiator: bool) -> Self {
        Self {
            name: String::new(),
            remote_name: String::new(),
            fingerprint,
            identity: None,
            meeting: Meeting::LookingUp,
            conversation: Zeroizing::new(blake3::derive_key(CONVERSATION, secret)),
            initiator,
            invitation: None,
            asking: false,
            verified: false,
            seen_upto: 0,
            pair: Zeroizing::new([0; 32]),
            generation: 0,
            line: 0,
            their_line: 0,
            skipped: (0, 0),
            floor: 0,
            runs: Runs::default(),
            their_runs: Runs::default(),
            pending: None,
        }
    }

    /// The id of message `seq`: the same on both devices, without a byte on the wire.
    pub(crate) fn message_id(&self, mine: bool, seq: u64) -> MessageId {
        MessageId::of(&self.conversation, mine == self.initiator, seq)
    }

    /// Whose message has this id, and its number, if it can be one of this conversation.
    pub(crate) fn find(&self, id: &MessageId) -> Option<(bool, u64)> {
        id.find(&self.conversation).map(|(by_initiator, seq)| (by_initiator == self.initiator, seq))
    }

    fn encode(&self) -> Value {
        let mut map = MapWriter::default();
        map.text(0, &self.name).text(1, &self.remote_name).bytes(2, &self.fingerprint.0);
        if let Some(identity) = &self.identity {
            map.bytes(3, &identity.encode());
        }
        let (phase, error) = match self.meeting {
            Meeting::LookingUp => (0, 0),
            Meeting::Greeting | Meeting::Asking | Meeting::Waiting => (1, 0),
            Meeting::Connected => (2, 0),
            Meeting::Failed(ErrorKind::InviteUsed) => (3, 1),
            Meeting::Failed(ErrorKind::InviteExpired) => (3, 2),
            Meeting::Failed(_) => (3, 0),
        };
        map.uint(4, phase).uint(5, error);
        if let Some(invitation) = &self.invitation {
            map.text(6, invitation);
        }
        map.uint(7, u64::from(self.verified)).uint(8, self.seen_upto);
        map.bytes(9, &*self.conversation).uint(10, u64::from(self.initiator));
        map.bytes(20, &*self.pair).uint(21, self.generation).uint(22, self.floor);
        map.uint(24, self.line).uint(25, self.their_line);
        map.uint(26, self.skipped.0).uint(27, self.skipped.1).uint(28, u64::from(self.asking));
        map.array(29, &self.runs.encode()).array(30, &self.their_runs.encode());
        if let Some(Pending { next_seq, delivered_below, receive_next }) = self.pending {
            map.array(23, &[next_seq, delivered_below, receive_next].map(uint));
        }
        Zeroizing::new(map.finish())
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, PeerFault> {
        let mut card = Self::new(Fingerprint([0; 20]), &[0; 16], false);
        let (mut phase, mut error) = (0, 0);
        read_map(bytes, |key, field| {
            match key {
                0 => card.name = field.text(NAME_BYTES_MAX)?.to_owned(),
                1 => card.remote_name = field.text(NAME_BYTES_MAX)?.to_owned(),
                2 => card.fingerprint = Fingerprint(field.fixed()?),
                3 => card.identity = Some(RemoteIdentity::decode(field.bytes(512)?)?),
                4 => phase = field.uint()?,
                5 => error = field.uint()?,
                6 => card.invitation = Some(Zeroizing::new(field.text(512)?.to_owned())),
                7 => card.verified = field.uint()? == 1,
                8 => card.seen_upto = field.uint()?,
                9 => card.conversation = Zeroizing::new(field.fixed()?),
                10 => card.initiator = field.uint()? == 1,
                20 => card.pair = Zeroizing::new(field.fixed()?),
                21 => card.generation = field.uint()?,
                22 => card.floor = field.uint()?,
                24 => card.line = field.uint()?,
                25 => card.their_line = field.uint()?,
                26 => card.skipped.0 = field.uint()?,
                27 => card.skipped.1 = field.uint()?,
                29 => card.runs = Runs::decode(field)?,
                30 => card.their_runs = Runs::decode(field)?,
                28 => card.asking = field.uint()? == 1,
                23 => {
                    let [next_seq, delivered_below, receive_next] =
                        field.array(3, Field::uint)?.try_into().map_err(|_| PeerFault::Malformed)?;
                    card.pending = Some(Pending { next_seq, delivered_below, receive_next });
                }
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        card.meeting = match (phase, error) {
            (0, _) => Meeting::LookingUp,
            (1, _) => Meeting::Greeting,
            (2, _) => Meeting::Connected,
            (_, 1) => Meeting::Failed(ErrorKind::InviteUsed),
            (_, 2) => Meeting::Failed(ErrorKind::InviteExpired),
            _ => Meeting::Failed(ErrorKind::InviteDamaged),
        };
        Ok(card)
    }
}

impl Talk {
    /// A conversation that begins with `session`; the greeting grants the first tags.
    pub(crate) fn new(session: Session, their: MailboxDescriptor) -> Self {
        Self {
            session,
            their,
            older: Vec::new(),
            credit: 0,
            next_nth: [0; 3],
            next_pack: 1,
            next_cell: 1,
            delivered: Ack { below: 1, ranges: Vec::new() },
            read_upto: 0,
            receive_next: 1,
            seen_mailboxes: 0,
            used_index: 0,
            wanted: TAGS_QUIET,
            registered: Vec::new(),
            owes: false,
            told_credit: 0,
            top_pack: 0,
            void: (0, 0),
            told_ms: 0,
        }
    }

    /// How many numbers of the other side lie in `from..to`, without those that will never come.
    pub(crate) fn apart(&self, from: u64, to: u64) -> u64 {
        let void = self.void.1.min(to).saturating_sub(self.void.0.max(from));
        to.saturating_sub(from).saturating_sub(void)
    }

    /// Passes over numbers that the other side says will never come.
    pub(crate) fn skip_void(&mut self, early: &mut BTreeMap<u64, u64>, skipped: &mut u64) {
        loop {
            if (self.void.0..self.void.1).contains(&self.receive_next) {
                *skipped = skipped.saturating_add(self.void.1 - self.receive_next);
                self.receive_next = self.void.1;
                *early = early.split_off(&self.receive_next);
            } else if early.remove(&self.receive_next).is_some() {
                self.receive_next += 1;
            } else {
                return;
            }
        }
    }

    /// Takes a newer descriptor; the one before is still tried for a while (DESIGN D2).
    pub(crate) fn moved(&mut self, new: MailboxDescriptor, now_ms: u64) {
        let before = core::mem::replace(&mut self.their, new);
        if !before.mailboxes.is_empty() {
            self.older.insert(0, (before, now_ms));
        }
        self.older.retain(|(_, since_ms)| now_ms.saturating_sub(*since_ms) < MOVE_KEEP_MS);
        self.older.truncate(OLDER_SETS_MAX);
    }

    /// Where to deposit: the newest mailboxes, then those of earlier descriptors.
    pub(crate) fn targets(&self) -> Cow<'_, MailboxDescriptor> {
        if self.older.is_empty() {
            return Cow::Borrowed(&self.their);
        }
        let mut all = self.their.clone();
        for (relay, mailbox) in self.older.iter().flat_map(|(set, _)| &set.mailboxes) {
            if !all.mailboxes.iter().any(|(known, _)| known == relay) {
                all.mailboxes.push((*relay, *mailbox));
            }
        }
        Cow::Owned(all)
    }

    /// How far tags are registered at one mailbox.
    pub(crate) fn registered_at(&self, mailbox: u32) -> u64 {
        self.registered.iter().find(|(number, _)| *number == mailbox).map_or(0, |(_, upto)| *upto)
    }

    /// Notes that tags below `upto` are registered at a mailbox.
    pub(crate) fn set_registered(&mut self, mailbox: u32, upto: u64) {
        match self.registered.iter_mut().find(|(number, _)| *number == mailbox) {
            Some((_, held)) => *held = upto.max(*held),
            None => self.registered.push((mailbox, upto)),
        }
    }

    /// Tags below this index are registered at enough of the mailboxes `numbers` to be granted.
    pub(crate) fn grant(&self, numbers: &[u32]) -> u64 {
        let mut upto: Vec<_> = numbers.iter().map(|number| self.registered_at(*number)).collect();
        upto.sort_unstable_by(|a, b| b.cmp(a));
        let enough = crate::limits::STORED_AT.min(upto.len());
        enough.checked_sub(1).and_then(|at| upto.get(at)).copied().unwrap_or(0)
    }

    fn encode(&self) -> Value {
        let pairs = |items: &[(u64, u64)]| {
            items.iter().flat_map(|(from, to)| [uint(*from), uint(*to)]).collect::<Vec<_>>()
        };
        let registered: Vec<_> =
            self.registered.iter().map(|(number, upto)| (u64::from(*number), *upto)).collect();
        let session = self.session.encode();
        let mut map = MapWriter::default();
        map.bytes(0, &session)
            .raw(1, self.their.encode())
            .uint(2, self.credit)
            .raw(3, array(&self.next_nth.map(uint)))
            .uint(4, self.next_pack)
            .uint(5, self.next_cell)
            .uint(6, self.delivered.below)
            .array(7, &pairs(&self.delivered.ranges))
            .uint(8, self.read_upto)
            .uint(9, self.receive_next)
            .uint(10, self.seen_mailboxes)
            .uint(11, self.used_index)
            .uint(12, self.wanted)
            .array(13, &pairs(&registered))
            .uint(14, u64::from(self.owes))
            .uint(15, self.told_credit)
            .uint(16, self.top_pack)
            .uint(17, self.void.0)
            .uint(18, self.void.1)
            .uint(19, self.told_ms);
        if !self.older.is_empty() {
            let older: Vec<_> = self
                .older
                .iter()
                .map(|(set, since_ms)| bytes(&[&since_ms.to_be_bytes()[..], &set.encode()].concat()))
                .collect();
            map.array(20, &older);
        }
        Zeroizing::new(map.finish())
    }

    pub(crate) fn decode(input: &[u8]) -> Result<Self, PeerFault> {
        let pairs = |field: &mut Field<'_>| {
            let flat = field.array(4_096, Field::uint)?;
            Ok::<_, PeerFault>(flat.as_chunks::<2>().0.iter().map(|[a, b]| (*a, *b)).collect::<Vec<_>>())
        };
        let mut session = None;
        let mut numbers = [0; 20];
        let mut their = MailboxDescriptor::default();
        let (mut nth, mut ranges, mut registered) = ([0; 3], Vec::new(), Vec::new());
        let mut older = Vec::new();
        read_map(input, |key, field| {
            match key {
                0 => session = Some(Session::decode(field.bytes(1 << 20)?).ok_or(PeerFault::Malformed)?),
                1 => their = MailboxDescriptor::decode(field.raw()?)?,
                3 => nth = field.array(3, Field::uint)?.try_into().map_err(|_| PeerFault::Malformed)?,
                7 => ranges = pairs(field)?,
                13 => registered = pairs(field)?,
                20 => {
                    older = field.array(OLDER_SETS_MAX, |item| {
                        let (since, set) = item.bytes(512)?.split_first_chunk().ok_or(PeerFault::Length)?;
                        Ok((MailboxDescriptor::decode(set)?, u64::from_be_bytes(*since)))
                    })?;
                }
                key => match numbers.get_mut(key as usize) {
                    Some(number) => *number = field.uint()?,
                    None => return Ok(false),
                },
            }
            Ok(true)
        })?;
        let [
            _,
            _,
            credit,
            _,
            next_pack,
            next_cell,
            below,
            _,
            read_upto,
            receive_next,
            seen,
            used,
            wanted,
            _,
            owes,
            told,
            top_pack,
            void_from,
            void_to,
            told_ms,
        ] = numbers;
        Ok(Self {
            session: session.ok_or(PeerFault::Malformed)?,
            their,
            older,
            credit,
            next_nth: nth,
            next_pack,
            next_cell,
            delivered: Ack { below, ranges },
            read_upto,
            receive_next: receive_next.max(1),
            seen_mailboxes: seen,
            used_index: used,
            wanted,
            registered: registered.into_iter().map(|(number, upto)| (number as u32, upto)).collect(),
            owes: owes == 1,
            told_credit: told,
            top_pack,
            void: (void_from, void_to),
            told_ms,
        })
    }
}
