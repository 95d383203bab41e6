//! Arguments of `data`: what may be used of the line a day.

use clap::{Subcommand, ValueEnum};

/// `data …`
#[derive(Debug, Subcommand)]
pub enum Data {
    /// How freely bytes are used
    Plan {
        /// normal, or low for slow and dear lines: two links at most, and checks less often
        plan: Plan,
        /// Where it holds
        #[arg(long, value_enum, default_value_t = Network::This)]
        network: Network,
    },
    /// How many bytes may be used a day
    Cap {
        /// For example 5MB or 500kB; none takes the cap away
        #[arg(value_parser = cap)]
        bytes: Cap,
        /// Where it holds
        #[arg(long, value_enum, default_value_t = Network::This)]
        network: Network,
    },
    /// Allows more on this network for today
    More {
        /// For example 2MB
        #[arg(value_parser = size)]
        bytes: u64,
    },
}

/// How freely bytes are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Plan {
    /// As suits a line whose bytes cost nothing.
    Normal,
    /// Two links at most, and checks less often.
    Low,
}

/// Where something holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Network {
    /// On the network that this device is on now.
    This,
    /// On all, also those that have something of their own.
    All,
}

/// A cap, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cap(pub Option<u64>);

fn cap(text: &str) -> Result<Cap, String> {
    if text == "none" { Ok(Cap(None)) } else { size(text).map(|bytes| Cap(Some(bytes))) }
}

/// A number of bytes: `5MB`, `1.5MB`, `500kB`, `1GB`, or digits alone.
fn size(text: &str) -> Result<u64, String> {
    let wrong = || "write a size as 5MB, 500kB or 1GB".to_owned();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits).ok_or_else(wrong)?;
    let unit: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1_000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        _ => return Err(wrong()),
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if part.len() > 6 || whole.is_empty() {
        return Err(wrong());
    }
    let whole: u64 = whole.parse().map_err(|_| wrong())?;
    let millionths: u64 = format!("{part:0<6}").parse().map_err(|_| wrong())?;
    let bytes = whole.checked_mul(unit).ok_or_else(wrong)?;
    let rest = unit.checked_mul(millionths).ok_or_else(wrong)? / 1_000_000;
    bytes.checked_add(rest).filter(|bytes| *bytes > 0).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in
            [("5MB", 5_000_000), ("1.5mb", 1_500_000), ("500 kB", 500_000), ("2g", 2_000_000_000), ("7", 7)]
        {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "MB", "0", "-5MB", "5XB", "1.2.3MB", "99999999999GB", ".5MB", "\u{665}MB"] {
            assert!(size(text).is_err(), "{text}");
        }
        assert_eq!((cap("none"), cap("1kB")), (Ok(Cap(None)), Ok(Cap(Some(1_000)))));
    }
}
