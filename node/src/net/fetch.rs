//! Asks the relay behind a door for its signed descriptor: how a relay joins a mesh whose address it was given by hand.

use super::{Inner, NetCommand, NetError, NetEvent, NetHandle, leaf};
use crate::deps::Deps;
use karvon_protocol::core::{DoorId, LinkInfo, Reason, Target};
use karvon_protocol::descriptor::{Descriptor, Door};
use karvon_protocol::link::{Frame, Hello, Kind};
use std::time::Duration;
use tokio::sync::mpsc;

/// Connecting and the answer together.
const TIMEOUT: Duration = Duration::from_secs(30);
/// First pause after a failure; doubles up to [`PAUSE_MAX`].
const PAUSE: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// A relay that moved is found again by its door after this time.
const REFRESH: Duration = Duration::from_secs(1_800);

/// Dials `door` as a leaf would and returns the signed descriptor of its relay, verified, with its bytes.
///
/// # Errors
/// Why the door did not answer, in the words of links; [`Reason::Protocol`] if what it answered is not its descriptor.
pub async fn fetch_descriptor(deps: &Deps, door: &Door) -> Result<(Descriptor, Vec<u8>), Reason> {
    let label = format!("fetch {:?}", door.relay.0);
    attempt(deps, &label, door).await
}

async fn attempt(deps: &Deps, label: &str, door: &Door) -> Result<(Descriptor, Vec<u8>), Reason> {
    let mut net = leaf(deps, &deps.seed(label)).map_err(|_: NetError| Reason::Unreachable)?;
    let target = Target::Door {
        door: DoorId(0),
        relay: door.relay,
        addr: door.addr.clone(),
        key: door.slot_key(),
        pt: door.pt.clone(),
    };
    net.submit(NetCommand::Connect(target));
    let answer = tokio::time::timeout(TIMEOUT, welcome(&mut net, door)).await;
    // The link is of no further use; closing it tells the relay so.
    net.close().await;
    let bytes = answer.map_err(|_| Reason::Unreachable)??;
    match Descriptor::verify(&bytes) {
        Ok(descriptor) if descriptor.relay() == door.relay => Ok((descriptor, bytes)),
        _ => Err(Reason::Protocol),
    }
}

async fn welcome(net: &mut NetHandle, door: &Door) -> Result<Vec<u8>, Reason> {
    while let Some(event) = net.recv().await {
        match event {
            NetEvent::LinkUp(link, LinkInfo::Door { local_key, remote_key, .. }) => {
                let hello = Hello::new(door, &local_key, &remote_key).encode();
                net.submit(NetCommand::Send { link, frame: Frame::new(Kind::Hello, 0, hello) });
            }
            NetEvent::Frame { frame, .. } if frame.kind == Kind::Welcome => return Ok(frame.payload),
            NetEvent::LinkDown(_, reason) | NetEvent::ConnectFailed(_, reason) => return Err(reason),
            _ => {}
        }
    }
    Err(Reason::Shutdown)
}

/// Fetches the descriptor of a peer again and again, until nobody listens any more.
pub(super) async fn follow(deps: Deps, number: usize, door: Door, events: mpsc::Sender<Inner>) {
    let mut pause = PAUSE;
    for round in 0_u64.. {
        let label = format!("follow {number} {round}");
        let fetched = tokio::select! {
            biased;
            () = events.closed() => return,
            fetched = attempt(&deps, &label, &door) => fetched,
        };
        let rest = match fetched {
            Ok((_, bytes)) => {
                if events.send(Inner::Heard(bytes)).await.is_err() {
                    return;
                }
                pause = PAUSE;
                REFRESH
            }
            Err(reason) => {
                tracing::info!(relay = ?door.relay, ?reason, "a peer's door did not answer; trying again");
                let rest = pause;
                pause = (pause * 2).min(PAUSE_MAX);
                rest
            }
        };
        tokio::select! {
            biased;
            () = events.closed() => return,
            () = tokio::time::sleep(rest) => {}
        }
    }
}
