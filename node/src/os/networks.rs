//! Which local networks this device is on, and what each is known by on this device alone.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// What a network is known by; it never leaves this device.
const NETWORK: &str = "karvon 2026 local network v1";

/// A network between neighbours: Wi-Fi, a cable, a telephone's hotspot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// The system's name of the interface.
    pub name: String,
    /// This device's address there: a private one of IPv4, or that of the link of IPv6 where the interface has no IPv4.
    pub address: IpAddr,
    /// Bits of an address that are the same for all neighbours.
    pub prefix: u8,
    /// The system's number of the interface; 0 for IPv4.
    pub scope: u32,
    /// The router, where there is one and the system shows it.
    pub router: Option<IpAddr>,
    /// What it is known by.
    pub id: [u8; 16],
}

impl Network {
    /// The first address of it.
    #[must_use]
    pub fn base(&self) -> IpAddr {
        match self.address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32_u32.saturating_sub(self.prefix.into())).unwrap_or(0);
                Ipv4Addr::from(u32::from(address) & mask).into()
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128_u32.saturating_sub(self.prefix.into())).unwrap_or(0);
                Ipv6Addr::from(u128::from(address) & mask).into()
            }
        }
    }

    /// Whether an address is that of a neighbour.
    #[must_use]
    pub fn holds(&self, from: SocketAddr) -> bool {
        let scope = if let SocketAddr::V6(from) = from { from.scope_id() } else { 0 };
        let there = Self { address: from.ip(), ..self.clone() };
        scope == self.scope && from.is_ipv4() == self.address.is_ipv4() && there.base() == self.base()
    }

    /// An address on it with a port.
    #[must_use]
    pub fn at(&self, address: IpAddr, port: u16) -> SocketAddr {
        match address {
            IpAddr::V4(address) => (address, port).into(),
            IpAddr::V6(address) => SocketAddrV6::new(address, port, 0, self.scope).into(),
        }
    }
}

/// Networks that this device is on now: those with private IPv4 addresses, and where an interface has no IPv4 at all, those of its IPv6 link.
/// Tunnels, and networks of one device, are none.
#[must_use]
pub fn networks() -> Vec<Network> {
    // Without a list nothing is offered, and nothing sent.
    let all = if_addrs::get_if_addrs().unwrap_or_default();
    let (routes, neighbours) = (read("/proc/net/route"), read("/proc/net/arp"));
    let routes6 = read("/proc/net/ipv6_route");
    let mut out = Vec::new();
    for interface in &all {
        let down = matches!(
            interface.oper_status,
            if_addrs::IfOperStatus::Down
                | if_addrs::IfOperStatus::NotPresent
                | if_addrs::IfOperStatus::LowerLayerDown
        );
        if down || interface.is_p2p() || interface.is_loopback() {
            continue;
        }
        let name = &interface.name;
        match &interface.addr {
            if_addrs::IfAddr::V4(held) => {
                let (address, prefix) = (held.ip, held.prefixlen);
                let private = address.is_private() || address.is_link_local();
                if !private || !(8..=30).contains(&prefix) {
                    continue;
                }
                let gateway = gateway(&routes, name);
                let hardware = gateway.and_then(|gateway| hardware(&neighbours, gateway, name));
                let (address, router) = (address.into(), gateway.map(IpAddr::from));
                let mut found =
                    Network { name: name.clone(), address, prefix, scope: 0, router, id: [0; 16] };
                found.id = id(&found, hardware.as_deref(), &[]);
                out.push(found);
            }
            if_addrs::IfAddr::V6(held) => {
                let of_this = || all.iter().filter(|other| other.name == *name);
                let has_v4 = of_this().any(|other| matches!(other.addr, if_addrs::IfAddr::V4(_)));
                let is_known = out.iter().any(|network| network.name == *name);
                let Some(scope) = interface.index.filter(|index| *index > 0) else { continue };
                if has_v4 || is_known || !held.ip.is_unicast_link_local() {
                    continue;
                }
                let prefixes = of_this().filter_map(|other| match &other.addr {
                    if_addrs::IfAddr::V6(held) if !held.ip.is_unicast_link_local() => {
                        Some(u128::from(held.ip) >> 64)
                    }
                    _ => None,
                });
                let mut prefixes: Vec<_> = prefixes.collect();
                prefixes.sort_unstable();
                prefixes.dedup();
                let router = gateway6(&routes6, name).map(IpAddr::from);
                let (name, address) = (name.clone(), held.ip.into());
                let mut found = Network { name, address, prefix: 64, scope, router, id: [0; 16] };
                found.id = id(&found, None, &prefixes);
                out.push(found);
            }
        }
    }
    // What most people mean comes first.
    out.sort_by_key(|network| network.address.is_ipv6());
    out
}

