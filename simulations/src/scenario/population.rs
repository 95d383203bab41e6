//! Relays and people of a run: founding, meeting, and carrying out what the schedule says.

use super::script::{Step, neighbour};
use super::{Setup, Values, hostile};
use crate::censor::{
    Action, AddressBlock, AddressList, Entry, HandshakePolicing, Place, Placed, RandomReset, Rule, Throttle,
    VolumeFreeze,
};
use crate::det::Rng;
use crate::fleet::{Arrivals, DiskSpec, Pen, PersonHost, RelayHost, Seen};
use crate::net::{CensorId, HostSpec, LinkClass, Region, RegionSet, SimTime};
use crate::oracle::Person;
use crate::report::Figures;
use crate::world::World;
use futures::future::join_all;
use karvon_node::store::memory::Fault;
use karvon_protocol::core::StoreFault;
use karvon_protocol::limits::MAILBOXES;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;

/// How often the world looks whether something has come about.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long relays and people may take to find each other at first.
const FOUNDING: Duration = Duration::from_secs(600);
/// How long two people may take to meet at first.
const MEETING: Duration = Duration::from_secs(1_800);
/// Guests whom one person invites at once.
const GUESTS_AT_ONCE: usize = 32;

/// Sizes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) relays: usize,
    pub(super) people: usize,
    doors: usize,
    contacts: usize,
    line: LinkClass,
    skew_h: f64,
}

impl Plan {
    pub(super) fn of(setup: &Setup) -> Self {
        let values = &setup.values;
        let wanted = match values.count("relays") {
            0 => (setup.nodes / 20).max(3),
            relays => relays,
        };
        let relays = wanted.clamp(1, setup.nodes.saturating_sub(2).max(1));
        let line = match values.count("line") {
            0 => LinkClass::TwoG,
            1 => LinkClass::Mobile,
            _ => LinkClass::Home,
        };
        Self {
            relays,
            people: setup.nodes - relays,
            doors: values.count("doors").min(relays),
            contacts: values.count("contacts"),
            line,
            skew_h: values.get("skew"),
        }
    }
}

/// The land behind the border.
pub(super) fn inside() -> RegionSet {
    RegionSet::of(&[Region::Russia, Region::CentralAsia])
}

/// See the module.
pub(super) struct Population {
    pub(super) world: World,
    plan: Plan,
    pub(super) relays: Vec<RelayHost>,
    pub(super) people: Vec<PersonHost>,
    arrivals: Arrivals,
    censors: Vec<CensorId>,
    pub(super) rng: Rng,
    /// When the border was cut.
    pub(super) cut_at: Option<SimTime>,
    /// People who were started anew right after the cut and are not back yet.
    pub(super) restarted: BTreeSet<Person>,
    /// The strangers at the doors.
    pub(super) pests: Option<JoinHandle<()>>,
    /// With how many people each person is to be connected.
    wanted: Vec<usize>,
    /// Pairs that were brought together, the lower number first.
    pairs: BTreeSet<(usize, usize)>,
    pub(super) written: Arc<AtomicU64>,
}

