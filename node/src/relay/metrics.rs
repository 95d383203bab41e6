//! Statistics in the OpenMetrics text format, on this machine only: rounded, and without anything that tells people apart.

use super::status::Status;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Longest request that is read, bytes.
const REQUEST_MAX: usize = 4 << 10;
/// How long a request and its answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Counts of people and what they do are rounded up to multiples of this.
const ROUND: u64 = 8;
/// Bytes are rounded up to multiples of this.
const ROUND_BYTES: u64 = 1 << 20;

struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: u64) {
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, "gauge", help);
        self.sample(name, &[], value);
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, "counter", help);
        self.sample(&format!("{name}_total"), &[], value);
    }
}

const fn up(value: u64, to: u64) -> u64 {
    value.div_ceil(to).saturating_mul(to)
}

const fn people(value: u64) -> u64 {
    up(value, ROUND)
}

const fn bytes(value: u64) -> u64 {
    up(value, ROUND_BYTES)
}

/// The whole text.
#[must_use]
pub fn text(status: &Status) -> String {
    let mut out = Text(String::new());
    out.family("karvon_build_info", "gauge", "The program.");
    out.sample("karvon_build_info", &[("version", &status.version)], 1);
    out.family("karvon_relay_state", "gauge", "1 for the state it is in.");
    out.sample("karvon_relay_state", &[("state", &status.state)], 1);
    out.gauge("karvon_relay_uptime_seconds", "Since the start of the program.", status.uptime_s);
    out.family("karvon_relay_bytes", "counter", "Bytes over sockets, in mebibyte steps.");
    out.sample("karvon_relay_bytes_total", &[("dir", "in")], bytes(status.bytes_in));
    out.sample("karvon_relay_bytes_total", &[("dir", "out")], bytes(status.bytes_out));
    out.family("karvon_relay_budget_used_bytes", "gauge", "Bytes of this period's budget that are used.");
    out.sample("karvon_relay_budget_used_bytes", &[("period", "day")], bytes(status.day_bytes));
    out.sample("karvon_relay_budget_used_bytes", &[("period", "month")], bytes(status.month_bytes));
    out.family("karvon_relay_budget_bytes", "gauge", "Bytes of a period's budget; absent if there is none.");
    for (period, most) in [("day", status.day_bytes_max), ("month", status.month_bytes_max)] {
        if let Some(most) = most {
            out.sample("karvon_relay_budget_bytes", &[("period", period)], most);
        }
    }
    out.gauge("karvon_relay_circuits", "Tunnels open, rounded.", people(u64::from(status.tunnels)));
    out.gauge(
        "karvon_relay_reservations",
        "Links of people's devices, rounded.",
        people(u64::from(status.leaves)),
    );
    out.gauge("karvon_relay_mesh_links", "Links to other relays.", u64::from(status.mesh_links));
    out.gauge("karvon_relay_relays_known", "Other relays known.", u64::from(status.relays_known));
    out.gauge("karvon_relay_connections", "Connections, rounded.", people(u64::from(status.connections)));
    out.gauge("karvon_relay_mailboxes", "Mailboxes held, rounded.", people(status.mailboxes));
    out.gauge("karvon_relay_mailbox_items", "Cells held, rounded.", people(status.cells));
    out.gauge("karvon_relay_mailbox_bytes", "Bytes of cells held, rounded.", bytes(status.cell_bytes));
    out.gauge("karvon_relay_mailbox_bytes_limit", "Most bytes of cells held.", status.cell_bytes_max);
    out.counter("karvon_relay_deposits", "Cells taken in, rounded.", people(status.deposits));
    out.counter("karvon_relay_forwarded_frames", "Frames forwarded, rounded.", people(status.forwarded));
    out.family("karvon_relay_refused", "counter", "What was refused, by reason, rounded.");
    for (why, count) in &status.turned_away {
        out.sample("karvon_relay_refused_total", &[("what", "connection"), ("reason", why)], people(*count));
    }
    for (why, count) in &status.refused {
        out.sample("karvon_relay_refused_total", &[("what", "request"), ("reason", why)], people(*count));
    }
    out.counter("karvon_relay_faults", "Breaches of the protocol.", status.faults);
    out.counter("karvon_relay_slow_links", "Links ended because the other side was too slow.", status.slow);
    out.counter(
        "karvon_relay_store_failures",
        "How often the store failed and was opened anew.",
        status.store_failures,
    );
    out.gauge("karvon_relay_store_damaged", "Damaged places found in the segment files.", status.damaged);
    out.gauge("karvon_relay_store_free_bytes", "Free disk space.", bytes(status.disk_free_bytes));
    out.gauge("karvon_relay_memory_bytes", "Resident memory.", bytes(status.rss_bytes));
    out.gauge("karvon_relay_queued_bytes", "Bytes that wait for links.", bytes(status.queued_bytes));
    out.family("karvon_relay_cpu_seconds", "counter", "Processor time.");
    out.sample("karvon_relay_cpu_seconds_total", &[], status.cpu_ms / 1_000);
    out.gauge(
        "karvon_relay_clock_apart",
        "1 while the system's clock is not believed.",
        u64::from(status.clock_apart_ms.is_some()),
    );
    out.family(
        "karvon_reachable",
        "gauge",
        "Whether another relay that dialled back reached it from outside; absent if not known.",
    );
    if let Some(reachable) = status.reachable {
        out.sample("karvon_reachable", &[("transport", "tcp")], u64::from(reachable));
    }
    out.0.push_str("# EOF\n");
    out.0
}

