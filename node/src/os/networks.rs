//! Which local networks this device is on, and what each is known by on this device alone.

use std::net::Ipv4Addr;

/// What a network is known by; it never leaves this device.
const NETWORK: &str = "karvon 2026 local network v1";

/// A network between neighbours: Wi-Fi, a cable, a telephone's hotspot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// The system's name of the interface.
    pub name: String,
    /// This device's address there.
    pub address: Ipv4Addr,
    /// Bits of an address that are the same for all neighbours.
    pub prefix: u8,
    /// What it is known by.
    pub id: [u8; 16],
}

impl Network {
    fn mask(&self) -> u32 {
        u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0)
    }

    /// The first address of it.
    #[must_use]
    pub fn base(&self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.address) & self.mask())
    }

    /// Whether an address is that of a neighbour.
    #[must_use]
    pub fn holds(&self, address: Ipv4Addr) -> bool {
        u32::from(address) & self.mask() == u32::from(self.base())
    }
}

/// Networks with private IPv4 addresses that this device is on now. Tunnels, and networks of one device, are none.
#[must_use]
pub fn networks() -> Vec<Network> {
    let (routes, neighbours) = (read("/proc/net/route"), read("/proc/net/arp"));
    let mut out = Vec::new();
    // Without a list nothing is offered, and nothing sent.
    for interface in if_addrs::get_if_addrs().unwrap_or_default() {
        let if_addrs::IfAddr::V4(held) = &interface.addr else { continue };
        let down = matches!(
            interface.oper_status,
            if_addrs::IfOperStatus::Down
                | if_addrs::IfOperStatus::NotPresent
                | if_addrs::IfOperStatus::LowerLayerDown
        );
        let (address, prefix) = (held.ip, held.prefixlen);
        let private = address.is_private() || address.is_link_local();
        if down || interface.is_p2p() || !private || !(8..=30).contains(&prefix) {
            continue;
        }
        let mut found = Network { name: interface.name.clone(), address, prefix, id: [0; 16] };
        let gateway = gateway(&routes, &interface.name);
        let hardware = gateway.and_then(|gateway| hardware(&neighbours, gateway, &interface.name));
        found.id = id(&found, gateway, hardware.as_deref());
        out.push(found);
    }
    out
}

/// The network through which this device reaches others, if it is a local one: that of the gateway, or the only one there is.
#[must_use]
pub fn uplink() -> Option<Network> {
    let routes = read("/proc/net/route");
    let mut all = networks();
    match all.iter().position(|network| gateway(&routes, &network.name).is_some()) {
        Some(place) => Some(all.swap_remove(place)),
        // Where routes are shown and none leads out of a local network, the way out is another line.
        None if routes.is_empty() && all.len() == 1 => all.pop(),
        None => None,
    }
}

/// Two networks that number their addresses alike are told apart by the gateway and its hardware, where the system shows them.
fn id(network: &Network, gateway: Option<Ipv4Addr>, hardware: Option<&str>) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new_derive_key(NETWORK);
    hasher.update(&network.base().octets()).update(&[network.prefix]);
    hasher.update(&gateway.map_or([0; 4], |gateway| gateway.octets()));
    hasher.update(hardware.unwrap_or_default().as_bytes());
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
    fn networks_with_the_same_numbers_and_another_router_are_different_ones() {
        let address = Ipv4Addr::new(192, 168, 1, 7);
        let network = Network { name: "wlan0".to_owned(), address, prefix: 24, id: [0; 16] };
        let router = Some(Ipv4Addr::new(192, 168, 1, 1));
        let ids = [
            id(&network, None, None),
            id(&network, router, None),
            id(&network, router, Some("02:00:00:aa:bb:cc")),
            id(&network, router, Some("02:00:00:aa:bb:cd")),
            id(&Network { prefix: 25, ..network.clone() }, router, None),
        ];
        assert!((0..ids.len()).all(|n| !ids[..n].contains(&ids[n])));
        let moved = Network { address: Ipv4Addr::new(192, 168, 1, 99), ..network.clone() };
        assert_eq!(id(&moved, router, None), ids[1], "another address of the same network");
        assert!(network.holds(Ipv4Addr::new(192, 168, 1, 200)));
        assert!(!network.holds(Ipv4Addr::new(192, 168, 2, 7)) && !network.holds(Ipv4Addr::new(8, 8, 8, 8)));
    }
}
