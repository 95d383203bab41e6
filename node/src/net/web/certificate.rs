//! The certificate of a web door: the operator's, or one that a device at home makes for itself.

use karvon_protocol::ids::RelayId;
use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fmt;
use zeroize::Zeroizing;

/// Names that devices at home call themselves. A leaf must name somebody in its hello, and a box at home has no domain.
const HOME_NAMES: [&str; 16] = [
    "router.lan",
    "fritz.box",
    "nas.local",
    "diskstation.local",
    "openwrt.lan",
    "homeassistant.local",
    "raspberrypi.local",
    "truenas.local",
    "unifi.local",
    "printer.local",
    "synology.local",
    "plex.local",
    "mycloud.local",
    "nextcloud.local",
    "camera.lan",
    "gateway.lan",
];

/// The name in the hello to a door without a name of its own: the same for each of its leaves, always.
pub(super) fn home_name(relay: RelayId) -> &'static str {
    let [first, ..] = relay.0;
    HOME_NAMES.get(usize::from(first) % HOME_NAMES.len()).copied().unwrap_or("router.lan")
}

/// A chain of certificates (DER, own first) with the private key.
#[derive(Clone)]
pub struct WebIdentity {
    chain: Vec<Vec<u8>>,
    key: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for WebIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebIdentity({} certificates)", self.chain.len())
    }
}

impl WebIdentity {
    /// A self-signed one for a device at home, as such devices make it: P-256, ten years, valid from the day before `unix_s`.
    ///
    /// # Errors
    /// What the library says; does not occur with these parameters.
    pub fn self_signed(relay: RelayId, unix_s: u64) -> Result<Self, rcgen::Error> {
        let name = home_name(relay);
        let mut params = CertificateParams::new(vec![name.to_owned()])?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        let (year, month, day) = crate::api::time::civil(unix_s.saturating_sub(86_400) / 86_400);
        // The 28th exists in every month, ten years on as well; a clock beyond the year 9000 is wrong.
        let (month, day) = (month.min(12) as u8, day.min(28) as u8);
        let date = |year: u64| rcgen::date_time_ymd(year.min(9_000) as i32, month, day);
        params.not_before = date(year);
        params.not_after = date(year + 10);
        let pair = KeyPair::generate()?;
        let certificate = params.self_signed(&pair)?;
        Ok(Self { chain: vec![certificate.der().to_vec()], key: Zeroizing::new(pair.serialize_der()) })
    }

    /// Reads the two PEM files that a certificate authority's client leaves: the chain and the key.
    ///
    /// # Errors
    /// Which of the two is not what it should be.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, &'static str> {
        let chain = pem_certificates(chain).filter(|chain| !chain.is_empty());
        let chain = chain.ok_or("the certificate file holds no certificate in PEM form")?;
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|_| "the key file holds no private key in PEM form")?;
        Ok(Self { chain, key: Zeroizing::new(key.secret_der().to_vec()) })
    }

    /// `count 1 | (length 4 | certificate)* | key`, for the sealed store.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(vec![self.chain.len() as u8]);
        for certificate in &self.chain {
            out.extend_from_slice(&(certificate.len() as u32).to_be_bytes());
            out.extend_from_slice(certificate);
        }
        out.extend_from_slice(&self.key);
        out
    }

    /// Reads what [`WebIdentity::encode`] wrote.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (count, mut rest) = bytes.split_first()?;
        let mut chain = Vec::new();
        for _ in 0..*count {
            let (length, after) = rest.split_first_chunk::<4>()?;
            let (certificate, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
            chain.push(certificate.to_vec());
            rest = after;
        }
        Some(Self { chain, key: Zeroizing::new(rest.to_vec()) })
    }

    /// A secret number of this identity.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        blake3::derive_key("karvon/node/web site", &self.key)
    }

    /// What TLS wants.
    pub(super) fn parts(&self) -> Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
        let chain = self.chain.iter().map(|der| CertificateDer::from(der.clone())).collect();
        Some((chain, PrivateKeyDer::try_from(self.key.to_vec()).ok()?))
    }
}

/// The certificates (DER) of a PEM file; `None` if one of them is damaged.
#[must_use]
pub fn pem_certificates(pem: &[u8]) -> Option<Vec<Vec<u8>>> {
    CertificateDer::pem_slice_iter(pem).map(|item| item.ok().map(|der| der.to_vec())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_homemade_certificate_survives_the_store() {
        let made = WebIdentity::self_signed(RelayId([3; 16]), 1_900_000_000).unwrap();
        let back = WebIdentity::decode(&made.encode()).unwrap();
        assert_eq!((&back.chain, &back.key), (&made.chain, &made.key));
        assert!(back.parts().is_some());
        assert!(WebIdentity::decode(&[2, 0, 0, 9, 9]).is_none());
        assert!(!format!("{made:?}").contains("key"));
    }

    #[test]
    fn every_home_name_is_a_host_name() {
        for number in 0..=255 {
            let name = home_name(RelayId([number; 16]));
            assert!(name.contains('.') && name.len() < 24);
        }
    }
}
