//! Every primitive, through the wrappers the protocol uses, against vectors made by others: RFCs, Wycheproof, the BLAKE3 authors.
#![allow(clippy::unwrap_used, missing_docs)]

use core::convert::Infallible;
use data_encoding::HEXLOWER_PERMISSIVE;
use karvon_protocol::crypto::aead::{TAG_BYTES, open, seal, xopen, xseal};
use karvon_protocol::crypto::kdf::{derive, hmac};
use karvon_protocol::crypto::{LocalDhKey, LocalKemKey, RemoteDhKey, RemoteKemKey, RemoteSignKey};
use karvon_protocol::error::PeerFault;
use karvon_protocol::identity::stretch_root;
use rand_chacha::rand_core::{TryCryptoRng, TryRng};
use wycheproof::TestResult;

fn hex(text: &str) -> Vec<u8> {
    HEXLOWER_PERMISSIVE.decode(text.as_bytes()).unwrap()
}

fn fixed<const N: usize>(text: &str) -> [u8; N] {
    hex(text).try_into().unwrap()
}

#[test]
fn x25519_agrees_as_in_rfc_7748() {
    let scalar = fixed("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4");
    let point = fixed("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c");
    let out = LocalDhKey::from_bytes(&scalar).agree(&RemoteDhKey(point)).unwrap();
    assert_eq!(*out, fixed("c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"));
}

#[test]
fn chacha20_poly1305_seals_as_in_rfc_8439() {
    let key = core::array::from_fn(|at| 0x80 + at as u8);
    let nonce = fixed("070000004041424344454647");
    let aad = hex("50515253c0c1c2c3c4c5c6c7");
    let plain =
        b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, \
        sunscreen would be it.";
    let sealed = seal(&key, &nonce, &aad, plain);
    assert_eq!(sealed[..16], hex("d31a8d34648e60db7b86afbc53ef7ec2"));
    assert_eq!(sealed[plain.len()..], hex("1ae10b594f09e26a7e902ecbd0600691"));
    assert_eq!(open(&key, &nonce, &aad, &sealed).unwrap().as_slice(), plain);
}

#[test]
fn hkdf_derives_as_in_rfc_5869() {
    // Test case 3: the others have an info that is not text.
    let okm = derive::<42>(&[], &[0x0b; 22], "");
    let expected = "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8";
    assert_eq!(okm[..], hex(expected));
}

#[test]
fn x25519_passes_wycheproof_and_refuses_what_the_other_side_alone_could_choose() {
    let set = wycheproof::xdh::TestSet::load(wycheproof::xdh::TestName::X25519).unwrap();
    let mut refused = 0;
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let local = LocalDhKey::from_bytes(test.private_key[..].try_into().unwrap());
        let remote = RemoteDhKey(test.public_key[..].try_into().unwrap());
        match local.agree(&remote) {
            Ok(shared) => assert_eq!(shared[..], test.shared_secret[..], "case {}", test.tc_id),
            Err(fault) => {
                assert_eq!(fault, PeerFault::WeakKey);
                assert!(test.shared_secret.iter().all(|byte| *byte == 0), "case {}", test.tc_id);
                refused += 1;
            }
        }
    }
    assert_eq!(refused, 31);
}

#[test]
fn ed25519_verification_passes_wycheproof() {
    let set = wycheproof::eddsa::TestSet::load(wycheproof::eddsa::TestName::Ed25519).unwrap();
    let mut cases = 0;
    for group in &set.test_groups {
        let key = RemoteSignKey(group.key.pk[..].try_into().unwrap());
        for test in &group.tests {
            let verified =
                test.sig[..].try_into().is_ok_and(|signature| key.verify("", &test.msg, signature).is_ok());
            assert_eq!(verified, test.result == TestResult::Valid, "case {}", test.tc_id);
            cases += 1;
        }
    }
    assert!(cases > 100);
}

#[test]
fn small_order_signing_keys_are_refused() {
    // The neutral point as key and as commitment, zero as scalar: verifies anything where verification is not strict.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let mut signature = [0; 64];
    signature[0] = 1;
    assert_eq!(RemoteSignKey(neutral).verify("", b"anything", &signature), Err(PeerFault::Signature));
}

