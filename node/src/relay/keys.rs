//! Every key of a relay's configuration: what it means, its default for each profile, and what it may be.

use std::net::SocketAddr;

/// What a relay is run on; decides the defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// A rented server: 1 processor, 1 GB of memory, 20 GB of disk, a public address.
    #[default]
    Vps,
    /// A small computer on a home line.
    Home,
}

impl Profile {
    /// The name in the file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vps => "vps",
            Self::Home => "home",
        }
    }
}

/// What a key may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One of these words.
    Choice(&'static [&'static str]),
    /// `IP:PORT`, or `auto`.
    Address,
    /// `IP:PORT` of this machine alone, or `off`.
    Loopback,
    /// 32 hexadecimal digits, or `none`.
    Family,
    /// `true` or `false`.
    Flag,
    /// A number between these two.
    Count(u64, u64),
    /// Bytes between these two: a number, or text like `10 GiB` or `500 MB`.
    Size(u64, u64),
    /// As [`Kind::Size`], or `off`.
    SizeOrOff(u64, u64),
}

/// A value that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// Text as it stands.
    Text(String),
    /// A number, or bytes.
    Count(u64),
    /// Yes or no.
    Flag(bool),
    /// Not bounded.
    Off,
}

/// A key of the file.
#[derive(Debug)]
pub struct Key {
    /// `section.key`.
    pub name: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// Its value for a rented server.
    pub vps: &'static str,
    /// Its value on a home line.
    pub home: &'static str,
    /// What it means, one line.
    pub meaning: &'static str,
}

impl Key {
    /// The default of a profile.
    #[must_use]
    pub const fn default(&self, profile: Profile) -> &'static str {
        match profile {
            Profile::Vps => self.vps,
            Profile::Home => self.home,
        }
    }

    /// Reads a value as it stands in the file or on a command line.
    #[must_use]
    pub fn read(&self, text: &str) -> Option<Setting> {
        let text = text.trim();
        match self.kind {
            Kind::Choice(words) => words.contains(&text).then(|| Setting::Text(text.to_owned())),
            Kind::Address if text == "auto" => Some(Setting::Off),
            Kind::Address => text.parse::<SocketAddr>().ok().map(|addr| Setting::Text(addr.to_string())),
            Kind::Loopback if text == "off" => Some(Setting::Off),
            Kind::Loopback => {
                let addr = text.parse::<SocketAddr>().ok().filter(|addr| addr.ip().is_loopback())?;
                Some(Setting::Text(addr.to_string()))
            }
            Kind::Family if text == "none" => Some(Setting::Off),
            Kind::Family => family(text).map(|_| Setting::Text(text.to_lowercase())),
            Kind::Flag => text.parse().ok().map(Setting::Flag),
            Kind::Count(least, most) => {
                let number = text.parse().ok().filter(|number| (least..=most).contains(number))?;
                Some(Setting::Count(number))
            }
            Kind::SizeOrOff(..) if text == "off" => Some(Setting::Off),
            Kind::Size(least, most) | Kind::SizeOrOff(least, most) => {
                let bytes = bytes(text).filter(|bytes| (least..=most).contains(bytes))?;
                Some(Setting::Count(bytes))
            }
        }
    }

    /// What it may be, in words.
    #[must_use]
    pub fn may_be(&self) -> String {
        match self.kind {
            Kind::Choice(words) => format!("one of {}", words.join(", ")),
            Kind::Address => "IP:PORT or \"auto\"".to_owned(),
            Kind::Loopback => "IP:PORT of this machine, like \"127.0.0.1:9464\", or \"off\"".to_owned(),
            Kind::Family => "32 hexadecimal digits or \"none\"".to_owned(),
            Kind::Flag => "true or false".to_owned(),
            Kind::Count(least, most) => format!("a number from {least} to {most}"),
            Kind::Size(least, most) => format!("from {} to {}", size(least), size(most)),
            Kind::SizeOrOff(least, most) => format!("from {} to {}, or \"off\"", size(least), size(most)),
        }
    }
}

