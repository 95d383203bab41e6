//! Relays in virtual time for the tests: a disk that confirms on demand, links as queues, and a leaf that speaks to them.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use ed25519_dalek::{Signer as _, SigningKey};
use karvon_protocol::cell::{Cell, Class};
use karvon_protocol::core::{
    Batch, BatchId, CellIndex, CommandId, Core as _, Input, Job, JobId, Key, LinkId, LinkInfo, LoadId, Mono,
    Now, Op, Output, Range, Reason, Space, Target, Value,
};
use karvon_protocol::descriptor::{Descriptor, Door, RelayAddr, flags};
use karvon_protocol::error::ErrorKind;
use karvon_protocol::ids::{MailboxId, RelayId, Tag, TagPrefix};
use karvon_protocol::link::{CloseCode, Frame, Hello, Kind, open_payload};
use karvon_protocol::relay::RelayCore;
use karvon_protocol::relay::api::{RelayCommand, RelayEvent, RelayReply, RelaySetup, RelayStatus};
use karvon_protocol::relay::limits::RelayLimits;
use karvon_protocol::rpc::{Push, Refusal, Reply, Request};
use karvon_protocol::tunnel::{Initiator, Tunnel};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

pub const DAY_MS: u64 = 86_400_000;
/// Some day on which the tests begin, Unix milliseconds.
pub const START_MS: u64 = 1_800_000_000_000;

pub fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

type Records = BTreeMap<(u8, [u8; 16], u64), (Key, Vec<u8>)>;

/// What a relay has written: records and cells.
#[derive(Debug, Clone, Default)]
pub struct Image {
    pub records: Records,
    pub cells: BTreeMap<(MailboxId, u64), (u64, Cell)>,
}

impl Image {
    fn apply(&mut self, batch: &Batch) {
        for op in &batch.ops {
            match op {
                Op::Put(key, value) => {
                    assert!(value.len() <= 4_096, "a record of {} bytes in {:?}", value.len(), key.space);
                    self.records.insert((key.space as u8, key.group, key.seq), (*key, value.to_vec()));
                }
                Op::Remove(key) => drop(self.records.remove(&(key.space as u8, key.group, key.seq))),
                Op::AppendCell { mailbox, seq, expiry_s, cell } => {
                    let before = self.cells.insert((*mailbox, *seq), (*expiry_s, cell.clone()));
                    assert!(before.is_none(), "sequence number {seq} used twice");
                }
                Op::DropCell { mailbox, seq } => drop(self.cells.remove(&(*mailbox, *seq))),
            }
        }
    }

    fn load(&self, range: &Range) -> Vec<(Key, Value)> {
        let row = |(key, value): &(Key, Vec<u8>)| (*key, Zeroizing::new(value.clone()));
        match range {
            Range::One(key) => {
                self.records.get(&(key.space as u8, key.group, key.seq)).map(row).into_iter().collect()
            }
            Range::Space(space) => {
                self.records.values().filter(|(key, _)| key.space == *space).map(row).collect()
            }
            Range::Group { space, group, from, to, limit, newest } => {
                assert!(!newest, "a relay reads forwards");
                let of_group = |(key, _): &&(Key, Vec<u8>)| {
                    key.space == *space && key.group == *group && (*from..*to).contains(&key.seq)
                };
                self.records.values().filter(of_group).take(*limit).map(row).collect()
            }
            Range::Cells { mailbox, from, bytes_max } => {
                let mut bytes = 0;
                let mut out = Vec::new();
                for ((_, seq), (_, cell)) in self.cells.range((*mailbox, *from)..=(*mailbox, u64::MAX)) {
                    bytes += cell.bytes().len();
                    if bytes > *bytes_max && !out.is_empty() {
                        break;
                    }
                    let key = Key::of(Space::RelayCell, mailbox.0, *seq);
                    out.push((key, Zeroizing::new(cell.bytes().to_vec())));
                }
                out
            }
            Range::CellIndex => self
                .cells
                .iter()
                .map(|((mailbox, seq), (expiry_s, cell))| {
                    let index = CellIndex {
                        prefix: cell.tag().prefix().0,
                        hash: cell.hash().0,
                        class: cell.class() as u8,
                        expiry_s: *expiry_s,
                    };
                    (Key::of(Space::RelayCell, mailbox.0, *seq), Zeroizing::new(index.encode()))
                })
                .collect(),
        }
    }
}

