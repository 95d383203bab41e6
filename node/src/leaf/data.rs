//! Counts bytes at the sockets for the engine, which decides what may still be sent today, and answers questions about it.
//!
//! The engine keeps the sums, sealed as everything: networks tell where somebody was. What a kill forgets is less than one report.

use super::backend::{Inner, closed};
use crate::api::data::{Ask, Bytes, DataUse, Held, Level, Plan};
use crate::api::time::rfc3339;
use crate::api::{ApiError, Response};
use crate::driver::Call;
use crate::net::Bounds;
use crate::os::networks::uplink;
use karvon_protocol::engine::Engine;
use karvon_protocol::engine::api::{Command, Reply};
use karvon_protocol::engine::spend::{DataCommand, DataInfo};
use karvon_protocol::spending::{self, NO_NETWORK, NetworkId};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, Notify, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// How often it is looked which network this is, though nothing passes.
const LOOK: Duration = Duration::from_secs(60);
/// Bytes between two reports without a cap; with one, an eighth of what is left within these bounds.
const REPORT: u64 = 64 << 10;
const REPORT_CAPPED: (u64, u64) = (1 << 10, 16 << 10);
/// Two reports are so far apart at least.
const APART: Duration = Duration::from_millis(100);
/// The last report of a node that stops may take so long.
const LAST: Duration = Duration::from_secs(1);

/// What was reported so far.
#[derive(Debug, Default)]
struct Seen {
    read: u64,
    written: u64,
    overhead: u64,
    network: Option<NetworkId>,
}

/// Counts and reports.
#[derive(Clone)]
pub(super) struct Meter {
    bounds: Arc<Bounds>,
    commands: mpsc::Sender<Call<Engine>>,
    seen: Arc<Mutex<Seen>>,
    /// Told when enough has passed, and when somebody changed what may.
    due: Arc<Notify>,
}

impl Meter {
    pub(super) fn new(bounds: Arc<Bounds>, commands: mpsc::Sender<Call<Engine>>) -> Self {
        Self { bounds, commands, seen: Arc::default(), due: Arc::default() }
    }

    /// Starts the task that reports until `stop` says so.
    pub(super) fn start(&self, mut stop: watch::Receiver<bool>) -> JoinHandle<()> {
        let meter = self.clone();
        tokio::spawn(async move {
            loop {
                let Some(info) = meter.report().await else { return };
                let next = info.cap_today.map_or(REPORT, |cap| {
                    let left = cap.saturating_sub(info.used.all());
                    (left / 8).clamp(REPORT_CAPPED.0, REPORT_CAPPED.1)
                });
                let due = meter.due.clone();
                meter.bounds.remind(next, Arc::new(move || due.notify_one()));
                let rest = async {
                    sleep(APART).await;
                    // Nothing came of it for so long: the network may still be another one.
                    let _ = timeout(LOOK, meter.due.notified()).await;
                };
                tokio::select! {
                    biased;
                    // A dropped sender stops it as well.
                    _ = stop.wait_for(|stop| *stop) => return,
                    () = rest => {}
                }
            }
        })
    }

    /// Tells the engine what passed since the last report, and where. `None` once it is gone.
    async fn report(&self) -> Option<DataInfo> {
        let mut seen = self.seen.lock().await;
        let (read, written) = (self.bounds.bytes_read(), self.bounds.bytes_written());
        let overhead = self.bounds.bytes().saturating_sub(read).saturating_sub(written);
        let network = uplink().map_or(NO_NETWORK, |network| network.id);
        let (came, went) = (read.saturating_sub(seen.read), written.saturating_sub(seen.written));
        let headers = overhead.saturating_sub(seen.overhead);
        if came + went + headers == 0 && seen.network == Some(network) {
            return self.ask(DataCommand::Show).await;
        }
        *seen = Seen { read, written, overhead, network: Some(network) };
        // Headers are counted for both directions together.
        let of_came = (headers * came).checked_div(came + went).unwrap_or(headers / 2);
        let (received, sent) = (came + of_came, went + headers - of_came);
        self.ask(DataCommand::Count { network, received, sent }).await
    }

    /// The last report of a node that is about to stop.
    pub(super) async fn close(&self) {
        // A store that does not answer must not hold up the end.
        let _ = timeout(LAST, self.report()).await;
    }

    async fn ask(&self, command: DataCommand) -> Option<DataInfo> {
        let (reply, answer) = oneshot::channel();
        self.commands.send((Command::Data(command), reply)).await.ok()?;
        match answer.await {
            Ok(Ok(Reply::Data(info))) => Some(info),
            _ => None,
        }
    }
}

impl Inner {
    /// Answers [`crate::api::Request::Data`].
    pub(super) async fn data(&self, ask: Ask) -> Result<Response, ApiError> {
        // What holds is asked and said of the network that this is now.
        self.meter.report().await.ok_or_else(closed)?;
        let command = match ask {
            Ask::Show => DataCommand::Show,
            Ask::Plan { plan, everywhere } => {
                let plan = match plan {
                    Plan::Normal => spending::Plan::Normal,
                    Plan::Low => spending::Plan::Low,
                };
                DataCommand::Plan { everywhere, plan }
            }
            Ask::Cap { bytes, everywhere } => DataCommand::Cap { everywhere, cap: bytes },
            Ask::More { bytes } => DataCommand::More(bytes),
        };
        let Reply::Data(info) = self.command(Command::Data(command)).await? else { return Err(closed()) };
        // What is left may be less now.
        self.meter.due.notify_one();
        Ok(Response::Data(Box::new(shown(&info))))
    }

    /// What [`crate::api::Status`] tells of it.
    pub(super) async fn data_use(&self) -> Result<DataUse, ApiError> {
        match self.command(Command::Data(DataCommand::Show)).await? {
            Reply::Data(info) => Ok(shown(&info)),
            _ => Err(closed()),
        }
    }

    /// Why own messages do not leave this device, if bytes are the reason.
    pub(super) async fn held(&self) -> Result<Option<Held>, ApiError> {
        let used = self.data_use().await?;
        let held = Held { reason: "data_cap".to_owned(), next_try: used.resets_at };
        Ok((used.level == Level::Spent).then_some(held))
    }
}

fn shown(info: &DataInfo) -> DataUse {
    let here = uplink().filter(|network| network.id == info.network);
    let bytes =
        |held: &spending::Bytes| Bytes { texts: held.texts, receipts: held.receipts, rest: held.rest };
    let percent = |cap: u64| u64::try_from(u128::from(info.used.all()) * 100 / u128::from(cap.max(1)));
    DataUse {
        network: here.map(|network| network.name),
        plan: match info.terms.plan {
            spending::Plan::Normal => Plan::Normal,
            spending::Plan::Low => Plan::Low,
        },
        cap: info.terms.cap,
        own: info.own,
        cap_today: info.cap_today,
        received: bytes(&info.used.received),
        sent: bytes(&info.used.sent),
        percent: info.cap_today.map(|cap| percent(cap).unwrap_or(u64::MAX)),
        level: match info.level {
            spending::Level::Free => Level::Free,
            spending::Level::Saving => Level::Saving,
            spending::Level::Texts => Level::Texts,
            spending::Level::Spent => Level::Spent,
        },
        receipts_waiting: info.receipts_waiting,
        resets_at: rfc3339(info.turns_ms),
    }
}