/// The sixteen bytes of an operator family.
#[must_use]
pub fn family(text: &str) -> Option<[u8; 16]> {
    data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?.try_into().ok()
}

const UNITS: &[(&str, u64)] = &[
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("kB", 1_000),
    ("B", 1),
];

/// Bytes from text like `10 GiB`, `500MB` or `1048576`.
#[must_use]
pub fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = UNITS
        .iter()
        .find_map(|(unit, bytes)| text.strip_suffix(unit).map(|number| (number, *bytes)))
        .unwrap_or((text, 1));
    let number = number.trim().replace(['_', ','], "");
    match number.split_once('.') {
        None => number.parse::<u64>().ok()?.checked_mul(unit),
        Some((whole, part)) if !part.is_empty() && part.len() <= 3 => {
            let whole = whole.parse::<u64>().ok()?.checked_mul(unit)?;
            let scale = 10_u64.pow(u32::try_from(part.len()).ok()?);
            whole.checked_add(part.parse::<u64>().ok()?.checked_mul(unit)? / scale)
        }
        Some(_) => None,
    }
}

/// Bytes as people read them, three digits.
#[must_use]
pub fn size(bytes: u64) -> String {
    let unit = UNITS.iter().take(4).find(|(_, unit)| bytes >= *unit);
    match unit {
        Some((name, unit)) if bytes.is_multiple_of(*unit) => format!("{} {name}", bytes / unit),
        Some((name, unit)) => format!("{:.1} {name}", bytes as f64 / *unit as f64),
        None => format!("{bytes} B"),
    }
}

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const PIB: u64 = 1 << 50;

macro_rules! keys {
    ($($name:literal $kind:expr, $vps:literal, $home:literal, $meaning:literal;)*) => {
        &[$(Key { name: $name, kind: $kind, vps: $vps, home: $home, meaning: $meaning }),*]
    };
}