/// Serves `GET /metrics` until dropped; `read` gives the status of the moment.
pub(super) async fn serve<F, R>(listener: TcpListener, read: F)
where
    F: Fn() -> R,
    R: Future<Output = Option<Status>>,
{
    loop {
        match listener.accept().await {
            // One scraper after the other: whoever stalls is cut off, and the next one waits a little.
            Ok((stream, _)) => drop(timeout(PATIENCE, answer(stream, &read)).await),
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// Binds the address for [`serve`].
pub(super) async fn bind(addr: SocketAddr) -> std::io::Result<TcpListener> {
    if !addr.ip().is_loopback() {
        return Err(std::io::Error::other("statistics are served on this machine only"));
    }
    TcpListener::bind(addr).await
}

async fn answer<F, R>(mut stream: TcpStream, read: &F) -> std::io::Result<()>
where
    F: Fn() -> R,
    R: Future<Output = Option<Status>>,
{
    let mut request = Vec::new();
    let mut chunk = [0; 1_024];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") && request.len() < REQUEST_MAX {
        match stream.read(&mut chunk).await? {
            0 => break,
            length => request.extend_from_slice(chunk.get(..length).unwrap_or_default()),
        }
    }
    let (code, body) = if request.starts_with(b"GET /metrics ") || request.starts_with(b"GET /metrics?") {
        match read().await {
            Some(status) => ("200 OK", text(&status)),
            None => ("503 Service Unavailable", String::new()),
        }
    } else {
        ("404 Not Found", String::new())
    };
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {code}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::status::tests::sample;
    use std::collections::BTreeSet;

    /// Names of families that the text declares.
    fn families(text: &str) -> BTreeSet<&str> {
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect()
    }

    #[test]
    fn the_text_keeps_the_rules_of_the_format() {
        let text = text(&sample());
        assert!(text.ends_with("# EOF\n"));
        let (mut family, mut kind) = ("", "");
        for line in text.lines().filter(|line| *line != "# EOF") {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                (family, kind) = rest.split_once(' ').unwrap();
            } else if !line.starts_with("# HELP ") {
                let name = line.split(['{', ' ']).next().unwrap();
                let expected = if kind == "counter" { format!("{family}_total") } else { family.to_owned() };
                assert_eq!(name, expected, "{line}");
                assert!(line.rsplit(' ').next().unwrap().parse::<u64>().is_ok(), "{line}");
            }
        }
    }

    #[test]
    fn small_numbers_of_people_are_hidden_by_rounding() {
        let text = text(&sample());
        assert!(text.contains("karvon_relay_reservations 16\n"), "twelve are shown as sixteen");
        assert!(text.contains("karvon_relay_refused_total{what=\"request\",reason=\"full\"} 8\n"));
        assert_eq!((people(0), people(1), people(8), bytes(1)), (0, 8, 8, 1 << 20));
    }

    #[test]
    fn no_label_tells_people_apart() {
        let allowed = ["version", "state", "dir", "period", "what", "reason", "transport"];
        let text = text(&sample());
        for labels in text.lines().filter_map(|line| line.split_once('{')?.1.split_once('}')).map(|(l, _)| l)
        {
            for label in labels.split(',').filter_map(|label| label.split('=').next()) {
                assert!(allowed.contains(&label), "{label}");
            }
        }
        assert!(!text.contains("203.0.113"), "not even the relay's own address");
    }

    #[test]
    fn the_dashboard_asks_for_what_exists() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../packaging/grafana/karvon-relay.json");
        let dashboard = std::fs::read_to_string(path).unwrap();
        let _: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
        let text = text(&sample());
        let declared = families(&text);
        let mut asked = BTreeSet::new();
        for start in dashboard.match_indices("karvon_").map(|(at, _)| &dashboard[at..]) {
            let end = start.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(start.len());
            asked.insert(&start[..end]);
        }
        assert!(asked.len() >= 10, "{asked:?}");
        for name in asked {
            let family = name.strip_suffix("_total").unwrap_or(name);
            assert!(declared.contains(family), "the dashboard asks for {name}, which nobody serves");
        }
    }
}
