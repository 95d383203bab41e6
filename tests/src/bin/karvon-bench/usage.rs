//! What processes use, as the system tells it (Linux; elsewhere zeros).

use std::fs;
use std::process::Command;

/// The system counts processor time in hundredths of a second on every Linux platform that Rust supports.
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor time of a process since its start, seconds.
pub(crate) fn cpu_seconds(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name may contain spaces and brackets; what follows its closing bracket is fields 3 and on.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks =
        |field: usize| fields.get(field - 3).and_then(|text| text.parse::<f64>().ok()).unwrap_or_default();
    (ticks(14) + ticks(15)) / TICKS_PER_SECOND
}

/// Resident memory, bytes.
pub(crate) fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or_default() * 1_024
}

/// Bytes that came in over the loopback interface since it is up: every IP packet between processes here, with its headers.
pub(crate) fn loopback_bytes() -> u64 {
    let table = fs::read_to_string("/proc/net/dev").unwrap_or_default();
    let line = table.lines().find_map(|line| line.trim_start().strip_prefix("lo:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

/// IP bytes of a process's TCP connections since each was made, both ways: what TCP carried and 52 bytes of headers for each segment.
/// `None` where the program `ss` is missing.
pub(crate) fn ip_bytes(pid: u32) -> Option<u64> {
    let output = Command::new("ss").arg("-tinpH").output().ok()?;
    let table = String::from_utf8_lossy(&output.stdout);
    let owner = format!("pid={pid},");
    let mut lines = table.lines();
    let mut sum = 0;
    while let Some(line) = lines.next() {
        // The line after a connection's own has its figures.
        let Some(figures) = lines.next().filter(|_| line.contains(&owner)) else { continue };
        let figure = |name: &str| {
            let value =
                figures.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix(':'));
            value.and_then(|value| value.parse::<u64>().ok()).unwrap_or_default()
        };
        sum +=
            figure("bytes_sent") + figure("bytes_received") + 52 * (figure("segs_out") + figure("segs_in"));
    }
    Some(sum)
}
