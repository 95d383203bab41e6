//! The task under a session that was dialled: one carrier after another, no faster than the door's pace allows.

use super::carrier::{Carrier, Dial, DialFault, Ended};
use super::stream::{Shared, VeilStream};
use super::{Carrying, Common, locked};
use karvon_protocol::veil::pacer::{Pacer, Purpose};
use karvon_protocol::veil::session::{Role, Session};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};
use zeroize::Zeroizing;

/// A dial straight to a door that has no answer within this time will get none.
pub(in crate::net) const DIAL_TIMEOUT: Duration = Duration::from_secs(10);
/// A session without a carrier is given up after this time; whoever uses it then tries another door.
const GIVE_UP: Duration = Duration::from_secs(150);
/// The same from the first dial on that failed, while another door has a carrier: what waits here would have gone there long ago.
const GIVE_UP_FOR_ANOTHER: Duration = Duration::from_secs(8);
/// A session that its user has closed may still deliver for so long.
const LINGER: Duration = Duration::from_secs(20);

/// Opens a session: dials the first carrier, then keeps carriers coming in a task of its own.
pub(super) async fn open(common: Common, door: Arc<dyn Dial>) -> Result<VeilStream, DialFault> {
    let mut secret = Zeroizing::new([0; 32]);
    common.fill(&mut secret[..]);
    let shared = Shared::new(Session::new(Role::Dialler, secret));
    let pacer = common.pacer(door.addr());
    let carrier = next(&common, &*door, &pacer, Purpose::Reconnect).await?;
    let stream = VeilStream::new(shared.clone());
    let spawner = common.spawner.clone();
    spawner.spawn(Box::pin(async move {
        drive(&common, &*door, &pacer, &shared, carrier).await;
        // A session that could not be kept up must not leave its user waiting.
        shared.drop_session();
    }));
    Ok(stream)
}

/// One dial, at the time that the pace allows.
async fn next(
    common: &Common,
    door: &dyn Dial,
    pacer: &Mutex<Pacer>,
    purpose: Purpose,
) -> Result<Carrier, DialFault> {
    loop {
        let (now, at) = {
            let mut pacer = locked(pacer);
            let now = common.now();
            let at = pacer.ready_at(purpose, now);
            if at <= now {
                pacer.dialled(now, common.chance());
            }
            (now, at)
        };
        if at <= now {
            break;
        }
        sleep(common.until(at)).await;
    }
    let started = Instant::now();
    let dialled = timeout(door.patience(), door.dial()).await.unwrap_or(Err(DialFault::Silent));
    tracing::debug!(?purpose, fault = ?dialled.as_ref().err(), ms = started.elapsed().as_millis(), "dialled a carrier");
    let now = common.now();
    let mut pacer = locked(pacer);
    match &dialled {
        Ok(_) => pacer.succeeded(),
        Err(DialFault::Silent) => pacer.suspect(now),
        Err(DialFault::Refused | DialFault::NoDoor) => pacer.failed(now),
    }
    dialled
}

async fn drive(
    common: &Common,
    door: &dyn Dial,
    pacer: &Mutex<Pacer>,
    shared: &Shared,
    mut carrier: Carrier,
) {
    loop {
        let allowance = locked(pacer).allowance.bytes();
        shared.lock().session.attach(Some(allowance), common.now());
        let carrying = Carrying::at(common, door.addr());
        let ended = carrier.run(shared, common, false).await;
        tracing::debug!(?ended, session = ?shared.lock().session, "a carrier has ended or is spent");
        let purpose = match ended {
            Ended::Over => return,
            Ended::Spent => {
                let (used_up, starved) = {
                    let inner = shared.lock();
                    (inner.session.is_used_up(), inner.session.is_starved())
                };
                if used_up {
                    locked(pacer).allowance.carried();
                }
                // It may still carry a little to the door, until the next one may be dialled.
                let purpose = if starved { Purpose::Reconnect } else { Purpose::Rotate };
                let at = locked(pacer).ready_at(purpose, common.now());
                tokio::select! {
                    biased;
                    () = sleep(common.until(at)) => {}
                    ended = carrier.run(shared, common, true) => if ended == Ended::Over { return },
                }
                purpose
            }
            Ended::Frozen => {
                tracing::info!("a carrier fell silent; bringing another one");
                door.froze();
                let mut pacer = locked(pacer);
                pacer.suspect(common.now());
                // A path that freezes earlier than known ones gets less at a time.
                pacer.allowance.froze();
                Purpose::Reconnect
            }
            Ended::Broken => Purpose::Reconnect,
        };
        shared.lock().session.detach();
        // Two connections at once are what a censor counts.
        drop((carrier, carrying));
        match replace(common, door, pacer, shared, purpose).await {
            Some(fresh) => carrier = fresh,
            None => return,
        }
    }
}

/// The next carrier, however often it must be dialled; `None` if the session is over or it takes too long.
async fn replace(
    common: &Common,
    door: &dyn Dial,
    pacer: &Mutex<Pacer>,
    shared: &Shared,
    purpose: Purpose,
) -> Option<Carrier> {
    let started = Instant::now();
    let (mut purpose, mut failing) = (purpose, None::<Instant>);
    loop {
        let closing = shared.lock().session.is_closed();
        let patience = match failing {
            _ if closing => LINGER,
            Some(since) if common.carries_elsewhere(door.addr()) => {
                (since.duration_since(started) + GIVE_UP_FOR_ANOTHER).min(GIVE_UP)
            }
            _ => GIVE_UP,
        };
        let dialled = tokio::select! {
            biased;
            () = shared.over() => return None,
            () = sleep(patience.saturating_sub(started.elapsed())) => return None,
            dialled = next(common, door, pacer, purpose) => dialled,
        };
        match dialled {
            Ok(carrier) => return Some(carrier),
            Err(DialFault::NoDoor) => return None,
            Err(_) => {
                purpose = Purpose::Reconnect;
                failing.get_or_insert_with(Instant::now);
            }
        }
    }
}
