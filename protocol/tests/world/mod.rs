//! A small world in virtual time: real engines and relay cores, links with latency, disks that can be cut between any two batches.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used)]

mod disk;
pub mod friends;
pub mod neighbours;
pub mod people;
pub mod taken_over;
pub mod tally;
mod turn;
pub use disk::Disk;
use karvon_protocol::core::*;
use karvon_protocol::descriptor::flags;
use karvon_protocol::engine::api::{Command, Reply};
use karvon_protocol::engine::{Engine, Setup};
use karvon_protocol::error::ErrorKind;
use karvon_protocol::identity::LocalIdentity;
use karvon_protocol::ids::RelayId;
use karvon_protocol::link::{Frame, Kind};
use karvon_protocol::reach::{Dialled, Findings};
use karvon_protocol::relay::RelayCore;
use karvon_protocol::relay::api::{RelayCommand, RelayEvent, RelaySetup};
use karvon_protocol::relay::limits::RelayLimits;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};
use turn::{Feed, drain};
use zeroize::Zeroizing;

pub const WALL_MS: u64 = 1_700_000_000_000;
/// What one try of a proof of work takes, microseconds.
const TRY_US: u64 = 25_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Host {
    Relay(usize),
    Person(usize),
}

pub struct Node<C: Core> {
    pub core: Option<C>,
    pub disk: Disk,
    pub replies: BTreeMap<u64, Result<C::Reply, ErrorKind>>,
    pub events: Vec<C::Event>,
    next_command: u64,
    /// Grows with each start; what was under way for an older life is dropped.
    life: u64,
    starts: u64,
}

impl<C: Core> Node<C> {
    fn new() -> Self {
        Self {
            core: None,
            disk: Disk::default(),
            replies: BTreeMap::new(),
            events: Vec::new(),
            next_command: 0,
            life: 0,
            starts: 0,
        }
    }
}

enum What {
    Frame(Host, u64, LinkId, Frame),
    LinkUp(Host, u64, LinkId, LinkInfo),
    LinkDown(Host, u64, LinkId, Reason),
    Failed(Host, u64, Target),
    Persisted(Host, u64, BatchId),
    Loaded(Host, u64, LoadId, Range, BatchId),
    Done(Host, u64, JobId, JobOutput),
}

enum Act {
    Persist(Batch),
    Load(LoadId, Range),
    Run(JobId, Job),
    Send(LinkId, Frame),
    Connect(Target),
    Disconnect(LinkId, Reason),
}

pub struct RelayHost {
    pub node: Node<RelayCore>,
    pub setup: RelaySetup,
    pub static_key: [u8; 32],
    pub id: RelayId,
}

pub struct PersonHost {
    pub node: Node<Engine>,
    pub name: String,
    pub identity: Zeroizing<Vec<u8>>,
}

pub struct World {
    pub now: u64,
    pub rng: ChaCha20Rng,
    pub relays: Vec<RelayHost>,
    pub people: Vec<PersonHost>,
    queue: BTreeMap<(u64, u64), What>,
    counter: u64,
    pub links: BTreeMap<LinkId, (Host, Host)>,
    next_link: u64,
    /// Latency of a frame, microseconds.
    pub latency_us: u64,
    pub fsync_us: u64,
    /// Frames that cross relays to people are dropped with their link with this chance per thousand.
    pub cut_permille: u64,
    pub frames: u64,
    /// Bytes that people have on the way to each relay, and the most there ever were on one link.
    flying: BTreeMap<LinkId, usize>,
    pub most_flying: usize,
    /// Crash this host when it has been handed so many batches: the batch is lost or kept as `keep` says.
    pub crash_at: Option<(Host, u64, bool)>,
    batches: BTreeMap<Host, u64>,
    descriptors: Vec<Vec<u8>>,
    /// Bounds of relays that start from now on; proofs of work are cheap.
    pub limits: RelayLimits,
    /// Jobs that were given out.
    pub jobs: Vec<(Host, Job)>,
    /// Their ids, in each life of a host.
    job_ids: BTreeSet<(Host, u64, JobId)>,
    /// How far the clocks of people are from the true time, milliseconds.
    pub clock_off_ms: BTreeMap<usize, i64>,
    /// Bytes of frames that relays sent to people.
    pub bytes_to_people: usize,
    /// Frames between people and relays.
    pub tally: tally::Tally,
    /// Relays that start from now on are web doors.
    pub web: bool,
    /// This relay takes nothing of shards from other relays and gives them nothing, as one that keeps cells back.
    pub sealed_off: Option<usize>,
    /// These relays take no objects from others and offer none.
    pub no_objects: BTreeSet<usize>,
    /// What relays gossiped on shards, as each of their neighbours sees it.
    pub gossiped: Vec<Vec<u8>>,
}

