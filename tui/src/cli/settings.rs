//! `config`: shows and changes `config.toml`, without a node.

use super::args::Config;
use super::failure::Failure;
use super::session::Session;
use karvon_node::api::error::NO_PROFILE;
use karvon_node::config::{FILE, documented, set};
use karvon_node::host::exists;
use std::path::PathBuf;

/// Carries it out.
///
/// # Errors
/// `config` with the mistake; `no_profile` for a change where there is no profile.
pub(super) fn config(session: &Session<'_>, what: Config) -> Result<(), Failure> {
    let (dir, out) = (&session.data_dir, session.out);
    match what {
        Config::Path => {
            let path = dir.join(FILE).display().to_string();
            out.result(&serde_json::json!({ "path": path }), || path.clone())
        }
        Config::Check => {
            session.config()?;
            out.result(&serde_json::json!({ "ok": true }), || "the configuration is right".to_owned())
        }
        Config::Get { key: None } => {
            let config = session.config()?;
            out.result(&config, || documented(&config).trim_end().to_owned())
        }
        Config::Get { key: Some(key) } => {
            let config = session.config()?;
            let value = config.get(&key)?;
            out.result(&serde_json::json!({ key.as_str(): value }), || value.to_owned())
        }
        Config::Set { key, value } => {
            if !exists(dir) {
                return Err(Failure::new(NO_PROFILE, "there is no profile yet: make one with `karvon init`"));
            }
            set(dir, &key, &value)?;
            out.note("running nodes and screens see it when they start again");
            out.result(&serde_json::json!({ key.as_str(): value }), || format!("{key} = {value}"))
        }
    }
}

/// Writes a setting on behalf of the screen; whether that worked.
pub(crate) async fn save(dir: PathBuf, key: &'static str, value: &'static str) -> bool {
    matches!(tokio::task::spawn_blocking(move || set(&dir, key, value)).await, Ok(Ok(())))
}
