//! `relay.toml` in a relay's data directory: one file with every limit; a mistake names the key that was meant.

use super::keys::{KEYS, Key, Profile, Setting, family};
use crate::config::{ConfigError, VERSION, nearest, read_text, syntax, with_line, write_text};
use crate::net::NetLimits;
use crate::store::ledger::Budget;
use karvon_protocol::descriptor::flags;
use karvon_protocol::relay::limits::RelayLimits;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use toml::{Table, Value};

/// Name of the file.
pub const FILE: &str = "relay.toml";

/// Links to other relays beside those of people.
const MESH_LINKS: u64 = 1_024;

/// A relay's configuration, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayConfig {
    profile: Profile,
    /// What the file says; everything else has its default.
    given: BTreeMap<&'static str, Setting>,
}

impl Default for RelayConfig {
    fn default() -> Self {
        Self::of(Profile::Vps)
    }
}

impl RelayConfig {
    /// All defaults of a profile.
    #[must_use]
    pub const fn of(profile: Profile) -> Self {
        Self { profile, given: BTreeMap::new() }
    }

    /// The file in `data_dir`; all defaults if there is none.
    ///
    /// # Errors
    /// A [`ConfigError`].
    pub fn load(data_dir: &Path) -> Result<Self, ConfigError> {
        let path = data_dir.join(FILE);
        Self::parse(&read_text(&path)?).map_err(|error| match error {
            // Who started the relay by a service does not see which file is meant.
            ConfigError::Syntax(text) => ConfigError::Syntax(format!("{}: {text}", path.display())),
            other => other,
        })
    }

    /// Whether there is a file in `data_dir`.
    #[must_use]
    pub fn exists(data_dir: &Path) -> bool {
        data_dir.join(FILE).exists()
    }

    /// Writes the file, every key with its meaning.
    ///
    /// # Errors
    /// [`ConfigError::File`].
    pub fn save(&self, data_dir: &Path) -> Result<(), ConfigError> {
        write_text(&data_dir.join(FILE), &self.documented())
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// A [`ConfigError`] that names the first mistake.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let table: Table = text.parse().map_err(|error| syntax(&error))?;
        let mut given = BTreeMap::new();
        for (section, value) in &table {
            match (section.as_str(), value) {
                ("version", Value::Integer(VERSION)) => {}
                ("version", _) => return Err(ConfigError::Version),
                (section, Value::Table(keys)) => {
                    let known = KEYS.iter().any(|key| key.name.split('.').next() == Some(section));
                    if keys.is_empty() && !known {
                        return Err(unknown(section));
                    }
                    for (name, value) in keys {
                        let key = find(&format!("{section}.{name}"))?;
                        given.insert(key.name, read_value(key, value)?);
                    }
                }
                (key, _) => return Err(unknown(key)),
            }
        }
        let home = given.get("relay.profile") == Some(&Setting::Text("home".to_owned()));
        let profile = if home { Profile::Home } else { Profile::Vps };
        Ok(Self { profile, given })
    }

    /// Sets one key.
    ///
    /// # Errors
    /// [`ConfigError::Unknown`] or [`ConfigError::Value`].
    pub fn set(&mut self, name: &str, text: &str) -> Result<(), ConfigError> {
        let key = find(name)?;
        let value = key.read(text).ok_or_else(|| wrong(key, format!("{text:?}")))?;
        if let ("relay.profile", Setting::Text(word)) = (key.name, &value) {
            self.profile = if word == "home" { Profile::Home } else { Profile::Vps };
        }
        self.given.insert(key.name, value);
        Ok(())
    }

    /// Sets one key in the file in `data_dir` and leaves its other lines as they are.
    ///
    /// # Errors
    /// A [`ConfigError`]; then the file is as it was.
    pub fn set_in_file(data_dir: &Path, name: &str, text: &str) -> Result<(), ConfigError> {
        let path = data_dir.join(FILE);
        let old = read_text(&path)?;
        let mut config = Self::parse(&old)?;
        config.set(name, text)?;
        let key = find(name)?;
        let new = with_line(&old, key.name, &Value::from(text.trim()));
        // A file with unusual lines may not survive an edit by lines: then nothing is written.
        if Self::parse(&new)? != config {
            return Err(ConfigError::Syntax(format!("`{name}` can not be found in it: edit it by hand")));
        }
        write_text(&path, &new)
    }

