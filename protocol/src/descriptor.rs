//! Relays: their addresses, their signed descriptors, and the line by which a person is given a door (SPEC §6).

use crate::cbor::{Extra, MapWriter, canonical, read_map};
use crate::error::{ErrorKind, PeerFault};
use crate::ids::{RelayId, SlotId, first};
use crate::limits::DESCRIPTOR_BYTES_MAX;
use crate::pt::PtLine;
use core::fmt;
use data_encoding::BASE32_NOPAD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use zeroize::Zeroizing;

const SIGN_LABEL: &[u8] = b"karvon/descriptor";
const DOOR_PREFIX: &str = "KARVON-DOOR:";
const DOOR_VERSION: u8 = 0;
/// What begins the second part of a door line.
const PT_PREFIX: &str = "pt=";

/// Where a relay listens.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum RelayAddr {
    /// Address and port.
    Ip(SocketAddr),
    /// A web site: IPv4 address and server name, port 443.
    Sni(Ipv4Addr, String),
    /// A web door without a name of its own: address and port (SPEC §9.2).
    Web(SocketAddr),
    /// A web site on another port: at most 18 bytes of name.
    Site(Ipv4Addr, u16, String),
}

impl RelayAddr {
    /// Address kind of SPEC §5: 0 IPv4, 1 IPv6, 2 IPv4 with server name, 3 and 4 as 0 and 1 for web doors, 5 IPv4, port, server name.
    #[must_use]
    pub const fn kind(&self) -> u8 {
        match self {
            Self::Ip(SocketAddr::V4(_)) => 0,
            Self::Ip(SocketAddr::V6(_)) => 1,
            Self::Sni(..) => 2,
            Self::Web(SocketAddr::V4(_)) => 3,
            Self::Web(SocketAddr::V6(_)) => 4,
            Self::Site(..) => 5,
        }
    }

    /// Whether a leaf must come as a visitor of a web site.
    #[must_use]
    pub const fn is_web(&self) -> bool {
        !matches!(self, Self::Ip(_))
    }

    /// The server name that a certificate vouches for, if the address has one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Ip(_) | Self::Web(_) => None,
            Self::Sni(_, name) | Self::Site(_, _, name) => Some(name),
        }
    }

    /// 6, 18 or 5 to 25 bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Ip(SocketAddr::V4(addr)) | Self::Web(SocketAddr::V4(addr)) => {
                [&addr.ip().octets()[..], &addr.port().to_be_bytes()].concat()
            }
            Self::Ip(SocketAddr::V6(addr)) | Self::Web(SocketAddr::V6(addr)) => {
                [&addr.ip().octets()[..], &addr.port().to_be_bytes()].concat()
            }
            Self::Site(ip, port, name) => {
                [&ip.octets()[..], &port.to_be_bytes(), &[name.len() as u8], name.as_bytes()].concat()
            }
            Self::Sni(ip, name) => [&ip.octets()[..], &[name.len() as u8], name.as_bytes()].concat(),
        }
    }

    /// Reads an address of `kind` from the front of `bytes` and returns the rest.
    ///
    /// # Errors
    /// [`PeerFault::Length`] or [`PeerFault::Malformed`].
    pub fn decode(kind: u8, bytes: &[u8]) -> Result<(Self, &[u8]), PeerFault> {
        match kind {
            0 | 3 => {
                let (raw, rest) = bytes.split_first_chunk::<6>().ok_or(PeerFault::Length)?;
                let [a, b, c, d, p, q] = *raw;
                let addr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(a, b, c, d)), u16::from_be_bytes([p, q]));
                Ok((if kind == 0 { Self::Ip(addr) } else { Self::Web(addr) }, rest))
            }
            1 | 4 => {
                let (ip, rest) = bytes.split_first_chunk::<16>().ok_or(PeerFault::Length)?;
                let (port, rest) = rest.split_first_chunk::<2>().ok_or(PeerFault::Length)?;
                let addr = SocketAddr::new(IpAddr::V6(Ipv6Addr::from(*ip)), u16::from_be_bytes(*port));
                Ok((if kind == 1 { Self::Ip(addr) } else { Self::Web(addr) }, rest))
            }
            2 => {
                let (raw, rest) = bytes.split_first_chunk::<4>().ok_or(PeerFault::Length)?;
                let (name, rest) = server_name(rest, SNI_MAX)?;
                Ok((Self::Sni(Ipv4Addr::from(*raw), name), rest))
            }
            5 => {
                let (raw, rest) = bytes.split_first_chunk::<4>().ok_or(PeerFault::Length)?;
                let (port, rest) = rest.split_first_chunk::<2>().ok_or(PeerFault::Length)?;
                let (name, rest) = server_name(rest, SITE_NAME_MAX)?;
                Ok((Self::Site(Ipv4Addr::from(*raw), u16::from_be_bytes(*port), name), rest))
            }
            _ => Err(PeerFault::Version),
        }
    }

    /// The socket address to dial.
    #[must_use]
    pub const fn socket(&self) -> SocketAddr {
        match self {
            Self::Ip(addr) | Self::Web(addr) => *addr,
            Self::Sni(ip, _) => SocketAddr::new(IpAddr::V4(*ip), 443),
            Self::Site(ip, port, _) => SocketAddr::new(IpAddr::V4(*ip), *port),
        }
    }

    /// Whether this may be an address of a relay on the internet: not loopback, private, link-local, multicast or unspecified.
    #[must_use]
    pub fn is_global(&self) -> bool {
        match self.socket().ip() {
            IpAddr::V4(ip) => global_v4(ip),
            IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
                Some(ip) => global_v4(ip),
                None => {
                    let [a, ..] = ip.segments();
                    // Global unicast is 2000::/3; everything else is loopback, unique local, link-local, multicast or reserved.
                    a & 0xe000 == 0x2000
                }
            },
        }
    }
}

