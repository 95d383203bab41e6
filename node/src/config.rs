//! `config.toml` in the data directory: every key with its meaning, its default and its check; a mistake names the key that was meant.

mod transports;

pub(crate) use transports::STATE as TRANSPORTS;
pub use transports::Transports;

use crate::net::{Proxy, WebOptions, pem_certificates};
use serde::{Deserialize, Serialize};
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::{Table, Value};

/// Name of the file.
pub const FILE: &str = "config.toml";

/// Version of the file's keys.
pub const VERSION: i64 = 1;

/// Longest file that is read, bytes.
const FILE_MAX: u64 = 64 * 1024;

/// The data directory of a person who names none: `karvon` in the system's place for a user's data.
///
/// # Errors
/// If the system does not tell this user's home.
pub fn default_data_dir() -> io::Result<PathBuf> {
    use etcetera::BaseStrategy as _;
    let places = etcetera::choose_base_strategy().map_err(io::Error::other)?;
    Ok(places.data_dir().join("karvon"))
}

/// A key that may stand in the file.
#[derive(Debug)]
pub struct Key {
    /// `section.key`.
    pub name: &'static str,
    /// Its value if it is not given.
    pub default: &'static str,
    /// What it means, one line.
    pub meaning: &'static str,
    check: fn(&str) -> bool,
}

/// All keys beside `version`.
pub const KEYS: &[Key] = &[
    Key {
        name: "ui.lang",
        default: "auto",
        meaning: "Language: \"auto\" takes the system's, or a tag like \"tg\", \"ru\", \"en\".",
        check: |value| {
            value == "auto"
                || (2..=16).contains(&value.len())
                    && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        },
    },
    Key {
        name: "ui.glyphs",
        default: "auto",
        meaning: "Signs on the screen: \"auto\", \"unicode\", or \"plain\" for terminals that show boxes instead.",
        check: |value| ["auto", "unicode", "plain"].contains(&value),
    },
    Key {
        name: "ui.theme",
        default: "dark",
        meaning: "Colours: \"dark\" or \"light\" as the terminal's ground is, or \"mono\".",
        check: |value| ["dark", "light", "mono"].contains(&value),
    },
    Key {
        name: "ui.mouse",
        default: "on",
        meaning: "Taps and the wheel: \"on\", or \"off\" to leave them to the terminal.",
        check: on_or_off,
    },
    Key {
        name: "ui.notify",
        default: "count",
        meaning: "What a notification says: \"count\" (how many), \"name\" (from whom and how many), or \"off\".",
        check: |value| ["count", "name", "off"].contains(&value),
    },
    Key {
        name: "ui.bell",
        default: "on",
        meaning: "The terminal's bell for new messages: \"on\" or \"off\".",
        check: on_or_off,
    },
    Key {
        name: "api.socket",
        default: "auto",
        meaning: "Socket of the local interface: \"auto\" is in the runtime directory, or an absolute path in a private directory.",
        check: |value| value == "auto" || Path::new(value).is_absolute(),
    },
    Key {
        name: "network.proxy",
        default: "none",
        meaning: "Proxy for every connection: \"none\", or \"socks5://[USER:PASSWORD@]IP:PORT\", or the same with http://. Web doors only.",
        check: |value| value == "none" || Proxy::parse(value).is_some(),
    },
    Key {
        name: "network.roots",
        default: "none",
        meaning: "A PEM file with certificates that may vouch for web doors besides the public authorities: \"none\" or an absolute path.",
        check: |value| value == "none" || Path::new(value).is_absolute(),
    },
    transports::key(
        "transports.obfs4",
        "Program of the transport obfs4: \"auto\" looks for obfs4proxy and lyrebird, or an absolute path.",
    ),
    transports::key(
        "transports.webtunnel",
        "Program of the transport webtunnel: \"auto\" looks for webtunnel-client and lyrebird, or an absolute path.",
    ),
    transports::key(
        "transports.snowflake",
        "Program of the transport snowflake: \"auto\" looks for snowflake-client and lyrebird, or an absolute path.",
    ),
    transports::key(
        "transports.meek_lite",
        "Program of the transport meek_lite: \"auto\" looks for lyrebird and obfs4proxy, or an absolute path.",
    ),
    Key {
        name: "bundle.carry",
        default: "16MB",
        meaning: "Room for sealed messages of others that came in bundle files or over an accepted Wi-Fi, and go on the same ways: \"off\", or a size like \"16MB\", at most 48MB.",
        check: |value| carry(value).is_some(),
    },
    Key {
        name: "lock.after",
        default: "off",
        meaning: "The node locks itself when nobody has used it for so long: \"off\", or a time like \"90s\", \"5m\", \"1h\". A locked node fetches nothing.",
        check: |value| value == "off" || idle(value).is_some(),
    },
];