/// A relay, its disk, and everything it wanted to be done.
pub struct Node {
    pub core: RelayCore,
    setup: RelaySetup,
    limits: RelayLimits,
    durable: Image,
    pending: Vec<Batch>,
    /// Whether batches become durable at once.
    pub syncs: bool,
    /// Whether loads are answered at once.
    pub loads: bool,
    /// Whether jobs are carried out at once.
    pub works: bool,
    /// Jobs that wait.
    pub jobs: Vec<(JobId, Job)>,
    waiting_loads: Vec<(LoadId, Range)>,
    pub sent: Vec<(LinkId, Frame)>,
    pub ended: Vec<(LinkId, Reason)>,
    pub dialled: Vec<Target>,
    pub events: Vec<RelayEvent>,
    replies: BTreeMap<CommandId, Result<RelayReply, ErrorKind>>,
    pub now: Now,
    next: u64,
    batches: u64,
    boots: u64,
}

pub fn setup(number: u8) -> RelaySetup {
    RelaySetup {
        static_seed: Zeroizing::new([number; 32]),
        mesh_key: [number; 32],
        door: RelayAddr::Ip(format!("198.51.100.{number}:443").parse().unwrap()),
        mesh: RelayAddr::Ip(format!("198.51.100.{number}:4001").parse().unwrap()),
        flags: flags::MAILBOX,
        family: None,
    }
}

impl Node {
    pub fn new(number: u8) -> Self {
        Self::with(setup(number), RelayLimits::default())
    }

    pub fn with(setup: RelaySetup, limits: RelayLimits) -> Self {
        let now = Now { mono: Mono(1_000_000), wall_ms: START_MS };
        Self::boot(setup, limits, Image::default(), now, 1)
    }

    fn boot(setup: RelaySetup, limits: RelayLimits, durable: Image, now: Now, boots: u64) -> Self {
        let seed = u64::from(setup.static_seed[0]) << 32 | boots;
        let mut node = Self {
            core: RelayCore::with_limits(setup.clone(), limits, Box::new(rng(seed))),
            setup,
            limits,
            durable,
            pending: Vec::new(),
            syncs: true,
            loads: true,
            works: true,
            jobs: Vec::new(),
            waiting_loads: Vec::new(),
            sent: Vec::new(),
            ended: Vec::new(),
            dialled: Vec::new(),
            events: Vec::new(),
            replies: BTreeMap::new(),
            now,
            next: 1,
            batches: 0,
            boots,
        };
        node.loads = false;
        node.drain();
        while !node.waiting_loads.is_empty() {
            assert!(!node.core.ready(), "nothing is served before all of the state is there");
            let (id, range) = node.waiting_loads.remove(0);
            let rows = node.image().load(&range);
            node.input(Input::Loaded(id, rows));
        }
        node.loads = true;
        assert!(node.core.ready());
        node
    }

    /// The process dies now, and what was not durable is lost; a new one starts from the disk.
    pub fn crash(self) -> Self {
        Self::boot(self.setup, self.limits, self.durable, self.now, self.boots + 1)
    }

    pub fn crash_with(self, limits: RelayLimits) -> Self {
        Self::boot(self.setup, limits, self.durable, self.now, self.boots + 1)
    }

    pub fn id(&self) -> RelayId {
        RelayId::of(&self.static_key())
    }

    pub fn static_key(&self) -> [u8; 32] {
        SigningKey::from_bytes(&self.setup.static_seed).verifying_key().to_bytes()
    }

    pub fn mesh_key(&self) -> [u8; 32] {
        self.setup.mesh_key
    }

    /// The newest own descriptor.
    pub fn descriptor(&self) -> (Descriptor, Vec<u8>) {
        let own = |event: &RelayEvent| match event {
            RelayEvent::OwnDescriptor(descriptor, signed) => Some((descriptor.clone(), signed.clone())),
            _ => None,
        };
        self.events.iter().rev().find_map(own).unwrap()
    }

    pub fn image(&self) -> Image {
        let mut image = self.durable.clone();
        self.pending.iter().for_each(|batch| image.apply(batch));
        image
    }

    /// Records of one space on the disk.
    pub fn records(&self, space: Space) -> usize {
        self.image().records.values().filter(|(key, _)| key.space == space).count()
    }

    pub fn input(&mut self, input: Input<RelayCommand>) {
        self.core.handle(input, self.now);
        self.drain();
    }