/// Longest name of [`RelayAddr::Sni`] and of [`RelayAddr::Site`]: with either, an invitation has 135 characters.
const SNI_MAX: usize = 20;
const SITE_NAME_MAX: usize = 18;

/// Reads `length 1 | name`, a host name in lower case.
fn server_name(bytes: &[u8], max: usize) -> Result<(String, &[u8]), PeerFault> {
    let (length, rest) = bytes.split_first().ok_or(PeerFault::Length)?;
    let (name, rest) = rest.split_at_checked(usize::from(*length)).ok_or(PeerFault::Length)?;
    let name = core::str::from_utf8(name).map_err(|_| PeerFault::Malformed)?;
    let host = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    if name.is_empty() || name.len() > max || !name.bytes().all(host) {
        return Err(PeerFault::Malformed);
    }
    Ok((name.to_owned(), rest))
}

fn global_v4(ip: Ipv4Addr) -> bool {
    let [a, b, ..] = ip.octets();
    let shared = a == 100 && (64..128).contains(&b);
    !(ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_multicast()
        || ip.is_broadcast()
        || ip.is_documentation()
        || shared
        || a == 0
        || a >= 240)
}

impl fmt::Debug for RelayAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RelayAddr(..)")
    }
}

/// What a relay is good for; bits of [`Descriptor::flags`].
pub mod flags {
    /// Keeps mailboxes.
    pub const MAILBOX: u64 = 1;
    /// Unlisted: in no mesh directory.
    pub const BRIDGE: u64 = 2;
    /// Listed and used as a door by whoever it gives slots to.
    pub const OPEN: u64 = 4;
}

/// How a relay does, by its own word; rounded, so that it tells nothing of anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// Since when it runs, Unix seconds of a full hour.
    pub up_since_s: u64,
    /// How much of what it may hold is taken, in tenths: 0 to 10.
    pub filled_tenths: u8,
}

impl Health {
    /// What is said of a relay that runs since `since_s` and holds `percent` of what it may hold.
    #[must_use]
    pub const fn rounded(since_s: u64, percent: u64) -> Self {
        let tenths = if percent >= 100 { 10 } else { percent / 10 };
        Self { up_since_s: since_s - since_s % 3_600, filled_tenths: tenths as u8 }
    }