    /// Which defaults it has.
    #[must_use]
    pub const fn profile(&self) -> Profile {
        self.profile
    }

    /// The value of a key, as it would stand in the file.
    #[must_use]
    pub fn text(&self, key: &Key) -> String {
        match self.given.get(key.name) {
            None => key.default(self.profile).to_owned(),
            Some(Setting::Text(text)) => text.clone(),
            Some(Setting::Flag(flag)) => flag.to_string(),
            Some(Setting::Count(count)) => match key.kind {
                super::keys::Kind::Count(..) => count.to_string(),
                _ => exact(*count),
            },
            Some(Setting::Off) => match key.kind {
                super::keys::Kind::Address => "auto".to_owned(),
                super::keys::Kind::Family => "none".to_owned(),
                _ => "off".to_owned(),
            },
        }
    }

    /// The whole file with every key, its meaning and its value.
    #[must_use]
    pub fn documented(&self) -> String {
        let mut out = format!("version = {VERSION}\n");
        let mut section = "";
        for key in KEYS {
            let Some((in_section, name)) = key.name.split_once('.') else { continue };
            if in_section != section {
                out.push_str(&format!("\n[{in_section}]\n"));
                section = in_section;
            }
            let line = format!("{name} = {}", Value::from(self.text(key)));
            // What is not set follows the profile's default, also that of a later version.
            let mark = if self.given.contains_key(key.name) { "" } else { "#" };
            out.push_str(&format!("# {} ({})\n{mark}{line}\n", key.meaning, key.may_be()));
        }
        out
    }

    fn setting(&self, name: &str) -> Setting {
        let given = self.given.get(name).cloned();
        let default =
            || KEYS.iter().find(|key| key.name == name).and_then(|key| key.read(key.default(self.profile)));
        given.or_else(default).unwrap_or(Setting::Off)
    }

    fn count(&self, name: &str) -> u64 {
        self.limit(name).unwrap_or(u64::MAX)
    }

    fn limit(&self, name: &str) -> Option<u64> {
        match self.setting(name) {
            Setting::Count(count) => Some(count),
            _ => None,
        }
    }

    fn number(&self, name: &str) -> u32 {
        u32::try_from(self.count(name)).unwrap_or(u32::MAX)
    }

    fn length(&self, name: &str) -> usize {
        usize::try_from(self.count(name)).unwrap_or(usize::MAX)
    }

