//! Section `transports`: which programs provide pluggable transports.

use super::Key;
use crate::net::PtOptions;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Where the programs keep what they keep, in the data directory.
pub(crate) const STATE: &str = "transports";

/// Section `transports`: each `auto` or a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Transports {
    /// Of obfs4.
    pub obfs4: String,
    /// Of WebTunnel.
    pub webtunnel: String,
    /// Of Snowflake.
    pub snowflake: String,
    /// Of meek, in the light form.
    pub meek_lite: String,
}

impl Default for Transports {
    fn default() -> Self {
        let [obfs4, webtunnel, snowflake, meek_lite] = ["auto"; 4].map(str::to_owned);
        Self { obfs4, webtunnel, snowflake, meek_lite }
    }
}

impl Transports {
    /// What the network is made with, apart from the proxy.
    #[must_use]
    pub fn options(&self, data_dir: &Path) -> PtOptions {
        let all = [
            ("obfs4", &self.obfs4),
            ("webtunnel", &self.webtunnel),
            ("snowflake", &self.snowflake),
            ("meek_lite", &self.meek_lite),
        ];
        let named = all.into_iter().filter(|(_, program)| *program != "auto");
        PtOptions {
            programs: named.map(|(name, program)| (name.to_owned(), PathBuf::from(program))).collect(),
            // A program runs in a folder of its own, so a relative path would lead it astray.
            state_dir: std::path::absolute(data_dir).ok().map(|dir| dir.join(STATE)),
            ..PtOptions::default()
        }
    }
}

pub(super) const fn key(name: &'static str, meaning: &'static str) -> Key {
    Key { name, default: "auto", meaning, check: |value| value == "auto" || Path::new(value).is_absolute() }
}