impl World {
    pub fn new(seed: u64) -> Self {
        Self {
            now: 0,
            rng: ChaCha20Rng::seed_from_u64(seed),
            relays: Vec::new(),
            people: Vec::new(),
            queue: BTreeMap::new(),
            counter: 0,
            links: BTreeMap::new(),
            next_link: 0,
            latency_us: 1_000,
            fsync_us: 200,
            cut_permille: 0,
            frames: 0,
            flying: BTreeMap::new(),
            most_flying: 0,
            crash_at: None,
            batches: BTreeMap::new(),
            descriptors: Vec::new(),
            limits: RelayLimits { request_bits: 2, ..RelayLimits::default() },
            jobs: Vec::new(),
            job_ids: BTreeSet::new(),
            clock_off_ms: BTreeMap::new(),
            bytes_to_people: 0,
            tally: tally::Tally::default(),
            web: false,
            sealed_off: None,
            no_objects: BTreeSet::new(),
            gossiped: Vec::new(),
        }
    }

    /// Relays that know one another, and people who each have a door to every relay in `doors`.
    pub fn with(seed: u64, relays: usize, people: &[(&str, &[usize])]) -> Self {
        Self::new(seed).peopled(relays, people)
    }

    /// The same, behind web doors only.
    pub fn narrow(seed: u64, relays: usize, people: &[(&str, &[usize])]) -> Self {
        Self { web: true, ..Self::new(seed) }.peopled(relays, people)
    }

    fn peopled(self, relays: usize, people: &[(&str, &[usize])]) -> Self {
        let mut world = self;
        (0..relays).for_each(|_| world.add_relay());
        world.run_ms(200);
        for (name, doors) in people {
            let person = world.add_person(name);
            for relay in *doors {
                let door = world.slot(*relay);
                let reply = world.ask(person, Command::AddDoor(door));
                assert!(matches!(reply, Ok(Reply::Done)), "{reply:?}");
            }
        }
        world.run_ms(3_500);
        world
    }

    fn time(&self) -> Now {
        Now { mono: Mono(self.now), wall_ms: WALL_MS + self.now / 1_000 }
    }

    /// The time as a host's clock says it.
    fn time_at(&self, host: Host) -> Now {
        let mut now = self.time();
        if let Host::Person(n) = host {
            let off_ms = self.clock_off_ms.get(&n).copied().unwrap_or(0);
            now.wall_ms = now.wall_ms.saturating_add_signed(off_ms);
        }
        now
    }

    fn at(&mut self, delay_us: u64, what: What) {
        self.counter += 1;
        self.queue.insert((self.now + delay_us, self.counter), what);
    }

    pub fn add_relay(&mut self) {
        self.add_relay_as(flags::MAILBOX);
    }

    /// Starts a host from its disk.
    pub fn start(&mut self, host: Host) {
        let rng = Box::new(ChaCha20Rng::seed_from_u64(self.rng.next_u64()));
        match host {
            Host::Relay(n) => {
                let relay = &mut self.relays[n];
                relay.node.life += 1;
                relay.node.core = Some(RelayCore::with_limits(relay.setup.clone(), self.limits, rng));
            }
            Host::Person(n) => {
                let person = &mut self.people[n];
                let identity = LocalIdentity::decode(&person.identity).unwrap();
                person.node.life += 1;
                person.node.core = Some(Engine::new(Setup { identity, name: person.name.clone() }, rng));
            }
        }
        self.batches.insert(host, 0);
        self.drain(host);
    }

