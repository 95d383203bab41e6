//! Frames of a segment file: one stored cell or one removal each, found again even if bytes before them are damaged.
//!
//! A file starts with `KARVSEG1` 8 ∥ marker 8 ∥ CRC-32C of both 4. A frame is marker 8 ∥ payload length 4 ∥ CRC-32C 4 ∥ kind 1 ∥
//! mailbox 16 ∥ sequence number 8 ∥ expiry 8 ∥ payload, big endian; the checksum covers everything but itself. The marker is random per
//! file: whoever deposits a cell can not hide a frame inside it that a reader would find while looking for the next good one.

use karvon_protocol::ids::MailboxId;

/// Length of what a file starts with.
pub(super) const FILE_HEAD: usize = 20;
/// Length of a frame without its payload.
pub(super) const HEAD: usize = 49;
/// Longest payload: a cell of the largest class.
pub(super) const PAYLOAD_MAX: usize = 61_440;
const MAGIC: &[u8; 8] = b"KARVSEG1";

pub(super) type Marker = [u8; 8];

/// What a frame says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The payload is a cell.
    Cell,
    /// The cell is gone; the payload is the number of the segment that held it.
    Dropped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) kind: Kind,
    pub(super) mailbox: MailboxId,
    pub(super) seq: u64,
    pub(super) expiry_s: u64,
    pub(super) payload: &'a [u8],
}

impl Frame<'_> {
    pub(super) fn len(&self) -> usize {
        HEAD + self.payload.len()
    }

    pub(super) fn encode(&self, marker: &Marker, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(marker);
        // Payloads are cells or four bytes; neither comes near 4 GiB.
        out.extend_from_slice(&u32::try_from(self.payload.len()).unwrap_or(u32::MAX).to_be_bytes());
        let checksum_at = out.len();
        out.extend_from_slice(&[0; 4]);
        out.push(match self.kind {
            Kind::Cell => 1,
            Kind::Dropped => 2,
        });
        out.extend_from_slice(&self.mailbox.0);
        out.extend_from_slice(&self.seq.to_be_bytes());
        out.extend_from_slice(&self.expiry_s.to_be_bytes());
        out.extend_from_slice(self.payload);
        let checksum =
            crc32c::crc32c_append(crc32c::crc32c(&out[start..checksum_at]), &out[checksum_at + 4..]);
        out[checksum_at..checksum_at + 4].copy_from_slice(&checksum.to_be_bytes());
    }
}

/// The frame that `bytes` start with, if it is whole and undamaged.
pub(super) fn decode<'a>(marker: &Marker, bytes: &'a [u8]) -> Option<Frame<'a>> {
    let (head, _) = bytes.split_first_chunk::<12>()?;
    let rest = bytes.strip_prefix(marker)?;
    let (len, rest) = rest.split_first_chunk::<4>()?;
    let len = usize::try_from(u32::from_be_bytes(*len)).ok().filter(|len| *len <= PAYLOAD_MAX)?;
    let (checksum, rest) = rest.split_first_chunk::<4>()?;
    let covered = rest.get(..HEAD - 16 + len)?;
    if crc32c::crc32c_append(crc32c::crc32c(head), covered) != u32::from_be_bytes(*checksum) {
        return None;
    }
    let (kind, rest) = covered.split_first()?;
    let (mailbox, rest) = rest.split_first_chunk::<16>()?;
    let (seq, rest) = rest.split_first_chunk::<8>()?;
    let (expiry, payload) = rest.split_first_chunk::<8>()?;
    let kind = match kind {
        1 => Kind::Cell,
        2 => Kind::Dropped,
        _ => return None,
    };
    Some(Frame {
        kind,
        mailbox: MailboxId(*mailbox),
        seq: u64::from_be_bytes(*seq),
        expiry_s: u64::from_be_bytes(*expiry),
        payload,
    })
}

/// What a file with this marker starts with.
pub(super) fn file_head(marker: &Marker) -> [u8; FILE_HEAD] {
    let mut out = [0; FILE_HEAD];
    out[..8].copy_from_slice(MAGIC);
    out[8..16].copy_from_slice(marker);
    let checksum = crc32c::crc32c(&out[..16]);
    out[16..].copy_from_slice(&checksum.to_be_bytes());
    out
}

/// The marker of a file that starts with `bytes`. If its head is damaged the marker of the first frame serves, if that frame is whole.
pub(super) fn marker_of(bytes: &[u8]) -> Option<Marker> {
    let (head, rest) = bytes.split_first_chunk::<FILE_HEAD>()?;
    let (_, marker) = head.split_first_chunk::<8>()?;
    let (marker, _) = marker.split_first_chunk::<8>()?;
    if file_head(marker) == *head {
        return Some(*marker);
    }
    let (marker, _) = rest.split_first_chunk::<8>()?;
    decode(marker, rest).map(|_| *marker)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_with_any_flipped_bit_is_refused() {
        let payload = [5; 40];
        let frame =
            Frame { kind: Kind::Cell, mailbox: MailboxId([1; 16]), seq: 2, expiry_s: 3, payload: &payload };
        let mut bytes = Vec::new();
        frame.encode(b"markmark", &mut bytes);
        assert_eq!(bytes.len(), frame.len());
        assert_eq!(decode(b"markmark", &bytes), Some(frame));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(b"markmark", &flipped), None, "bit {bit}");
        }
        assert_eq!(decode(b"markmark", &bytes[..bytes.len() - 1]), None, "torn");
        assert_eq!(decode(b"another.", &bytes), None);
    }

    #[test]
    fn a_file_with_a_damaged_head_is_read_by_its_first_frame() {
        let marker = *b"markmark";
        let mut bytes = file_head(&marker).to_vec();
        Frame { kind: Kind::Dropped, mailbox: MailboxId([1; 16]), seq: 2, expiry_s: 3, payload: &[0; 4] }
            .encode(&marker, &mut bytes);
        assert_eq!(marker_of(&bytes), Some(marker));
        bytes[9] ^= 1;
        assert_eq!(marker_of(&bytes), Some(marker));
        bytes[30] ^= 1;
        assert_eq!(marker_of(&bytes), None);
    }
}
