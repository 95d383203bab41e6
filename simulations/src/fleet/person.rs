//! A person of the world: the real messenger on a phone or computer, and what its owner does and sees.

use super::book::{self, Book};
use super::disk::DiskSpec;
use super::node_host::{AtOnce, Calls, NodeHost};
use super::screen::{on_delivery, on_event, own_message, rows, show_all};
use super::seen::Seen;
use crate::det::{Rng, Skew};
use crate::net::{HostId, HostSpec, SimTime, to_ms};
use crate::oracle::{Fact, Message, Person};
use crate::report::Figures;
use crate::world::{Process, World};
use karvon_node::driver::{Call, DriverError, run};
use karvon_node::net::{Found, Observer, start_leaf};
use karvon_node::store::memory::MemoryDisk;
use karvon_protocol::core::{Range, Space};
use karvon_protocol::descriptor::Door;
use karvon_protocol::engine::api::{Command, ContactId, Meeting, Reply, StatusInfo};
use karvon_protocol::engine::channel_api::{ChannelCommand, ChannelReply};
use karvon_protocol::engine::group_api::{GroupCommand, GroupReply};
use karvon_protocol::engine::{Engine, Setup};
use karvon_protocol::identity::LocalIdentity;
use karvon_protocol::limits::STORED_AT;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::mpsc;
use zeroize::Zeroizing;

/// Pause before a messenger whose store failed is built anew.
const REBUILD_AFTER: Duration = Duration::from_secs(1);

/// A trail of this many steps may lack later ones, so it says nothing about who has confirmed.
pub(super) const TRAIL_FULL: usize = 64;

/// A person. The book, the disk and the identity stay while processes come and go.
pub struct PersonHost {
    world: World,
    /// Who this is.
    pub person: Person,
    host: HostId,
    disk: MemoryDisk,
    spec: DiskSpec,
    skew: Skew,
    identity: Zeroizing<Vec<u8>>,
    shared: Arc<Shared>,
    process: Option<Process>,
    /// An older copy of the disk.
    image: Option<MemoryDisk>,
}

/// What the person's own tasks need as well.
pub(super) struct Shared {
    pub(super) world: World,
    pub(super) person: Person,
    pub(super) disk: MemoryDisk,
    pub(super) calls: Calls<Engine>,
    book: Mutex<Book>,
    pub(super) arrivals: Arrivals,
    /// When each own message was written.
    sent_at: Mutex<BTreeMap<Message, SimTime>>,
    /// Relays that the person's contacts can deposit at, for the promise behind `↑`.
    pub(super) promised: Mutex<u32>,
    canaries: Mutex<Rng>,
    /// Of the network of the running messenger.
    observer: Mutex<Option<Observer>>,
}