impl Population {
    /// Starts the relays, one after another, until they know each other; makes the people, who do not run yet.
    pub(super) async fn found(world: &World, plan: &Plan, figures: &Figures) -> Self {
        let mut rng = world.rng("population");
        let mut relays: Vec<RelayHost> = Vec::with_capacity(plan.relays);
        for number in 0..plan.relays {
            // One relay in five stands inside the country; the first one does not.
            let region = match number % 5 {
                4 => Region::Russia,
                1 => Region::America,
                _ => Region::Europe,
            };
            let mut peers = Vec::new();
            for _ in 0..2 {
                if let Some(peer) = relays.get(rng.index(relays.len())) {
                    peers.extend(peer.new_door().await);
                }
            }
            let mut relay = RelayHost::new(world, number, HostSpec::server(region), peers);
            relay.start();
            relays.push(relay);
            world.sleep(LOOK_EVERY).await;
        }
        let arrivals = Arrivals::default();
        let people = (0..plan.people)
            .map(|number| {
                // Two thirds of the people live inside.
                let region = match number % 3 {
                    0 => Region::Europe,
                    1 => Region::Russia,
                    _ => Region::CentralAsia,
                };
                let spec = match plan.line {
                    LinkClass::Home => HostSpec::home(region),
                    line => HostSpec::phone(region, line),
                };
                let person = PersonHost::new(world, number as u32, spec, DiskSpec::PHONE, arrivals.clone());
                let off = (2.0 * rng.unit() - 1.0) * plan.skew_h * 3_600_000.0;
                person.skew().set_ms(off as i64);
                person
            })
            .collect();
        let all = Self {
            world: world.clone(),
            plan: *plan,
            relays,
            people,
            arrivals,
            censors: Vec::new(),
            rng,
            cut_at: None,
            restarted: BTreeSet::new(),
            pests: None,
            wanted: vec![0; plan.people],
            pairs: BTreeSet::new(),
            written: Arc::default(),
        };
        let known = all.relays.len() as u32 - 1;
        all.until(FOUNDING, async || {
            let all = join_all(all.relays.iter().map(RelayHost::status)).await;
            all.iter().flatten().filter(|status| status.relays_known >= known).count() == all.len()
        })
        .await;
        figures.progress(&format!("{} relays know each other", all.relays.len()));
        all
    }

    /// Waits until `done` says so, or `most` has passed; false then.
    async fn until(&self, most: Duration, done: impl AsyncFn() -> bool) -> bool {
        let end = tokio::time::Instant::now() + most;
        while !done().await {
            if tokio::time::Instant::now() >= end {
                return false;
            }
            self.world.sleep(LOOK_EVERY).await;
        }
        true
    }

    /// Waits until `done` has said so of each of these people once, or `most` has passed; false then.
    async fn until_each(
        &self,
        most: Duration,
        who: Range<usize>,
        done: impl AsyncFn(usize, &PersonHost) -> bool,
    ) -> bool {
        let end = tokio::time::Instant::now() + most;
        let mut waiting: Vec<usize> = who.collect();
        loop {
            let mut ready = Vec::with_capacity(waiting.len());
            for at in &waiting {
                ready.push(match self.people.get(*at) {
                    Some(person) => done(*at, person).await,
                    None => true,
                });
            }
            let mut ready = ready.into_iter();
            waiting.retain(|_| !ready.next().unwrap_or_default());
            if waiting.is_empty() || tokio::time::Instant::now() >= end {
                return waiting.is_empty();
            }
            self.world.sleep(LOOK_EVERY).await;
        }
    }

    /// Lets people come within `span`, and gives them doors; returns when they have their mailboxes.
    pub(super) async fn arrive(&mut self, who: Range<usize>, span: Duration, figures: &Figures) {
        let pause = span / who.len().max(1) as u32;
        for at in who.clone() {
            let mut doors = Vec::new();
            let first = self.rng.index(self.relays.len());
            for step in 0..self.plan.doors {
                if let Some(relay) = self.relays.get((first + step) % self.relays.len()) {
                    doors.extend(relay.new_door().await);
                }
            }
            if let Some(person) = self.people.get_mut(at) {
                person.start();
                person.promise(self.relays.len());
                for door in doors {
                    person.add_door(door).await;
                }
            }
            self.world.sleep(pause).await;
        }
        let wanted = MAILBOXES.min(self.relays.len()) as u32;
        let ready = self
            .until_each(FOUNDING, who.clone(), async |_, person| {
                person.status().await.is_some_and(|status| status.mailboxes_attached >= wanted)
            })
            .await;
        let words = if ready { "have their mailboxes" } else { "do not all have their mailboxes" };
        figures.progress(&format!("{} people {words}", who.len()));
    }