    fn address(&self, name: &str) -> Option<SocketAddr> {
        match self.setting(name) {
            Setting::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    fn flag(&self, name: &str) -> bool {
        self.setting(name) == Setting::Flag(true)
    }

    /// `relay.listen`.
    #[must_use]
    pub fn listen(&self) -> Option<SocketAddr> {
        self.address("relay.listen")
    }

    /// `relay.mesh_listen`.
    #[must_use]
    pub fn mesh_listen(&self) -> Option<SocketAddr> {
        self.address("relay.mesh_listen")
    }

    /// `relay.announce`.
    #[must_use]
    pub fn announce(&self) -> Option<SocketAddr> {
        self.address("relay.announce")
    }

    /// `relay.mesh_announce`.
    #[must_use]
    pub fn mesh_announce(&self) -> Option<SocketAddr> {
        self.address("relay.mesh_announce")
    }

    /// `relay.metrics`.
    #[must_use]
    pub fn metrics(&self) -> Option<SocketAddr> {
        self.address("relay.metrics")
    }

    /// `relay.allow_private`.
    #[must_use]
    pub fn allow_private(&self) -> bool {
        self.flag("relay.allow_private")
    }

    /// `relay.map_ports`.
    #[must_use]
    pub fn map_ports(&self) -> bool {
        self.flag("relay.map_ports")
    }

    /// `relay.role`.
    #[must_use]
    pub fn role(&self) -> String {
        match self.setting("relay.role") {
            Setting::Text(role) => role,
            _ => "mailbox".to_owned(),
        }
    }

    /// What the descriptor says this relay is good for.
    #[must_use]
    pub fn flags(&self) -> u64 {
        if self.role() == "bridge" { flags::BRIDGE } else { flags::MAILBOX | flags::OPEN }
    }

    /// `relay.family`.
    #[must_use]
    pub fn family(&self) -> Option<[u8; 16]> {
        match self.setting("relay.family") {
            Setting::Text(text) => family(&text),
            _ => None,
        }
    }

    /// Resident memory above which newcomers are turned away, bytes.
    #[must_use]
    pub fn memory(&self) -> u64 {
        self.count("limits.memory")
    }

    /// Free disk space below which nothing new is stored, bytes.
    #[must_use]
    pub fn keep_free(&self) -> u64 {
        self.count("store.keep_free")
    }

    /// Bounds of connections.
    #[must_use]
    pub fn net_limits(&self) -> NetLimits {
        NetLimits {
            connections: self.number("limits.connections"),
            pending: self.number("limits.pending"),
            pending_per_address: self.number("limits.pending_per_address"),
            per_address: self.number("limits.connections_per_address"),
            new_per_network: self.number("limits.new_per_network"),
            new_per_network_burst: self.number("limits.new_per_network_burst"),
            handshake_ms: self.count("limits.handshake_seconds").saturating_mul(1_000),
            min_rate: self.number("limits.min_rate"),
            queue_bytes: self.length("limits.queue"),
            // Whoever tests runs everything on one machine; elsewhere a proxy on this machine is an address like any other.
            loopback_exempt: self.allow_private(),
        }
    }

    /// Bounds of what is kept and carried.
    #[must_use]
    pub fn core_limits(&self) -> RelayLimits {
        let links = self.count("limits.connections").saturating_add(MESH_LINKS);
        RelayLimits {
            mailboxes: self.length("store.mailboxes"),
            cells: self.count("store.cells"),
            cell_bytes: self.count("store.cap"),
            mailbox_bytes: self.count("store.mailbox_bytes"),
            mailbox_cells: self.count("store.mailbox_cells"),
            objects: self.length("store.objects"),
            slot_bytes_per_day: self.count("traffic.slot_day"),
            slot_opens_per_minute: self.number("traffic.slot_opens"),
            slot_links: self.length("traffic.slot_links"),
            links: usize::try_from(links).unwrap_or(usize::MAX),
            soft_percent: u8::try_from(self.count("store.soft_percent")).unwrap_or(100),
            request_bits: u8::try_from(self.count("requests.bits")).unwrap_or(u8::MAX),
            request_checks_per_minute: self.number("requests.checks"),
            ..RelayLimits::default()
        }
    }

    /// The byte budget.
    #[must_use]
    pub fn budget(&self) -> Budget {
        Budget {
            day: self.limit("traffic.day"),
            month: self.limit("traffic.month"),
            month_starts: self.number("traffic.month_starts"),
        }
    }

    /// Keys that differ in `other` and count only from the next start on.
    #[must_use]
    pub fn needs_restart(&self, other: &Self) -> Vec<&'static str> {
        let late = |key: &&Key| key.name.starts_with("relay.") || key.name == "limits.handshake_seconds";
        let changed = KEYS.iter().filter(late).filter(|key| self.text(key) != other.text(key));
        changed.map(|key| key.name).collect()
    }
}

/// Bytes so that reading them gives the same number.
fn exact(bytes: u64) -> String {
    let short = super::keys::size(bytes);
    if super::keys::bytes(&short) == Some(bytes) { short } else { bytes.to_string() }
}

fn find(name: &str) -> Result<&'static Key, ConfigError> {
    KEYS.iter().find(|key| key.name == name).ok_or_else(|| unknown(name))
}

fn unknown(written: &str) -> ConfigError {
    let meant = nearest(written, KEYS.iter().map(|key| key.name));
    ConfigError::Unknown { key: written.to_owned(), meant }
}

fn wrong(key: &'static Key, value: String) -> ConfigError {
    let meaning = format!("It is {}. {}", key.may_be(), key.meaning);
    ConfigError::Value { key: key.name, value, meaning }
}