impl Shared {
    pub(super) fn seen(&self) -> Seen {
        self.arrivals.seen()
    }

    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PersonHost {
    /// Person number `number` on a new host. Nothing runs yet.
    #[must_use]
    pub fn new(world: &World, number: u32, spec: HostSpec, disk: DiskSpec, arrivals: Arrivals) -> Self {
        let person = Person(number);
        let host = world.net.add_host(spec);
        let mut rng = world.rng(&format!("person {number}"));
        let mut seed = || {
            let mut bytes = [0; 32];
            rng.fill(&mut bytes);
            bytes
        };
        let (root, stretched) = (seed(), seed());
        let root = root.first_chunk::<16>().copied().unwrap_or_default();
        let mut keys = ChaCha20Rng::from_seed(seed());
        // Stretching the root is slow and happens once in a life; its result is any 32 bytes.
        let identity = LocalIdentity::from_stretched(&root, &stretched, &mut keys);
        world.secrets.add(format!("the fingerprint of person {number}"), &identity.fingerprint().0);
        let store = MemoryDisk::default();
        let shared = Arc::new(Shared {
            world: world.clone(),
            person,
            disk: store.clone(),
            calls: Calls::default(),
            book: Mutex::default(),
            arrivals: arrivals.clone(),
            sent_at: Mutex::default(),
            promised: Mutex::new(1),
            canaries: Mutex::new(world.rng(&format!("canaries of person {number}"))),
            observer: Mutex::default(),
        });
        arrivals.with(|received| received.readers.insert(person, Arc::downgrade(&shared)));
        Self {
            world: world.clone(),
            person,
            host,
            disk: store,
            spec: disk,
            skew: Skew::default(),
            identity: identity.encode(),
            shared,
            process: None,
            image: None,
        }
    }

    /// The host.
    #[must_use]
    pub const fn host(&self) -> HostId {
        self.host
    }

    /// The disk, for faults.
    #[must_use]
    pub const fn disk(&self) -> &MemoryDisk {
        &self.disk
    }

    /// The error of the device's wall clock.
    #[must_use]
    pub const fn skew(&self) -> &Skew {
        &self.skew
    }

    /// Whether the messenger runs.
    #[must_use]
    pub const fn runs(&self) -> bool {
        self.process.is_some()
    }

    /// Says how many relays must confirm before this person's messages may be shown as stored.
    pub fn promise(&self, relays: usize) {
        *self.shared.promised.lock().unwrap_or_else(PoisonError::into_inner) = relays.min(STORED_AT) as u32;
    }

    /// Starts the messenger, unless it runs.
    pub fn start(&mut self) {
        if self.process.is_some() {
            return;
        }
        let process = self.world.start(self.host, self.skew.clone());
        let purpose = format!("person {}", self.person.0);
        let node = NodeHost::new(&self.world, process.clone(), self.disk.clone(), self.spec, &purpose);
        let commands = self.shared.calls.connect();
        process.spawn(serve(node, self.identity.clone(), self.shared.clone(), commands));
        self.process = Some(process);
    }

    /// Kills the messenger.
    pub async fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill().await;
        }
    }

    /// The battery is empty: nobody is told.
    pub async fn power_cut(&mut self) {
        if let Some(process) = self.process.take() {
            process.power_cut().await;
        }
    }

    /// Copies the disk.
    pub fn take_image(&mut self) {
        self.image = Some(self.disk.image());
    }

    /// Puts the last copy of the disk in its place, if there is one. Nothing may run.
    pub fn roll_back(&self) {
        if let Some(image) = &self.image {
            self.world.note(&format!("the device of person {} is an older copy of itself", self.person.0));
            self.disk.restore(image);
            let shared = &self.shared;
            let is_there = |contact, seq, message| own_message(shared, contact, seq) == Some(message);
            shared.book().set_back(is_there);
        }
    }

    async fn ask(&self, command: Command) -> Option<Reply> {
        self.shared.calls.ask(command).await?.ok()
    }

    /// Carries out a command about groups; `None` if the messenger does not run or refuses.
    pub async fn group(&self, command: GroupCommand) -> Option<GroupReply> {
        match self.ask(Command::Group(command)).await? {
            Reply::Group(reply) => Some(reply),
            _ => None,
        }
    }

    /// Carries out a command about channels; `None` if the messenger does not run or refuses.
    pub async fn channel(&self, command: ChannelCommand) -> Option<ChannelReply> {
        match self.ask(Command::Channel(command)).await? {
            Reply::Channel(reply) => Some(reply),
            _ => None,
        }
    }

    /// All contacts with whom this person is connected.
    pub async fn contacts(&self) -> Vec<ContactId> {
        let Some(Reply::Contacts(contacts)) = self.ask(Command::Contacts).await else { return Vec::new() };
        let met = contacts.iter().filter(|contact| contact.meeting == Meeting::Connected);
        met.map(|contact| contact.id).collect()
    }

    /// What stands on the disk of groups' conversations: author and number of each message.
    #[must_use]
    pub fn group_lines(&self) -> Vec<Vec<u8>> {
        let lines = rows(&self.shared, &Range::Space(Space::GroupLine));
        lines.into_iter().filter_map(|(_, line)| line.get(..24).map(<[u8]>::to_vec)).collect()
    }

    /// Adds a door; false if the messenger does not run or refuses.
    pub async fn add_door(&self, door: Door) -> bool {
        matches!(self.ask(Command::AddDoor(door)).await, Some(Reply::Done))
    }

    /// Checks the doors, as `netcheck` does; `None` if the messenger does not run.
    pub async fn netcheck(&self) -> Option<Found> {
        let observer = self.shared.observer.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let begun = observer.begin();
        let Reply::Tested(doors) = self.ask(Command::TestDoors(None)).await? else { return None };
        // Inside the process, whose clock it is.
        let (tell, told) = tokio::sync::oneshot::channel();
        self.process.as_ref()?.spawn(async move {
            // Whoever asked may be gone.
            let _ = tell.send(observer.check(begun, &doors).await);
        });
        told.await.ok()
    }

    /// Makes an invitation.
    pub async fn invite(&self) -> Option<Zeroizing<String>> {
        match self.ask(Command::Invite).await? {
            Reply::Invitation { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Makes an invitation in its long form, which names all doors; in the short one if there is one door only.
    pub async fn invite_in_full(&self) -> Option<Zeroizing<String>> {
        match self.ask(Command::Invite).await? {
            Reply::Invitation { text, long, .. } => Some(long.unwrap_or(text)),
            _ => None,
        }
    }

    /// Adds somebody by an invitation; false if the messenger does not run or refuses.
    pub async fn add(&self, invitation: Zeroizing<String>) -> bool {
        let command = Command::Add { invitation, name: String::new(), text: String::new() };
        matches!(self.ask(command).await, Some(Reply::Added(_)))
    }

    /// Looks through the contacts; returns with how many people this one is connected.
    pub async fn look_at_contacts(&self) -> usize {
        let Some(Reply::Contacts(contacts)) = self.ask(Command::Contacts).await else {
            return self.shared.book().contacts();
        };
        for contact in contacts.iter().filter(|contact| contact.meeting == Meeting::Connected) {
            if let Some(number) = contact.name.strip_prefix("person ").and_then(|n| n.parse().ok()) {
                self.shared.book().meet(Person(number), contact.id);
            }
        }
        self.shared.book().contacts()
    }

    /// Whether this person was seen to be connected with `other` when the contacts were looked through last.
    #[must_use]
    pub fn knows(&self, other: Person) -> bool {
        self.shared.book().contact(other).is_some()
    }

    /// What the messenger says of itself.
    pub async fn status(&self) -> Option<StatusInfo> {
        match self.ask(Command::Status).await? {
            Reply::Status(status) => Some(status),
            _ => None,
        }
    }

    /// What writes in this person's name, also while the person is started and ended elsewhere.
    #[must_use]
    pub fn pen(&self) -> Pen {
        Pen(self.shared.clone())
    }

    /// When an own message was written.
    #[must_use]
    pub fn written_at(&self, message: Message) -> Option<SimTime> {
        self.shared.sent_at.lock().unwrap_or_else(PoisonError::into_inner).get(&message).copied()
    }

    /// Own messages written from one time to another, and whether their readers have seen them.
    #[must_use]
    pub fn written_between(&self, from: SimTime, to: SimTime) -> Vec<(Message, bool)> {
        let sent = self.shared.sent_at.lock().unwrap_or_else(PoisonError::into_inner);
        let written = sent.iter().filter(|(_, at)| (from..to).contains(at)).map(|(message, _)| *message);
        self.shared
            .arrivals
            .with(|received| written.map(|message| (message, received.at.contains_key(&message))).collect())
    }

    /// Own messages that are not known to be delivered.
    #[must_use]
    pub fn undelivered(&self) -> usize {
        self.shared.book().undelivered()
    }
}

/// Writes messages for a person.
#[derive(Clone)]
pub struct Pen(Arc<Shared>);

impl Pen {
    /// Writes a text of `bytes` bytes; true if the device acknowledged it.
    pub async fn write(self, to: Person, bytes: usize) -> bool {
        let shared = self.0;
        let Some(contact) = shared.book().contact(to) else { return false };
        let message = shared.book().next(shared.person, to);
        let canary = {
            let mut canaries = shared.canaries.lock().unwrap_or_else(PoisonError::into_inner);
            format!("{:016x}{:016x}", canaries.bits(), canaries.bits())
        };
        shared.world.secrets.add(format!("{message:?}"), canary.as_bytes());
        let text = book::text(message, &canary, bytes);
        let written = shared.world.now();
        shared.sent_at.lock().unwrap_or_else(PoisonError::into_inner).insert(message, written);
        let Some(Ok(Reply::Queued { seq, .. })) = shared.calls.ask(Command::Send { contact, text }).await
        else {
            shared.sent_at.lock().unwrap_or_else(PoisonError::into_inner).remove(&message);
            return false;
        };
        shared.book().queued(contact, seq, message);
        shared.world.fact(&Fact::Queued(message));
        // It may have moved on before the answer was looked at.
        if let Some(Ok(Reply::Delivery(delivery))) = shared.calls.ask(Command::Delivery(contact)).await {
            on_delivery(&shared, contact, &delivery);
        }
        true
    }
}

impl std::fmt::Debug for Pen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pen({})", self.0.person.0)
    }
}