/// Runs one set through sealing and opening functions that take slices and fail for other lengths of key or nonce.
fn aead_cases(
    name: wycheproof::aead::TestName,
    seal: impl Fn(&[u8], &[u8], &[u8], &[u8]) -> Option<Vec<u8>>,
    open: impl Fn(&[u8], &[u8], &[u8], &[u8]) -> Option<Vec<u8>>,
) {
    let set = wycheproof::aead::TestSet::load(name).unwrap();
    let mut valid = 0;
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let sealed = [&test.ct[..], &test.tag].concat();
        let opened = open(&test.key, &test.nonce, &test.aad, &sealed);
        if test.result == TestResult::Valid {
            assert_eq!(opened.as_deref(), Some(&test.pt[..]), "case {}", test.tc_id);
            assert_eq!(
                seal(&test.key, &test.nonce, &test.aad, &test.pt),
                Some(sealed),
                "case {}",
                test.tc_id
            );
            valid += 1;
        } else {
            assert_eq!(opened, None, "case {}", test.tc_id);
        }
    }
    assert!(valid > 100);
}

#[test]
fn both_aeads_pass_wycheproof() {
    aead_cases(
        wycheproof::aead::TestName::ChaCha20Poly1305,
        |key, nonce, aad, plain| Some(seal(key.try_into().ok()?, nonce.try_into().ok()?, aad, plain)),
        |key, nonce, aad, sealed| {
            open(key.try_into().ok()?, nonce.try_into().ok()?, aad, sealed).ok().map(|plain| plain.to_vec())
        },
    );
    aead_cases(
        wycheproof::aead::TestName::XChaCha20Poly1305,
        |key, nonce, aad, plain| Some(xseal(key.try_into().ok()?, nonce.try_into().ok()?, aad, plain)),
        |key, nonce, aad, sealed| {
            xopen(key.try_into().ok()?, nonce.try_into().ok()?, aad, sealed).ok().map(|plain| plain.to_vec())
        },
    );
    assert_eq!(open(&[0; 32], &[0; 12], b"", &[0; TAG_BYTES - 1]).err(), Some(PeerFault::Decrypt));
}

#[test]
fn hkdf_passes_wycheproof_where_its_info_is_text() {
    let set = wycheproof::hkdf::TestSet::load(wycheproof::hkdf::TestName::HkdfSha256).unwrap();
    let mut cases = 0;
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let Ok(info) = core::str::from_utf8(&test.info) else { continue };
        let okm = derive::<8_160>(&test.salt, &test.ikm, info);
        if test.result == TestResult::Valid {
            // The output is stable under its length: each shorter one is a prefix.
            assert_eq!(okm[..test.size], test.okm[..], "case {}", test.tc_id);
            cases += 1;
        } else {
            assert!(test.size > okm.len(), "case {}", test.tc_id);
        }
    }
    assert!(cases > 20, "{cases}");
}

#[test]
fn hmac_passes_wycheproof_for_keys_of_our_length() {
    let set = wycheproof::mac::TestSet::load(wycheproof::mac::TestName::HmacSha256).unwrap();
    let mut cases = 0;
    for group in set.test_groups.iter().filter(|group| group.key_size == 256) {
        for test in &group.tests {
            let mac = hmac(test.key[..].try_into().unwrap(), &test.msg);
            let equal = mac[..group.tag_size / 8] == test.tag[..];
            assert_eq!(equal, test.result == TestResult::Valid, "case {}", test.tc_id);
            cases += 1;
        }
    }
    assert_eq!(cases, 162);
}

/// A generator that yields given bytes, then zeros.
struct Given(Vec<u8>);

impl TryRng for Given {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        self.0.resize(self.0.len().max(out.len()), 0);
        out.copy_from_slice(&self.0.drain(..out.len()).collect::<Vec<_>>());
        Ok(())
    }
}

impl TryCryptoRng for Given {}

