//! What a relay tells its operator: one screen for people, the same as JSON for scripts. No address, no key and no person is in it.

use super::keys::size;
use crate::net::{Bounds, Refused};
use crate::store::ledger::{Budget, Spent};
use karvon_protocol::relay::api::RelayStatus;
use karvon_protocol::relay::limits::RelayLimits;
use karvon_protocol::rpc::Refusal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A relay as its operator sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Version of the program.
    pub version: String,
    /// The first 8 hexadecimal digits of the relay's id.
    pub relay: String,
    /// `serving`, `draining`, `disk_full`, `budget_low`, `budget_used_up`, `memory_short` or `store_failed`.
    pub state: String,
    /// `mailbox` or `bridge`.
    pub role: String,
    /// `vps` or `home`.
    pub profile: String,
    /// Where people's devices connect.
    pub listen: String,
    /// Where other relays connect.
    pub mesh_listen: String,
    /// Seconds since the start of the program.
    pub uptime_s: u64,
    /// People's devices connected.
    pub leaves: u32,
    /// Other relays connected.
    pub mesh_links: u32,
    /// Other relays known.
    pub relays_known: u32,
    /// Tunnels open.
    pub tunnels: u32,
    /// Slots made here and guest slots.
    pub slots: u32,
    /// Mailboxes held.
    pub mailboxes: u64,
    /// Most of them.
    pub mailboxes_max: u64,
    /// Cells held.
    pub cells: u64,
    /// Most of them.
    pub cells_max: u64,
    /// Bytes of cells held.
    pub cell_bytes: u64,
    /// Most of them.
    pub cell_bytes_max: u64,
    /// Bundle objects held.
    pub objects: u32,
    /// Cells taken in since the start.
    pub deposits: u64,
    /// Frames forwarded since the start.
    pub forwarded: u64,
    /// Breaches of the protocol since the start.
    pub faults: u64,
    /// Connections at the moment.
    pub connections: u32,
    /// Most of them.
    pub connections_max: u32,
    /// Connections turned away since the start, by reason.
    pub turned_away: BTreeMap<String, u64>,
    /// Requests refused since the start, by reason.
    pub refused: BTreeMap<String, u64>,
    /// Links ended because the other side was too slow.
    pub slow: u64,
    /// Bytes that wait for links.
    pub queued_bytes: u64,
    /// Bytes read from sockets since the start.
    pub bytes_in: u64,
    /// Bytes written to sockets since the start.
    pub bytes_out: u64,
    /// Bytes today, estimated headers included.
    pub day_bytes: u64,
    /// Most of them.
    pub day_bytes_max: Option<u64>,
    /// Bytes this month.
    pub month_bytes: u64,
    /// Most of them.
    pub month_bytes_max: Option<u64>,
    /// Resident memory, bytes.
    pub rss_bytes: u64,
    /// Where newcomers are turned away.
    pub rss_bytes_max: u64,
    /// Processor time since the start, milliseconds.
    pub cpu_ms: u64,
    /// Free space where the cells lie, bytes.
    pub disk_free_bytes: u64,
    /// How far the system's clock is ahead of the relay's time, if that is not believed, milliseconds.
    pub clock_apart_ms: Option<i64>,
    /// Stretches of damage found in the segment files since the start.
    pub damaged: u64,
    /// How often the store failed and was opened anew.
    pub store_failures: u64,
    /// The last trouble, in words.
    pub trouble: Option<String>,
    /// Whether another relay that was asked to dial back came at the door and at the mesh address; unknown until one has tried.
    pub reachable: Option<bool>,
    /// The same in words, with what to do.
    #[serde(default)]
    pub reachable_words: String,
    /// What became of the door address when another relay dialled it: `reached`, `answers` (a web door), `closed`, `other_key`,
    /// `elsewhere` (not dialled: the relay is seen at another address), `unproven` (a relay says so, and nobody came) or `unknown`.
    #[serde(default)]
    pub door_reached: String,
    /// The same of the mesh address.
    #[serde(default)]
    pub mesh_reached: String,
    /// How often another relay was asked and has answered since the start.
    #[serde(default)]
    pub dialbacks: u64,
    /// What a home's router said when it was asked to forward the ports: `off` if it was not asked, `asking`, `mapped`,
    /// `mapped_elsewhere` (its address is not the announced one), `no_router`, `shared_address` or `refused`.
    #[serde(default)]
    pub router: String,
    /// The same in words.
    #[serde(default)]
    pub router_words: String,
}

