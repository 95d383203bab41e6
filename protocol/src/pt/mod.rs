//! Pluggable transports: the line beside a door that names one, and what a transport's program says (Tor's pt-spec, version 1).

pub mod program;

use crate::error::ErrorKind;
use core::fmt;
use core::net::SocketAddr;
use std::string::{String, ToString as _};
use std::vec::Vec;
use zeroize::Zeroizing;

/// Longest line, bytes; whatever passes [`ARGS_MAX`] fits.
pub const LINE_MAX: usize = 1_024;
/// Longest arguments in the form in which they go to the program, bytes: user name and password of SOCKS5 (RFC 1929).
pub const ARGS_MAX: usize = 510;
/// Longest name of a transport, bytes.
const NAME_MAX: usize = 32;
/// Most arguments of one line.
const ARGS_COUNT_MAX: usize = 32;

/// How a door is reached through a transport: by which one, where its server stands, and what its client has to know (secrets among it).
///
/// Written as Tor writes bridge lines: `NAME IP:PORT [FINGERPRINT] [KEY=VALUE]…`.
#[derive(Clone, PartialEq, Eq)]
pub struct PtLine {
    name: String,
    addr: SocketAddr,
    args: Vec<(Zeroizing<String>, Zeroizing<String>)>,
}

impl fmt::Debug for PtLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PtLine({})", self.name)
    }
}

impl PtLine {
    /// Reads a line. A leading `Bridge` and the fingerprint of a Tor relay are passed over: they mean nothing here.
    ///
    /// # Errors
    /// [`ErrorKind::TransportDamaged`].
    pub fn from_text(text: &str) -> Result<Self, ErrorKind> {
        let damaged = ErrorKind::TransportDamaged;
        if text.len() > LINE_MAX || text.chars().any(|c| c.is_control() && !c.is_whitespace()) {
            return Err(damaged);
        }
        let mut words = text.split_whitespace().peekable();
        words.next_if(|word| word.eq_ignore_ascii_case("bridge"));
        let name = words.next().filter(|name| is_name(name)).ok_or(damaged)?.to_owned();
        let addr: SocketAddr = words.next().and_then(|addr| addr.parse().ok()).ok_or(damaged)?;
        if addr.port() == 0 {
            return Err(damaged);
        }
        words.next_if(|word| word.len() == 40 && word.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let args = words.map(|word| match word.split_once('=') {
            Some((key, value)) if !key.is_empty() && word.is_ascii() => {
                Ok((Zeroizing::new(key.to_owned()), Zeroizing::new(value.to_owned())))
            }
            _ => Err(damaged),
        });
        let out = Self { name, addr, args: args.collect::<Result<_, _>>()? };
        let fits = out.args.len() <= ARGS_COUNT_MAX && out.args().len() <= ARGS_MAX;
        if fits { Ok(out) } else { Err(damaged) }
    }

    /// The one form in which it is stored.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut out = Zeroizing::new(String::with_capacity(LINE_MAX));
        out.push_str(&self.name);
        out.push(' ');
        out.push_str(&self.addr.to_string());
        for (key, value) in &self.args {
            for part in [" ", key, "=", value] {
                out.push_str(part);
            }
        }
        out
    }

    /// The transport's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where its server stands; some transports only pass it on as a name for it.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The arguments as the program wants them: `key=value;key=value`, with `\` and `;` escaped by `\`. The first `=` parts key from value.
    #[must_use]
    pub fn args(&self) -> Zeroizing<String> {
        let mut out = Zeroizing::new(String::with_capacity(LINE_MAX));
        for (key, value) in &self.args {
            if !out.is_empty() {
                out.push(';');
            }
            for c in key.chars().chain(['=']).chain(value.chars()) {
                if matches!(c, '\\' | ';') {
                    out.push('\\');
                }
                out.push(c);
            }
        }
        out
    }
}

/// Whether this may name a transport: an identifier of C, as pt-spec asks.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    let begins = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    begins && name.len() <= NAME_MAX && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bridge_line_of_tor_is_read_and_has_one_form() {
        let line =
            "Bridge obfs4 192.0.2.7:443 0123456789ABCDEF0123456789abcdef01234567 cert=aB+/= iat-mode=0";
        let read = PtLine::from_text(line).unwrap();
        assert_eq!((read.name(), read.addr().to_string()), ("obfs4", "192.0.2.7:443".to_owned()));
        assert_eq!(*read.to_text(), "obfs4 192.0.2.7:443 cert=aB+/= iat-mode=0");
        assert_eq!(PtLine::from_text(&read.to_text()), Ok(read.clone()));
        assert_eq!(*read.args(), "cert=aB+/=;iat-mode=0");
        assert!(!format!("{read:?}").contains("192"));
        let bare = PtLine::from_text("snowflake [2001:db8::1]:80").unwrap();
        assert!(bare.args().is_empty());
    }

    #[test]
    fn what_parts_arguments_is_escaped() {
        let read = PtLine::from_text(r"x 192.0.2.7:1 a\b=c;d\e url=https://h/?q=1").unwrap();
        assert_eq!(*read.args(), r"a\\b=c\;d\\e;url=https://h/?q=1");
    }

    #[test]
    fn anything_else_is_damaged() {
        let long = format!("x 192.0.2.7:1 a={}", "b".repeat(ARGS_MAX));
        let fits = format!("x 192.0.2.7:1 a={}", "b".repeat(ARGS_MAX - 2));
        assert!(PtLine::from_text(&fits).is_ok());
        for bad in [
            "",
            "obfs4",
            "obfs4 example.org:443",
            "obfs4 192.0.2.7",
            "obfs4 192.0.2.7:0",
            "../obfs4 192.0.2.7:1",
            "-x 192.0.2.7:1",
            "4x 192.0.2.7:1",
            "x 192.0.2.7:1 cert",
            "x 192.0.2.7:1 =v",
            "x 192.0.2.7:1 a=\u{0}",
            "x 192.0.2.7:1 a=ч",
            &long,
        ] {
            assert_eq!(PtLine::from_text(bad), Err(ErrorKind::TransportDamaged), "{bad}");
        }
    }
}