#[test]
fn ml_kem_768_decapsulates_as_in_wycheproof() {
    let set = wycheproof::mlkem::TestSet::load(wycheproof::mlkem::TestName::MlKem768).unwrap();
    let (mut valid, mut invalid) = (0, 0);
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let Ok(seed) = <&[u8; 64]>::try_from(&test.seed.as_ref().unwrap()[..]) else {
            assert!(test.result.must_fail(), "case {}", test.tc_id);
            continue;
        };
        let local = LocalKemKey::from_seed(seed);
        let secret = local.decapsulate(test.ct.as_ref().unwrap());
        if test.result == TestResult::Valid {
            assert_eq!(secret.unwrap()[..], test.shared_secret.as_ref().unwrap()[..], "case {}", test.tc_id);
            assert_eq!(local.public().to_bytes(), test.encaps_key.as_ref().unwrap()[..]);
            valid += 1;
        } else {
            assert_eq!(secret.err(), Some(PeerFault::Length), "case {}", test.tc_id);
            invalid += 1;
        }
    }
    assert!(valid > 50 && invalid > 1, "{valid} {invalid}");
}

#[test]
fn ml_kem_768_makes_keys_and_encapsulates_as_in_wycheproof() {
    let set = wycheproof::mlkem::TestSet::load(wycheproof::mlkem::TestName::MlKem768KeyGenSeed).unwrap();
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let seed = test.seed.as_ref().unwrap()[..].try_into().unwrap();
        let key = LocalKemKey::from_seed(seed).public().to_bytes();
        assert_eq!(key, test.encaps_key.as_ref().unwrap()[..], "case {}", test.tc_id);
    }
    let set = wycheproof::mlkem::TestSet::load(wycheproof::mlkem::TestName::MlKem768Encaps).unwrap();
    let mut cases = 0;
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let key = RemoteKemKey::parse(test.encaps_key.as_ref().unwrap());
        if test.result == TestResult::Valid {
            let mut rng = Given(test.msg.as_ref().unwrap().to_vec());
            let (ciphertext, secret) = key.unwrap().encapsulate(&mut rng);
            assert_eq!(ciphertext, test.ct.as_ref().unwrap()[..], "case {}", test.tc_id);
            assert_eq!(secret[..], test.shared_secret.as_ref().unwrap()[..], "case {}", test.tc_id);
            cases += 1;
        } else {
            assert!(key.is_err(), "case {}", test.tc_id);
        }
    }
    assert_eq!(cases, 133);
}

#[test]
fn blake3_hashes_as_its_authors_say_in_all_three_modes() {
    let key = b"whats the Elvish word for friend";
    let context = "BLAKE3 2019-12-27 16:29:52 test vectors context";
    let cases = [
        (
            0,
            "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
            "92b2b75604ed3c761f9d6f62392c8a9227ad0ea3f09573e783f1498a4ed60d26",
            "2cc39783c223154fea8dfb7c1b1660f2ac2dcbd1c1de8277b0b0dd39b7e50d7d",
        ),
        (
            1_023,
            "10108970eeda3eb932baac1428c7a2163b0e924c9a9e25b35bba72b28f70bd11",
            "c951ecdf03288d0fcc96ee3413563d8a6d3589547f2c2fb36d9786470f1b9d6e",
            "74a16c1c3d44368a86e1ca6df64be6a2f64cce8f09220787450722d85725dea5",
        ),
        (
            1_025,
            "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444",
            "357dc55de0c7e382c900fd6e320acc04146be01db6a8ce7210b7189bd664ea69",
            "effaa245f065fbf82ac186839a249707c3bddf6d3fdda22d1b95a3c970379bcb",
        ),
        (
            5_120,
            "9cadc15fed8b5d854562b26a9536d9707cadeda9b143978f319ab34230535833",
            "2c493e48e9b9bf31e0553a22b23503c0a3388f035cece68eb438d22fa1943e20",
            "7a7acac8a02adcf3038d74cdd1d34527de8a0fcc0ee3399d1262397ce5817f60",
        ),
    ];
    for (length, hash, keyed, derived) in cases {
        let input: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
        assert_eq!(blake3::hash(&input).to_hex().as_str(), hash);
        assert_eq!(blake3::keyed_hash(key, &input).to_hex().as_str(), keyed);
        assert_eq!(blake3::derive_key(context, &input), fixed(derived));
    }
}

#[test]
fn a_root_is_stretched_as_argon2id_of_another_implementation_does() {
    // Made with the `cryptography` package for Python (OpenSSL): salt "karvon/1 root", 3 passes, 1 lane, 64 MiB.
    let expected = "01be9bd28b98ee493f3a91823e1373565588b227081cc1ae07a61c2744dac0b3";
    assert_eq!(stretch_root(b"0123456789abcdef").unwrap()[..], hex(expected));
}
