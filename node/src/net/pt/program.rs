//! One program of a transport: started when it is asked for, watched, started again with growing pauses, ended with the network.

use super::{Ask, PtFault, PtOptions};
use crate::rundir;
use karvon_protocol::pt::program::{Lines, Refusal, Starting, Words};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::pin;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

/// Pause before a program is started again; doubles up to the longest while it does not live as long as that.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));
/// A program that is told to end by the closing of its input may take so long.
const FAREWELL: Duration = Duration::from_secs(2);
/// Bytes read at once.
const READ_BYTES: usize = 2_048;
/// Lines of one run of a program that are passed on to the log.
const LOGGED_MAX: u32 = 50;
/// What a program is given of this one's environment: nothing of Karvon's.
const ENVIRONMENT: [&str; 5] = ["PATH", "HOME", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR"];

/// Keeps the program of the transport `name` for those who ask, until nobody can ask any more.
pub(super) async fn keep(options: Arc<PtOptions>, name: String, mut asks: mpsc::Receiver<Ask>) {
    let mut pause = PAUSE.0;
    while let Some(first) = asks.recv().await {
        let mut waiting = vec![first];
        let begun = {
            let mut begin = pin!(begin(&options, &name));
            loop {
                tokio::select! {
                    biased;
                    begun = &mut begin => break begun,
                    ask = asks.recv() => match ask {
                        Some(ask) => waiting.push(ask),
                        None => return,
                    },
                }
            }
        };
        let since = Instant::now();
        let fault = match begun {
            Ok(mut program) => {
                tracing::debug!(transport = %name, "the program of a transport is ready");
                answer(waiting, &Ok(program.proxy));
                match program.serve(&name, &mut asks).await {
                    Some(fault) => fault,
                    None => return program.end().await,
                }
            }
            Err(fault) => {
                answer(waiting, &Err(fault.clone()));
                fault
            }
        };
        tracing::info!(transport = %name, code = fault.code(), "the program of a transport is of no use for now");
        if since.elapsed() > PAUSE.1 {
            pause = PAUSE.0;
        }
        let rested = Instant::now() + pause;
        pause = (pause * 2).min(PAUSE.1);
        loop {
            tokio::select! {
                biased;
                () = sleep_until(rested) => break,
                ask = asks.recv() => match ask {
                    Some(ask) => answer(vec![ask], &Err(fault.clone())),
                    None => return,
                },
            }
        }
    }
}

fn answer(waiting: Vec<Ask>, known: &Result<SocketAddr, PtFault>) {
    for ask in waiting {
        // Whoever asked may have given up.
        let _ = ask.send(known.clone());
    }
}

/// A program that is ready.
struct Program {
    proxy: SocketAddr,
    child: Child,
    /// Closing it tells the program to end, also when this process is killed.
    input: Option<ChildStdin>,
    output: Option<ChildStdout>,
    complaints: Complaints,
    output_lines: Said,
}

/// Starts a program and waits until it is ready.
async fn begin(options: &PtOptions, name: &str) -> Result<Program, PtFault> {
    let mut child = start(options, name)?;
    let mut complaints =
        Complaints { pipe: child.stderr.take(), last: Words::new(""), said: Said::default() };
    let (input, mut output) = (child.stdin.take(), child.stdout.take());
    let mut starting = Starting::new(name, options.proxy.is_some());
    let ready = async {
        loop {
            let mut bytes = [0; READ_BYTES];
            tokio::select! {
                biased;
                count = read(&mut output, &mut bytes) => match count {
                    0 => return Err(None),
                    count => {
                        let said = bytes.get(..count).unwrap_or_default();
                        if let Some(proxy) = starting.push(said).map_err(Some)? {
                            return Ok(proxy);
                        }
                    }
                },
                () = complaints.hear(name) => {}
            }
        }
    };
    let ready = timeout(options.ready_within, ready).await;
    match ready {
        Ok(Ok(proxy)) => {
            Ok(Program { proxy, child, input, output, complaints, output_lines: Said::default() })
        }
        Ok(Err(Some(refusal))) => Err(PtFault::Refused(refusal)),
        Ok(Err(None)) => Err(crashed(&mut child, &mut complaints, name).await),
        Err(_) => Err(PtFault::Slow),
    }
}

fn start(options: &PtOptions, name: &str) -> Result<Child, PtFault> {
    let candidates = options.candidates(name).ok_or_else(|| PtFault::Unknown(name.to_owned()))?;
    let failed = |error: io::Error| PtFault::CanNotStart(error.to_string());
    let folder = options.state_dir.as_ref().ok_or_else(|| failed(io::ErrorKind::Unsupported.into()))?;
    let folder = folder.join(name);
    rundir::make_data_dir(&folder).map_err(failed)?;
    for program in &candidates {
        match command(options, program, name, &folder).spawn() {
            Ok(child) => return Ok(child),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(PtFault::NotExecutable(program.display().to_string()));
            }
            Err(error) => return Err(failed(error)),
        }
    }
    let names: Vec<_> = candidates.iter().map(|program| program.display().to_string()).collect();
    Err(PtFault::Missing(names.join(", ")))
}

