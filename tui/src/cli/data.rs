//! `data`: how many bytes were used today and for what, the plan and the daily cap.

use super::args::{Data, DataNetwork, DataPlan};
use super::failure::Failure;
use super::session::{Session, unexpected};
use crate::text::one_line;
use karvon_node::api::data::{Ask, Bytes, DataUse, Level, Plan};
use karvon_node::api::{Request, Response};

/// Carries out `data …`.
///
/// # Errors
/// `limit`, or what the node says.
pub(super) async fn data(session: &Session<'_>, what: Option<Data>) -> Result<(), Failure> {
    let everywhere = |network: DataNetwork| network == DataNetwork::All;
    let ask = match what {
        None => Ask::Show,
        Some(Data::Plan { plan, network }) => {
            let plan = match plan {
                DataPlan::Normal => Plan::Normal,
                DataPlan::Low => Plan::Low,
            };
            Ask::Plan { plan, everywhere: everywhere(network) }
        }
        Some(Data::Cap { bytes, network }) => Ask::Cap { bytes: bytes.0, everywhere: everywhere(network) },
        Some(Data::More { bytes }) => Ask::More { bytes },
    };
    let used = session
        .with_node(async |client| match client.call(Request::Data(ask.clone())).await? {
            Response::Data(used) => Ok(used),
            _ => Err(unexpected()),
        })
        .await
        .map_err(|failure| explain(failure, &ask))?;
    session.out.result(&used, || for_people(&used))
}

/// What the limit is that a change has met.
fn explain(failure: Failure, ask: &Ask) -> Failure {
    match ask {
        Ask::Cap { .. } if failure.code == "limit" => {
            Failure::new("limit", "a cap is at least 100 kB and at most 1000 GB a day; `none` takes it away")
        }
        Ask::More { .. } if failure.code == "limit" => Failure::new(
            "limit",
            "at most 1000 GB can be added to a cap, and nothing where there is none: see `karvon data`",
        ),
        _ => failure,
    }
}

fn for_people(used: &DataUse) -> String {
    let network = used.network.as_deref().map_or_else(
        || "no local network (a telephone's own line, or unknown)".to_owned(),
        |name| format!("{} (local network)", one_line(name)),
    );
    let plan = match used.plan {
        Plan::Normal => "normal",
        Plan::Low => "low",
    };
    let cap = used.cap.map_or_else(|| "no cap".to_owned(), |cap| format!("cap {} a day", size(cap)));
    let own = if used.own { ", for this network alone" } else { "" };
    let all = used.received.all() + used.sent.all();
    let mut lines = vec![format!("network: {network}"), format!("plan {plan}, {cap}{own}")];
    lines.push(match (used.cap_today, used.percent) {
        (Some(cap), Some(percent)) => format!("today: {} of {} used ({percent} %)", size(all), size(cap)),
        _ => format!("today: {} used", size(all)),
    });
    let row = |name: &str, of: fn(&Bytes) -> u64| {
        format!("  {name:<9} {:>9} in  {:>9} out", size(of(&used.received)), size(of(&used.sent)))
    };
    lines.extend([
        row("texts", |bytes| bytes.texts),
        row("receipts", |bytes| bytes.receipts),
        row("the rest", |bytes| bytes.rest),
    ]);
    lines.extend(waits(used).map(str::to_owned));
    if used.cap.is_some() {
        lines.push(format!("counted anew from {} (midnight UTC) on", used.resets_at));
    }
    lines.join("\n")
}

/// What waits for more bytes, in words.
pub(super) fn waits(used: &DataUse) -> Option<&'static str> {
    Some(match used.level {
        Level::Free => return None,
        Level::Saving => "80 % are used: upkeep, files and channels wait; texts and receipts go on",
        Level::Texts => "95 % are used: receipts wait as well; texts go on",
        Level::Spent => {
            "all is used: texts are held, and nothing comes; `karvon data more 2MB` allows more today"
        }
    })
}

/// Bytes for people, in decimal units.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{}.{} kB", bytes / 1_000, bytes % 1_000 / 100),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}
