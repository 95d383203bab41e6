//! Child processes: run to their end with a deadline, or looked after while they live.

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use std::fs;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How a program ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Outcome {
    /// This outcome, if the program ended well.
    ///
    /// # Panics
    /// With its output if not.
    #[must_use]
    pub fn ok(self) -> Self {
        assert!(self.code == Some(0), "failed: {self:#?}");
        self
    }

    /// The JSON objects on standard output, one or several; a list counts as its elements.
    ///
    /// # Panics
    /// If it is anything else than JSON.
    #[must_use]
    pub fn json(&self) -> Vec<serde_json::Value> {
        objects(&self.stdout)
    }

    /// The code of the error that `--json` puts on standard error; empty if there is none.
    #[must_use]
    pub fn error_code(&self) -> String {
        let mut lines =
            self.stderr.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        lines.find_map(|line| Some(line["error"]["code"].as_str()?.to_owned())).unwrap_or_default()
    }
}

fn objects(text: &str) -> Vec<serde_json::Value> {
    let mut out = Vec::new();
    for value in serde_json::Deserializer::from_str(text).into_iter() {
        match value.unwrap_or_else(|error| panic!("not JSON: {error}: {text}")) {
            serde_json::Value::Array(values) => out.extend(values),
            value => out.push(value),
        }
    }
    out
}

/// Runs `command` to its end with `stdin` as its standard input. Files stand in for pipes, so that nothing blocks: not a large input,
/// and not a background process that keeps the output open.
///
/// # Panics
/// If it has not ended at the deadline; it is killed then.
pub fn run(command: &mut Command, stdin: &[u8], deadline: Duration) -> Outcome {
    let mut input = tempfile::tempfile().expect("a scratch file");
    input.write_all(stdin).and_then(|()| input.rewind()).expect("a scratch file takes the input");
    let mut output = tempfile::tempfile().expect("a scratch file");
    let mut errors = tempfile::tempfile().expect("a scratch file");
    let duplicate = |file: &fs::File| Stdio::from(file.try_clone().expect("a second handle"));
    let mut child = command
        .stdin(Stdio::from(input))
        .stdout(duplicate(&output))
        .stderr(duplicate(&errors))
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?} can not be started: {error}"));
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            break Some(status);
        }
        if start.elapsed() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            break None;
        }
        sleep(Duration::from_millis(2));
    };
    let text = |file: &mut fs::File| {
        let mut bytes = Vec::new();
        file.rewind().and_then(|()| file.read_to_end(&mut bytes)).expect("a scratch file can be read");
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let outcome = Outcome {
        code: status.and_then(|status| status.code()),
        stdout: text(&mut output),
        stderr: text(&mut errors),
    };
    assert!(status.is_some(), "{command:?} did not end within {} s: {outcome:#?}", deadline.as_secs());
    outcome
}

/// Sends `signal`; a process that is gone already is no fault.
pub fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// Whether a process is there and not merely waiting to be collected by its parent.
#[must_use]
pub fn alive(pid: u32) -> bool {
    let Some(known) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return false };
    if test_kill_process(known).is_err() {
        return false;
    }
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.rsplit(')').next().is_some_and(|after| after.trim_start().starts_with('Z'))
}

/// Processes that have `argument` among their arguments (Linux; elsewhere none are found). The argument should be a path that only this
/// test has, so that nobody else's process can be meant.
#[must_use]
pub fn with_argument(argument: &Path) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let wanted = argument.as_os_str().as_encoded_bytes();
        line.split(|byte| *byte == 0).any(|part| part == wanted)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_gets_its_input_and_gives_its_output_and_code() {
        let mut command = Command::new("sh");
        command.args(["-c", "cat; echo '{\"error\":{\"code\":\"x\"}}' >&2; exit 5"]);
        let outcome = run(&mut command, b"{\"a\":1}\n[{\"b\":2}]", Duration::from_secs(30));
        assert_eq!((outcome.code, outcome.error_code().as_str()), (Some(5), "x"));
        assert_eq!(outcome.json(), [serde_json::json!({"a":1}), serde_json::json!({"b":2})]);
    }

    #[test]
    fn output_that_a_background_process_keeps_open_does_not_block() {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 600 & echo $!"]);
        let outcome = run(&mut command, b"", Duration::from_secs(30)).ok();
        let pid: u32 = outcome.stdout.trim().parse().unwrap();
        assert!(alive(pid));
        signal(pid, Signal::KILL);
        crate::until::until("the process is gone", || (!alive(pid)).then_some(()));
    }
}