    /// Whether somebody who looks for a place had better look elsewhere.
    #[must_use]
    pub const fn is_nearly_full(&self) -> bool {
        self.filled_tenths >= 9
    }

    fn read(up_since_s: u64, tenths: u64) -> Result<Self, PeerFault> {
        let filled_tenths = u8::try_from(tenths).ok().filter(|tenths| *tenths <= 10);
        let health = Self { up_since_s, filled_tenths: filled_tenths.ok_or(PeerFault::Bound)? };
        // Finer than it may be, it would tell more than it should.
        if up_since_s.is_multiple_of(3_600) { Ok(health) } else { Err(PeerFault::Malformed) }
    }
}

/// What a relay says of itself, signed with its static key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// Static key: transport key of the door swarm (Ed25519); the relay id is its hash.
    pub static_key: [u8; 32],
    /// Transport key of the mesh swarm (Ed25519).
    pub mesh_key: [u8; 32],
    /// Onion keys of tunnels (X25519), newest first, at most 2: the older one is accepted for another week.
    pub onion_keys: Vec<[u8; 32]>,
    /// Door address.
    pub door: RelayAddr,
    /// Mesh address.
    pub mesh: RelayAddr,
    /// See [`flags`].
    pub flags: u64,
    /// Grows with each new descriptor: Unix seconds of its making.
    pub seq: u64,
    /// Relays with the same family belong to one operator.
    pub family: Option<[u8; 16]>,
    /// How it did when it said so.
    pub health: Option<Health>,
    /// Fields of a newer version.
    pub extra: Extra,
}

impl Descriptor {
    /// The id of this relay.
    #[must_use]
    pub fn relay(&self) -> RelayId {
        RelayId::of(&self.static_key)
    }

    /// The newest onion key.
    #[must_use]
    pub fn onion_key(&self) -> [u8; 32] {
        self.onion_keys.first().copied().unwrap_or_default()
    }

    fn map(&self) -> Vec<u8> {
        let mut map = MapWriter::with(&self.extra);
        map.bytes(0, &self.static_key).bytes(1, &self.mesh_key);
        map.array(2, &self.onion_keys.iter().map(|key| crate::cbor::bytes(key)).collect::<Vec<_>>());
        map.bytes(3, &[&[self.door.kind()][..], &self.door.encode()].concat());
        map.bytes(4, &[&[self.mesh.kind()][..], &self.mesh.encode()].concat());
        map.uint(5, self.flags).uint(6, self.seq);
        if let Some(family) = &self.family {
            map.bytes(7, family);
        }
        if let Some(health) = &self.health {
            let items = [health.up_since_s, u64::from(health.filled_tenths)].map(crate::cbor::uint);
            map.array(8, &items);
        }
        map.finish()
    }

    /// `signature 64 | CBOR map`.
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> Vec<u8> {
        let map = self.map();
        let signature = key.sign(&[SIGN_LABEL, &map].concat());
        [&signature.to_bytes()[..], &map].concat()
    }