impl std::fmt::Debug for PersonHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PersonHost({})", self.person.0)
    }
}

/// What a messenger's process does until it is ended.
async fn serve(
    mut node: NodeHost,
    identity: Zeroizing<Vec<u8>>,
    shared: Arc<Shared>,
    mut commands: mpsc::Receiver<Call<Engine>>,
) {
    let (tell, mut events) = mpsc::unbounded_channel();
    let eyes = shared.clone();
    node.process.spawn(async move {
        while let Some(event) = events.recv().await {
            on_event(&eyes, event).await;
        }
    });
    loop {
        let Some(identity) = LocalIdentity::decode(&identity) else {
            return shared.world.note("the identity is damaged");
        };
        let net = match start_leaf(&node.deps) {
            Ok(net) => net,
            Err(error) => return shared.world.note(&format!("the messenger can not start: {error}")),
        };
        *shared.observer.lock().unwrap_or_else(PoisonError::into_inner) = Some(net.observer());
        let name = format!("person {}", shared.person.0);
        let core = Engine::new(Setup { identity, name }, node.rng());
        let mut store = node.store();
        let clock = node.deps.clock.clone();
        let tell = tell.clone();
        // Nobody looks any more only when the whole process ends.
        let around = move |event| drop(tell.send(event));
        let ended =
            run(core, net, &mut store, Arc::new(AtOnce), clock, commands, around, std::future::pending());
        match ended.await {
            Ok(()) => return,
            Err(error @ (DriverError::Store(_) | DriverError::Net)) => {
                shared.world.note(&format!("the messenger is built anew: {error}"));
                tokio::time::sleep(REBUILD_AFTER).await;
                commands = shared.calls.connect();
            }
        }
    }
}