/// All keys beside `version`, by section.
pub const KEYS: &[Key] = keys! {
    "relay.profile" Kind::Choice(&["vps", "home"]), "vps", "home", "What it runs on; decides the defaults of all other keys.";
    "relay.listen" Kind::Address, "auto", "auto", "Where people's devices connect.";
    "relay.mesh_listen" Kind::Address, "auto", "auto", "Where other relays connect; auto: the same address, a port of the system's choice.";
    "relay.announce" Kind::Address, "auto", "auto", "The address people are told, if a router forwards it to relay.listen; auto: relay.listen.";
    "relay.mesh_announce" Kind::Address, "auto", "auto", "The address relays are told; auto: relay.mesh_listen.";
    "relay.map_ports" Kind::Flag, "false", "true", "Asks a home's router to forward the ports (NAT-PMP, UPnP) while the relay runs.";
    "relay.role" Kind::Choice(&["mailbox", "bridge"]), "mailbox", "mailbox", "mailbox: listed, keeps cells. bridge: in no directory, a door for those you invite.";
    "relay.family" Kind::Family, "none", "none", "The same on all relays of one operator, so that nobody's copies all end up with one.";
    "relay.allow_private" Kind::Flag, "false", "false", "Dials and announces addresses that are not of the internet: tests and closed networks.";
    "relay.metrics" Kind::Loopback, "off", "off", "Where OpenMetrics are served, on this machine only.";
    "limits.connections" Kind::Count(8, 100_000), "2000", "300", "Connections at once; each file descriptor is one.";
    "limits.pending" Kind::Count(4, 10_000), "512", "128", "Handshakes under way at once; beyond it the busiest network gives up its oldest.";
    "limits.pending_per_address" Kind::Count(1, 10_000), "16", "8", "Handshakes under way at once with one address.";
    "limits.connections_per_address" Kind::Count(1, 100_000), "256", "64", "Connections at once with one address (IPv6: /64); hundreds may share one behind a carrier's NAT.";
    "limits.new_per_network" Kind::Count(0, 10_000), "10", "5", "New connections a second from one /24 (IPv6: /48); 0: not counted.";
    "limits.new_per_network_burst" Kind::Count(1, 100_000), "40", "20", "How many of these may come at once.";
    "limits.handshake_seconds" Kind::Count(2, 120), "15", "15", "How long a handshake may take.";
    "limits.min_rate" Kind::Size(0, MIB), "1 KiB", "1 KiB", "Bytes a second below which a frame under way is given up after 5 seconds.";
    "limits.queue" Kind::Size(MIB, 64 * GIB), "128 MiB", "32 MiB", "Bytes that may wait for slow links in all.";
    "limits.memory" Kind::Size(64 * MIB, 1_024 * GIB), "512 MiB", "256 MiB", "Resident memory above which newcomers are turned away.";
    "store.cap" Kind::Size(MIB, PIB), "10 GiB", "2 GiB", "Bytes of cells held for people.";
    "store.cells" Kind::Count(100, 100_000_000), "1000000", "250000", "Cells held; each costs about 150 bytes of memory.";
    "store.mailboxes" Kind::Count(1, 10_000_000), "10000", "1000", "Mailboxes held.";
    "store.mailbox_bytes" Kind::Size(MIB, 16 * MIB), "16 MiB", "16 MiB", "Bytes one mailbox may hold.";
    "store.mailbox_cells" Kind::Count(100, 8_192), "8192", "8192", "Cells one mailbox may hold.";
    "store.objects" Kind::Count(16, 1_000_000), "65536", "16384", "Bundle objects held for invitations.";
    "store.soft_percent" Kind::Count(10, 100), "80", "80", "Fullness from which new cells are kept for 14 days instead of 30.";
    "store.keep_free" Kind::Size(16 * MIB, PIB), "256 MiB", "256 MiB", "Free disk space below which nothing new is stored.";
    "traffic.day" Kind::SizeOrOff(MIB, PIB), "off", "4 GiB", "Bytes a day (UTC), both directions together.";
    "traffic.month" Kind::SizeOrOff(MIB, PIB), "900 GiB", "100 GiB", "Bytes a month, both directions together.";
    "traffic.month_starts" Kind::Count(1, 28), "1", "1", "The day of the month on which your provider starts to count.";
    "traffic.slot_day" Kind::Size(MIB, PIB), "16 GiB", "2 GiB", "Bytes a day through the tunnels of one slot (a slot may be shared by a school).";
    "traffic.slot_opens" Kind::Count(10, 1_000_000), "2400", "2400", "Tunnels one slot may open in a minute.";
    "traffic.slot_links" Kind::Count(1, 100_000), "256", "128", "Links one slot may hold at once.";
    "requests.bits" Kind::Count(0, 16), "7", "7", "Zero bits that a stranger's first contact must show; each more doubles the work.";
    "requests.checks" Kind::Count(1, 6_000), "60", "30", "Proofs of that work checked in a minute; each takes about 20 ms of a processor.";
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_one_that_its_key_may_have() {
        for key in KEYS {
            for profile in [Profile::Vps, Profile::Home] {
                assert!(key.read(key.default(profile)).is_some(), "{} {}", key.name, key.default(profile));
            }
        }
    }

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, expected) in [
            ("10 GiB", Some(10 << 30)),
            ("500MB", Some(500_000_000)),
            ("1.5 TiB", Some(3 << 39)),
            ("1_000", Some(1_000)),
            ("0.5 KiB", Some(512)),
            ("ten", None),
            ("-1", None),
            ("1.", None),
            ("99999999999 TiB", None),
        ] {
            assert_eq!(bytes(text), expected, "{text}");
        }
        assert_eq!((size(10 << 30), size(1_500), size(7)), ("10 GiB".into(), "1.5 KiB".into(), "7 B".into()));
    }

    #[test]
    fn statistics_can_not_be_served_to_the_world() {
        let key = KEYS.iter().find(|key| key.name == "relay.metrics").unwrap();
        assert_eq!(key.read("0.0.0.0:9464"), None);
        assert_eq!(key.read("198.51.100.1:9464"), None);
        assert!(key.read("127.0.0.1:9464").is_some() && key.read("[::1]:0").is_some());
    }
}
