//! Times of messages: from RFC 3339 to the calendar of this device.

use std::borrow::Cow;

/// A moment in the calendar of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Local {
    /// Days since 1970-01-01 in this calendar: equal for two moments of one day.
    pub day_number: i64,
    /// Year.
    pub year: i64,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 1 (Monday) to 7.
    pub weekday: u8,
    /// Hour.
    pub hour: u8,
    /// Minute.
    pub minute: u8,
}

impl Local {
    /// `HH:MM`.
    #[must_use]
    pub fn clock(&self) -> String {
        format!("{:02}:{:02}", self.hour, self.minute)
    }
}

/// Offsets of this device's place from UTC.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Zone {
    /// From this Unix second on this offset in seconds holds; ascending.
    changes: Vec<(i64, i32)>,
    /// Offset before the first change.
    first: i32,
}

impl Zone {
    /// One offset for all times, in seconds east of UTC.
    #[must_use]
    pub fn fixed(offset: i32) -> Self {
        Self { changes: Vec::new(), first: offset }
    }

    /// Reads a compiled time zone file (RFC 8536, version 2 or later). `None` when it is not one. The rule for times after the last
    /// listed change is not evaluated: the last offset stays, which is exact wherever clocks are not changed twice a year.
    #[must_use]
    pub fn parse(file: &[u8]) -> Option<Self> {
        let skip = block_sizes(file)?;
        let first_block = 44
            + skip.times * 5
            + skip.types * 6
            + skip.chars
            + skip.leaps * 8
            + skip.standard
            + skip.universal;
        let second = file.get(first_block..)?;
        let sizes = block_sizes(second)?;
        let times = second.get(44..44 + sizes.times * 8)?;
        let indices = second.get(44 + sizes.times * 8..44 + sizes.times * 9)?;
        let types = second.get(44 + sizes.times * 9..44 + sizes.times * 9 + sizes.types * 6)?;
        let offset = |index: usize| {
            let bytes = types.get(index * 6..)?.first_chunk::<4>()?;
            Some(i32::from_be_bytes(*bytes)).filter(|seconds| seconds.abs() < 100_000)
        };
        let mut changes = Vec::with_capacity(sizes.times);
        for (time, index) in times.chunks_exact(8).zip(indices) {
            changes.push((i64::from_be_bytes(*time.first_chunk::<8>()?), offset(usize::from(*index))?));
        }
        changes.is_sorted_by_key(|(time, _)| *time).then_some(Self { changes, first: offset(0)? })
    }

    /// The moment of an RFC 3339 text in this place; `None` when it is not such a text.
    #[must_use]
    pub fn local(&self, rfc3339: &str) -> Option<Local> {
        let unix = unix(rfc3339)?;
        let change = self.changes.partition_point(|(time, _)| *time <= unix);
        let offset = change
            .checked_sub(1)
            .and_then(|last| self.changes.get(last))
            .map_or(self.first, |(_, offset)| *offset);
        let seconds = unix.checked_add(i64::from(offset))?;
        let (day_number, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let (year, month, day) = civil(day_number);
        Some(Local {
            day_number,
            year,
            month,
            day,
            weekday: u8::try_from((day_number + 3).rem_euclid(7)).ok()? + 1,
            hour: u8::try_from(second / 3600).ok()?,
            minute: u8::try_from(second % 3600 / 60).ok()?,
        })
    }

    /// `HH:MM` of an RFC 3339 text, or `--:--`.
    #[must_use]
    pub fn clock(&self, rfc3339: &str) -> Cow<'static, str> {
        self.local(rfc3339).map_or(Cow::Borrowed("--:--"), |local| Cow::Owned(local.clock()))
    }
}

/// The six counts in the header of a block of a time zone file.
struct Sizes {
    universal: usize,
    standard: usize,
    leaps: usize,
    times: usize,
    types: usize,
    chars: usize,
}

fn block_sizes(block: &[u8]) -> Option<Sizes> {
    let header = block.first_chunk::<44>()?;
    let (magic, counts) = header.split_at_checked(20)?;
    if !magic.starts_with(b"TZif") || magic.get(4).is_none_or(|version| *version < b'2') {
        return None;
    }
    let mut counts = counts.chunks_exact(4).map(|count| {
        let count = u32::from_be_bytes(*count.first_chunk::<4>()?);
        usize::try_from(count).ok().filter(|count| *count <= 10_000)
    });
    let mut next = || counts.next().flatten();
    Some(Sizes {
        universal: next()?,
        standard: next()?,
        leaps: next()?,
        times: next()?,
        types: next()?,
        chars: next()?,
    })
}

