//! The user's own proxy: carriers to web doors go through it by SOCKS5 (RFC 1928, 1929) or HTTP CONNECT (RFC 9110 §9.3.6).

use super::http;
use crate::net::socks::{self, SocksFault};
use data_encoding::{BASE64, HEXUPPER};
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use zeroize::Zeroizing;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Socks5,
    Http,
}

/// A proxy as the user names it.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    kind: Kind,
    addr: SocketAddr,
    /// User and password.
    login: Option<(String, Zeroizing<String>)>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({:?})", self.kind)
    }
}

impl Proxy {
    /// Reads `socks5://[USER:PASSWORD@]ADDRESS:PORT` or `http://…`; the address is an IP address or `localhost`, because looking up a
    /// name would tell it to whoever watches.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.trim().trim_end_matches('/').split_once("://")?;
        let kind = match scheme {
            "socks5" | "socks5h" => Kind::Socks5,
            "http" => Kind::Http,
            _ => return None,
        };
        let (login, addr) = match rest.rsplit_once('@') {
            Some((login, addr)) => {
                let (user, password) = login.split_once(':')?;
                // The lengths of RFC 1929.
                let fits = |part: &str| (1..=255).contains(&part.len()) && !part.contains(char::is_control);
                if !fits(user) || !fits(password) {
                    return None;
                }
                (Some((user.to_owned(), Zeroizing::new(password.to_owned()))), addr)
            }
            None => (None, rest),
        };
        let addr = match addr.strip_prefix("localhost:") {
            Some(port) => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port.parse().ok()?),
            None => addr.parse().ok()?,
        };
        Some(Self { kind, addr, login })
    }

    /// As the environment of a transport's program names it (Tor's pt-spec): user and password percent-encoded.
    pub(in crate::net) fn uri(&self) -> Zeroizing<String> {
        let mut out = Zeroizing::new(String::with_capacity(2_048));
        out.push_str(match self.kind {
            Kind::Socks5 => "socks5://",
            Kind::Http => "http://",
        });
        if let Some((user, password)) = &self.login {
            for (part, end) in [(user.as_str(), ':'), (password.as_str(), '@')] {
                for byte in part.bytes() {
                    if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                        out.push(char::from(byte));
                    } else {
                        out.push('%');
                        out.push_str(&HEXUPPER.encode(&[byte]));
                    }
                }
                out.push(end);
            }
        }
        out.push_str(&self.addr.to_string());
        out
    }

    /// A connection to `target` through the proxy; `alive` is called once the proxy is there.
    ///
    /// # Errors
    /// The system's; [`is_gone`] tells whether the proxy itself was not reached.
    pub(super) async fn connect(
        &self,
        target: SocketAddr,
        alive: &(dyn Fn() + Sync),
    ) -> io::Result<TcpStream> {
        let reached = TcpStream::connect(self.addr).await;
        let mut tcp = reached.map_err(|error| io::Error::new(error.kind(), Gone))?;
        match self.kind {
            Kind::Socks5 => self.socks5(&mut tcp, target, alive).await?,
            Kind::Http => {
                alive();
                self.http(&mut tcp, target).await?;
            }
        }
        Ok(tcp)
    }

    async fn socks5(
        &self,
        tcp: &mut TcpStream,
        target: SocketAddr,
        alive: &(dyn Fn() + Sync),
    ) -> io::Result<()> {
        let login = self.login.as_ref().map(|(user, password)| (user.as_bytes(), password.as_bytes()));
        socks::connect(tcp, login, target, alive).await.map_err(|fault| match fault {
            SocksFault::Broken(error) => error,
            _ => io::ErrorKind::ConnectionRefused.into(),
        })
    }

    async fn http(&self, tcp: &mut TcpStream, target: SocketAddr) -> io::Result<()> {
        let mut said = Zeroizing::new(format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n"));
        if let Some((user, password)) = &self.login {
            let login = Zeroizing::new(format!("{user}:{}", password.as_str()));
            said.push_str("Proxy-Authorization: Basic ");
            BASE64.encode_append(login.as_bytes(), &mut said);
            said.push_str("\r\n");
        }
        said.push_str("\r\n");
        tcp.write_all(said.as_bytes()).await?;
        let mut buffer = Vec::new();
        let response = http::response(tcp, &mut buffer).await?;
        // The door speaks second, so nothing of it can have come already.
        let connected = (200..300).contains(&response.status) && buffer.is_empty();
        if connected { Ok(()) } else { Err(io::ErrorKind::ConnectionRefused.into()) }
    }
}

/// The proxy itself was not reached.
#[derive(Debug, thiserror::Error)]
#[error("the proxy does not answer")]
struct Gone;

/// Whether a failed [`Proxy::connect`] failed at the proxy itself.
pub(super) fn is_gone(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Gone>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_named_as_elsewhere_and_never_by_a_name_to_look_up() {
        let proxy = Proxy::parse("socks5://127.0.0.1:1080").unwrap();
        assert_eq!((proxy.kind, proxy.addr.port(), &proxy.login), (Kind::Socks5, 1080, &None));
        let proxy = Proxy::parse("http://ali:a@b:c@[::1]:8080/").unwrap();
        assert_eq!(proxy.kind, Kind::Http);
        assert_eq!(proxy.login, Some(("ali".to_owned(), Zeroizing::new("a@b:c".to_owned()))));
        assert!(!format!("{proxy:?}").contains("ali"));
        assert_eq!(*proxy.uri(), "http://ali:a%40b%3Ac@[::1]:8080");
        assert!(Proxy::parse("socks5h://localhost:9050").is_some());
        for bad in
            ["", "127.0.0.1:1", "socks4://127.0.0.1:1", "http://example.org:1", "socks5://a@127.0.0.1:1"]
        {
            assert_eq!(Proxy::parse(bad), None, "{bad}");
        }
    }
}
