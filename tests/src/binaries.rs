//! Builds the programs once, in the profile of the test itself, and says where they are.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Where the programs are.
#[derive(Debug, Clone)]
pub struct Binaries {
    /// The people's program.
    pub karvon: PathBuf,
    /// The relay's program.
    pub karvon_node: PathBuf,
}

/// Builds `karvon` and `karvon-node` if needed. All test processes share one build: cargo is asked once in each, under a file lock.
///
/// # Panics
/// If the build fails: there is nothing to test then.
#[must_use]
pub fn binaries() -> &'static Binaries {
    static BUILT: OnceLock<Binaries> = OnceLock::new();
    BUILT.get_or_init(build)
}

/// The folder of this program's profile, where its lock files are as well (`target/debug`, `target/release`).
///
/// # Panics
/// If the running program has no path.
#[must_use]
pub fn profile_folder() -> PathBuf {
    let exe = std::env::current_exe().expect("the running program has a path");
    let folder = exe.parent().expect("a program is in a folder");
    if folder.ends_with("deps") {
        folder.parent().unwrap_or(folder).to_path_buf()
    } else {
        folder.to_path_buf()
    }
}

/// Opens the lock file `name` in the profile folder.
///
/// # Panics
/// If it can not be made.
#[must_use]
pub fn lock_file(name: &str) -> File {
    let path = profile_folder().join(name);
    fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .expect("a lock file can be made")
}

fn build() -> Binaries {
    let lock = lock_file("karvon-tests-build.lock");
    lock.lock().expect("the lock can be waited for");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--message-format=json", "--bins"]);
    if cfg!(debug_assertions) {
        // The same set of packages as `cargo test --workspace`: a smaller one would give shared dependencies other features, and
        // everything above them would be compiled a second time.
        command.arg("--workspace");
    } else {
        // Exactly what `cargo build --release` gives to users.
        command.args(["--release", "-p", "karvon", "-p", "karvon-node"]);
    }
    // The variables that cargo sets for a test would make the inner build look different from an outer one.
    for (name, _) in
        std::env::vars().filter(|(name, _)| name.starts_with("CARGO_PKG_") || name == "CARGO_MANIFEST_DIR")
    {
        command.env_remove(name);
    }
    let output = command
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo can be run");
    assert!(output.status.success(), "the programs do not build");
    let found = executables(&String::from_utf8_lossy(&output.stdout));
    let path = |name: &str| {
        found.get(name).cloned().unwrap_or_else(|| panic!("cargo did not name {name}: {found:?}"))
    };
    Binaries { karvon: path("karvon"), karvon_node: path("karvon-node") }
}

/// The programs that cargo's messages name, by the name of their target.
fn executables(messages: &str) -> BTreeMap<String, PathBuf> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let artifacts = messages.filter(|message| message["reason"] == "compiler-artifact");
    let named = artifacts.filter_map(|artifact| {
        Some((
            artifact["target"]["name"].as_str()?.to_owned(),
            PathBuf::from(artifact["executable"].as_str()?),
        ))
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_programs_come_from_cargos_messages() {
        let messages = concat!(
            "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"lib\"},\"executable\":null}\n",
            "not json\n",
            "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"karvon\"},\"executable\":\"a/karvon\"}\n",
            "{\"reason\":\"build-finished\",\"success\":true}\n",
        );
        let found = executables(messages);
        assert_eq!(found.len(), 1);
        assert_eq!(found.get("karvon"), Some(&PathBuf::from("a/karvon")));
    }
}
