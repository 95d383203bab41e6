//! The web door of a relay: its certificate, what visitors see, and the address that people are given.

use crate::api::ApiError;
use crate::api::error::IO;
use crate::net::{Site, WebIdentity, WebOptions};
use crate::relay_options::WebDoor;
use crate::store::{SledStore, Store};
use karvon_protocol::core::{Batch, BatchId, Key, Op, Range, Space};
use karvon_protocol::descriptor::RelayAddr;
use karvon_protocol::ids::RelayId;
use std::net::SocketAddr;

/// Certificate and key of the web door.
const WEB_IDENTITY: Key = Key::single(Space::Meta, 2);

/// What the web door starts from; a certificate of the relay's own is made once and kept.
pub(super) fn options(
    door: &WebDoor,
    store: &mut SledStore,
    relay: RelayId,
    now_s: u64,
) -> Result<WebOptions, ApiError> {
    let fault = |fault| ApiError::new("store", format!("the store can not be used: {fault:?}"));
    let failed =
        |error: &dyn std::fmt::Display| ApiError::new(IO, format!("the web door's certificate: {error}"));
    let identity = match &door.identity {
        Some(given) => given.clone(),
        None => {
            let held = store.load(&Range::One(WEB_IDENTITY)).map_err(fault)?;
            match held.first().and_then(|(_, value)| WebIdentity::decode(value)) {
                Some(held) => held,
                None => {
                    let made = WebIdentity::self_signed(relay, now_s).map_err(|error| failed(&error))?;
                    let ops = vec![Op::Put(WEB_IDENTITY, made.encode())];
                    store.commit(&[Batch { id: BatchId(0), ops }]).map_err(fault)?;
                    made
                }
            }
        }
    };
    let site = match &door.site {
        Some(given) => given.clone(),
        // Its own secret, so that nobody can look for relays by the pages that their public keys give.
        None => Site::of_a_box(&identity.digest()),
    };
    let (listen, identity) = (Some(door.listen), Some(identity));
    let (behind, only) = (door.behind, door.only);
    Ok(WebOptions { listen, identity, behind, site, only, ..WebOptions::default() })
}

/// The address to give to people.
pub(super) fn address(door: &WebDoor, addr: SocketAddr) -> Result<RelayAddr, ApiError> {
    let named = match (&door.name, addr) {
        (None, _) => return Ok(RelayAddr::Web(addr)),
        (Some(name), SocketAddr::V4(v4)) if v4.port() == 443 => RelayAddr::Sni(*v4.ip(), name.clone()),
        (Some(name), SocketAddr::V4(v4)) => RelayAddr::Site(*v4.ip(), v4.port(), name.clone()),
        (Some(_), SocketAddr::V6(_)) => {
            return Err(ApiError::new(
                IO,
                "a web door with a name needs an IPv4 address: leave the name out",
            ));
        }
    };
    // What does not fit a door line would be refused by whoever reads it.
    match RelayAddr::decode(named.kind(), &named.encode()) {
        Ok(_) => Ok(named),
        Err(_) => {
            Err(ApiError::new(IO, "the web door's name is too long: 20 letters on port 443, 18 on another"))
        }
    }
}
