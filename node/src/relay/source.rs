//! Where a running relay's configuration comes from: the file, and what the command line said instead.

use super::config::RelayConfig;
use crate::config::ConfigError;
use crate::relay_options::RelayOptions;
use std::path::{Path, PathBuf};

/// The file of a data directory, under what was said when the relay was started.
#[derive(Debug)]
pub(super) struct ConfigSource {
    data_dir: PathBuf,
    said: Vec<(&'static str, String)>,
}

impl ConfigSource {
    pub(super) fn new(options: &RelayOptions) -> Self {
        let listen = options.listen.map(|addr| ("relay.listen", addr.to_string()));
        let mesh = options.mesh_listen.map(|addr| ("relay.mesh_listen", addr.to_string()));
        let private = options.allow_private.then(|| ("relay.allow_private", "true".to_owned()));
        let said = listen.into_iter().chain(mesh).chain(private).collect();
        Self { data_dir: options.data_dir.clone(), said }
    }

    pub(super) fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// The configuration as it holds now.
    pub(super) fn load(&self) -> Result<RelayConfig, ConfigError> {
        let mut config = RelayConfig::load(&self.data_dir)?;
        for (key, value) in &self.said {
            config.set(key, value)?;
        }
        Ok(config)
    }
}