/// What a status is made of.
#[derive(Debug, Clone, Default)]
pub(super) struct Sources {
    pub(super) core: RelayStatus,
    pub(super) limits: RelayLimits,
    pub(super) budget: Budget,
    pub(super) spent: Spent,
}

impl Status {
    /// Fills in what core, network and books say.
    pub(super) fn fill(&mut self, sources: &Sources, bounds: &Bounds) {
        let (core, limits) = (&sources.core, &sources.limits);
        self.leaves = core.leaves;
        self.mesh_links = core.mesh_links;
        self.relays_known = core.relays_known;
        self.tunnels = core.tunnels;
        self.slots = core.slots;
        (self.mailboxes, self.mailboxes_max) = (core.mailboxes, limits.mailboxes as u64);
        (self.cells, self.cells_max) = (core.cells, limits.cells);
        (self.cell_bytes, self.cell_bytes_max) = (core.cell_bytes, limits.cell_bytes);
        self.objects = core.objects;
        (self.deposits, self.forwarded, self.faults) = (core.deposits, core.forwarded, core.faults);
        (self.connections, self.connections_max) = (bounds.connections(), bounds.limits().connections);
        self.turned_away =
            Refused::ALL.iter().map(|why| (why.name().to_owned(), bounds.refused(*why))).collect();
        let refusals = (0..).zip(core.refused_by);
        self.refused =
            refusals.map(|(number, count)| (Refusal::from_number(number).name().to_owned(), count)).collect();
        self.refused.insert("tunnel_busy".to_owned(), core.busy);
        (self.slow, self.queued_bytes) = (bounds.slow(), bounds.queued() as u64);
        (self.bytes_in, self.bytes_out) = (bounds.bytes_read(), bounds.bytes_written());
        (self.day_bytes, self.day_bytes_max) = (sources.spent.day_bytes, sources.budget.day);
        (self.month_bytes, self.month_bytes_max) = (sources.spent.month_bytes, sources.budget.month);
        self.dialbacks = core.dialbacks;
        self.state = state(core, bounds).to_owned();
    }

    /// One screen of at most 80 columns.
    #[must_use]
    pub fn screen(&self) -> String {
        let mut out = String::new();
        let of = |max: Option<u64>| max.map_or_else(String::new, |max| format!(" of {}", size(max)));
        let mut line = |name: &str, text: String| {
            // Writing to a string does not fail.
            let _ = writeln!(out, "{name:<12}{text}");
        };
        line(
            "relay",
            format!("{}  {} ({}, {})", self.relay, self.state.replace('_', " "), self.role, self.profile),
        );
        line("up", format!("{}  version {}", lasting(self.uptime_s), self.version));
        line("listens", format!("{} for people, {} for relays", self.listen, self.mesh_listen));
        line("reachable", self.reachable_words.clone());
        if !matches!(self.router.as_str(), "" | "off") {
            line("router", self.router_words.clone());
        }
        let people = format!("{} links, {} tunnels, {} slots", self.leaves, self.tunnels, self.slots);
        line("people", people);
        line("relays", format!("{} links, {} known", self.mesh_links, self.relays_known));
        line("mailboxes", format!("{} of {}", self.mailboxes, self.mailboxes_max));
        let cells = format!("{} of {}, {}", self.cells, self.cells_max, size(self.cell_bytes));
        line("cells", format!("{cells}{}", of(Some(self.cell_bytes_max))));
        line("disk", format!("{} free, {} damaged places", size(self.disk_free_bytes), self.damaged));
        line("traffic", format!("{} in, {} out since the start", size(self.bytes_in), size(self.bytes_out)));
        line("  today", format!("{}{}", size(self.day_bytes), of(self.day_bytes_max)));
        line("  month", format!("{}{}", size(self.month_bytes), of(self.month_bytes_max)));
        line("connections", format!("{} of {}", self.connections, self.connections_max));
        line("turned away", counts(&self.turned_away));
        line("refused", counts(&self.refused));
        let trouble = format!("{} breaches, {} slow links", self.faults, self.slow);
        line("bad peers", trouble);
        line(
            "memory",
            format!(
                "{} of {}, processor {}",
                size(self.rss_bytes),
                size(self.rss_bytes_max),
                lasting(self.cpu_ms / 1_000)
            ),
        );
        line("clock", self.clock_words());
        line("trouble", self.trouble.clone().unwrap_or_else(|| "none".to_owned()));
        out
    }

