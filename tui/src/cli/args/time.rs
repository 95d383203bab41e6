//! Spans of time as people write them.

use std::time::Duration;

/// `30s`, `500ms`, `2m`, `1h`, or a number of seconds.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.len() - text.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let wrong = || "write a time as 30s, 500ms, 2m or 1h".to_owned();
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let ms = match unit {
        "ms" => Some(number),
        "s" | "" => number.checked_mul(1_000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        _ => None,
    };
    // A year is for ever here, and the clock can count that far.
    ms.filter(|ms| *ms <= 365 * 86_400_000).map(Duration::from_millis).ok_or_else(wrong)
}

/// `off`, or a time in days as well, in seconds.
pub(super) fn timer(text: &str) -> Result<u64, String> {
    if text == "off" {
        return Ok(0);
    }
    let days = text.strip_suffix('d').and_then(|days| days.parse::<u64>().ok());
    let seconds = match days {
        Some(days) => days.checked_mul(86_400),
        None => duration(text).ok().map(|time| time.as_secs()),
    };
    seconds
        .filter(|seconds| (5..=365 * 86_400).contains(seconds))
        .ok_or_else(|| "write off, or a time from 5s to 365d".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_may_be_days_and_is_never_too_short_to_read() {
        for (text, seconds) in [("off", 0), ("5s", 5), ("2m", 120), ("7d", 604_800), ("365d", 31_536_000)] {
            assert_eq!(timer(text), Ok(seconds), "{text}");
        }
        for text in ["", "0s", "4s", "d", "366d", "-1d", "99999999999999999999d", "900ms"] {
            assert!(timer(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_written_as_people_write_them() {
        for (text, ms) in
            [("30s", 30_000), ("500ms", 500), ("2m", 120_000), ("1h", 3_600_000), ("7", 7_000), ("0s", 0)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "s", "1d", "-1s", "99999999999999999999s", "18446744073709551615h", "1.5s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
