//! Errors of the local interface: stable codes for scripts and one plain sentence for people.

use super::ApiError;
use karvon_protocol::error::ErrorKind;

/// The line is not a request of this interface.
pub const BAD_REQUEST: &str = "bad_request";
/// The front end speaks another version of the interface, or none.
pub const VERSION: &str = "version";
/// Too many front ends are connected.
pub const TOO_MANY_CLIENTS: &str = "too_many_clients";
/// No node is running.
pub const NOT_RUNNING: &str = "not_running";
/// The node stopped before it answered.
pub const CLOSED: &str = "closed";
/// There is no profile in the data directory.
pub const NO_PROFILE: &str = "no_profile";
/// There is a profile in the data directory already.
pub const PROFILE_EXISTS: &str = "profile_exists";
/// The profile is locked and no passphrase was given.
pub const LOCKED: &str = "locked";
/// The passphrase is not the right one.
pub const WRONG_PASSPHRASE: &str = "wrong_passphrase";
/// Too many wrong passphrases: the next one is taken later.
pub const WAIT: &str = "wait";
/// The profile has no passphrase, or an empty one was given.
pub const NO_PASSPHRASE: &str = "no_passphrase";
/// A file or socket of the data directory can not be used.
pub const IO: &str = "io";
/// The configuration file has a mistake.
pub const CONFIG: &str = "config";
/// A picture that can not be cleaned of hidden data is not sent.
pub const PICTURE: &str = "picture";
/// There is no such local network here.
pub const NO_LAN: &str = "no_lan";
/// There are several local networks here: one must be named.
pub const LAN_UNCLEAR: &str = "which_lan";
/// It can not be done now.
pub const UNAVAILABLE: &str = "unavailable";

impl ApiError {
    /// An error with this stable code and this sentence.
    #[must_use]
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into() }
    }
}

/// The stable code of an error of the core.
#[must_use]
pub const fn code(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InviteDamaged => "invite_damaged",
        ErrorKind::InviteNewer => "invite_newer",
        ErrorKind::InviteUsed => "invite_used",
        ErrorKind::InviteExpired => "invite_expired",
        ErrorKind::InviteOwn => "invite_own",
        ErrorKind::DoorDamaged => "door_damaged",
        ErrorKind::TransportDamaged => "transport_damaged",
        ErrorKind::NoSuchContact => "no_such_contact",
        ErrorKind::Ambiguous => "ambiguous",
        ErrorKind::NoSuchGroup => "no_such_group",
        ErrorKind::NoSuchChannel => "no_such_channel",
        ErrorKind::LinkDamaged => "link_damaged",
        ErrorKind::LinkNewer => "link_newer",
        ErrorKind::NoSuchMember => "no_such_member",
        ErrorKind::NotMember => "not_member",
        ErrorKind::NotAllowed => "not_allowed",
        ErrorKind::AlreadyMember => "already_member",
        ErrorKind::NoSuchMessage => "no_such_message",
        ErrorKind::Blocked => "blocked",
        ErrorKind::KeyChanged => "key_changed",
        ErrorKind::NotConnected => "not_connected",
        ErrorKind::NotYours => "not_yours",
        ErrorKind::Unchangeable => "unchangeable",
        ErrorKind::TooLong => "too_long",
        ErrorKind::Empty => "empty",
        ErrorKind::Limit => "limit",
        ErrorKind::NoDoor => "no_door",
        ErrorKind::RequestTooLong => "request_too_long",
        ErrorKind::NoSuchRequest => "no_such_request",
        ErrorKind::NoMailbox => "no_mailbox",
        ErrorKind::Busy => "busy",
        ErrorKind::DataCap => "data_cap",
        ErrorKind::Store => "store",
        ErrorKind::Unavailable => "unavailable",
        _ => "failed",
    }
}

impl From<ErrorKind> for ApiError {
    fn from(kind: ErrorKind) -> Self {
        Self::new(code(kind), kind.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_core_keeps_its_sentence_and_gets_a_stable_code() {
        let error = ApiError::from(ErrorKind::InviteUsed);
        assert_eq!(error.code, "invite_used");
        assert!(error.message.contains("already used"), "{}", error.message);
    }
}