    /// Carries out everything until the relay waits for something from outside.
    fn drain(&mut self) {
        loop {
            self.poll_all();
            if self.loads && !self.waiting_loads.is_empty() {
                let image = self.image();
                for (id, range) in std::mem::take(&mut self.waiting_loads) {
                    let rows = image.load(&range);
                    self.core.handle(Input::Loaded(id, rows), self.now);
                }
            } else if self.works && !self.jobs.is_empty() {
                let (id, job) = self.jobs.remove(0);
                self.core.handle(Input::Done(id, job.carry_out()), self.now);
            } else if self.syncs && !self.pending.is_empty() {
                let upto = self.pending.last().unwrap().id;
                self.store(upto);
            } else {
                return;
            }
        }
    }

    fn poll_all(&mut self) {
        let mut persisted = false;
        while let Some(output) = self.core.poll() {
            match output {
                Output::Persist(batch) => {
                    assert!(!persisted, "one batch in a turn");
                    persisted = true;
                    self.batches += 1;
                    assert_eq!(batch.id, BatchId(self.batches));
                    self.pending.push(batch);
                }
                Output::Load(id, range) => self.waiting_loads.push((id, range)),
                Output::Send { link, frame } => {
                    assert_eq!(Frame::decode(&frame.encode()), Ok(frame.clone()));
                    self.sent.push((link, frame));
                }
                Output::Connect(target) => self.dialled.push(target),
                Output::Disconnect(link, reason) => self.ended.push((link, reason)),
                Output::Reply(id, reply) => drop(self.replies.insert(id, reply)),
                Output::Notify(event) => self.events.push(event),
                Output::Run(id, job) => self.jobs.push((id, job)),
            }
        }
    }

    fn store(&mut self, upto: BatchId) {
        for batch in self.pending.extract_if(.., |batch| batch.id <= upto) {
            self.durable.apply(&batch);
        }
        self.core.handle(Input::Persisted { upto }, self.now);
    }

    /// Everything becomes durable and the power fails before the relay hears of it.
    pub fn crash_before_it_hears(mut self) -> Self {
        for batch in std::mem::take(&mut self.pending) {
            self.durable.apply(&batch);
        }
        self.crash()
    }

    /// Makes the oldest batch durable; false if there is none.
    pub fn sync_one(&mut self) -> bool {
        let Some(batch) = self.pending.first() else { return false };
        self.store(batch.id);
        self.drain();
        true
    }

    pub fn sync_all(&mut self) {
        while self.sync_one() {}
    }

    /// Carries out the oldest job that waits; false if there is none.
    pub fn work_one(&mut self) -> bool {
        if self.jobs.is_empty() {
            return false;
        }
        let (id, job) = self.jobs.remove(0);
        self.input(Input::Done(id, job.carry_out()));
        true
    }

    /// Answers the loads that wait.
    pub fn answer_loads(&mut self) {
        let before = std::mem::replace(&mut self.loads, true);
        self.drain();
        self.loads = before;
    }

    pub fn waiting_loads(&self) -> usize {
        self.waiting_loads.len()
    }

    pub fn command(&mut self, command: RelayCommand) -> Result<RelayReply, ErrorKind> {
        let id = CommandId(self.next);
        self.next += 1;
        self.input(Input::Command(id, command));
        self.replies.remove(&id).unwrap()
    }

    pub fn status(&mut self) -> RelayStatus {
        match self.command(RelayCommand::Status).unwrap() {
            RelayReply::Status(status) => status,
            other => panic!("{other:?}"),
        }
    }

    pub fn new_slot(&mut self) -> Door {
        match self.command(RelayCommand::NewSlot).unwrap() {
            RelayReply::Door(door) => door,
            other => panic!("{other:?}"),
        }
    }

    /// Lets time pass, ringing at each moment the relay asked for.
    pub fn pass(&mut self, ms: u64) {
        let end = self.now.mono.after_ms(ms);
        while let Some(at) = self.core.next_timeout().filter(|at| *at <= end) {
            let step = at.0.saturating_sub(self.now.mono.0);
            self.now.mono = self.now.mono.max(at);
            self.now.wall_ms += step / 1_000;
            self.input(Input::Timeout);
            assert!(self.core.next_timeout() > Some(at), "a relay that is never done with a moment");
        }
        self.now.wall_ms += (end.0 - self.now.mono.0) / 1_000;
        self.now.mono = end;
    }

    /// Jumps ahead without ringing at the moments between.
    pub fn jump(&mut self, ms: u64) {
        self.now.mono = self.now.mono.after_ms(ms);
        self.now.wall_ms += ms;
        self.input(Input::Timeout);
    }