    /// Reads and verifies a signed descriptor.
    ///
    /// # Errors
    /// A [`PeerFault`].
    pub fn verify(bytes: &[u8]) -> Result<Self, PeerFault> {
        if bytes.len() > DESCRIPTOR_BYTES_MAX {
            return Err(PeerFault::Bound);
        }
        let (signature, map) = bytes.split_first_chunk::<64>().ok_or(PeerFault::Length)?;
        let (mut static_key, mut mesh_key, mut door, mut mesh) = (None, None, None, None);
        let (mut onion_keys, mut bits, mut seq, mut family, mut health) = (Vec::new(), 0, 0, None, None);
        let address = |raw: &[u8]| {
            let (kind, raw) = raw.split_first().ok_or(PeerFault::Length)?;
            match RelayAddr::decode(*kind, raw)? {
                (addr, []) => Ok(addr),
                _ => Err(PeerFault::Length),
            }
        };
        let extra = read_map(map, |key, field| {
            match key {
                0 => static_key = Some(field.fixed()?),
                1 => mesh_key = Some(field.fixed()?),
                2 => onion_keys = field.array(2, |item| item.fixed())?,
                3 => door = Some(address(field.bytes(64)?)?),
                4 => mesh = Some(address(field.bytes(64)?)?),
                5 => bits = field.uint()?,
                6 => seq = field.uint()?,
                7 => family = Some(field.fixed()?),
                8 => {
                    let [since, tenths] = field.array(2, |item| item.uint())?[..] else {
                        return Err(PeerFault::Malformed);
                    };
                    health = Some(Health::read(since, tenths)?);
                }
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        let missing = PeerFault::Malformed;
        let out = Self {
            static_key: static_key.ok_or(missing)?,
            mesh_key: mesh_key.ok_or(missing)?,
            onion_keys,
            door: door.ok_or(missing)?,
            mesh: mesh.ok_or(missing)?,
            flags: bits,
            seq,
            family,
            health,
            extra,
        };
        if out.onion_keys.is_empty() {
            return Err(missing);
        }
        let key = VerifyingKey::from_bytes(&out.static_key).map_err(|_| PeerFault::WeakKey)?;
        key.verify_strict(&[SIGN_LABEL, map].concat(), &Signature::from_bytes(signature))
            .map_err(|_| PeerFault::Signature)?;
        canonical(map, out, Self::map)
    }
}

/// A relay address together with a slot there: what lets a leaf in.
#[derive(Clone, PartialEq, Eq)]
pub struct Door {
    /// The relay expected at the address.
    pub relay: RelayId,
    /// Its address.
    pub addr: RelayAddr,
    /// The slot.
    pub slot: SlotId,
    /// The slot's secret.
    pub key: Zeroizing<[u8; 32]>,
    /// The pluggable transport by which this device reaches it, if not straight. It travels in no invitation.
    pub pt: Option<PtLine>,
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Door({:?})", self.relay)
    }
}

/// What a slot is known by and what its holders know: a door without its address.
#[derive(Clone, PartialEq, Eq)]
pub struct SlotKey {
    /// The slot.
    pub slot: SlotId,
    /// Its secret.
    pub key: Zeroizing<[u8; 32]>,
}

impl fmt::Debug for SlotKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SlotKey({:?})", self.slot)
    }
}

impl Door {
    /// The slot and its secret.
    #[must_use]
    pub fn slot_key(&self) -> SlotKey {
        SlotKey { slot: self.slot, key: self.key.clone() }
    }