    /// Lets everybody meet the first person, some at a time, because few invitations may be open at once; true if all did.
    pub(super) async fn meet_first(&mut self, figures: &Figures) -> bool {
        let people = self.people.len();
        let mut all_met = true;
        for first in (1..people).step_by(GUESTS_AT_ONCE) {
            let guests = first..people.min(first + GUESTS_AT_ONCE);
            for at in guests.clone() {
                let (Some(host), Some(guest)) = (self.people.first(), self.people.get(at)) else { continue };
                if let Some(invitation) = host.invite().await {
                    guest.add(invitation).await;
                }
            }
            all_met &=
                self.until_each(MEETING, guests, async |_, guest| guest.look_at_contacts().await >= 1).await;
        }
        all_met &=
            self.until_each(MEETING, 0..1, async |_, host| host.look_at_contacts().await + 1 >= people).await;
        figures.progress(&format!(
            "everybody {} the first person",
            if all_met { "met" } else { "did not meet" }
        ));
        all_met
    }

    /// What was shown of groups and channels.
    pub(super) fn seen(&self) -> Seen {
        self.arrivals.seen()
    }

    /// Lets people meet their neighbours on the ring, those before `who` included.
    pub(super) async fn meet(&mut self, who: Range<usize>, figures: &Figures) {
        let people = who.end;
        let reach = self.plan.contacts.min(people.saturating_sub(1)).div_ceil(2);
        for at in who.clone() {
            for step in 1..=reach {
                let other = (at + people - step) % people;
                let (Some(host), Some(guest)) = (self.people.get(other), self.people.get(at)) else {
                    continue;
                };
                // In a small ring the same neighbour comes from both sides.
                if !self.pairs.insert((at.min(other), at.max(other))) {
                    continue;
                }
                let Some(invitation) = host.invite().await else { continue };
                if guest.add(invitation).await {
                    for one in [at, other] {
                        if let Some(count) = self.wanted.get_mut(one) {
                            *count += 1;
                        }
                    }
                }
            }
        }
        let all_met = self
            .until_each(MEETING, 0..people, async |at, person| {
                person.look_at_contacts().await >= self.wanted.get(at).copied().unwrap_or_default()
            })
            .await;
        let words = if all_met { "have met" } else { "have not all met" };
        let met = join_all(self.people.iter().take(people).map(PersonHost::look_at_contacts)).await;
        let pairs = |counts: &[usize]| counts.iter().sum::<usize>() as u64 / 2;
        figures.share("met_percent", pairs(&met), pairs(&self.wanted));
        figures.progress(&format!("{} people {words}", who.len()));
    }

    /// Carries out a step.
    pub(super) async fn carry_out(&mut self, step: Step, values: &Values) {
        match step {
            Step::Write(person, pick) => self.write(person, pick, values.count("bytes")),
            Step::Sleep(at) | Step::KillPerson(at, false) => {
                if let Some(person) = self.people.get_mut(at) {
                    person.kill().await;
                }
            }
            Step::KillPerson(at, true) => {
                if let Some(person) = self.people.get_mut(at) {
                    person.power_cut().await;
                    if values.count("torn") == 1 {
                        person.roll_back();
                    }
                }
            }
            Step::Wake(at) => self.people.get_mut(at).into_iter().for_each(PersonHost::start),
            Step::KillRelay(at, power) => {
                if let Some(relay) = self.relays.get_mut(at) {
                    if power { relay.power_cut().await } else { relay.kill().await }
                }
            }
            Step::StartRelay(at) => self.relays.get_mut(at).into_iter().for_each(RelayHost::start),
            Step::FaultPerson(at, kept) => {
                let disk = self.people.get(at).map(PersonHost::disk);
                disk.into_iter().for_each(|disk| disk.inject(fault(kept)));
            }
            Step::FaultRelay(at, kept) => {
                let disk = self.relays.get(at).map(RelayHost::disk);
                disk.into_iter().for_each(|disk| disk.inject(fault(kept)));
            }
            Step::Middle => self.middle(values).await,
            Step::Images(which) => {
                self.people.iter_mut().take(which).for_each(PersonHost::take_image);
            }
            // The script sees to these.
            Step::Look => {}
            Step::Newcomers => {}
        }
    }

    fn write(&self, person: usize, pick: u64, bytes: usize) {
        let Some((pen, to)) = self.pen_of(person, pick) else { return };
        let written = self.written.clone();
        tokio::spawn(async move {
            if pen.write(to, bytes).await {
                written.fetch_add(1, Ordering::Relaxed);
            }
        });
    }