    pub fn frame(&mut self, link: LinkId, kind: Kind, tunnel: u32, payload: Vec<u8>) {
        self.input(Input::Frame { link, frame: Frame::new(kind, tunnel, payload) });
    }

    /// Takes out what was sent over `link`.
    pub fn take(&mut self, link: LinkId) -> Vec<Frame> {
        self.sent.extract_if(.., |(to, _)| *to == link).map(|(_, frame)| frame).collect()
    }

    /// Links a leaf without saying hello.
    pub fn link_leaf(&mut self, link: u64) -> LinkId {
        let link = LinkId(link);
        let remote_key = leaf_key(link);
        self.input(Input::LinkUp(link, LinkInfo::Leaf { local_key: self.static_key(), remote_key }));
        link
    }

    pub fn hello(&mut self, link: LinkId, door: &Door) {
        let hello = Hello::new(door, &leaf_key(link), &self.static_key());
        self.frame(link, Kind::Hello, 0, hello.encode());
    }

    /// A leaf that was let in.
    pub fn leaf(&mut self, link: u64, door: &Door) -> LinkId {
        let link = self.link_leaf(link);
        self.hello(link, door);
        let welcome = self.take(link);
        assert!(matches!(&welcome[..], [frame] if frame.kind == Kind::Welcome), "{:?}", self.ended);
        assert!(Descriptor::verify(&welcome[0].payload).is_ok());
        link
    }

    /// A tunnel that ends at this relay, opened over a leaf's link.
    pub fn tunnel(&mut self, link: LinkId, number: u32) -> Pipe {
        let (pipe, message) = Pipe::start(self.id(), self.descriptor().0.onion_key(), link, number, &[]);
        self.frame(link, Kind::Open, number, open_payload(self.id(), &message));
        pipe.finish(self)
    }

    /// Sends a request and returns the one answer to it; other messages stay in `pipe.unasked`.
    pub fn ask(&mut self, pipe: &mut Pipe, request: &Request) -> Reply {
        let number = self.send(pipe, request);
        pipe.read(self);
        pipe.answer(number).unwrap_or_else(|| panic!("no answer to {request:?}"))
    }

    /// Sends a request; returns its number.
    pub fn send(&mut self, pipe: &mut Pipe, request: &Request) -> u32 {
        let (number, sealed) = pipe.seal(request);
        self.frame(pipe.link, Kind::Data, pipe.number, sealed);
        number
    }

    pub fn attach(&mut self, pipe: &mut Pipe, owner: &SigningKey, push: Push) -> Reply {
        let request = attach(owner, &pipe.tunnel().hash(), push);
        self.ask(pipe, &request)
    }

    pub fn close_code(&mut self, link: LinkId, tunnel: u32) -> Option<CloseCode> {
        let mut closes =
            self.take(link).into_iter().filter(|frame| frame.kind == Kind::Close && frame.tunnel == tunnel);
        closes.next_back().map(|frame| CloseCode::from_number(frame.payload[0]))
    }
}

pub fn leaf_key(link: LinkId) -> [u8; 32] {
    *blake3::hash(&link.0.to_be_bytes()).as_bytes()
}

/// The leaf's side of a tunnel.
pub struct Pipe {
    pub link: LinkId,
    pub number: u32,
    opening: Option<Initiator>,
    tunnel: Option<Tunnel>,
    requests: u32,
    /// Messages that came and were not looked for yet.
    pub unasked: Vec<(u32, Reply)>,
    pub closed: Option<CloseCode>,
}

impl Pipe {
    pub fn start(
        relay: RelayId,
        onion_key: [u8; 32],
        link: LinkId,
        number: u32,
        first: &[u8],
    ) -> (Self, Vec<u8>) {
        let mut rng = rng(link.0 << 32 | u64::from(number));
        let (opening, message) = Initiator::open(relay, &onion_key, first, &mut rng).unwrap();
        let opening = Some(opening);
        let pipe =
            Self { link, number, opening, tunnel: None, requests: 100, unasked: Vec::new(), closed: None };
        (pipe, message)
    }

    pub fn finish(mut self, node: &mut Node) -> Self {
        self.read(node);
        assert!(self.tunnel.is_some(), "not opened: {:?}", self.closed);
        self
    }

    pub fn tunnel(&mut self) -> &mut Tunnel {
        self.tunnel.as_mut().unwrap()
    }

    pub fn is_open(&self) -> bool {
        self.tunnel.is_some() && self.closed.is_none()
    }

    pub fn seal(&mut self, request: &Request) -> (u32, Vec<u8>) {
        self.requests += 1;
        let plain = request.encode(self.requests);
        (self.requests, self.tunnel().seal(&plain).unwrap())
    }