    /// `KARVON-DOOR:` and base32 of `version 4 bit, address kind 4 bit | relay 16 | slot 8 | key 32 | address | check 2`; with a transport
    /// a space, `pt=` and its line follow.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut raw = Zeroizing::new(vec![DOOR_VERSION << 4 | self.addr.kind()]);
        raw.extend_from_slice(&self.relay.0);
        raw.extend_from_slice(&self.slot.0);
        raw.extend_from_slice(&self.key[..]);
        raw.extend_from_slice(&self.addr.encode());
        let check: [u8; 2] = first(blake3::hash(&raw).as_bytes());
        raw.extend_from_slice(&check);
        let letters = Zeroizing::new(BASE32_NOPAD.encode(&raw));
        let mut out = Zeroizing::new(format!("{DOOR_PREFIX}{}", *letters));
        if let Some(pt) = &self.pt {
            let line = pt.to_text();
            // The room is taken at once, so that growing leaves no copy behind.
            let mut with =
                Zeroizing::new(String::with_capacity(out.len() + 1 + PT_PREFIX.len() + line.len()));
            for part in [&out, " ", PT_PREFIX, &line] {
                with.push_str(part);
            }
            out = with;
        }
        out
    }

    /// Reads a door line; white space and lower case are forgiven. What follows white space and `pt=` is the transport's line.
    ///
    /// # Errors
    /// [`ErrorKind::DoorDamaged`], [`ErrorKind::TransportDamaged`], or [`ErrorKind::InviteNewer`] for a later version.
    pub fn from_text(text: &str) -> Result<Self, ErrorKind> {
        let after_space =
            |at: &usize| text.get(..*at).is_some_and(|before| before.ends_with(char::is_whitespace));
        match text.find(PT_PREFIX).filter(after_space).and_then(|at| text.split_at_checked(at)) {
            Some((door, pt)) => {
                let door = Self::straight(door)?;
                let pt = pt.strip_prefix(PT_PREFIX).ok_or(ErrorKind::TransportDamaged)?;
                Ok(Self { pt: Some(PtLine::from_text(pt)?), ..door })
            }
            None => Self::straight(text),
        }
    }

    fn straight(text: &str) -> Result<Self, ErrorKind> {
        let text: Zeroizing<String> = Zeroizing::new(
            text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_uppercase()).collect(),
        );
        let body = text.strip_prefix(DOOR_PREFIX).ok_or(ErrorKind::DoorDamaged)?;
        let raw = Zeroizing::new(BASE32_NOPAD.decode(body.as_bytes()).map_err(|_| ErrorKind::DoorDamaged)?);
        let (content, check) = raw.split_last_chunk::<2>().ok_or(ErrorKind::DoorDamaged)?;
        if first::<2>(blake3::hash(content).as_bytes()) != *check {
            return Err(ErrorKind::DoorDamaged);
        }
        let damaged = ErrorKind::DoorDamaged;
        let (head, rest) = content.split_first().ok_or(damaged)?;
        if head >> 4 != DOOR_VERSION {
            return Err(ErrorKind::InviteNewer);
        }
        let (relay, rest) = rest.split_first_chunk::<16>().ok_or(damaged)?;
        let (slot, rest) = rest.split_first_chunk::<8>().ok_or(damaged)?;
        let (key, rest) = rest.split_first_chunk::<32>().ok_or(damaged)?;
        match RelayAddr::decode(head & 0x0f, rest) {
            Ok((addr, [])) => {
                let key = Zeroizing::new(*key);
                Ok(Self { relay: RelayId(*relay), addr, slot: SlotId(*slot), key, pt: None })
            }
            Err(PeerFault::Version) => Err(ErrorKind::InviteNewer),
            _ => Err(damaged),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor(key: &SigningKey) -> Descriptor {
        Descriptor {
            static_key: key.verifying_key().to_bytes(),
            mesh_key: [2; 32],
            onion_keys: vec![[3; 32]],
            door: RelayAddr::Ip("192.0.2.1:443".parse().unwrap()),
            mesh: RelayAddr::Ip("[2001:db8::1]:4001".parse().unwrap()),
            flags: flags::MAILBOX,
            seq: 7,
            family: None,
            health: Some(Health::rounded(1_800_003_601, 87)),
            extra: Extra::from([(99, crate::cbor::uint(1))]),
        }
    }

    #[test]
    fn a_descriptor_is_believed_only_with_its_own_signature() {
        let key = SigningKey::from_bytes(&[5; 32]);
        let signed = descriptor(&key).sign(&key);
        assert_eq!(Descriptor::verify(&signed), Ok(descriptor(&key)));
        let forged = descriptor(&key).sign(&SigningKey::from_bytes(&[6; 32]));
        assert_eq!(Descriptor::verify(&forged), Err(PeerFault::Signature));
        for at in 0..signed.len() {
            let mut bent = signed.clone();
            bent[at] ^= 1;
            assert!(Descriptor::verify(&bent).is_err(), "byte {at}");
        }
    }

    #[test]
    fn health_is_rounded_and_nothing_finer_is_believed() {
        let health = Health::rounded(1_800_003_601, 87);
        assert_eq!((health.up_since_s % 3_600, health.filled_tenths), (0, 8));
        assert!(!health.is_nearly_full() && Health::rounded(0, 250).is_nearly_full());
        let key = SigningKey::from_bytes(&[5; 32]);
        for wrong in [Health { filled_tenths: 11, ..health }, Health { up_since_s: 7, ..health }] {
            let lying = Descriptor { health: Some(wrong), ..descriptor(&key) };
            assert!(Descriptor::verify(&lying.sign(&key)).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_door_line_survives_small_hands_and_notices_large_ones() {
        let addrs = ["203.0.113.9:65535", "[2001:db8::7]:443"].map(|addr| addr.parse().unwrap());
        let named = RelayAddr::Site(Ipv4Addr::new(192, 0, 2, 1), 8443, "a-name.example.org".to_owned());
        let plain = addrs.map(RelayAddr::Ip).into_iter().chain(addrs.map(RelayAddr::Web));
        for addr in plain.chain([named]) {
            let door = Door {
                relay: RelayId([1; 16]),
                addr,
                slot: SlotId([2; 8]),
                key: Zeroizing::new([3; 32]),
                pt: None,
            };
            let text = door.to_text();
            assert_eq!(Door::from_text(&text), Ok(door.clone()));
            assert_eq!(Door::from_text(&format!("  {} \n", text.to_lowercase())), Ok(door));
            assert_eq!(Door::from_text(&text[..text.len() - 1]), Err(ErrorKind::DoorDamaged));
            assert_eq!(
                Door::from_text(&text.replace("KARVON-DOOR:A", "KARVON-DOOR:B")),
                Err(ErrorKind::DoorDamaged)
            );
        }
        assert_eq!(Door::from_text("hello"), Err(ErrorKind::DoorDamaged));
    }

    #[test]
    fn a_door_line_takes_its_transport_along() {
        let door = Door {
            relay: RelayId([1; 16]),
            addr: RelayAddr::Ip("127.0.0.1:443".parse().unwrap()),
            slot: SlotId([2; 8]),
            key: Zeroizing::new([3; 32]),
            pt: Some(PtLine::from_text("obfs4 192.0.2.7:443 cert=aB+/= iat-mode=0").unwrap()),
        };
        let text = door.to_text();
        assert_eq!(Door::from_text(&text), Ok(door.clone()));
        assert_eq!(Door::from_text(&text.replace(" pt=", "\n  pt=Bridge  ")), Ok(door.clone()));
        assert_eq!(Door::from_text(&format!("{} pt=", *text)).unwrap().pt.unwrap().name(), "obfs4");
        let straight = Door { pt: None, ..door }.to_text();
        assert!(text.starts_with(straight.as_str()));
        for bad in [" pt=", " pt=obfs4", " pt=obfs4 example.org:1"] {
            assert_eq!(
                Door::from_text(&format!("{}{bad}", *straight)),
                Err(ErrorKind::TransportDamaged),
                "{bad}"
            );
        }
        assert_eq!(
            Door::from_text(&format!("{}pt=obfs4 192.0.2.7:1", *straight)),
            Err(ErrorKind::DoorDamaged)
        );
        assert_eq!(
            Door::from_text(&text.replace("KARVON-DOOR:A", "KARVON-DOOR:B")),
            Err(ErrorKind::DoorDamaged)
        );
    }

    #[test]
    fn private_addresses_are_not_global() {
        for addr in [
            "127.0.0.1:1",
            "10.1.2.3:1",
            "192.168.0.1:1",
            "169.254.1.1:1",
            "224.0.0.1:1",
            "100.64.0.0:1",
            "100.127.255.255:1",
            "0.0.0.0:1",
            "0.255.255.255:1",
            "172.16.0.1:1",
            "192.0.2.1:1",
            "198.51.100.1:1",
            "203.0.113.1:1",
            "239.255.255.255:1",
            "240.0.0.1:1",
            "255.255.255.255:1",
            "[::1]:1",
            "[fe80::1]:1",
            "[fc00::1]:1",
            "[ff02::1]:1",
            "[::ffff:10.0.0.1]:1",
            "[::]:1",
        ] {
            assert!(!RelayAddr::Ip(addr.parse().unwrap()).is_global(), "{addr}");
        }
        for addr in [
            "8.8.4.4:443",
            "1.0.0.1:443",
            "100.63.255.255:443",
            "100.128.0.0:443",
            "101.64.0.1:443",
            "223.255.255.255:443",
            "[2a00:1450::1]:443",
            "[2000::]:443",
            "[3fff::1]:443",
            "[::ffff:8.8.4.4]:443",
        ] {
            assert!(RelayAddr::Ip(addr.parse().unwrap()).is_global(), "{addr}");
        }
    }
}