/// The network through which this device reaches others, if it is a local one: that of the gateway, or the only one there is.
#[must_use]
pub fn uplink() -> Option<Network> {
    let routes = read("/proc/net/route");
    let mut all = networks();
    match all.iter().position(|network| network.router.is_some()) {
        Some(place) => Some(all.swap_remove(place)),
        // Where routes are shown and none leads out of a local network, the way out is another line.
        None if routes.is_empty() && all.len() == 1 => all.pop(),
        None => None,
    }
}

/// The bytes of an address.
pub(crate) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// Two networks that number their addresses alike are told apart by the gateway and its hardware, and for IPv6 by what addresses beside those of
/// the link begin with, where the system shows them.
fn id(network: &Network, hardware: Option<&str>, prefixes: &[u128]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new_derive_key(NETWORK);
    hasher.update(&octets(network.base())).update(&[network.prefix]);
    hasher.update(&network.router.map_or_else(|| vec![0; 4], octets));
    hasher.update(hardware.unwrap_or_default().as_bytes());
    for prefix in prefixes {
        hasher.update(&prefix.to_be_bytes());
    }
    let mut out = [0; 16];
    out.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    out
}

fn read(path: &str) -> String {
    // Other systems have no such file, and Android does not show it.
    std::fs::read_to_string(path).unwrap_or_default()
}

/// The gateway of an interface in the form of `/proc/net/route`.
fn gateway(routes: &str, name: &str) -> Option<Ipv4Addr> {
    routes.lines().skip(1).find_map(|line| {
        let mut words = line.split_whitespace();
        let (interface, destination, gateway) = (words.next()?, words.next()?, words.next()?);
        let gateway = u32::from_str_radix(gateway, 16).ok()?;
        (interface == name && destination == "00000000" && gateway != 0)
            .then(|| Ipv4Addr::from(gateway.to_ne_bytes()))
    })
}

/// The gateway of an interface in the form of `/proc/net/ipv6_route`; the lowest one if there are several.
fn gateway6(routes: &str, name: &str) -> Option<Ipv6Addr> {
    let gateways = routes.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [destination, length, _, _, gateway, .., interface] = words[..] else { return None };
        let gateway = u128::from_str_radix(gateway, 16).ok()?;
        let default = length == "00" && u128::from_str_radix(destination, 16) == Ok(0);
        (interface == name && default && gateway != 0).then(|| Ipv6Addr::from(gateway))
    });
    gateways.min()
}

