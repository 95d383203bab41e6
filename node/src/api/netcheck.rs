//! What a check of the own doors found, and the report of it that may be given away.

use crate::net::Found;
use karvon_protocol::engine::api::TestedDoor;
use karvon_protocol::netcheck::Code;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// What a check found. The sentence belongs to front ends: they say it in their language by `verdict`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetCheck {
    /// The day of the check by this device's clock, Unix days.
    pub day: u64,
    /// The stable code, `N00` to `N20`.
    pub code: String,
    /// A word for the sentence: several sentences may share a code.
    pub verdict: String,
    /// Words for what else was noticed, most important first.
    pub also: Vec<String>,
    /// Messages can travel now.
    pub travels: bool,
    /// By how many seconds at least this device's clock is ahead of the relays' (negative: behind), if that is worth a word.
    pub clock_s: Option<i64>,
    /// Everything goes through the user's proxy.
    pub proxy: bool,
    /// The doors.
    pub doors: Vec<DoorCheck>,
    /// Bytes of dials and signs of life while it lasted, both ways, headers estimated; not those of messages.
    pub bytes: u64,
    /// How long it took, milliseconds.
    pub ms: u64,
}

/// What it found of one door.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoorCheck {
    /// Relay id, hexadecimal, as [`super::DoorInfo::relay`].
    pub door: String,
    /// Address, for its owner's eyes.
    pub addr: String,
    /// `plain`, `web`, or `site`: a web door with a name.
    pub kind: String,
    /// Doors with the same number lie in one network.
    pub network: u8,
    /// How far this device came: `open`, `connect_silent` and so on.
    pub outcome: String,
    /// How long opening took, milliseconds.
    pub open_ms: Option<u32>,
    /// How long the relay's answer took, milliseconds.
    pub echo_ms: Option<u32>,
    /// Connections that froze in the last minutes.
    pub freezes: u32,
    /// Dials are being saved here.
    pub saving: bool,
}

impl NetCheck {
    /// All words that [`NetCheck::verdict`] may be: a front end has a sentence for each.
    #[must_use]
    pub fn verdicts() -> [&'static str; Code::ALL.len()] {
        Code::ALL.map(Code::word)
    }

    /// Of what the network found about `tested` at a time, Unix milliseconds.
    #[must_use]
    pub fn of(found: &Found, tested: &[TestedDoor], now_ms: u64) -> Self {
        use karvon_protocol::netcheck::Kind;
        let doors = found.doors.iter().zip(tested).map(|(found, tested)| DoorCheck {
            door: data_encoding::HEXLOWER.encode(&tested.door.relay.0),
            addr: tested.door.addr.socket().to_string(),
            kind: match found.seen.kind {
                Kind::Plain => "plain",
                Kind::Web => "web",
                Kind::Site => "site",
            }
            .to_owned(),
            network: found.seen.network,
            outcome: found.seen.outcome.word().to_owned(),
            open_ms: found.seen.open_ms,
            echo_ms: found.seen.echo_ms,
            freezes: found.seen.freezes,
            saving: found.seen.saving,
        });
        Self {
            day: now_ms / 86_400_000,
            code: found.verdict.code.number().to_owned(),
            verdict: found.verdict.code.word().to_owned(),
            also: found.verdict.also.iter().map(|code| code.word().to_owned()).collect(),
            travels: found.verdict.travels,
            clock_s: found.verdict.clock_s,
            proxy: found.proxy,
            doors: doors.collect(),
            bytes: found.bytes,
            ms: found.ms,
        }
    }

    /// The text of a report that names nobody and no place: no addresses, no ids, no names, no count of people or messages, no time of
    /// day; times and sizes are rounded.
    #[must_use]
    pub fn report(&self) -> String {
        let (year, month, day) = super::time::civil(self.day);
        let also = if self.also.is_empty() { "nothing".to_owned() } else { self.also.join(" ") };
        let clock = self.clock_s.map_or_else(
            || "not known to be wrong".to_owned(),
            |off| {
                let way = if off > 0 { "ahead" } else { "behind" };
                format!("{way} by about {} h", off.unsigned_abs().div_ceil(3_600))
            },
        );
        let mut out = String::new();
        let mut say = |line: std::fmt::Arguments<'_>| {
            // Writing to a string can not fail.
            let _ = writeln!(out, "{line}");
        };
        say(format_args!("karvon network report, version 1"));
        say(format_args!("program: karvon {} on {}", env!("CARGO_PKG_VERSION"), std::env::consts::OS));
        say(format_args!("day: {year:04}-{month:02}-{day:02}"));
        say(format_args!("verdict: {} {}", self.code, self.verdict));
        say(format_args!("also noticed: {also}"));
        say(format_args!("messages travel: {}", if self.travels { "yes" } else { "no" }));
        say(format_args!("clock: {clock}"));
        say(format_args!("through a proxy: {}", if self.proxy { "yes" } else { "no" }));
        say(format_args!(
            "took: {:.1} s, about {} kB",
            self.ms.div_ceil(100) as f64 / 10.0,
            self.bytes.div_ceil(1_000)
        ));
        let mut rows: Vec<String> = self.doors.iter().map(DoorCheck::row).collect();
        // Not in the order in which this person got them.
        rows.sort_unstable();
        for row in rows {
            say(format_args!("door: {row}"));
        }
        say(format_args!("country, town, provider (write it yourself if you want to): "));
        out
    }
}

impl DoorCheck {
    /// The door in a report.
    fn row(&self) -> String {
        let rounded =
            |ms: Option<u32>| ms.map_or_else(|| "-".to_owned(), |ms| format!("{} ms", ms.div_ceil(50) * 50));
        let port = if self.addr.ends_with(":443") { "port 443" } else { "another port" };
        let family = if self.addr.starts_with('[') { "IPv6" } else { "IPv4" };
        let saving = if self.saving { ", dials are saved" } else { "" };
        format!(
            "{} {} {family} {port}, opened in {}, answered in {}, froze {} times{saving}",
            self.kind,
            self.outcome,
            rounded(self.open_ms),
            rounded(self.echo_ms),
            self.freezes
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door(number: u8, outcome: &str) -> DoorCheck {
        DoorCheck {
            door: format!("{number:02x}").repeat(16),
            addr: format!("198.51.{number}.77:443"),
            kind: "web".to_owned(),
            network: number,
            outcome: outcome.to_owned(),
            open_ms: Some(1_234),
            echo_ms: None,
            freezes: 2,
            saving: true,
        }
    }

    #[test]
    fn a_report_names_nobody_and_no_place() {
        let check = NetCheck {
            day: 20_780,
            code: "N05".to_owned(),
            verdict: "clock".to_owned(),
            also: vec!["freeze".to_owned()],
            travels: true,
            clock_s: Some(-172_811),
            proxy: false,
            doors: vec![door(0xc7, "open"), door(0xb3, "connect_silent")],
            bytes: 4_321,
            ms: 1_777,
        };
        let report = check.report();
        for secret in ["198.51", "c7c7", "b3b3", ".77", "172811", "4321", "1777", "1234"] {
            assert!(!report.contains(secret), "{secret} in\n{report}");
        }
        for said in [
            "verdict: N05 clock",
            "day: 2026-11-23",
            "behind by about 49 h",
            "web open IPv4 port 443, opened in 1250 ms",
            "took: 1.8 s, about 5 kB",
        ] {
            assert!(report.contains(said), "{said} not in\n{report}");
        }
        let at = |text: &str| report.find(text).unwrap();
        assert!(at("web connect_silent") < at("web open"), "not in the order in which doors were given");
    }
}
