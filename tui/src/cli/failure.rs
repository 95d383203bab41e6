//! What can go wrong, and the exit code that scripts see: one table from stable error codes to numbers.

use karvon_node::api::ApiError;
use karvon_node::api::error as code;
use karvon_node::config::ConfigError;
use serde::Serialize;
use std::process::ExitCode;

/// Wrong use of the command line.
pub const USAGE: &str = "usage";
/// A time-out; what was queued is safe.
pub const TIMEOUT: &str = "timeout";
/// Ctrl-C or a signal.
pub const INTERRUPTED: &str = "interrupted";
/// The node stopped before it said whether it had done it.
pub const NO_ANSWER: &str = "no_answer";
/// Whoever read the output has gone; nothing is wrong.
pub const OUTPUT_CLOSED: &str = "output_closed";

/// Exit codes and the error codes they stand for; every other error code is 1.
pub const EXITS: &[(u8, &str, &[&str])] = &[
    (0, "done, or durably queued", &[OUTPUT_CLOSED]),
    (1, "another failure", &[]),
    (2, "wrong usage", &[USAGE, code::BAD_REQUEST, code::CONFIG, code::NO_PASSPHRASE]),
    (
        3,
        "no node is running, or it does not answer",
        &[code::NOT_RUNNING, code::CLOSED, code::VERSION, NO_ANSWER],
    ),
    (4, "no path now", &["no_door", "no_path", "not_connected", "no_mailbox"]),
    (
        5,
        "not found, or the name is ambiguous",
        &[
            "no_such_contact",
            "no_such_group",
            "no_such_channel",
            "no_such_member",
            "ambiguous",
            "no_such_message",
            "no_such_request",
            "no_file",
            code::NO_LAN,
            code::LAN_UNCLEAR,
            code::NO_PROFILE,
        ],
    ),
    (6, "locked, or the wrong passphrase", &[code::LOCKED, code::WRONG_PASSPHRASE, code::WAIT, "wrong_code"]),
    (7, "a key or signature does not match", &["key_changed", "signature", "mismatch"]),
    (
        8,
        "the store, a backup or a bundle is damaged or of another version, or the disk is full",
        &[
            "store",
            "store_damaged",
            "disk_full",
            "backup_damaged",
            "backup_newer",
            "not_a_bundle",
            "bundle_damaged",
            "bundle_newer",
        ],
    ),
    (
        9,
        "refused by a limit",
        &[
            "too_long",
            "request_too_long",
            "empty",
            "limit",
            "not_member",
            "not_allowed",
            "already_member",
            "not_yours",
            "unchangeable",
            "blocked",
            "picture",
            code::TOO_MANY_CLIENTS,
        ],
    ),
    (10, "time-out", &[TIMEOUT]),
    (75, "try again later", &["busy", code::UNAVAILABLE]),
    (130, "interrupted", &[INTERRUPTED]),
];

/// Why a command ends without success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Stable code.
    pub code: String,
    /// One sentence that says what to do.
    pub message: String,
    /// Names that were possible.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<String>,
}

impl Failure {
    /// A failure with this code and sentence.
    #[must_use]
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), candidates: Vec::new() }
    }

    /// Wrong use of the command line.
    #[must_use]
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(USAGE, message)
    }

    /// The number a script sees.
    #[must_use]
    pub fn exit(&self) -> u8 {
        let known = EXITS.iter().find(|(_, _, codes)| codes.contains(&self.code.as_str()));
        known.map_or(1, |(exit, ..)| *exit)
    }
}

impl From<&Failure> for ExitCode {
    fn from(failure: &Failure) -> Self {
        Self::from(failure.exit())
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self::new(&error.code, error.message)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::new(code::CONFIG, format!("config.toml: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_code_has_the_exit_code_that_scripts_rely_on() {
        for (code, exit) in [
            ("output_closed", 0),
            ("invite_used", 1),
            ("something_new", 1),
            ("usage", 2),
            ("config", 2),
            ("not_running", 3),
            ("version", 3),
            ("no_door", 4),
            ("ambiguous", 5),
            ("no_such_contact", 5),
            ("no_profile", 5),
            ("locked", 6),
            ("wrong_passphrase", 6),
            ("wait", 6),
            ("key_changed", 7),
            ("store", 8),
            ("too_long", 9),
            ("timeout", 10),
            ("busy", 75),
            ("interrupted", 130),
        ] {
            assert_eq!(Failure::new(code, "").exit(), exit, "{code}");
        }
    }

    #[test]
    fn no_error_code_stands_for_two_numbers() {
        let mut codes: Vec<&str> = EXITS.iter().flat_map(|(_, _, codes)| codes.iter().copied()).collect();
        let all = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), all);
    }
}
