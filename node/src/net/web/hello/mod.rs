//! The dialling side's TLS: rustls as it comes, or, with the feature `browser-hello`, BoringSSL dressed as one of two browsers.

#[cfg(feature = "browser-hello")]
mod anchors;
#[cfg(feature = "browser-hello")]
mod browser;
#[cfg(not(feature = "browser-hello"))]
mod plain;
#[cfg(feature = "browser-hello")]
mod profile;
#[cfg(feature = "browser-hello")]
mod unpack;

#[cfg(feature = "browser-hello")]
pub(super) use browser::connect;
#[cfg(not(feature = "browser-hello"))]
pub(super) use plain::connect;

use crate::net::veil::Io;
use karvon_protocol::descriptor::SlotKey;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::ServerName;
use std::sync::Arc;

/// What a browser offers. Doors speak the second one; a server that prefers the first is not set up as a door.
const OFFERED: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Whose hello a door sees.
#[allow(dead_code)] // A build knows rustls or the browsers, not both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HelloKind {
    /// That of rustls, which no browser sends.
    Rustls,
    /// That of Chrome and its kin.
    Chrome,
    /// That of Firefox.
    Firefox,
}

impl HelloKind {
    /// The hello that this build shows to the door with this slot.
    ///
    /// A household does not change its browser from one connection to the next, so the choice belongs to the door: a coin thrown
    /// with the slot's secret, which was drawn at random and is kept as long as the door is. Nobody without the secret can
    /// foretell it, and no second record can disagree with it.
    pub(super) fn of(slot: &SlotKey) -> Self {
        let [coin, ..] = blake3::derive_key("karvon/node/browser hello", &*slot.key);
        Self::by(coin & 1 == 0)
    }

    /// Whether one of this build's doors can see this hello.
    fn is_shown(self) -> bool {
        [true, false].into_iter().any(|side| Self::by(side) == self)
    }

    #[cfg(not(feature = "browser-hello"))]
    const fn by(_: bool) -> Self {
        Self::Rustls
    }

    /// Half a Chrome would be a hello that nobody else has: where the library can not be Chrome, every door sees Firefox.
    #[cfg(feature = "browser-hello")]
    fn by(heads: bool) -> Self {
        if heads && browser::knows_chrome() { Self::Chrome } else { Self::Firefox }
    }
}

/// Whose hello web doors see from this build, in plain words: it depends on how the program and its library were built.
#[must_use]
pub fn web_hello() -> &'static str {
    match (HelloKind::Rustls.is_shown(), HelloKind::Chrome.is_shown()) {
        (true, _) => "rustls",
        (false, true) => "Chrome or Firefox",
        (false, false) => "Firefox",
    }
}

/// One connection to be opened.
#[cfg_attr(not(feature = "browser-hello"), allow(dead_code))] // rustls has one hello and draws its own randomness.
pub(super) struct Wanted {
    /// Whom to believe.
    pub(super) verifier: Arc<dyn ServerCertVerifier>,
    /// Who is called.
    pub(super) name: ServerName<'static>,
    /// Whose hello is shown; a build without browsers shows its own.
    pub(super) kind: HelloKind,
    /// Two random bytes, for what browsers choose anew each time and the library does not.
    pub(super) chance: [u8; 2],
}

/// A connection whose handshake is over.
pub(super) struct Opened {
    pub(super) stream: Box<dyn Io>,
    /// The protocol that the site chose, if it chose one.
    pub(super) alpn: Option<Vec<u8>>,
    /// What both ends of this connection know and nobody in between does; `None` before TLS 1.3, where it would not be unique.
    pub(super) binding: Option<[u8; 32]>,
}

#[cfg(test)]
mod tests;