/// A time from a second to a week.
fn idle(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: u64 = number.parse().ok()?;
    let seconds = match unit {
        "s" => number,
        "m" => number.checked_mul(60)?,
        "h" => number.checked_mul(3_600)?,
        _ => return None,
    };
    (1..=7 * 86_400).contains(&seconds).then(|| Duration::from_secs(seconds))
}

/// Bytes, at most what one bundle file can hold beside own messages.
fn carry(text: &str) -> Option<usize> {
    if text == "off" {
        return Some(0);
    }
    let megabytes: usize = text.strip_suffix("MB")?.parse().ok()?;
    (1..=48).contains(&megabytes).then_some(megabytes * 1_000_000)
}

fn on_or_off(value: &str) -> bool {
    ["on", "off"].contains(&value)
}

/// The file's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// [`VERSION`].
    pub version: i64,
    /// The screen.
    pub ui: Ui,
    /// The local interface.
    pub api: Api,
    /// The way out.
    pub network: Network,
    /// Programs of pluggable transports.
    pub transports: Transports,
    /// Files that carry messages.
    pub bundle: Bundle,
    /// When the node locks itself.
    pub lock: Lock,
    /// The node looks how its doors do and does nothing else. Not in the file: a command decides it.
    #[serde(skip)]
    pub only_look: bool,
}

/// Section `bundle`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bundle {
    /// `off` or a size.
    pub carry: String,
}

impl Default for Bundle {
    fn default() -> Self {
        Self { carry: "16MB".to_owned() }
    }
}

impl Bundle {
    /// Room for cells of others, bytes.
    #[must_use]
    pub fn carry_bytes(&self) -> usize {
        carry(&self.carry).unwrap_or_default()
    }
}

/// Section `network`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Network {
    /// `none` or a proxy.
    pub proxy: String,
    /// `none` or a path.
    pub roots: String,
}

impl std::fmt::Debug for Network {
    // The proxy may have a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Network(proxy: {}, roots: {})", self.proxy != "none", self.roots)
    }
}

impl Default for Network {
    fn default() -> Self {
        let [proxy, roots] = ["none"; 2].map(str::to_owned);
        Self { proxy, roots }
    }
}

impl Network {
    /// What the network is made with.
    ///
    /// # Errors
    /// What is wrong with the proxy or the file of certificates: going on without them would not be what was asked for.
    pub fn web(&self) -> Result<WebOptions, String> {
        let mut web = WebOptions::default();
        if self.proxy != "none" {
            let proxy = Proxy::parse(&self.proxy).ok_or("`network.proxy` is no proxy")?;
            web.proxy = Some(proxy);
        }
        if self.roots != "none" {
            let pem = fs::read(&self.roots).map_err(|error| format!("`network.roots`: {error}"))?;
            web.roots = pem_certificates(&pem).ok_or("`network.roots` holds a damaged certificate")?;
        }
        Ok(web)
    }
}

/// Section `ui`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ui {
    /// `auto` or a language tag.
    pub lang: String,
    /// `auto`, `unicode` or `plain`.
    pub glyphs: String,
    /// `dark`, `light` or `mono`.
    pub theme: String,
    /// `on` or `off`.
    pub mouse: String,
    /// `count`, `name` or `off`.
    pub notify: String,
    /// `on` or `off`.
    pub bell: String,
}

/// Section `api`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Api {
    /// `auto` or a path.
    pub socket: String,
}

/// Section `lock`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lock {
    /// `off` or a time.
    pub after: String,
}

impl Default for Lock {
    fn default() -> Self {
        Self { after: "off".to_owned() }
    }
}

impl Lock {
    /// How long nobody must have used the node; `None` if it never locks itself.
    #[must_use]
    pub fn after(&self) -> Option<Duration> {
        idle(&self.after)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            version: VERSION,
            ui: Ui::default(),
            api: Api::default(),
            network: Network::default(),
            transports: Transports::default(),
            bundle: Bundle::default(),
            lock: Lock::default(),
            only_look: false,
        }
    }
}

impl Default for Ui {
    fn default() -> Self {
        let [lang, glyphs] = ["auto"; 2].map(str::to_owned);
        let [theme, notify] = ["dark", "count"].map(str::to_owned);
        let [mouse, bell] = ["on"; 2].map(str::to_owned);
        Self { lang, glyphs, theme, mouse, notify, bell }
    }
}