    /// Reads what the relay sent in this tunnel.
    pub fn read(&mut self, node: &mut Node) {
        let mine = |(link, frame): &mut (LinkId, Frame)| *link == self.link && frame.tunnel == self.number;
        let frames: Vec<_> = node.sent.extract_if(.., mine).collect();
        for (_, frame) in frames {
            match frame.kind {
                Kind::Opened => {
                    let (tunnel, payload) = self.opening.take().unwrap().finish(&frame.payload).unwrap();
                    assert!(payload.is_empty());
                    self.tunnel = Some(tunnel);
                }
                Kind::Data => {
                    let plain = self.tunnel().open(&frame.payload).unwrap();
                    self.unasked.push(Reply::decode(&plain).unwrap());
                }
                Kind::Close => self.closed = Some(CloseCode::from_number(frame.payload[0])),
                other => panic!("{other:?} in a tunnel"),
            }
        }
    }

    pub fn answer(&mut self, number: u32) -> Option<Reply> {
        let at = self.unasked.iter().position(|(of, reply)| {
            let ends = !matches!(reply, Reply::Item { .. } | Reply::Piece { .. } | Reply::Notice(..));
            *of == number && ends
        })?;
        Some(self.unasked.remove(at).1)
    }

    /// Takes out pushed and fetched cells.
    pub fn items(&mut self) -> Vec<(u64, Cell)> {
        let items = self.unasked.extract_if(.., |(_, reply)| matches!(reply, Reply::Item { .. }));
        items
            .map(|(_, reply)| if let Reply::Item { seq, cell } = reply { (seq, cell) } else { panic!() })
            .collect()
    }

    /// Takes out pieces, as `(tag prefix, which, bytes)`.
    pub fn pieces(&mut self) -> Vec<(TagPrefix, u8, Vec<u8>)> {
        let pieces = self.unasked.extract_if(.., |(_, reply)| matches!(reply, Reply::Piece { .. }));
        let parts = |reply| match reply {
            Reply::Piece { prefix, index, bytes } => (prefix, index, bytes),
            other => panic!("{other:?}"),
        };
        pieces.map(|(_, reply)| parts(reply)).collect()
    }

    /// Takes out notices.
    pub fn notices(&mut self) -> Vec<TagPrefix> {
        let notices = self.unasked.extract_if(.., |(_, reply)| matches!(reply, Reply::Notice(..)));
        notices
            .map(|(_, reply)| if let Reply::Notice(prefix, _) = reply { prefix } else { panic!() })
            .collect()
    }
}

pub fn owner(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32])
}

pub fn mailbox_of(owner: &SigningKey) -> MailboxId {
    MailboxId::of(&owner.verifying_key().to_bytes())
}

pub fn attach(owner: &SigningKey, hash: &[u8; 32], push: Push) -> Request {
    let signature = owner.sign(&[&b"karvon/attach"[..], hash].concat()).to_bytes();
    Request::Attach { key: owner.verifying_key().to_bytes(), signature, push }
}

pub fn tag(number: u64) -> Tag {
    let mut tag = [0x5a; 16];
    tag[..8].copy_from_slice(&number.to_be_bytes());
    Tag(tag)
}

pub fn prefix(number: u64) -> TagPrefix {
    tag(number).prefix()
}

/// A cell under tag `number` with other content for each `filling`.
pub fn cell(class: Class, number: u64, filling: u8) -> Cell {
    let mut bytes = vec![filling; class.bytes()];
    let outer = Cell::outer(class, &tag(number), 0);
    bytes[..outer.len()].copy_from_slice(&outer);
    Cell::parse(bytes).unwrap()
}

pub fn deposit(owner: &SigningKey, cell: &Cell) -> Request {
    Request::Deposit { mailbox: mailbox_of(owner), cell: cell.clone() }
}

pub fn refused(refusal: Refusal) -> Reply {
    Reply::Refused(refusal)
}

/// A relay with a leaf in it and a tunnel that ends there.
pub fn one_leaf() -> (Node, Door, Pipe) {
    let mut node = Node::new(1);
    let door = node.new_slot();
    let link = node.leaf(1, &door);
    let pipe = node.tunnel(link, 1);
    (node, door, pipe)
}

/// The same after a crash: the leaf comes back over a new link.
pub fn come_back(node: &mut Node, door: &Door, link: u64) -> Pipe {
    let link = node.leaf(link, door);
    node.tunnel(link, 1)
}
