//! The dialling side of SOCKS5 (RFC 1928, 1929): a connection to an address through somebody else's proxy.

use std::io;
use std::net::{IpAddr, SocketAddr};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

/// Longest user name and password, bytes.
pub(super) const LOGIN_MAX: usize = 255;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum SocksFault {
    /// The connection to the proxy broke.
    #[error("the connection broke")]
    Broken(#[from] io::Error),
    /// What answers does not speak SOCKS5, or wants another kind of login.
    #[error("no SOCKS5 proxy of this kind")]
    Foreign,
    /// User name and password are not accepted.
    #[error("the login was refused")]
    Login,
    /// The proxy could not reach the address; its code.
    #[error("refused with code {0}")]
    Refused(u8),
}

/// Asks the proxy at the other end of `tcp` for a connection to `target`; `login` is user name and password, 1 to 255 bytes each.
/// `alive` is called once the proxy has answered.
pub(super) async fn connect(
    tcp: &mut TcpStream,
    login: Option<(&[u8], &[u8])>,
    target: SocketAddr,
    alive: &(dyn Fn() + Sync),
) -> Result<(), SocksFault> {
    let method = if login.is_some() { 2 } else { 0 };
    tcp.write_all(&[5, 1, method]).await?;
    let mut chosen = [0; 2];
    tcp.read_exact(&mut chosen).await?;
    if chosen != [5, method] {
        return Err(SocksFault::Foreign);
    }
    alive();
    if let Some((user, password)) = login {
        let mut said = Zeroizing::new(Vec::with_capacity(3 + 2 * LOGIN_MAX));
        said.push(1);
        for part in [user, password] {
            said.push(u8::try_from(part.len()).map_err(|_| SocksFault::Login)?);
            said.extend_from_slice(part);
        }
        tcp.write_all(&said).await?;
        let mut answer = [0; 2];
        tcp.read_exact(&mut answer).await?;
        if answer != [1, 0] {
            return Err(SocksFault::Login);
        }
    }
    let mut said = vec![5, 1, 0];
    match target.ip() {
        IpAddr::V4(ip) => {
            said.push(1);
            said.extend_from_slice(&ip.octets());
        }
        IpAddr::V6(ip) => {
            said.push(4);
            said.extend_from_slice(&ip.octets());
        }
    }
    said.extend_from_slice(&target.port().to_be_bytes());
    tcp.write_all(&said).await?;
    let mut answer = [0; 4];
    tcp.read_exact(&mut answer).await?;
    let [version, code, _, kind] = answer;
    if version != 5 {
        return Err(SocksFault::Foreign);
    }
    if code != 0 {
        return Err(SocksFault::Refused(code));
    }
    let length = match kind {
        1 => 4,
        4 => 16,
        3 => usize::from(tcp.read_u8().await?),
        _ => return Err(SocksFault::Foreign),
    };
    // Where the proxy connects from is of no use here.
    let mut bound = vec![0; length + 2];
    tcp.read_exact(&mut bound).await?;
    Ok(())
}