    /// The power goes: what is not durable is gone, links break.
    pub fn crash(&mut self, host: Host) {
        match host {
            Host::Relay(n) => {
                self.relays[n].node.core = None;
                self.relays[n].node.life += 1;
                self.relays[n].node.disk.pending.clear();
            }
            Host::Person(n) => {
                self.people[n].node.core = None;
                self.people[n].node.life += 1;
                self.people[n].node.disk.pending.clear();
            }
        }
        let broken: Vec<_> =
            self.links.iter().filter(|(_, (a, b))| *a == host || *b == host).map(|(l, _)| *l).collect();
        broken.into_iter().for_each(|link| self.cut(link, Reason::Lost));
    }

    fn cut(&mut self, link: LinkId, reason: Reason) {
        if let Some((a, b)) = self.links.remove(&link) {
            for end in [a, b] {
                let life = self.life(end);
                let delay = self.latency_us;
                self.at(delay, What::LinkDown(end, life, link, reason));
            }
        }
    }

    fn life(&self, host: Host) -> u64 {
        match host {
            Host::Relay(n) => self.relays[n].node.life,
            Host::Person(n) => self.people[n].node.life,
        }
    }

    pub fn is_up(&self, host: Host) -> bool {
        self.up(host)
    }

    /// Batches a host has written since its start.
    pub fn batches_of(&self, host: Host) -> u64 {
        self.batches.get(&host).copied().unwrap_or(0)
    }

    fn up(&self, host: Host) -> bool {
        match host {
            Host::Relay(n) => self.relays[n].node.core.is_some(),
            Host::Person(n) => self.people[n].node.core.is_some(),
        }
    }

    fn next_timeout(&self) -> Option<u64> {
        let relays = self.relays.iter().filter_map(|r| r.node.core.as_ref()?.next_timeout());
        let people = self.people.iter().filter_map(|p| p.node.core.as_ref()?.next_timeout());
        relays.chain(people).min().map(|at| at.0)
    }

    /// Runs for so many virtual milliseconds.
    pub fn run_ms(&mut self, ms: u64) {
        let end = self.now + ms * 1_000;
        let mut steps = 0_u64;
        loop {
            let event = self.queue.first_key_value().map(|((at, _), _)| *at);
            let timer = self.next_timeout().map(|at| at.max(self.now));
            let Some(next) = [event, timer].into_iter().flatten().min().filter(|at| *at <= end) else {
                break;
            };
            steps += 1;
            assert!(steps < 20_000_000, "the world does not come to rest");
            self.now = self.now.max(next);
            if event == Some(next) {
                let (_, what) = self.queue.pop_first().unwrap();
                self.happen(what);
            } else {
                self.ring();
            }
        }
        self.now = end;
    }

    fn ring(&mut self) {
        let now = self.time();
        let due = |at: Option<Mono>| at.is_some_and(|at| at <= now.mono);
        for n in 0..self.relays.len() {
            if self.relays[n].node.core.as_ref().is_some_and(|core| due(core.next_timeout())) {
                self.feed(Host::Relay(n), Feed::Timeout);
            }
        }
        for n in 0..self.people.len() {
            if self.people[n].node.core.as_ref().is_some_and(|core| due(core.next_timeout())) {
                self.feed(Host::Person(n), Feed::Timeout);
            }
        }
    }