fn read_value(key: &'static Key, value: &Value) -> Result<Setting, ConfigError> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Integer(_) | Value::Boolean(_) => value.to_string(),
        _ => return Err(wrong(key, value.to_string())),
    };
    key.read(&text).ok_or_else(|| wrong(key, value.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_written_file_is_read_back_as_it_was() {
        for profile in [Profile::Vps, Profile::Home] {
            let mut config = RelayConfig::of(profile);
            config.set("relay.profile", profile.name()).unwrap();
            config.set("relay.listen", "203.0.113.9:443").unwrap();
            config.set("traffic.day", "1.5 GiB").unwrap();
            config.set("store.cap", "1234567").unwrap();
            config.set("relay.family", &"AB".repeat(16)).unwrap();
            assert_eq!(RelayConfig::parse(&config.documented()).unwrap(), config);
            assert_eq!(config.budget().day, Some(3 << 29));
            assert_eq!(config.family(), Some([0xab; 16]));
        }
    }

    #[test]
    fn the_defaults_are_those_of_the_core_and_of_the_network() {
        let config = RelayConfig::default();
        assert_eq!(config.net_limits(), NetLimits { loopback_exempt: false, ..NetLimits::relay() });
        assert_eq!(config.core_limits(), RelayLimits { links: 3_024, ..RelayLimits::default() });
        let home = RelayConfig::parse("[relay]\nprofile = \"home\"").unwrap();
        assert_eq!((home.profile(), home.budget().day), (Profile::Home, Some(4 << 30)));
    }

    #[test]
    fn a_misspelt_key_is_answered_with_the_one_that_was_meant() {
        for (text, meant) in [
            ("[limits]\nconections = 5", Some("limits.connections")),
            ("[relay]\nlisten_addr = \"auto\"", Some("relay.listen")),
            ("[trafic]\nday = \"1 GB\"", Some("traffic.day")),
            ("cap = \"1 GB\"", Some("store.cap")),
            ("[weather]\nforecast = \"rain\"", None),
        ] {
            match RelayConfig::parse(text) {
                Err(ConfigError::Unknown { meant: seen, .. }) => assert_eq!(seen, meant, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_wrong_value_is_refused_with_what_it_may_be() {
        for text in [
            "[limits]\nconnections = 0",
            "[limits]\nconnections = \"many\"",
            "[limits]\nconnections = [1]",
            "[traffic]\nday = \"10 lorries\"",
            "[traffic]\nmonth_starts = 31",
            "[relay]\nmetrics = \"0.0.0.0:9464\"",
            "[relay]\nfamily = \"us\"",
            "[relay]\nrole = \"exit\"",
        ] {
            let error = RelayConfig::parse(text).unwrap_err();
            assert!(matches!(error, ConfigError::Value { .. }), "{text}: {error}");
            assert!(error.to_string().contains(" It is "), "{error}");
        }
        assert!(matches!(RelayConfig::parse("version = 9"), Err(ConfigError::Version)));
        assert!(matches!(RelayConfig::parse("[relay"), Err(ConfigError::Syntax(_))));
    }

    #[test]
    fn one_key_is_changed_in_the_file_and_the_rest_stays() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = RelayConfig::of(Profile::Home);
        config.set("relay.profile", "home").unwrap();
        config.save(dir.path()).unwrap();
        RelayConfig::set_in_file(dir.path(), "traffic.day", "700 MB").unwrap();
        RelayConfig::set_in_file(dir.path(), "limits.connections", "50").unwrap();
        let seen = RelayConfig::load(dir.path()).unwrap();
        assert_eq!((seen.budget().day, seen.net_limits().connections), (Some(700_000_000), 50));
        assert_eq!(seen.profile(), Profile::Home);
        assert!(RelayConfig::set_in_file(dir.path(), "traffic.day", "lots").is_err());
        assert_eq!(RelayConfig::load(dir.path()).unwrap(), seen);
        assert_eq!(config.needs_restart(&seen), Vec::<&str>::new());
        let mut other = seen.clone();
        other.set("relay.role", "bridge").unwrap();
        assert_eq!(seen.needs_restart(&other), ["relay.role"]);
    }
}
