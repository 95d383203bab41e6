//! The operator's socket: one line of JSON asks, one line answers. It is a Unix socket of this user, never reached over a network.

use crate::api::ApiError;
use crate::api::error::{BAD_REQUEST, CLOSED, IO, NOT_RUNNING};
use crate::api::line::Lines;
use crate::api::server::Listener;
use crate::rundir::NodeFile;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Longest line, bytes.
const LINE_MAX: usize = 64 << 10;
/// Operators at once.
const CLIENTS_MAX: usize = 16;
/// How long one question may take, and how long an operator may be silent.
const PATIENCE: Duration = Duration::from_secs(30);

/// What an operator may ask of a running relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Ask {
    /// [`super::status::Status`].
    Status,
    /// Reads the configuration again: what changed, and what needs a restart.
    Reload,
    /// Takes nothing new, or takes new things again.
    Drain {
        /// Whether to drain.
        on: bool,
    },
    /// Asks another relay to dial this one back; [`Ask::Status`] tells what came of it.
    Dialback,
    /// The slots of doors made here.
    Doors,
    /// Makes a door: its line.
    NewDoor,
    /// Takes note that a door made here was found blocked.
    DoorBlocked {
        /// Its slot, 16 hexadecimal digits.
        slot: String,
        /// It was a mistake.
        undo: bool,
    },
    /// Ends a door and the guest doors under it.
    RevokeDoor {
        /// Its slot, 16 hexadecimal digits.
        slot: String,
    },
}

/// What answers them.
pub(super) trait Answers: Clone + Send + Sync + 'static {
    /// Answers one question.
    fn answer(&self, ask: Ask) -> impl Future<Output = Result<Value, ApiError>> + Send;
}

/// Serves the socket until dropped.
pub(super) async fn serve(listener: Listener, answers: impl Answers) {
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            Some(_) = clients.join_next(), if !clients.is_empty() => {}
            accepted = listener.accept_operator(), if clients.len() < CLIENTS_MAX => match accepted {
                Ok(stream) => drop(clients.spawn(client(stream, answers.clone()))),
                // Out of descriptors, or a process of another user: the next one may be welcome.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            },
        }
    }
}

async fn client(mut stream: UnixStream, answers: impl Answers) {
    let mut lines = Lines::new(LINE_MAX);
    let mut chunk = [0; 4_096];
    loop {
        let outcome = match lines.next_line() {
            Ok(Some(line)) => match serde_json::from_slice::<Ask>(line) {
                Ok(ask) => answers.answer(ask).await,
                Err(error) => Err(ApiError::new(BAD_REQUEST, error.to_string())),
            },
            Ok(None) => match timeout(PATIENCE, stream.read(&mut chunk)).await {
                Ok(Ok(length @ 1..)) => {
                    lines.push(chunk.get(..length).unwrap_or_default());
                    continue;
                }
                _ => return,
            },
            Err(_) => return,
        };
        let line = match outcome {
            Ok(value) => serde_json::json!({ "ok": value }),
            Err(error) => serde_json::json!({ "error": error }),
        };
        if stream.write_all(format!("{line}\n").as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Asks the relay that runs in `data_dir`.
///
/// # Errors
/// `not_running` if none does, or what the relay answers.
pub async fn ask(data_dir: &Path, ask: &Ask) -> Result<Value, ApiError> {
    let none = || ApiError::new(NOT_RUNNING, "no relay is running in this directory");
    let file = NodeFile::read(data_dir).ok_or_else(none)?;
    let mut stream = UnixStream::connect(&file.socket).await.map_err(|_| none())?;
    let io = |error: std::io::Error| ApiError::new(IO, format!("the relay's socket: {error}"));
    let line = serde_json::to_string(ask).map_err(|error| ApiError::new(BAD_REQUEST, error.to_string()))?;
    let exchange = async {
        stream.write_all(format!("{line}\n").as_bytes()).await.map_err(io)?;
        let mut lines = Lines::new(1 << 20);
        let mut chunk = [0; 4_096];
        loop {
            if let Ok(Some(line)) = lines.next_line() {
                return serde_json::from_slice::<Value>(line)
                    .map_err(|error| ApiError::new(BAD_REQUEST, error.to_string()));
            }
            match stream.read(&mut chunk).await.map_err(io)? {
                0 => return Err(ApiError::new(CLOSED, "the relay stopped before it answered")),
                length => lines.push(chunk.get(..length).unwrap_or_default()),
            }
        }
    };
    let late = |_| ApiError::new(CLOSED, "the relay does not answer");
    let mut answer = timeout(PATIENCE, exchange).await.map_err(late)??;
    if let Some(error) = answer.get("error") {
        let error = serde_json::from_value(error.clone());
        return Err(error.unwrap_or_else(|_| ApiError::new(BAD_REQUEST, "the answer is not understood")));
    }
    Ok(answer.get_mut("ok").map(Value::take).unwrap_or_default())
}