impl Default for Api {
    fn default() -> Self {
        Self { socket: "auto".to_owned() }
    }
}

impl Api {
    /// Where the socket is to be, if the file says so.
    #[must_use]
    pub fn socket(&self) -> Option<PathBuf> {
        (self.socket != "auto").then(|| PathBuf::from(&self.socket))
    }
}

/// Why a configuration can not be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can not be read or written.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not TOML.
    #[error("the file is not TOML: {0}")]
    Syntax(String),
    /// It is of another version.
    #[error("`version` must be {VERSION}: this file was made for another Karvon")]
    Version,
    /// A key that does not exist.
    #[error("there is no key `{key}`{}", meant.map(|meant| format!(": did you mean `{meant}`?")).unwrap_or_default())]
    Unknown {
        /// As written.
        key: String,
        /// The nearest one.
        meant: Option<&'static str>,
    },
    /// A value that the key can not have.
    #[error("`{key}` can not be {value}. {meaning}")]
    Value {
        /// The key.
        key: &'static str,
        /// As written.
        value: String,
        /// What it means and may be.
        meaning: String,
    },
}

impl Config {
    /// The file in `data_dir`; all defaults if there is none.
    ///
    /// # Errors
    /// A [`ConfigError`].
    pub fn load(data_dir: &Path) -> Result<Self, ConfigError> {
        Self::parse(&read(data_dir)?)
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// A [`ConfigError`] that names the first mistake.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let table: Table = text.parse().map_err(|error| syntax(&error))?;
        check(&table)?;
        table.try_into().map_err(|error| syntax(&error))
    }

    /// The value of a key.
    ///
    /// # Errors
    /// [`ConfigError::Unknown`].
    pub fn get(&self, key: &str) -> Result<&str, ConfigError> {
        match known(key)?.name {
            "ui.lang" => Ok(&self.ui.lang),
            "ui.glyphs" => Ok(&self.ui.glyphs),
            "ui.theme" => Ok(&self.ui.theme),
            "ui.mouse" => Ok(&self.ui.mouse),
            "ui.notify" => Ok(&self.ui.notify),
            "ui.bell" => Ok(&self.ui.bell),
            "api.socket" => Ok(&self.api.socket),
            "network.proxy" => Ok(&self.network.proxy),
            "network.roots" => Ok(&self.network.roots),
            "transports.obfs4" => Ok(&self.transports.obfs4),
            "transports.webtunnel" => Ok(&self.transports.webtunnel),
            "transports.snowflake" => Ok(&self.transports.snowflake),
            "transports.meek_lite" => Ok(&self.transports.meek_lite),
            "bundle.carry" => Ok(&self.bundle.carry),
            "lock.after" => Ok(&self.lock.after),
            _ => Err(ConfigError::Unknown { key: key.to_owned(), meant: None }),
        }
    }
}

/// The whole file with every key, its meaning and the value it has in `config`.
#[must_use]
pub fn documented(config: &Config) -> String {
    let mut out = format!("version = {VERSION}\n");
    let mut section = "";
    for key in KEYS {
        let Some((in_section, name)) = key.name.split_once('.') else { continue };
        if in_section != section {
            out.push_str(&format!("\n[{in_section}]\n"));
            section = in_section;
        }
        let value = config.get(key.name).unwrap_or(key.default);
        out.push_str(&format!("# {}\n{name} = {}\n", key.meaning, Value::from(value)));
    }
    out
}

/// Whether a key may have this value.
///
/// # Errors
/// [`ConfigError::Unknown`] or [`ConfigError::Value`].
pub fn check_value(key: &str, value: &str) -> Result<&'static Key, ConfigError> {
    let key = known(key)?;
    if (key.check)(value) {
        return Ok(key);
    }
    Err(ConfigError::Value { key: key.name, value: format!("{value:?}"), meaning: key.meaning.to_owned() })
}

/// Sets a key in the file in `data_dir` and leaves its other lines and comments as they are.
///
/// # Errors
/// A [`ConfigError`]; then the file is as it was.
pub fn set(data_dir: &Path, key: &str, value: &str) -> Result<(), ConfigError> {
    let key = check_value(key, value)?;
    let old = read(data_dir)?;
    Config::parse(&old)?;
    let new = with_line(&old, key.name, &Value::from(value));
    // A file with unusual lines (a value over many lines, dotted keys) may not survive an edit by lines: then nothing is written.
    let parsed = Config::parse(&new)?;
    if parsed.get(key.name)? != value {
        return Err(ConfigError::Syntax(format!("`{}` can not be found in it: edit it by hand", key.name)));
    }
    write(data_dir, &new)
}