    fn happen(&mut self, what: What) {
        match what {
            What::Frame(host, life, link, frame) => {
                if self.life(host) == life && self.links.contains_key(&link) {
                    self.frames += 1;
                    if matches!(host, Host::Relay(_))
                        && let Some(flying) = self.flying.get_mut(&link)
                    {
                        *flying = flying.saturating_sub(frame.encode().len());
                    }
                    if self.cut_permille > 0 && self.rng.next_u64() % 1_000 < self.cut_permille {
                        self.cut(link, Reason::Lost);
                        return;
                    }
                    if frame.kind == Kind::Shards && self.sealed_off.is_some_and(|n| host == Host::Relay(n)) {
                        return;
                    }
                    if frame.kind == Kind::Objects && self.hides_objects(link) {
                        return;
                    }
                    self.feed(host, Feed::Frame(link, frame));
                }
            }
            What::LinkUp(host, life, link, info) => {
                if self.life(host) == life && self.links.contains_key(&link) {
                    self.feed(host, Feed::LinkUp(link, info));
                }
            }
            What::LinkDown(host, life, link, reason) => {
                if self.life(host) == life {
                    self.feed(host, Feed::LinkDown(link, reason));
                }
            }
            What::Failed(host, life, target) => {
                if self.life(host) == life {
                    self.feed(host, Feed::Failed(target));
                }
            }
            What::Persisted(host, life, upto) => {
                if self.life(host) == life {
                    self.disk(host).sync(upto);
                    self.feed(host, Feed::Persisted(upto));
                }
            }
            What::Done(host, life, id, output) => {
                if self.life(host) == life {
                    self.feed(host, Feed::Done(id, output));
                }
            }
            What::Loaded(host, life, id, range, after) => {
                if self.life(host) == life {
                    self.disk(host).sync(after);
                    let rows = self.disk(host).load(&range);
                    self.feed(host, Feed::Loaded(id, rows));
                }
            }
        }
    }

    /// Whether one end of a link keeps out of the handing on of objects.
    fn hides_objects(&self, link: LinkId) -> bool {
        let ends = self.links.get(&link).into_iter().flat_map(|(a, b)| [a, b]);
        ends.into_iter().any(|end| matches!(end, Host::Relay(n) if self.no_objects.contains(n)))
    }

    fn disk(&mut self, host: Host) -> &mut Disk {
        match host {
            Host::Relay(n) => &mut self.relays[n].node.disk,
            Host::Person(n) => &mut self.people[n].node.disk,
        }
    }

    fn feed(&mut self, host: Host, feed: Feed) {
        let now = self.time_at(host);
        match host {
            Host::Relay(n) => {
                if let Some(core) = self.relays[n].node.core.as_mut() {
                    core.handle(feed.input(), now);
                }
            }
            Host::Person(n) => {
                if let Some(core) = self.people[n].node.core.as_mut() {
                    core.handle(feed.input(), now);
                }
            }
        }
        self.drain(host);
    }

    fn drain(&mut self, host: Host) {
        // As the driver does: what is due at once belongs to the same turn.
        let now = self.time_at(host);
        let acts = match host {
            Host::Relay(n) => drain(&mut self.relays[n].node, now),
            Host::Person(n) => drain(&mut self.people[n].node, now),
        };
        if let Host::Relay(n) = host {
            self.spread(n);
        }
        for act in acts {
            if !self.up(host) {
                return;
            }
            self.act(host, act);
        }
    }

    /// Descriptors travel by gossip; here they are simply told.
    fn spread(&mut self, from: usize) {
        let events = std::mem::take(&mut self.relays[from].node.events);
        for event in events {
            if let RelayEvent::Spread(_, bytes) = &event {
                self.gossiped.push(bytes.clone());
                // Gossip reaches every relay that is up.
                for n in 0..self.relays.len() {
                    let reached = n != from && self.sealed_off.is_none_or(|off| off != n && off != from);
                    if reached && self.relays[n].node.core.is_some() {
                        self.relay_command(n, RelayCommand::Gossip(0, bytes.clone()));
                    }
                }
            }
            if let RelayEvent::DialBack { token, .. } = &event {
                // Here everybody can be reached.
                let (door, mesh) = (Dialled::Reached, Dialled::Reached);
                let found = RelayCommand::DialledBack(*token, Findings { door, mesh, seen: None });
                self.relay_command(from, found);
            }
            if let RelayEvent::OwnDescriptor(_, bytes) = event {
                let listed = self.relays[from].setup.flags & flags::BRIDGE == 0;
                for n in (0..self.relays.len()).filter(|_| listed) {
                    if n != from && self.relays[n].node.core.is_some() {
                        self.relay_command(n, RelayCommand::Heard(bytes.clone()));
                    }
                }
                // A late comer hears of the earlier ones.
                self.descriptors.extend(Some(bytes).filter(|_| listed));
                for bytes in self.descriptors.clone() {
                    self.relay_command(from, RelayCommand::Heard(bytes));
                }
            }
        }
    }

