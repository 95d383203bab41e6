//! The network itself: what exists, and how programs and the driver task reach it.

use super::event::Queue;
use super::flow::{Flow, Stage};
use super::host::{Host, HostId, HostSpec, Nat};
use super::link::RegionSet;
use super::tap::Tap;
use super::{FlowId, SimTime, addr};
use crate::censor::Placed;
use crate::det::Rng;
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::future::poll_fn;
use std::hash::BuildHasherDefault;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;
use tokio::time::Instant;

/// A handle to the modelled network.
#[derive(Clone)]
pub struct Net {
    state: Arc<Mutex<State>>,
    origin: Instant,
}

/// A rule that was installed, for taking it away again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CensorId(u32);

/// What happened on the network so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NetCounts {
    /// Segments with bytes, those sent again included.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Connections dialled.
    pub dialled: u64,
    /// Of them, opened.
    pub opened: u64,
    /// Segments and connections that a censor dropped, froze or reset.
    pub censored: u64,
    /// Segments that found no way (cut, host off, NAT).
    pub black_holed: u64,
}

/// A border that swallows everything but what goes to or from its bridges.
pub(super) struct Cut {
    pub(super) inside: RegionSet,
    pub(super) bridges: BTreeSet<HostId>,
}

pub(super) struct Accepting {
    pub(super) number: u64,
    pub(super) queue: VecDeque<FlowId>,
    pub(super) waker: Option<Waker>,
}

pub(super) struct State {
    pub(super) now: SimTime,
    pub(super) rng: Rng,
    pub(super) censor_rng: Rng,
    pub(super) hosts: Vec<Host>,
    /// Hosts behind each public address.
    pub(super) public: BTreeMap<Ipv4Addr, Vec<HostId>>,
    pub(super) private: BTreeMap<Ipv4Addr, HostId>,
    pub(super) listeners: BTreeMap<(HostId, u16), Accepting>,
    pub(super) listeners_made: u64,
    // A fixed hasher: the order of this map must never matter, and does not change from run to run even so.
    pub(super) flows: HashMap<FlowId, Flow, BuildHasherDefault<DefaultHasher>>,
    pub(super) queue: Queue,
    pub(super) cut: Option<Cut>,
    pub(super) censors: Vec<(CensorId, Placed)>,
    censors_made: u32,
    pub(super) taps: Vec<Box<dyn Tap>>,
    pub(super) counts: NetCounts,
    /// Woken once the lock is released: a waker may run foreign destructors.
    pub(super) wakes: Vec<Waker>,
    driver: Option<Waker>,
    driver_at: SimTime,
}

