//! A client of the local API over plain JSON lines, independent of the product's own, so that a shared error can not hide.

use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The version of the local API that this client speaks.
pub const VERSION: u32 = 1;

/// An answer that is an error, or the connection's end (code `gone`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The stable code.
    pub code: String,
    /// The sentence.
    pub message: String,
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self { code: "gone".to_owned(), message: error.to_string() }
    }
}

/// A connection to a node.
#[derive(Debug)]
pub struct Api {
    reader: BufReader<UnixStream>,
    writer: UnixStream,
    next: u64,
    events: VecDeque<(Instant, Value)>,
    line: Vec<u8>,
}

/// What `node.json` in a data directory says: process id and socket.
#[must_use]
pub fn node_file(data_dir: &Path) -> Option<(u32, PathBuf)> {
    let text = std::fs::read_to_string(data_dir.join("node.json")).ok()?;
    let value: Value = serde_json::from_str(&text).ok()?;
    let pid = u32::try_from(value["pid"].as_u64()?).ok()?;
    Some((pid, PathBuf::from(value["socket"].as_str()?)))
}

impl Api {
    /// Connects to the node of `data_dir` and says hello.
    ///
    /// # Errors
    /// If no node answers there.
    pub fn connect(data_dir: &Path) -> Result<Self, Fault> {
        let mut api = Self::connect_silent(data_dir)?;
        api.call("hello", &json!({ "version": VERSION }))?;
        Ok(api)
    }

    /// Connects and says nothing.
    ///
    /// # Errors
    /// If no node listens there.
    pub fn connect_silent(data_dir: &Path) -> Result<Self, Fault> {
        let (_, socket) = node_file(data_dir).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        let writer = UnixStream::connect(socket)?;
        writer.set_read_timeout(Some(crate::until::DEADLINE))?;
        writer.set_write_timeout(Some(crate::until::DEADLINE))?;
        let reader = BufReader::new(writer.try_clone()?);
        Ok(Self { reader, writer, next: 1, events: VecDeque::new(), line: Vec::new() })
    }

    /// Writes bytes as they are.
    ///
    /// # Errors
    /// If the node has closed the connection.
    pub fn raw(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        Ok(self.writer.write_all(bytes)?)
    }

    /// The next line, whatever it is.
    ///
    /// # Errors
    /// If the connection has ended, or no JSON came within the deadline.
    pub fn line(&mut self) -> Result<Value, Fault> {
        // What was read before a time-out stays in `line`, so that the rest of it can follow.
        if self.reader.read_until(b'\n', &mut self.line)? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let value = serde_json::from_slice(&self.line).map_err(io::Error::from);
        self.line.clear();
        Ok(value?)
    }

    /// Sends a request without waiting for its answer, and returns its number.
    ///
    /// # Errors
    /// If the node has closed the connection.
    pub fn post(&mut self, method: &str, params: &Value) -> Result<u64, Fault> {
        let id = self.next;
        self.next += 1;
        let mut request = json!({ "id": id, "method": method });
        if !params.is_null() {
            request["params"] = params.clone();
        }
        let mut bytes = serde_json::to_vec(&request).map_err(io::Error::from)?;
        bytes.push(b'\n');
        self.writer.write_all(&bytes)?;
        Ok(id)
    }

    /// Waits for the answer to request `id`; answers come in the order of the requests. Events on the way are kept.
    ///
    /// # Errors
    /// The node's error, or `gone`.
    pub fn answer(&mut self, id: u64) -> Result<Value, Fault> {
        loop {
            let mut line = self.line()?;
            if line.get("event").is_some() {
                self.events.push_back((Instant::now(), line));
            } else if line["id"] == id {
                if let Some(error) = line.get("error").filter(|error| !error.is_null()) {
                    let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
                    return Err(Fault { code: text("code"), message: text("message") });
                }
                return Ok(line["result"].take());
            }
        }
    }

    /// A request and its answer.
    ///
    /// # Errors
    /// The node's error, or `gone`.
    pub fn call(&mut self, method: &str, params: &Value) -> Result<Value, Fault> {
        let id = self.post(method, params)?;
        self.answer(id)
    }

    /// The next event with the moment it came in; `None` if none came within `patience`.
    ///
    /// # Errors
    /// `gone`.
    pub fn event(&mut self, patience: Duration) -> Result<Option<(Instant, Value)>, Fault> {
        if let Some(event) = self.events.pop_front() {
            return Ok(Some(event));
        }
        let end = Instant::now() + patience;
        loop {
            let left = end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            self.writer.set_read_timeout(Some(left))?;
            let line = self.line();
            self.writer.set_read_timeout(Some(crate::until::DEADLINE))?;
            match line {
                Ok(line) if line.get("event").is_some() => return Ok(Some((Instant::now(), line))),
                Ok(_) => {}
                Err(_) if Instant::now() >= end => return Ok(None),
                Err(fault) => return Err(fault),
            }
        }
    }

    /// Every message of a conversation (or of all), oldest first, fetched page by page from the newest back.
    ///
    /// # Errors
    /// The node's error, or `gone`.
    pub fn messages(&mut self, contact: Option<u32>) -> Result<Vec<Value>, Fault> {
        let mut newest_first = Vec::new();
        let mut before = Value::Null;
        loop {
            let page = json!({ "contact": contact, "before": before, "since": null, "limit": 500 });
            let mut answer = self.call("messages", &page)?;
            let Value::Array(messages) = answer["messages"].take() else { break };
            let Some(first) = messages.first() else { break };
            before = first["position"].clone();
            newest_first.extend(messages.into_iter().rev());
            if answer["more"] != true {
                break;
            }
        }
        newest_first.reverse();
        Ok(newest_first)
    }

    /// The local number of the contact called `name`.
    ///
    /// # Errors
    /// The node's error, or `gone`.
    pub fn contact(&mut self, name: &str) -> Result<Option<u32>, Fault> {
        let contacts = self.call("contacts", &Value::Null)?;
        let contacts = contacts["contacts"].as_array().cloned().unwrap_or_default();
        let named = contacts.iter().find(|contact| contact["name"] == name);
        Ok(named.and_then(|contact| u32::try_from(contact["contact"].as_u64()?).ok()))
    }
}