/// Unix seconds of `YYYY-MM-DDTHH:MM:SS[.fraction](Z|±HH:MM)`.
fn unix(text: &str) -> Option<i64> {
    let digits = |range: std::ops::Range<usize>| -> Option<i64> {
        let part = text.get(range)?;
        part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok())?
    };
    let (year, month, day) = (digits(0..4)?, digits(5..7)?, digits(8..10)?);
    let (hour, minute, second) = (digits(11..13)?, digits(14..16)?, digits(17..19)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let zone = text.get(19..)?.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let offset = match zone.split_at_checked(1)? {
        ("Z" | "z", "") => 0,
        (sign, rest) => {
            let (hours, minutes) = rest.split_once(':')?;
            let seconds = hours.parse::<u16>().ok()? * 60
                + minutes.parse::<u16>().ok().filter(|minutes| *minutes < 60)?;
            i64::from(seconds) * if sign == "-" { -60 } else { 60 }
        }
    };
    Some(days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset)
}

/// Days since 1970-01-01 of a date in the Gregorian calendar (Howard Hinnant's algorithm).
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and day of days since 1970-01-01.
fn civil(days: i64) -> (i64, u8, u8) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, u8::try_from(month).unwrap_or(1), u8::try_from(day).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_utc_time_is_shown_in_the_time_of_the_place() {
        let dushanbe = Zone::fixed(5 * 3600);
        let local = dushanbe.local("2026-11-22T21:05:09.250Z").unwrap();
        assert_eq!((local.year, local.month, local.day, local.weekday), (2026, 11, 23, 1));
        assert_eq!(local.clock(), "02:05");
        assert_eq!(dushanbe.clock("2026-11-22T14:05:00+05:00"), "14:05");
    }

    #[test]
    fn leap_days_and_old_dates_are_right() {
        let utc = Zone::default();
        assert_eq!(utc.local("2024-02-29T00:00:00Z").map(|local| (local.day, local.weekday)), Some((29, 4)));
        assert_eq!(utc.local("1970-01-01T00:00:00Z").map(|local| local.day_number), Some(0));
        assert_eq!(utc.local("1969-12-31T23:59:59Z").map(|local| (local.year, local.hour)), Some((1969, 23)));
    }

    #[test]
    fn nonsense_is_shown_as_an_unknown_time() {
        for text in [
            "",
            "yesterday",
            "2026-13-01T00:00:00Z",
            "2026-11-22T14:05:00",
            "2026-11-22T14:05:00+99999:99",
            "ӣӣӣӣӣӣӣӣӣӣӣ",
        ] {
            assert_eq!(Zone::default().clock(text), "--:--", "{text}");
        }
    }

    #[test]
    fn a_zone_file_gives_the_offset_of_its_time() {
        let mut file = Vec::new();
        for times in [0u32, 1] {
            file.extend_from_slice(b"TZif2");
            file.extend_from_slice(&[0; 15]);
            for count in [0, 0, 0, times, 2 * times, 0] {
                file.extend_from_slice(&count.to_be_bytes());
            }
        }
        file.extend_from_slice(&1_000_000_000i64.to_be_bytes());
        file.push(1);
        for offset in [3600i32, 18_000] {
            file.extend_from_slice(&offset.to_be_bytes());
            file.extend_from_slice(&[0, 0]);
        }
        let zone = Zone::parse(&file).unwrap();
        assert_eq!(zone.clock("2001-09-09T01:46:39Z"), "02:46");
        assert_eq!(zone.clock("2001-09-09T01:46:40Z"), "06:46");
        assert_eq!(Zone::parse(&file[..60]), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_zone_reader_fail_badly(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut file = b"TZif2".to_vec();
            file.extend_from_slice(&bytes);
            let _ = Zone::parse(&file);
        }

        #[test]
        fn every_day_survives_the_way_there_and_back(day in -700_000i64..2_000_000) {
            let (year, month, date) = civil(day);
            prop_assert_eq!(days(year, i64::from(month), i64::from(date)), day);
        }
    }
}