impl Net {
    /// An empty network; its chance follows `seed`. Must be called inside a runtime whose clock can be paused.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let state = State {
            now: 0,
            rng: Rng::fork(seed, "links"),
            censor_rng: Rng::fork(seed, "censors"),
            hosts: Vec::new(),
            public: BTreeMap::new(),
            private: BTreeMap::new(),
            listeners: BTreeMap::new(),
            listeners_made: 0,
            flows: HashMap::default(),
            queue: Queue::default(),
            cut: None,
            censors: Vec::new(),
            censors_made: 0,
            taps: Vec::new(),
            counts: NetCounts::default(),
            wakes: Vec::new(),
            driver: None,
            driver_at: SimTime::MAX,
        };
        Self { state: Arc::new(Mutex::new(state)), origin: Instant::now() }
    }

    /// Virtual time since the network was made.
    #[must_use]
    pub fn now(&self) -> SimTime {
        u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    pub(super) fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        let now = self.now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.now = now;
        let result = work(&mut state);
        if state.queue.next().is_some_and(|next| next < state.driver_at)
            && let Some(driver) = state.driver.take()
        {
            state.wakes.push(driver);
        }
        let wakes = std::mem::take(&mut state.wakes);
        drop(state);
        for waker in wakes {
            waker.wake();
        }
        result
    }

    /// Makes things happen at their times; runs as a task of its own for as long as the world lasts.
    pub async fn drive(self) {
        let mut sleep = Box::pin(tokio::time::sleep(Duration::ZERO));
        poll_fn(|cx| {
            loop {
                let next = self.with(|state| {
                    while let Some((at, event)) = state.queue.due(state.now) {
                        state.happen(at, event);
                    }
                    let next = state.queue.next();
                    state.driver = Some(cx.waker().clone());
                    state.driver_at = next.unwrap_or(SimTime::MAX);
                    next
                });
                let Some(at) = next else { return Poll::<()>::Pending };
                sleep.as_mut().reset(self.origin + Duration::from_nanos(at));
                if sleep.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
            }
        })
        .await;
    }

    /// Puts a new machine on the network.
    #[must_use]
    pub fn add_host(&self, spec: HostSpec) -> HostId {
        self.with(|state| {
            let number = state.hosts.len() as u32;
            let id = HostId(number);
            let public = match spec.nat {
                Nat::Carrier { .. } => addr::carrier(spec.region, number),
                _ => addr::public(spec.region, number),
            };
            let own = match spec.nat {
                Nat::Open | Nat::Firewall if spec.lan.is_none() => public,
                _ => addr::private(number),
            };
            state.public.entry(public).or_default().push(id);
            state.private.insert(own, id);
            state.hosts.push(Host {
                region: spec.region,
                nat: spec.nat,
                lan: spec.lan,
                own,
                public,
                line: spec.class.profile(),
                online: true,
                boot: 0,
                powered: true,
                up_free: 0,
                down_free: 0,
                next_port: 20_000,
                sent: 0,
                received: 0,
                dialled: 0,
            });
            id
        })
    }

    /// Reads what is known of a host; `None` if there is no such host.
    pub fn host<T>(&self, host: HostId, read: impl FnOnce(&Host) -> T) -> Option<T> {
        self.with(|state| state.hosts.get(host.0 as usize).map(read))
    }

    /// Connects or disconnects a host's line to the internet; its LAN still works. Disconnected, it is a black hole.
    pub fn set_online(&self, host: HostId, online: bool) {
        self.with(|state| {
            if let Some(host) = state.hosts.get_mut(host.0 as usize) {
                host.online = online;
            }
        });
    }

    /// Lets the access line of `host` lose this share of its segments from now on.
    pub fn set_loss(&self, host: HostId, loss: f64) {
        self.with(|state| {
            if let Some(host) = state.hosts.get_mut(host.0 as usize) {
                host.line.loss = loss;
            }
        });
    }

    /// Pulls the plug: nobody is told, flows and listeners of the host are gone. Its tasks must be ended by the caller.
    pub fn power_off(&self, host: HostId) {
        self.with(|state| state.power_off(host));
    }

    /// Switches a host on again; it knows nothing of its former flows.
    pub fn power_on(&self, host: HostId) {
        self.with(|state| {
            if let Some(host) = state.hosts.get_mut(host.0 as usize) {
                host.powered = true;
            }
        });
    }

    /// Cuts the border around `inside`: only flows that start or end at a bridge still cross it.
    pub fn cut_border(&self, inside: RegionSet, bridges: impl IntoIterator<Item = HostId>) {
        self.with(|state| state.cut = Some(Cut { inside, bridges: bridges.into_iter().collect() }));
    }

    /// Opens the border again.
    pub fn mend_border(&self) {
        self.with(|state| state.cut = None);
    }

    /// Installs a rule of a censor.
    pub fn add_censor(&self, censor: Placed) -> CensorId {
        self.with(|state| {
            state.censors_made += 1;
            let id = CensorId(state.censors_made);
            state.censors.push((id, censor));
            id
        })
    }

    /// Takes a rule away.
    pub fn remove_censor(&self, id: CensorId) {
        self.with(|state| state.censors.retain(|(other, _)| *other != id));
    }

    /// Lets `tap` see every segment from now on.
    pub fn add_tap(&self, tap: Box<dyn Tap>) {
        self.with(|state| state.taps.push(tap));
    }

    /// What happened so far.
    #[must_use]
    pub fn counts(&self) -> NetCounts {
        self.with(|state| state.counts)
    }

    /// Open connections to this port, whoever listens there: how many each host holds, at either end.
    #[must_use]
    pub fn connections(&self, port: u16) -> BTreeMap<HostId, usize> {
        self.with(|state| {
            let mut counts = BTreeMap::new();
            // Only counted, so the order of the map does not matter.
            let open = |flow: &&Flow| flow.server.port() == port && flow.stage == Stage::Open;
            for end in state.flows.values().filter(open).flat_map(|flow| &flow.ends) {
                *counts.entry(end.host).or_default() += usize::from(end.held);
            }
            counts
        })
    }

    /// Flows that a program holds at one end at least.
    #[must_use]
    pub fn flows(&self) -> usize {
        self.with(|state| state.flows.len())
    }
}

impl std::fmt::Debug for Net {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Net(..)")
    }
}
