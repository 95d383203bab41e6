//! Unpacks certificates that a server sent compressed, because browsers offer it (RFC 8879).

use btls::error::ErrorStack;
use btls::ssl::{CertificateCompressionAlgorithm, CertificateCompressor, SslContextBuilder};
use std::io::{self, Read, Write};
use std::panic::catch_unwind;

/// A chain of certificates is smaller; the library itself refuses more than 100 KiB.
const UNPACKED_MAX: usize = 128 << 10;
/// Memory that a zstd frame may ask for.
const WINDOW_MAX: u64 = 8 << 20;

/// A way of packing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    Zlib,
    Brotli,
    Zstd,
}

impl Packing {
    /// Offers it in the hello of `context`'s connections.
    pub(super) fn offer(self, context: &mut SslContextBuilder) -> Result<(), ErrorStack> {
        match self {
            Self::Zlib => context.add_certificate_compression_algorithm(Zlib),
            Self::Brotli => context.add_certificate_compression_algorithm(Brotli),
            Self::Zstd => context.add_certificate_compression_algorithm(Zstd),
        }
    }

    /// Unpacks what anybody on the way may have made up. The library calls this from C, where a panic would end the process.
    fn unpack(self, packed: &[u8]) -> io::Result<Vec<u8>> {
        catch_unwind(|| match self {
            Self::Zlib => miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(packed, UNPACKED_MAX)
                .map_err(|_| damaged()),
            Self::Brotli => bounded(&mut brotli_decompressor::Decompressor::new(packed, 4_096)),
            Self::Zstd => {
                let decoder =
                    ruzstd::decoding::StreamingDecoder::new_with_max_window_size(packed, WINDOW_MAX);
                bounded(&mut decoder.map_err(|_| damaged())?)
            }
        })
        .unwrap_or_else(|_| Err(damaged()))
    }
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a compressed certificate can not be unpacked")
}

fn bounded(reader: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    let taken = reader.take(UNPACKED_MAX as u64 + 1).read_to_end(&mut out)?;
    if taken > UNPACKED_MAX { Err(damaged()) } else { Ok(out) }
}

macro_rules! compressor {
    ($name:ident, $id:expr) => {
        struct $name;

        impl CertificateCompressor for $name {
            const ALGORITHM: CertificateCompressionAlgorithm = $id;
            const CAN_COMPRESS: bool = false;
            const CAN_DECOMPRESS: bool = true;

            fn decompress<W: Write>(&self, input: &[u8], output: &mut W) -> io::Result<()> {
                output.write_all(&Packing::$name.unpack(input)?)
            }
        }
    };
}

compressor!(Zlib, CertificateCompressionAlgorithm::ZLIB);
compressor!(Brotli, CertificateCompressionAlgorithm::BROTLI);
compressor!(Zstd, CertificateCompressionAlgorithm::ZSTD);

/// The other direction, for tests.
#[cfg(test)]
pub(super) mod packed {
    use rustls::CertificateCompressionAlgorithm as Algorithm;
    use rustls::compress::{CertCompressor, CompressionFailed, CompressionLevel};

    /// A site that packs in one way.
    #[derive(Debug)]
    pub(in super::super) struct Packer(Algorithm, pub(super) fn(&[u8]) -> Vec<u8>);

    impl CertCompressor for Packer {
        fn compress(&self, input: Vec<u8>, _: CompressionLevel) -> Result<Vec<u8>, CompressionFailed> {
            Ok((self.1)(&input))
        }

        fn algorithm(&self) -> Algorithm {
            self.0
        }
    }

    pub(in super::super) const ALL: [&dyn CertCompressor; 3] =
        [&Packer(Algorithm::Zlib, zlib), &Packer(Algorithm::Brotli, brotli), &Packer(Algorithm::Zstd, zstd)];

    pub(super) fn zlib(input: &[u8]) -> Vec<u8> {
        miniz_oxide::deflate::compress_to_vec_zlib(input, 6)
    }

    /// RFC 7932: a window of 64 KiB, one block as it is, and the empty last one.
    pub(super) fn brotli(input: &[u8]) -> Vec<u8> {
        let header = u32::try_from(input.len() - 1).expect("short") << 4 | 1 << 20;
        [&header.to_le_bytes()[..3], input, &[3]].concat()
    }

    pub(super) fn zstd(input: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(input, ruzstd::encoding::CompressionLevel::Fastest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Pack = fn(&[u8]) -> Vec<u8>;
    const ALL: [(Packing, Pack); 3] =
        [(Packing::Zlib, packed::zlib), (Packing::Brotli, packed::brotli), (Packing::Zstd, packed::zstd)];

    #[test]
    fn what_unpacks_to_too_much_is_refused() {
        let zeros = vec![0; UNPACKED_MAX + 1];
        for packing in [Packing::Zlib, Packing::Zstd] {
            let (_, pack) = ALL[ALL.iter().position(|one| one.0 == packing).expect("listed")];
            assert!(packing.unpack(&pack(&zeros)).is_err(), "{packing:?}");
            assert_eq!(packing.unpack(&pack(&zeros[1..])).expect("as much as may be"), zeros[1..]);
        }
    }

    proptest! {
        #[test]
        fn what_was_packed_comes_back(bytes in prop::collection::vec(any::<u8>(), 1..5_000)) {
            for (packing, pack) in ALL {
                prop_assert_eq!(&packing.unpack(&pack(&bytes)).expect("whole"), &bytes);
            }
        }

        /// Also from inside the library's C, where a panic would be the end: `unpack` returns, whatever it is given.
        #[test]
        fn made_up_bytes_are_refused_or_bounded(
            bytes in prop::collection::vec(any::<u8>(), 0..600), at in any::<prop::sample::Index>(), flip in 1..=255_u8,
        ) {
            for (packing, pack) in ALL {
                let mut bent = pack(&[&bytes[..], b"."].concat());
                let place = at.index(bent.len());
                bent[place] ^= flip;
                for one in [&bytes, &bent] {
                    prop_assert!(packing.unpack(one).map_or(0, |out| out.len()) <= UNPACKED_MAX);
                }
            }
        }
    }
}
