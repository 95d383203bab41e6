//! Checks of the own doors: one at a time, beside whatever else the node does.

use super::backend::{Inner, closed};
use crate::api::{ApiError, Event, NetCheck, Response};
use crate::clock::{Clock as _, SystemClock};
use crate::net::{Begun, Observer};
use karvon_protocol::engine::api::{Command, Reply, TestedDoor};
use karvon_protocol::ids::RelayId;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::broadcast;

/// What checks are made with, and what the last one found.
pub(super) struct Checks {
    observer: Observer,
    events: broadcast::Sender<Event>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    running: bool,
    found: Option<NetCheck>,
}

impl Checks {
    pub(super) fn new(observer: Observer, events: broadcast::Sender<Event>) -> Arc<Self> {
        Arc::new(Self { observer, events, state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes down what a check brought, and tells that it is over.
    fn done(&self, found: Option<NetCheck>) {
        {
            let mut state = self.state();
            state.running = false;
            state.found = found.or(state.found.take());
        }
        // Nobody may be listening.
        let _ = self.events.send(Event::NetCheck);
    }
}

/// Answers how the doors do, and begins a check if that is asked for: of all doors, or of the one of a relay.
pub(super) async fn answer(inner: &Inner, begin: Option<Option<RelayId>>) -> Result<Response, ApiError> {
    let checks = &inner.checks;
    let begins = begin.filter(|_| {
        let mut state = checks.state();
        let idle = !state.running;
        if idle {
            *state = State { running: true, found: None };
        }
        idle
    });
    if let Some(only) = begins {
        let begun = checks.observer.begin();
        match inner.command(Command::TestDoors(only)).await {
            // Not with `inner`: a check must not keep a store open that is to be closed.
            Ok(Reply::Tested(doors)) => drop(tokio::spawn(run(checks.clone(), begun, doors))),
            Ok(_) => {
                checks.done(None);
                return Err(closed());
            }
            Err(error) => {
                checks.done(None);
                return Err(error);
            }
        }
    }
    let state = checks.state();
    Ok(Response::NetCheck { running: state.running, found: state.found.clone() })
}

async fn run(checks: Arc<Checks>, begun: Begun, doors: Vec<TestedDoor>) {
    let found = checks.observer.check(begun, &doors).await;
    let now_ms = SystemClock::new().now().wall_ms;
    checks.done(Some(NetCheck::of(&found, &doors, now_ms)));
}