/// The hardware address of a neighbour in the form of `/proc/net/arp`.
fn hardware(neighbours: &str, address: Ipv4Addr, name: &str) -> Option<String> {
    neighbours.lines().skip(1).find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [ip, _, _, hardware, _, interface] = words[..] else { return None };
        let known = hardware != "00:00:00:00:00:00";
        (known && interface == name && ip.parse() == Ok(address)).then(|| hardware.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTES: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\n\
        eth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\n\
        eth0\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\nwlan0\tbent\n";
    const ARP: &str = "IP address       HW type     Flags       HW address            Mask     Device\n\
        192.168.1.1      0x1         0x2         02:00:00:aa:bb:cc     *        eth0\n\
        192.168.1.9      0x1         0x0         00:00:00:00:00:00     *        eth0\n";

    #[test]
    #[cfg(target_endian = "little")]
    fn the_gateway_and_its_hardware_are_read_as_the_system_shows_them() {
        let router = Ipv4Addr::new(192, 168, 1, 1);
        assert_eq!(gateway(ROUTES, "eth0"), Some(router));
        assert_eq!((gateway(ROUTES, "wlan0"), gateway("", "eth0")), (None, None));
        assert_eq!(hardware(ARP, router, "eth0").as_deref(), Some("02:00:00:aa:bb:cc"));
        assert_eq!(hardware(ARP, router, "wlan0"), None);
        assert_eq!(hardware(ARP, Ipv4Addr::new(192, 168, 1, 9), "eth0"), None);
    }

    #[test]
    fn the_router_of_an_ipv6_network_is_read_as_the_system_shows_it() {
        let zeros = "0".repeat(32);
        let route = |gateway: &str, length: &str, name: &str| {
            format!("{zeros} {length} {zeros} 00 {gateway} 00000400 00000001 00000000 00450003     {name}\n")
        };
        let (one, two) = ("fe80000000000000000000000000000b", "fe80000000000000000000000000000a");
        let routes = [
            route(&zeros, "00", "lo"),
            route(one, "00", "wlan0"),
            route(two, "00", "wlan0"),
            route("fe800000000000000000000000000001", "40", "wlan0"),
            "bent wlan0\n".to_owned(),
        ];
        let routes = routes.concat();
        assert_eq!(gateway6(&routes, "wlan0"), "fe80::a".parse().ok());
        assert_eq!((gateway6(&routes, "lo"), gateway6(&routes, "eth0")), (None, None));
    }

    fn network(address: IpAddr, prefix: u8, router: Option<IpAddr>) -> Network {
        let scope = if address.is_ipv6() { 3 } else { 0 };
        Network { name: "wlan0".to_owned(), address, prefix, scope, router, id: [0; 16] }
    }

    #[test]
    fn networks_with_the_same_numbers_and_another_router_are_different_ones() {
        let address = IpAddr::from([192, 168, 1, 7]);
        let router = Some(IpAddr::from([192, 168, 1, 1]));
        let ids = [
            id(&network(address, 24, None), None, &[]),
            id(&network(address, 24, router), None, &[]),
            id(&network(address, 24, router), Some("02:00:00:aa:bb:cc"), &[]),
            id(&network(address, 24, router), Some("02:00:00:aa:bb:cd"), &[]),
            id(&network(address, 25, router), None, &[]),
        ];
        assert!((0..ids.len()).all(|n| !ids[..n].contains(&ids[n])));
        let here = network(address, 24, router);
        let moved = network([192, 168, 1, 99].into(), 24, router);
        assert_eq!(id(&moved, None, &[]), ids[1], "another address of the same network");
        assert!(here.holds(([192, 168, 1, 200], 9).into()));
        let others: [SocketAddr; 3] =
            [([192, 168, 2, 7], 9).into(), ([8, 8, 8, 8], 9).into(), "[fe80::7]:9".parse().unwrap()];
        assert!(!others.iter().any(|other| here.holds(*other)));
    }

    #[test]
    fn links_of_ipv6_are_told_apart_by_router_and_prefixes_and_hold_their_own_neighbours() {
        let parse = |text: &str| text.parse::<IpAddr>().unwrap();
        let here = network(parse("fe80::7"), 64, Some(parse("fe80::1")));
        let ids = [
            id(&here, None, &[]),
            id(&here, None, &[5]),
            id(&here, None, &[5, 6]),
            id(&network(parse("fe80::7"), 64, Some(parse("fe80::2"))), None, &[5]),
            id(&network(parse("fe80::7"), 64, None), None, &[]),
        ];
        assert!((0..ids.len()).all(|n| !ids[..n].contains(&ids[n])));
        assert_eq!(id(&network(parse("fe80::8"), 64, here.router), None, &[5]), ids[1]);
        let from =
            |text: &str, scope| SocketAddr::from(SocketAddrV6::new(text.parse().unwrap(), 9, 0, scope));
        assert!(here.holds(from("fe80::200", 3)));
        assert!(!here.holds(from("fe80::200", 4)), "another interface");
        assert!(!here.holds(from("2001:db8::200", 3)) && !here.holds(([192, 168, 1, 7], 9).into()));
        assert_eq!(here.at(parse("fe80::9"), 9), from("fe80::9", 3));
    }
}