/// What all people of a world have received, and when; clones are the same list.
#[derive(Clone, Default)]
pub struct Arrivals(Arc<Mutex<Received>>);

#[derive(Default)]
struct Received {
    at: BTreeMap<Message, SimTime>,
    seen: Seen,
    readers: BTreeMap<Person, Weak<Shared>>,
}

impl Arrivals {
    fn with<T>(&self, work: impl FnOnce(&mut Received) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn add(&self, message: Message, at: SimTime) {
        self.with(|received| *received.at.entry(message).or_insert(at));
    }

    /// What was shown of groups and channels.
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.with(|received| received.seen.clone())
    }

    /// Looks at the reader's disk: what is there counts as received, even if the device was killed before it could be shown.
    pub(super) fn look(&self, reader: Person) {
        let shared = self.with(|received| received.readers.get(&reader).and_then(Weak::upgrade));
        if let Some(shared) = shared {
            show_all(&shared);
        }
    }

    /// Reports the delays of all messages that `people` wrote and that were shown; returns how many were shown.
    pub fn report(&self, people: &[PersonHost], figures: &Figures) -> u64 {
        let by_person: BTreeMap<_, _> = people.iter().map(|host| (host.person, host)).collect();
        let mut shown = 0;
        for (message, at) in self.with(|received| received.at.clone()) {
            let written = by_person.get(&message.from).and_then(|host| host.written_at(message));
            if let Some(written) = written {
                shown += 1;
                figures.sample("delay_ms", to_ms(at.saturating_sub(written)) as f64);
            }
        }
        shown
    }
}

impl std::fmt::Debug for Arrivals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Arrivals({})", self.with(|received| received.at.len()))
    }
}