/// `text` with the line of the key `name` changed or added.
pub(crate) fn with_line(text: &str, name: &str, value: &Value) -> String {
    let (section, short) = name.split_once('.').unwrap_or(("", name));
    let line = format!("{short} = {value}");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    if lines.is_empty() {
        lines.push(format!("version = {VERSION}"));
    }
    let header = format!("[{section}]");
    let Some(start) = lines.iter().position(|line| line.trim() == header) else {
        lines.extend([String::new(), header, line]);
        return lines.join("\n") + "\n";
    };
    let body = lines.iter().skip(start + 1).take_while(|line| !line.trim_start().starts_with('['));
    let found = body.clone().position(|line| line.split('=').next().is_some_and(|key| key.trim() == short));
    match found.and_then(|at| lines.get_mut(start + 1 + at)) {
        Some(old) => *old = line,
        None => lines.insert(start + 1, line),
    }
    lines.join("\n") + "\n"
}

fn read(data_dir: &Path) -> Result<String, ConfigError> {
    read_text(&data_dir.join(FILE))
}

/// The text of a configuration file, empty if there is none.
pub(crate) fn read_text(path: &Path) -> Result<String, ConfigError> {
    let failed = |source| ConfigError::File { path: path.to_owned(), source };
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
        Err(error) => return Err(failed(error)),
        Ok(found) if found.len() > FILE_MAX => {
            return Err(failed(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 64 KiB")));
        }
        Ok(_) => {}
    }
    fs::read_to_string(path).map_err(failed)
}

fn write(data_dir: &Path, text: &str) -> Result<(), ConfigError> {
    write_text(&data_dir.join(FILE), text)
}

/// Replaces a configuration file; readers see the old one or the new one.
pub(crate) fn write_text(path: &Path, text: &str) -> Result<(), ConfigError> {
    let part = path.with_extension("toml.part");
    let replace = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&part, path)
    };
    replace().map_err(|source| ConfigError::File { path: path.to_owned(), source })
}

/// Checks every key and value of the file against [`KEYS`].
fn check(table: &Table) -> Result<(), ConfigError> {
    for (section, value) in table {
        match (section.as_str(), value) {
            ("version", Value::Integer(VERSION)) => {}
            ("version", _) => return Err(ConfigError::Version),
            (section, Value::Table(keys)) => {
                if keys.is_empty() && !KEYS.iter().any(|key| key.name.split('.').next() == Some(section)) {
                    return Err(unknown(section));
                }
                for (key, value) in keys {
                    let key = known(&format!("{section}.{key}"))?;
                    if !value.as_str().is_some_and(key.check) {
                        let value = value.to_string();
                        let meaning = key.meaning.to_owned();
                        return Err(ConfigError::Value { key: key.name, value, meaning });
                    }
                }
            }
            (key, _) => return Err(unknown(key)),
        }
    }
    Ok(())
}

fn known(name: &str) -> Result<&'static Key, ConfigError> {
    KEYS.iter().find(|key| key.name == name).ok_or_else(|| unknown(name))
}

/// The error for a key that does not exist, with the nearest one if it is near: by its whole name, or, for a key that was written
/// outside its section, by its last part.
fn unknown(written: &str) -> ConfigError {
    let meant = nearest(written, KEYS.iter().map(|key| key.name));
    ConfigError::Unknown { key: written.to_owned(), meant }
}

/// The key of `names` that is nearest to what was written, if one is near.
pub(crate) fn nearest(written: &str, names: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let last = |name: &'static str| name.rsplit('.').next().unwrap_or(name);
    let distance = |name: &&'static str| edits(written, name).min(edits(written, last(name)));
    let nearest = names.min_by_key(distance);
    nearest.filter(|name| distance(name) <= 1 + written.chars().count() / 3)
}

/// Levenshtein distance.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let (mut diagonal, mut left) = (i, i + 1);
        let mut next = vec![left];
        for (above, y) in row.iter().skip(1).zip(&b) {
            left = (diagonal + usize::from(x != *y)).min(left + 1).min(above + 1);
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

pub(crate) fn syntax(error: &toml::de::Error) -> ConfigError {
    ConfigError::Syntax(error.to_string().trim_end().to_owned())
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
