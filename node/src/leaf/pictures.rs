//! Removes from pictures what they tell beside the picture (place, time, device, owner), before they are sent.
//!
//! Only the container is read: segments of JPEG, chunks of PNG and WebP. What is needed to draw the picture stays, byte for byte; all
//! else goes, also what a later standard adds. Of the metadata of a JPEG only the orientation is written anew, so that photographs keep
//! standing upright.

/// Why a picture can not be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum PictureFault {
    /// It ends too early, or its parts do not fit together.
    #[error("the picture is damaged, so its hidden data can not be removed: open it and save it anew")]
    Damaged,
    /// A kind of picture that carries a place and a name and can not be cleaned here.
    #[error(
        "this kind of picture may hold a place or a name that can not be removed here: save it as JPEG or PNG"
    )]
    NotCleanable,
}

/// `data` without what it tells beside the picture, and its media type if it is a picture that was cleaned. Other files come back as
/// they are.
///
/// # Errors
/// A [`PictureFault`].
pub(super) fn cleaned(data: &[u8]) -> Result<(Vec<u8>, Option<&'static str>), PictureFault> {
    if data.starts_with(&[0xff, 0xd8, 0xff]) {
        return Ok((jpeg(data).ok_or(PictureFault::Damaged)?, Some("image/jpeg")));
    }
    if data.starts_with(PNG) {
        return Ok((png(data).ok_or(PictureFault::Damaged)?, Some("image/png")));
    }
    if data.starts_with(b"RIFF") && data.get(8..12) == Some(b"WEBP") {
        return Ok((webp(data).ok_or(PictureFault::Damaged)?, Some("image/webp")));
    }
    let tiff = data.starts_with(b"II*\0") || data.starts_with(b"MM\0*");
    let boxes = data.get(4..8) == Some(b"ftyp");
    let heif = boxes
        && data.get(8..12).is_some_and(|brand| {
            [b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif", b"avis"]
                .iter()
                .any(|known| *known == brand)
        });
    if tiff || heif { Err(PictureFault::NotCleanable) } else { Ok((data.to_vec(), None)) }
}

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

fn be16(data: &[u8], at: usize) -> Option<usize> {
    Some(usize::from(u16::from_be_bytes(data.get(at..at + 2)?.try_into().ok()?)))
}

fn u32_at(data: &[u8], at: usize, big: bool) -> Option<u32> {
    let bytes = data.get(at..at.checked_add(4)?)?.try_into().ok()?;
    Some(if big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
}

fn u16_at(data: &[u8], at: usize, big: bool) -> Option<u16> {
    let bytes = data.get(at..at.checked_add(2)?)?.try_into().ok()?;
    Some(if big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
}

/// Keeps tables, frames and scans; drops every application segment but JFIF (without its thumbnail) and Adobe, and comments. What
/// follows the end of the image (other pictures, films) goes as well.
fn jpeg(data: &[u8]) -> Option<Vec<u8>> {
    let mut out = vec![0xff, 0xd8];
    let mut at = 2;
    let mut orientation = None;
    // Segments of APP kinds come before the tables; the orientation is put in front of the first that is kept.
    let mut body = Vec::with_capacity(data.len());
    loop {
        // Fill bytes may stand before a marker.
        while data.get(at) == Some(&0xff) && data.get(at + 1) == Some(&0xff) {
            at += 1;
        }
        if data.get(at) != Some(&0xff) {
            return None;
        }
        let marker = *data.get(at + 1)?;
        if marker == 0xd9 {
            body.extend_from_slice(&[0xff, 0xd9]);
            break;
        }
        let length = be16(data, at + 2).filter(|length| *length >= 2)?;
        let end = at + 2 + length;
        let segment = data.get(at..end)?;
        match marker {
            0xe0 if segment.get(4..9) == Some(b"JFIF\0") => {
                // Version, units and density; no thumbnail.
                body.extend_from_slice(&[0xff, 0xe0, 0, 16]);
                body.extend_from_slice(segment.get(4..16)?);
                body.extend_from_slice(&[0, 0]);
            }
            0xe1 if segment.get(4..10) == Some(b"Exif\0\0") => {
                orientation = orientation.or_else(|| orientation_of(segment.get(10..)?));
            }
            0xee if segment.get(4..9) == Some(b"Adobe") => body.extend_from_slice(segment),
            // Comments, and applications' data.
            0xe0..=0xef | 0xfe => {}
            0xda => {
                body.extend_from_slice(segment);
                let scan = scan_end(data, end)?;
                body.extend_from_slice(data.get(end..scan)?);
                at = scan;
                continue;
            }
            0xc0..=0xcf | 0xdb..=0xdf => body.extend_from_slice(segment),
            _ => return None,
        }
        at = end;
    }
    if let Some(value) = orientation.filter(|value| (2..=8).contains(value)) {
        out.extend_from_slice(&[0xff, 0xe1, 0, 34]);
        out.extend_from_slice(b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0");
        out.extend_from_slice(&[value, 0, 0, 0, 0, 0, 0]);
    }
    out.extend_from_slice(&body);
    Some(out)
}

/// Where the coded data that begins at `at` ends: at the next marker that is no escaped byte and no restart.
fn scan_end(data: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match (data.get(at)?, data.get(at + 1)?) {
            (0xff, 0x00 | 0xd0..=0xd7) => at += 2,
            (0xff, 0xff) => at += 1,
            (0xff, _) => return Some(at),
            _ => at += 1,
        }
    }
}

/// The orientation (1 to 8) in a TIFF structure.
fn orientation_of(tiff: &[u8]) -> Option<u8> {
    let big = match tiff.get(..4)? {
        b"MM\0*" => true,
        b"II*\0" => false,
        _ => return None,
    };
    let first = usize::try_from(u32_at(tiff, 4, big)?).ok()?;
    let count = usize::from(u16_at(tiff, first, big)?);
    for number in 0..count {
        let entry = first.checked_add(2)?.checked_add(12 * number)?;
        if u16_at(tiff, entry, big)? == 0x0112 {
            return u8::try_from(u16_at(tiff, entry.checked_add(8)?, big)?).ok();
        }
    }
    None
}

/// Keeps the chunks that draw the picture and nothing after its end.
fn png(data: &[u8]) -> Option<Vec<u8>> {
    const KEPT: &[&[u8; 4]] = &[
        b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"bKGD", b"pHYs",
        b"acTL", b"fcTL", b"fdAT",
    ];
    let mut out = PNG.to_vec();
    let mut at = PNG.len();
    loop {
        let length = usize::try_from(u32_at(data, at, true)?).ok()?;
        let kind = data.get(at + 4..at + 8)?;
        let end = at.checked_add(12)?.checked_add(length)?;
        let chunk = data.get(at..end)?;
        if KEPT.iter().any(|kept| *kept == kind) {
            out.extend_from_slice(chunk);
        } else if kind.first()?.is_ascii_uppercase() {
            // A chunk that must be understood to draw the picture.
            return None;
        }
        if kind == b"IEND" {
            return Some(out);
        }
        at = end;
    }
}

/// Keeps the chunks that draw the picture; the flags of the extended header tell no metadata any more.
fn webp(data: &[u8]) -> Option<Vec<u8>> {
    const KEPT: &[&[u8; 4]] = &[b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF"];
    const METADATA_FLAGS: u8 = 0x20 | 0x08 | 0x04;
    let size = usize::try_from(u32_at(data, 4, false)?).ok()?;
    let whole = data.get(..size.checked_add(8)?)?;
    let mut out = whole.get(..12)?.to_vec();
    let mut at = 12;
    while at < whole.len() {
        let kind = whole.get(at..at + 4)?;
        let length = usize::try_from(u32_at(whole, at + 4, false)?).ok()?;
        let end = at.checked_add(8)?.checked_add(length)?.checked_add(length % 2)?;
        let start = out.len();
        if KEPT.iter().any(|kept| *kept == kind) {
            out.extend_from_slice(whole.get(at..end)?);
            if kind == b"VP8X" {
                *out.get_mut(start + 8)? &= !METADATA_FLAGS;
            }
        }
        at = end;
    }
    let size = u32::try_from(out.len() - 8).ok()?.to_le_bytes();
    out.get_mut(4..8)?.copy_from_slice(&size);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: &[u8] = b"38.5598N 68.7870E Ali";

    fn holds(data: &[u8], needle: &[u8]) -> bool {
        data.windows(needle.len()).any(|part| part == needle)
    }

    fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len() + 2).unwrap().to_be_bytes();
        [&[0xff, marker][..], &length, body].concat()
    }

    /// An Exif segment in either byte order that says "turned to the right" and where it was taken.
    fn exif(big: bool) -> Vec<u8> {
        let head: &[u8] = if big {
            b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0"
        } else {
            b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0"
        };
        let tiff = [head, PLACE].concat();
        segment(0xe1, &[b"Exif\0\0", &tiff[..]].concat())
    }

    fn photo(parts: &[Vec<u8>]) -> Vec<u8> {
        let mut out = vec![0xff, 0xd8];
        parts.iter().for_each(|part| out.extend_from_slice(part));
        out.extend(segment(0xdb, &[7; 65]));
        out.extend(segment(0xda, &[1, 1, 0, 0, 63, 0]));
        // Coded data with an escaped byte and a restart marker.
        out.extend_from_slice(&[1, 2, 0xff, 0, 3, 0xff, 0xd0, 4, 0xff, 0xd9]);
        out
    }

    #[test]
    fn a_photograph_loses_place_and_names_and_stays_upright() {
        for big in [true, false] {
            let dirty = photo(&[
                segment(0xe0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0"),
                exif(big),
                segment(0xe1, &[b"http://ns.adobe.com/xap/1.0/\0", PLACE].concat()),
                segment(0xe2, &[b"ICC_PROFILE\0", PLACE].concat()),
                segment(0xed, PLACE),
                segment(0xfe, PLACE),
            ]);
            let trailing = [&dirty[..], PLACE].concat();
            for dirty in [dirty, trailing] {
                let (clean, kind) = cleaned(&dirty).unwrap();
                assert_eq!(kind, Some("image/jpeg"));
                assert!(!holds(&clean, PLACE) && !holds(&clean, b"adobe"));
                let (again, _) = cleaned(&clean).unwrap();
                assert_eq!(again, clean, "cleaning is done once");
                let tiff = clean.windows(6).position(|part| part == b"Exif\0\0").unwrap() + 6;
                assert_eq!(orientation_of(&clean[tiff..]), Some(6));
                assert!(
                    clean.ends_with(&[1, 2, 0xff, 0, 3, 0xff, 0xd0, 4, 0xff, 0xd9]),
                    "the image itself is whole"
                );
            }
        }
    }

    #[test]
    fn a_photograph_that_is_cut_or_bent_is_refused() {
        let whole = photo(&[exif(true)]);
        for end in 3..whole.len() {
            assert_eq!(cleaned(&whole[..end]).unwrap_err(), PictureFault::Damaged, "cut at {end}");
        }
        let mut bent = whole;
        bent[3] = 0x01;
        assert_eq!(cleaned(&bent), Err(PictureFault::Damaged));
    }

    fn chunk(kind: &[u8], body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        [&length[..], kind, body, &[9; 4]].concat()
    }

    #[test]
    fn a_png_keeps_what_draws_it_and_nothing_else() {
        let parts = |extra: &[Vec<u8>]| {
            [
                &[PNG.to_vec(), chunk(b"IHDR", &[1; 13])],
                extra,
                &[chunk(b"IDAT", b"image"), chunk(b"IEND", b"")],
            ]
            .concat()
            .concat()
        };
        let texts =
            [chunk(b"tEXt", PLACE), chunk(b"eXIf", PLACE), chunk(b"iTXt", PLACE), chunk(b"tIME", &[1; 7])];
        let dirty = [parts(&texts), PLACE.to_vec()].concat();
        assert_eq!(cleaned(&dirty).unwrap(), (parts(&[]), Some("image/png")));
        for end in PNG.len()..parts(&texts).len() {
            assert_eq!(cleaned(&dirty[..end]).unwrap_err(), PictureFault::Damaged, "cut at {end}");
        }
        let unknown = parts(&[chunk(b"ABCD", b"x")]);
        assert_eq!(cleaned(&unknown), Err(PictureFault::Damaged), "a chunk that must be understood");
        let huge = [PNG, &[0xff; 4], b"IDAT"].concat();
        assert_eq!(cleaned(&huge), Err(PictureFault::Damaged));
    }

    #[test]
    fn a_webp_keeps_what_draws_it_and_nothing_else() {
        let riff = |parts: &[(&[u8], &[u8])]| {
            let mut body = b"WEBP".to_vec();
            for (kind, data) in parts {
                body.extend_from_slice(kind);
                body.extend_from_slice(&u32::try_from(data.len()).unwrap().to_le_bytes());
                body.extend_from_slice(data);
                body.extend(std::iter::repeat_n(0, data.len() % 2));
            }
            [&b"RIFF"[..], &u32::try_from(body.len()).unwrap().to_le_bytes(), &body].concat()
        };
        let dirty = riff(&[
            (b"VP8X", &[0x2d, 0, 0, 0, 1, 0, 0, 1, 0, 0]),
            (b"VP8 ", b"abc"),
            (b"EXIF", PLACE),
            (b"XMP ", PLACE),
        ]);
        let clean = riff(&[(b"VP8X", &[0x01, 0, 0, 0, 1, 0, 0, 1, 0, 0]), (b"VP8 ", b"abc")]);
        assert_eq!(cleaned(&dirty).unwrap(), (clean, Some("image/webp")));
        assert_eq!(cleaned(&dirty[..dirty.len() - 1]), Err(PictureFault::Damaged));
    }

    #[test]
    fn other_files_pass_as_they_are_and_pictures_that_can_not_be_cleaned_do_not() {
        for plain in [&b"hello"[..], b"", b"\xff\xd8", b"OggS voice", b"%PDF-1.7"] {
            assert_eq!(cleaned(plain).unwrap(), (plain.to_vec(), None));
        }
        for kind in [
            &b"II*\0\x08\0\0\0"[..],
            b"MM\0*\0\0\0\x08",
            b"\0\0\0\x18ftypheic....",
            b"\0\0\0\x18ftypavif....",
        ] {
            assert_eq!(cleaned(kind), Err(PictureFault::NotCleanable));
        }
    }
}
