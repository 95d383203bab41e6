//! A running relay as seen from outside its core: answers its operator, watches memory, disk and budget, and takes a new configuration.

use super::config::RelayConfig;
use super::control::{Answers, Ask};
use super::ports::Router;
use super::reached;
use super::source::ConfigSource;
use super::status::{Sources, Status};
use super::steady::SteadyClock;
use crate::api::ApiError;
use crate::api::error::{BAD_REQUEST, CLOSED, CONFIG};
use crate::driver::Call;
use crate::net::{Bounds, Listening, Refused};
use crate::os;
use crate::store::disk;
use crate::store::ledger::{Bookkeeper, Spending, Wake};
use crate::store::segments::SegmentHealth;
use data_encoding::HEXLOWER;
use karvon_protocol::ids::{RelayId, SlotId};
use karvon_protocol::relay::RelayCore;
use karvon_protocol::relay::api::{Pressure, RelayCommand, RelayReply, Subtree};
use serde_json::{Value, json};

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// How often memory, disk and budget are looked at.
const WATCH: Duration = Duration::from_secs(1);
/// Percent of a budget that are kept for people with mailboxes here.
const RESERVE_PERCENT: u64 = 10;

/// What changes while the relay runs.
struct Inner {
    config: RelayConfig,
    /// The way to the core; `None` while the store is opened anew.
    commands: Option<mpsc::Sender<Call<RelayCore>>>,
    listening: Option<Listening>,
    trouble: Option<String>,
    store_failures: u64,
    pressure: Pressure,
    health: SegmentHealth,
}

/// See the module.
#[derive(Clone)]
pub(super) struct Live(Arc<Shared>);

struct Shared {
    source: ConfigSource,
    relay: RelayId,
    started: Instant,
    pub(super) bounds: Arc<Bounds>,
    clock: SteadyClock,
    books: Bookkeeper,
    router: Router,
    inner: Mutex<Inner>,
}

/// The network's bounds, as the books see them.
pub(super) struct Traffic {
    pub(super) bounds: Arc<Bounds>,
    pub(super) clock: SteadyClock,
}

impl Spending for Traffic {
    fn bytes(&self) -> u64 {
        self.bounds.bytes()
    }

    fn allow(&self, more: Option<u64>) {
        self.bounds.allow_bytes(more);
    }

    fn remind(&self, more: u64, wake: &Wake) {
        self.bounds.remind(more, wake.clone());
    }

    fn now_s(&self) -> u64 {
        self.clock.now_s()
    }
}

impl Live {
    pub(super) fn new(
        source: ConfigSource,
        relay: RelayId,
        config: RelayConfig,
        bounds: Arc<Bounds>,
        clock: SteadyClock,
        books: Bookkeeper,
    ) -> Self {
        let inner = Mutex::new(Inner {
            config,
            commands: None,
            listening: None,
            trouble: None,
            store_failures: 0,
            pressure: Pressure::default(),
            health: SegmentHealth::default(),
        });
        let (started, router) = (Instant::now(), Router::default());
        Self(Arc::new(Shared { source, relay, started, bounds, clock, books, router, inner }))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn config(&self) -> RelayConfig {
        self.lock().config.clone()
    }

    /// What the router says.
    pub(super) fn router(&self) -> Router {
        self.0.router.clone()
    }

    pub(super) fn bounds(&self) -> Arc<Bounds> {
        self.0.bounds.clone()
    }

    /// A core is there, or gone.
    pub(super) fn set_commands(&self, commands: Option<mpsc::Sender<Call<RelayCore>>>) {
        let mut inner = self.lock();
        inner.commands = commands;
        // A new core knows of no pressure: it is told again.
        inner.pressure = Pressure::default();
    }

    pub(super) fn set_listening(&self, listening: Listening) {
        self.lock().listening = Some(listening);
    }

    pub(super) fn set_health(&self, health: SegmentHealth) {
        self.lock().health = health;
    }

    pub(super) fn failed(&self, why: String) {
        let mut inner = self.lock();
        inner.store_failures += 1;
        inner.trouble = Some(why);
    }

    /// Something that the operator had better know, though the relay runs.
    pub(super) fn troubled(&self, what: Option<String>) {
        self.lock().trouble = what;
    }

    async fn command(&self, command: RelayCommand) -> Result<RelayReply, ApiError> {
        let closed = || ApiError::new(CLOSED, "the relay is starting, stopping, or its store failed");
        let commands = self.lock().commands.clone().ok_or_else(closed)?;
        let (reply, answer) = oneshot::channel();
        commands.send((command, reply)).await.map_err(|_| closed())?;
        Ok(answer.await.map_err(|_| closed())??)
    }

    /// The status of this moment; without a core what is known without it.
    pub(super) async fn status(&self) -> Status {
        let core = match self.command(RelayCommand::Status).await {
            Ok(RelayReply::Status(status)) => Some(status),
            _ => None,
        };
        let (budget, spent) = self.0.books.spent();
        let free = disk::free_space(self.0.source.data_dir());
        let inner = self.lock();
        let listening = |of: fn(&Listening) -> String| inner.listening.as_ref().map(of).unwrap_or_default();
        let id = HEXLOWER.encode(&self.0.relay.0);
        let router = self.0.router.said();
        let mut status = Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            relay: id.get(..8).unwrap_or_default().to_owned(),
            role: inner.config.role(),
            profile: inner.config.profile().name().to_owned(),
            listen: listening(|listening| listening.door.to_string()),
            mesh_listen: listening(|listening| listening.mesh.to_string()),
            uptime_s: self.0.started.elapsed().as_secs(),
            rss_bytes: os::rss_bytes(),
            rss_bytes_max: inner.config.memory(),
            cpu_ms: os::cpu_ms(),
            disk_free_bytes: free.unwrap_or_default(),
            clock_apart_ms: self.0.clock.apart_ms(),
            damaged: inner.health.damaged(),
            store_failures: inner.store_failures,
            trouble: inner.trouble.clone(),
            router: router.state,
            router_words: router.words,
            ..Status::default()
        };
        let limits = inner.config.core_limits();
        let (bounds, is_bridge) = (&self.0.bounds, status.role == "bridge");
        let reach =
            reached::judge(core.as_ref(), bounds, inner.listening.as_ref(), is_bridge, status.uptime_s);
        drop(inner);
        let known = core.is_some();
        (status.reachable, status.reachable_words) = (reach.reachable, reach.words);
        (status.door_reached, status.mesh_reached) = (reach.door, reach.mesh);
        let sources = Sources { core: core.unwrap_or_default(), limits, budget, spent };
        status.fill(&sources, &self.0.bounds);
        if !known {
            "store_failed".clone_into(&mut status.state);
        }
        status
    }