    /// What writes for a person whose messenger runs, and to whom.
    pub(super) fn pen_of(&self, person: usize, pick: u64) -> Option<(Pen, Person)> {
        let to = neighbour(person, self.people.len(), self.plan.contacts, pick)?;
        let from = self.people.get(person).filter(|person| person.runs())?;
        Some((from.pen(), to))
    }

    async fn middle(&mut self, values: &Values) {
        let doomed = (values.get("lost") * self.relays.len() as f64).round() as usize;
        let mut order: Vec<usize> = (0..self.relays.len()).collect();
        self.rng.shuffle(&mut order);
        for at in order.into_iter().take(doomed) {
            if let Some(relay) = self.relays.get_mut(at) {
                relay.power_cut().await;
            }
        }
        if values.count("cut") == 1 {
            let abroad = self.relays.iter().map(RelayHost::host).filter(|host| {
                self.world.net.host(*host, |host| !inside().contains(host.region)).unwrap_or(false)
            });
            let left: Vec<_> = abroad.take(values.count("left")).collect();
            self.world.net.cut_border(inside(), left);
            self.world.note("the border is cut");
            self.cut_at = Some(self.world.now());
            for person in &mut self.people {
                let lives_inside = self
                    .world
                    .net
                    .host(person.host(), |host| inside().contains(host.region))
                    .unwrap_or(false);
                if person.runs() && lives_inside && self.rng.chance(values.get("restart")) {
                    person.kill().await;
                    person.start();
                    self.restarted.insert(person.person);
                }
            }
        }
        hostile::begin(self, values).await;
        if let Some(rule) = self.rule(values.count("censor")) {
            self.world.note(&format!("a censor begins: {}", rule.name()));
            self.censors.push(self.world.net.add_censor(Placed { place: Place::Border(inside()), rule }));
        }
    }

    fn rule(&self, number: usize) -> Option<Box<dyn Rule>> {
        Some(match number {
            1 => Box::new(VolumeFreeze::sixteen_kib()),
            2 => Box::new(Throttle::to_14_kb()),
            3 => Box::new(HandshakePolicing::reported()),
            4 => Box::new(RandomReset::new(0.002)),
            5 => {
                let half = self.relays.iter().step_by(2).filter_map(|relay| match relay.door_addr().ip() {
                    IpAddr::V4(ip) => Some(Entry::Address(ip)),
                    IpAddr::V6(_) => None,
                });
                Box::new(AddressBlock::new(AddressList::of(half), Action::Drop))
            }
            _ => return None,
        })
    }

    /// Ends every fault: the border opens, censors go, everybody runs.
    pub(super) async fn repair(&mut self) {
        self.world.note("repair");
        self.world.net.mend_border();
        for censor in self.censors.drain(..) {
            self.world.net.remove_censor(censor);
        }
        hostile::end(self);
        self.relays.iter_mut().for_each(RelayHost::start);
        self.people.iter_mut().for_each(PersonHost::start);
    }

    /// Waits until every acknowledged message is known to be delivered.
    pub(super) async fn all_delivered(&self) {
        while self.tally().1 > 0 {
            self.world.sleep(LOOK_EVERY).await;
        }
    }

    /// Messages that were acknowledged, and those of them that are not known to be delivered.
    pub(super) fn tally(&self) -> (u64, u64) {
        let open: usize = self.people.iter().map(PersonHost::undelivered).sum();
        (self.written.load(Ordering::Relaxed), open as u64)
    }

    /// Holds every relay's counters against their bounds.
    pub(super) async fn measure(&self) {
        join_all(self.relays.iter().map(RelayHost::status)).await;
    }

    /// Reports delays.
    pub(super) fn report(&self, figures: &Figures) {
        let shown = self.arrivals.report(&self.people, figures);
        figures.number("messages_shown", shown as f64);
    }
}

fn fault(kept: usize) -> Fault {
    Fault { nth_commit: 1, fault: StoreFault::Io, kept, cells_kept: kept % 2 == 1 }
}
