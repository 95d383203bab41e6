//! The relay's side: carriers come in, find their session or begin one, and one task for each session moves frames.

use super::carrier::{Carrier, Ended};
use super::stream::{Shared, VeilStream};
use super::{Common, locked};
use karvon_protocol::veil::frame::{Frame, Kind};
use karvon_protocol::veil::session::{Role, Session};
use karvon_protocol::veil::tokens::{Opening, Tokens};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

/// A carrier must say within this time which session it belongs to.
const OPENING_TIMEOUT: Duration = Duration::from_secs(10);
/// A session without a carrier is kept for this time.
const KEPT: Duration = Duration::from_secs(600);
/// Sessions held: as many as leaves, each with one that replaces it.
const SESSIONS_MAX: usize = 4_000;

/// A carrier with the frame by which it came in.
type Arrival = (Carrier, Frame, u32);

/// All sessions of a relay. Cheap to clone.
#[derive(Clone)]
pub(in crate::net) struct Hall {
    common: Common,
    state: Arc<Mutex<State>>,
    incoming: mpsc::Sender<(VeilStream, SocketAddr)>,
}

#[derive(Default)]
struct State {
    tokens: Tokens,
    sessions: HashMap<u64, mpsc::Sender<Arrival>>,
    next: u64,
}

impl Hall {
    /// New sessions come out of the other end.
    pub(in crate::net) fn new(common: Common) -> (Self, mpsc::Receiver<(VeilStream, SocketAddr)>) {
        let (incoming, out) = mpsc::channel(64);
        (Self { common, state: Arc::default(), incoming }, out)
    }

    /// Returns when nobody takes sessions any more.
    pub(in crate::net) async fn closed(&self) {
        self.incoming.closed().await;
    }

    /// Takes in a carrier that has shown a door's secret.
    pub(in crate::net) async fn enter(&self, mut carrier: Carrier, from: SocketAddr) {
        let Ok(Some((frame, opening, allowance))) =
            timeout(OPENING_TIMEOUT, read_opening(&mut carrier)).await
        else {
            return;
        };
        let arrival = (carrier, frame, allowance);
        let sender = match opening {
            Opening::New(secret) => {
                let begun = {
                    let state = locked(&self.state);
                    state.tokens.begun(&secret).and_then(|id| state.sessions.get(&id).cloned())
                };
                match begun {
                    Some(sender) => Some(sender),
                    None => self.begin(secret, from).await,
                }
            }
            Opening::Resume(token) => {
                let mut state = locked(&self.state);
                state.tokens.redeem(&token).and_then(|id| state.sessions.get(&id).cloned())
            }
        };
        let back = match sender {
            Some(sender) => match sender.send(arrival).await {
                Ok(()) => return,
                Err(mpsc::error::SendError(back)) => back,
            },
            None => arrival,
        };
        let gone = Frame { kind: Kind::Gone, flags: 0, offset: 0, ack: 0, window: 0, payload: Vec::new() };
        back.0.end_with(&gone.encode()).await;
    }

    /// Begins a session and hands it to the transport.
    async fn begin(
        &self,
        secret: karvon_protocol::veil::tokens::Secret,
        from: SocketAddr,
    ) -> Option<mpsc::Sender<Arrival>> {
        let (sender, arrivals) = mpsc::channel(1);
        let id = {
            let mut state = locked(&self.state);
            if state.sessions.len() >= SESSIONS_MAX {
                return None;
            }
            let id = state.next;
            state.next += 1;
            state.tokens.insert(id, secret.clone());
            state.sessions.insert(id, sender.clone());
            id
        };
        let shared = Shared::new(Session::new(Role::Listener, secret));
        let stream = VeilStream::new(shared.clone());
        let (common, state) = (self.common.clone(), self.state.clone());
        self.common.spawner.spawn(Box::pin(async move {
            drive(&common, &shared, arrivals).await;
            shared.drop_session();
            let mut state = locked(&state);
            state.tokens.remove(id);
            state.sessions.remove(&id);
        }));
        // A swarm that is behind holds newcomers back. If it is gone, the dropped stream ends the session.
        self.incoming.send((stream, from)).await.ok()?;
        Some(sender)
    }
}

async fn read_opening(carrier: &mut Carrier) -> Option<(Frame, Opening, u32)> {
    let mut class = [0];
    carrier.read_exact(&mut class).await.ok()?;
    let [class] = class;
    let mut bytes = vec![0; Frame::size(class).ok()?];
    let (head, rest) = bytes.split_first_mut()?;
    *head = class;
    carrier.read_exact(rest).await.ok()?;
    let frame = Frame::decode(&bytes).ok()?;
    let new = match frame.kind {
        Kind::New => true,
        Kind::Resume => false,
        Kind::Data | Kind::Gone | Kind::Reset => return None,
    };
    let (opening, allowance) = Opening::decode(new, &frame.payload).ok()?;
    Some((frame, opening, allowance))
}

async fn drive(common: &Common, shared: &Shared, mut arrivals: mpsc::Receiver<Arrival>) {
    let mut present: Option<Carrier> = None;
    loop {
        let arrival = match &mut present {
            Some(carrier) => tokio::select! {
                biased;
                arrival = arrivals.recv() => arrival,
                ended = carrier.run(shared, common, true) => {
                    present = None;
                    shared.lock().session.detach();
                    if ended == Ended::Over {
                        return;
                    }
                    continue;
                }
            },
            None => tokio::select! {
                biased;
                arrival = arrivals.recv() => arrival,
                () = shared.over() => return,
                () = sleep(KEPT) => return,
            },
        };
        let Some((carrier, opening, allowance)) = arrival else { return };
        let left = u64::from(allowance).saturating_sub(carrier.bytes_sent());
        let left = (allowance > 0).then(|| u32::try_from(left).unwrap_or(u32::MAX));
        if shared.lock().session.accept(&opening, left, common.now()).is_ok() {
            present = Some(carrier);
            shared.wake_stream();
        }
    }
}