    fn clock_words(&self) -> String {
        match self.clock_apart_ms {
            None => "fine".to_owned(),
            Some(ms) => {
                let side = if ms > 0 { "ahead of" } else { "behind" };
                let apart = lasting(ms.unsigned_abs() / 1_000);
                format!("the system's is {apart} {side} the relay's; believed after 2 days")
            }
        }
    }
}

fn state(core: &RelayStatus, bounds: &Bounds) -> &'static str {
    match bounds.closed_to_newcomers() {
        Some(Refused::Budget) => "budget_used_up",
        _ if core.pressure.storage => "disk_full",
        _ if core.draining => "draining",
        Some(Refused::Memory) => "memory_short",
        _ if core.pressure.traffic => "budget_low",
        _ => "serving",
    }
}

fn counts(counts: &BTreeMap<String, u64>) -> String {
    let some: Vec<String> = counts
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(why, count)| format!("{} {count}", why.replace('_', " ")))
        .collect();
    if some.is_empty() { "none".to_owned() } else { some.join(", ") }
}

/// A span of time in its two largest units.
fn lasting(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::net::NetLimits;

    pub(crate) fn sample() -> Status {
        let json = r#"{"version":"0.1.0","relay":"0011aabb","state":"serving","role":"mailbox","profile":"vps",
            "listen":"203.0.113.9:443","mesh_listen":"203.0.113.9:4001","uptime_s":100000,"leaves":0,"mesh_links":0,
            "relays_known":0,"tunnels":0,"slots":0,"mailboxes":0,"mailboxes_max":0,"cells":0,"cells_max":0,"cell_bytes":0,
            "cell_bytes_max":0,"objects":0,"deposits":0,"forwarded":0,"faults":0,"connections":0,"connections_max":0,
            "turned_away":{},"refused":{},"slow":0,"queued_bytes":0,"bytes_in":0,"bytes_out":0,"day_bytes":0,
            "day_bytes_max":null,"month_bytes":0,"month_bytes_max":null,"rss_bytes":50000000,"rss_bytes_max":536870912,
            "cpu_ms":12345,"disk_free_bytes":1000000000,"clock_apart_ms":null,"damaged":0,"store_failures":0,
            "trouble":null,"reachable":null}"#;
        let mut status: Status = serde_json::from_str(json).unwrap();
        let mut core =
            RelayStatus { leaves: 12, cells: 1_204, cell_bytes: 3 << 20, ..RelayStatus::default() };
        core.refused_by[Refusal::Full as usize] = 3;
        let bounds = Bounds::new(NetLimits::relay());
        let budget = Budget { day: Some(5 << 30), month: None, month_starts: 1 };
        let spent = Spent { day_bytes: 1 << 30, month_bytes: 9 << 30, ..Spent::default() };
        status.fill(&Sources { core, limits: RelayLimits::default(), budget, spent }, &bounds);
        status
    }

    #[test]
    fn the_screen_fits_a_terminal_and_says_what_matters() {
        let screen = sample().screen();
        assert!(screen.lines().count() <= 23, "{screen}");
        assert!(screen.lines().all(|line| line.chars().count() <= 80), "{screen}");
        for said in
            ["serving", "1204 of 1000000, 3 MiB of 10 GiB", "1 GiB of 5 GiB", "full 3", "up          1 d 3 h"]
        {
            assert!(screen.contains(said), "{said} is missing in\n{screen}");
        }
    }

    #[test]
    fn the_state_names_what_hurts_most() {
        let bounds = Bounds::new(NetLimits::relay());
        let mut core = RelayStatus::default();
        assert_eq!(state(&core, &bounds), "serving");
        core.pressure.traffic = true;
        assert_eq!(state(&core, &bounds), "budget_low");
        core.draining = true;
        assert_eq!(state(&core, &bounds), "draining");
        core.pressure.storage = true;
        assert_eq!(state(&core, &bounds), "disk_full");
        bounds.allow_bytes(Some(0));
        assert_eq!(state(&core, &bounds), "budget_used_up");
    }
}