    /// Reads the configuration again; a wrong one changes nothing.
    pub(super) async fn reload(&self) -> Result<Value, ApiError> {
        let new = match self.0.source.load() {
            Ok(new) => new,
            Err(error) => {
                tracing::error!(%error, "the configuration was not taken");
                return Err(ApiError::new(CONFIG, error.to_string()));
            }
        };
        let late = {
            let mut inner = self.lock();
            let late = inner.config.needs_restart(&new);
            inner.config = new.clone();
            late
        };
        self.0.bounds.set_limits(new.net_limits());
        self.0.books.set_budget(new.budget());
        self.command(RelayCommand::SetLimits(new.core_limits())).await?;
        tracing::info!(?late, "the configuration was read again");
        Ok(json!({ "needs_restart": late }))
    }

    /// Looks at memory, disk and budget for ever.
    pub(super) async fn watch(self) {
        loop {
            self.look().await;
            tokio::time::sleep(WATCH).await;
        }
    }

    async fn look(&self) {
        let config = self.config();
        let (rss, most) = (os::rss_bytes(), config.memory());
        let short = self.0.bounds.closed_to_newcomers() == Some(Refused::Memory);
        // Memory must fall a tenth below the mark before newcomers are let in again.
        let close = rss > most || short && rss > most - most / 10;
        self.0.bounds.close_to_newcomers(close.then_some(Refused::Memory));
        let (budget, spent) = self.0.books.spent();
        let low = |most: Option<u64>, used: u64| {
            most.is_some_and(|most| most.saturating_sub(used) < most / 100 * RESERVE_PERCENT)
        };
        let traffic = low(budget.day, spent.day_bytes) || low(budget.month, spent.month_bytes);
        let before = self.lock().pressure;
        let keep = config.keep_free();
        let enough = if before.storage { keep.saturating_add(keep / 10) } else { keep };
        let storage = disk::free_space(self.0.source.data_dir()).is_some_and(|free| free < enough);
        let pressure = Pressure { storage, traffic };
        if pressure != before && self.command(RelayCommand::Pressure(pressure)).await.is_ok() {
            tracing::warn!(disk_full = storage, budget_low = traffic, "what the relay can give has changed");
            self.lock().pressure = pressure;
        }
    }
}

impl Answers for Live {
    async fn answer(&self, ask: Ask) -> Result<Value, ApiError> {
        let wrong =
            || ApiError::new(BAD_REQUEST, "a slot is 16 hexadecimal digits, as `door list` shows them");
        match ask {
            Ask::Status => Ok(serde_json::to_value(self.status().await).unwrap_or_default()),
            Ask::Reload => self.reload().await,
            Ask::Drain { on } => {
                self.command(RelayCommand::Drain(on)).await?;
                Ok(json!({ "draining": on }))
            }
            Ask::Dialback => {
                self.command(RelayCommand::AskDialback).await?;
                Ok(json!({ "asked": true }))
            }
            Ask::Doors => match self.command(RelayCommand::Subtrees).await? {
                RelayReply::Subtrees(all) => Ok(all.iter().map(door_of).collect()),
                _ => Err(wrong()),
            },
            Ask::DoorBlocked { slot, undo } => {
                let bytes = HEXLOWER.decode(slot.as_bytes()).map_err(|_| wrong())?;
                let slot = SlotId::from_slice(&bytes).ok_or_else(wrong)?;
                match self.command(RelayCommand::Blocked { slot, undo }).await? {
                    RelayReply::Blocked(Some(blocked)) => Ok(json!({ "blocked": blocked })),
                    _ => Err(ApiError::new("no_such_door", "no door made here has this slot")),
                }
            }
            Ask::NewDoor => match self.command(RelayCommand::NewSlot).await? {
                RelayReply::Door(door) => {
                    let slot = HEXLOWER.encode(&door.slot.0);
                    Ok(json!({ "slot": slot, "door": door.to_text().as_str() }))
                }
                _ => Err(wrong()),
            },
            Ask::RevokeDoor { slot } => {
                let bytes = HEXLOWER.decode(slot.as_bytes()).map_err(|_| wrong())?;
                let slot = SlotId::from_slice(&bytes).ok_or_else(wrong)?;
                let known = matches!(self.command(RelayCommand::Slots).await?, RelayReply::Slots(slots) if slots.contains(&slot));
                if !known {
                    return Err(ApiError::new("no_such_door", "no door made here has this slot"));
                }
                self.command(RelayCommand::DropSlot(slot)).await?;
                Ok(json!({ "revoked": true }))
            }
        }
    }
}

fn door_of(door: &Subtree) -> Value {
    json!({ "slot": HEXLOWER.encode(&door.slot.0), "guests": door.guests, "blocked": door.blocked })
}