fn command(options: &PtOptions, program: &Path, name: &str, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear();
    for variable in ENVIRONMENT {
        if let Some(value) = std::env::var_os(variable) {
            command.env(variable, value);
        }
    }
    command
        .env("TOR_PT_MANAGED_TRANSPORT_VER", "1")
        .env("TOR_PT_CLIENT_TRANSPORTS", name)
        .env("TOR_PT_STATE_LOCATION", folder)
        .env("TOR_PT_EXIT_ON_STDIN_CLOSE", "1");
    if let Some(proxy) = &options.proxy {
        command.env("TOR_PT_PROXY", proxy.uri().as_str());
    }
    command.current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A Ctrl-C in the terminal is for this process, which still has things to send through that one.
    command.process_group(0).kill_on_drop(true);
    command
}

/// Bytes of a pipe; none are left once it is closed.
async fn read(pipe: &mut Option<impl AsyncRead + Unpin>, bytes: &mut [u8]) -> usize {
    match pipe {
        Some(open) => match open.read(bytes).await {
            Ok(count) if count > 0 => count,
            _ => {
                *pipe = None;
                0
            }
        },
        None => std::future::pending().await,
    }
}

/// What is to be said of a program that closed its output.
async fn crashed(child: &mut Child, complaints: &mut Complaints, name: &str) -> PtFault {
    let ended = async {
        // Its last words may still be under way.
        while complaints.pipe.is_some() {
            complaints.hear(name).await;
        }
        child.wait().await
    };
    let how = match timeout(FAREWELL, ended).await {
        Ok(Ok(status)) => status.to_string(),
        _ => "it closed its output".to_owned(),
    };
    PtFault::Crashed(how, complaints.last.clone())
}

impl Program {
    /// Tells those who ask where the proxy is. Returns why the program is gone, or `None` if nobody can ask any more.
    async fn serve(&mut self, name: &str, asks: &mut mpsc::Receiver<Ask>) -> Option<PtFault> {
        loop {
            let mut bytes = [0; READ_BYTES];
            tokio::select! {
                biased;
                status = self.child.wait() => {
                    let how = status.map_or_else(|error| error.to_string(), |status| status.to_string());
                    // Its last words may still lie in the pipe.
                    let _ = timeout(FAREWELL, async {
                        while self.complaints.pipe.is_some() {
                            self.complaints.hear(name).await;
                        }
                    }).await;
                    return Some(PtFault::Crashed(how, self.complaints.last.clone()));
                }
                ask = asks.recv() => answer(vec![ask?], &Ok(self.proxy)),
                count = read(&mut self.output, &mut bytes) => {
                    self.output_lines.take(bytes.get(..count).unwrap_or_default(), name);
                }
                () = self.complaints.hear(name) => {}
            }
        }
    }

    async fn end(mut self) {
        drop(self.input.take());
        if timeout(FAREWELL, self.child.wait()).await.is_err() {
            // Nothing is left to be said to one that can not even be killed.
            let _ = self.child.kill().await;
        }
    }
}

/// What a program writes to its standard error.
struct Complaints {
    pipe: Option<ChildStderr>,
    /// The last line.
    last: Words,
    said: Said,
}

impl Complaints {
    /// Takes in what comes next; waits for ever once nothing can come.
    async fn hear(&mut self, name: &str) {
        let mut bytes = [0; READ_BYTES];
        let count = read(&mut self.pipe, &mut bytes).await;
        if let Some(last) = self.said.take(bytes.get(..count).unwrap_or_default(), name) {
            self.last = last;
        }
    }
}

/// Lines on their way into the log, where they may name addresses: for debugging only, and not many.
#[derive(Default)]
struct Said {
    lines: Lines,
    logged: u32,
}

impl Said {
    /// The last whole line that says anything.
    fn take(&mut self, bytes: &[u8], name: &str) -> Option<Words> {
        let mut last = None;
        for line in self.lines.push(bytes).unwrap_or_default() {
            let line = String::from_utf8_lossy(&line);
            if line.trim().is_empty() {
                continue;
            }
            let words = Words::new(&line);
            if self.logged < LOGGED_MAX {
                self.logged += 1;
                tracing::debug!(transport = name, said = %words, "the program of a transport");
            }
            last = Some(words);
        }
        last
    }
}

impl From<Refusal> for PtFault {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