    fn relay_command(&mut self, n: usize, command: RelayCommand) -> u64 {
        let node = &mut self.relays[n].node;
        node.next_command += 1;
        let id = node.next_command;
        let now = Now { mono: Mono(self.now), wall_ms: WALL_MS + self.now / 1_000 };
        if let Some(core) = node.core.as_mut() {
            core.handle(Input::Command(CommandId(id), command), now);
        }
        self.drain(Host::Relay(n));
        id
    }

    fn act(&mut self, host: Host, act: Act) {
        let life = self.life(host);
        match act {
            Act::Persist(batch) => {
                let id = batch.id;
                self.disk(host).pending.push_back(batch);
                let count = self.batches.entry(host).or_insert(0);
                *count += 1;
                if let Some((victim, at, keep)) = self.crash_at
                    && victim == host
                    && *count == at
                {
                    self.crash_at = None;
                    if keep {
                        self.disk(host).sync(id);
                    }
                    self.crash(host);
                    return;
                }
                let delay = self.fsync_us;
                self.at(delay, What::Persisted(host, life, id));
            }
            Act::Run(id, job) => {
                self.jobs.push((host, job.clone()));
                assert!(self.job_ids.insert((host, life, id)), "a job's id was used twice");
                let tries = match &job {
                    Job::Search { count, .. } => u64::from(*count),
                    other => panic!("{other:?}"),
                };
                self.at(tries * TRY_US, What::Done(host, life, id, job.carry_out()));
            }
            Act::Load(id, range) => {
                let after = self.disk(host).pending.back().map_or(BatchId(0), |batch| batch.id);
                let delay = self.fsync_us;
                self.at(delay, What::Loaded(host, life, id, range, after));
            }
            Act::Send(link, frame) => {
                if let Some((a, b)) = self.links.get(&link).copied() {
                    let to = if a == host { b } else { a };
                    // What crosses a link is what its bytes say.
                    let frame = Frame::decode(&frame.encode()).expect("own frames are well formed");
                    let (delay, life) = (self.latency_us, self.life(to));
                    if self.tally.swallows(host, to, &frame) {
                        return;
                    }
                    if matches!(to, Host::Person(_)) {
                        self.bytes_to_people += frame.encode().len();
                    }
                    if matches!(host, Host::Person(_)) {
                        let flying = self.flying.entry(link).or_default();
                        *flying += frame.encode().len();
                        self.most_flying = self.most_flying.max(*flying);
                    }
                    self.at(delay, What::Frame(to, life, link, frame));
                }
            }
            Act::Connect(target) => self.connect(host, target),
            Act::Disconnect(link, reason) => self.cut(link, reason),
        }
    }

    pub fn connect(&mut self, host: Host, target: Target) {
        let relay = match &target {
            Target::Door { relay, .. } => *relay,
            Target::Relay(relay) => *relay,
        };
        let life = self.life(host);
        let delay = 3 * self.latency_us;
        let found = self.relays.iter().position(|held| held.id == relay && held.node.core.is_some());
        let Some(n) = found else {
            self.at(delay, What::Failed(host, life, target));
            return;
        };
        self.next_link += 1;
        let link = LinkId(self.next_link);
        let static_key = self.relays[n].static_key;
        let (here, there) = match (&target, host) {
            (Target::Door { door, .. }, _) => {
                let mut key = [0; 32];
                self.rng.fill_bytes(&mut key);
                (
                    LinkInfo::Door { door: *door, local_key: key, remote_key: static_key },
                    LinkInfo::Leaf { local_key: static_key, remote_key: key },
                )
            }
            (Target::Relay(_), Host::Relay(from)) => (
                LinkInfo::Mesh { remote_key: self.relays[n].setup.mesh_key },
                LinkInfo::Mesh { remote_key: self.relays[from].setup.mesh_key },
            ),
            (Target::Relay(_), Host::Person(_)) => panic!("a person dialled a relay of the mesh"),
        };
        self.links.insert(link, (host, Host::Relay(n)));
        let other = self.relays[n].node.life;
        self.at(delay, What::LinkUp(host, life, link, here));
        self.at(delay, What::LinkUp(Host::Relay(n), other, link, there));
    }
}
