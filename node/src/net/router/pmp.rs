//! NAT-PMP (RFC 6886): two kinds of small datagrams to the router.

use super::{Trouble, is_at_home};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::time::timeout;

/// How long the first answer is waited for; doubled with each try.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const TRIES: u32 = 3;
const ANSWER_MAX: usize = 16;
const OUTSIDE: u8 = 0;
const MAP_TCP: u8 = 2;

/// The outside address, after `ports` were forwarded for `lease` (nothing: taken back).
pub(super) async fn ask(router: SocketAddr, ports: &[u16], lease: Duration) -> Result<Ipv4Addr, Trouble> {
    if !is_at_home(router.ip()) {
        return Err(Trouble::Silent);
    }
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
    // Only this router's answers are heard from now on.
    socket.connect(router).await?;
    let answer = exchange(&socket, &[0, OUTSIDE]).await?;
    let [.., a, b, c, d] = answer.first_chunk::<12>().ok_or(Trouble::Silent)?;
    let external = Ipv4Addr::new(*a, *b, *c, *d);
    let seconds = u32::try_from(lease.as_secs()).unwrap_or(u32::MAX);
    for port in ports {
        // Taking back is asking for no time and no outside port.
        let wanted = if seconds == 0 { 0 } else { *port };
        let request =
            [&[0, MAP_TCP, 0, 0][..], &port.to_be_bytes(), &wanted.to_be_bytes(), &seconds.to_be_bytes()]
                .concat();
        let answer = exchange(&socket, &request).await?;
        let given = answer.get(10..12).and_then(|two| two.try_into().ok()).map(u16::from_be_bytes);
        if seconds > 0 && given != Some(*port) {
            return Err(Trouble::Refused(format!("port {port} is forwarded to another device already")));
        }
    }
    Ok(external)
}

async fn exchange(socket: &UdpSocket, request: &[u8]) -> Result<Vec<u8>, Trouble> {
    let operation = request.get(1).copied().unwrap_or_default();
    for doubled in 0..TRIES {
        socket.send(request).await?;
        let mut buffer = [0; ANSWER_MAX];
        let Ok(read) = timeout(FIRST_WAIT * (1 << doubled), socket.recv(&mut buffer)).await else { continue };
        let answer = buffer.get(..read?).unwrap_or_default();
        let [version, of, high, low, ..] = answer else { return Err(Trouble::Silent) };
        if *version != 0 || *of != operation | 0x80 {
            return Err(Trouble::Silent);
        }
        return match u16::from_be_bytes([*high, *low]) {
            0 => Ok(answer.to_vec()),
            // 1: another version, 5: not this operation: it speaks something else.
            1 | 5 => Err(Trouble::Silent),
            2 => Err(Trouble::Refused("forwarding by programs is switched off in the router".to_owned())),
            code => Err(Trouble::Refused(format!("the router can not do it (NAT-PMP, code {code})"))),
        };
    }
    Err(Trouble::Silent)
}

/// The router of the default route, where the system says it (Linux).
pub(super) fn gateway() -> Option<Ipv4Addr> {
    default_route(&crate::os::routes())
}

/// Of the table of routes in Linux' form: the one to everywhere with the lowest metric.
fn default_route(table: &str) -> Option<Ipv4Addr> {
    let rows = table.lines().skip(1).filter_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let (to, gateway) = (fields.next()?, u32::from_str_radix(fields.next()?, 16).ok()?);
        let metric: u32 = fields.nth(3)?.parse().ok()?;
        let mask = fields.next()?;
        // In the order of the processor's bytes, which is the little end's wherever Karvon runs.
        (to == "00000000" && mask == "00000000" && gateway != 0)
            .then(|| (metric, Ipv4Addr::from(gateway.to_le_bytes())))
    });
    rows.min().map(|(_, gateway)| gateway)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const TABLE: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
        eth0\t00000000\t0102A8C0\t0003\t0\t0\t200\t00000000\t0\t0\t0\n\
        wlan0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
        eth0\t0002A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n";

    #[test]
    fn the_router_is_that_of_the_best_way_to_everywhere() {
        assert_eq!(default_route(TABLE), Some(Ipv4Addr::new(192, 168, 1, 1)));
        assert_eq!(default_route(""), None);
        assert_eq!(default_route("Iface\nx y z\neth0 00000000 zz 1 1 1 1 00000000\n"), None);
    }
}
