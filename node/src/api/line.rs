//! Lines of the local interface: taking them from a byte stream within bounds, and turning them into requests and answers.

use super::error::BAD_REQUEST;
use super::{ApiError, Event, Request, Response};
use serde::{Deserialize, Serialize};

/// Longest line of a request, bytes, except [`Request::SendMany`].
pub const REQUEST_LINE_MAX: usize = 1024 * 1024;

/// Longest line of [`Request::SendMany`], bytes.
pub const BATCH_LINE_MAX: usize = 4 * 1024 * 1024;

/// Longest line of an answer, bytes: [`super::MESSAGES_LIMIT_MAX`] texts of which every byte is escaped.
pub const ANSWER_LINE_MAX: usize = 32 * 1024 * 1024;

/// A line is longer than its bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the line is too long")]
pub struct TooLong;

/// Collects bytes and gives out whole lines; never holds more than one line's bound and one read.
#[derive(Debug)]
pub struct Lines {
    bytes: Vec<u8>,
    /// Start of what was not given out yet.
    start: usize,
    /// No line end lies before this.
    searched: usize,
    line_max: usize,
}

impl Lines {
    /// Lines of at most `line_max` bytes.
    #[must_use]
    pub const fn new(line_max: usize) -> Self {
        Self { bytes: Vec::new(), start: 0, searched: 0, line_max }
    }

    /// Adds bytes that were read.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.searched -= self.start;
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole line without its end, or `None` until more bytes are added.
    ///
    /// # Errors
    /// [`TooLong`]; nothing sensible can follow.
    pub fn next_line(&mut self) -> Result<Option<&[u8]>, TooLong> {
        let unseen = self.bytes.get(self.searched..).unwrap_or_default();
        let Some(at) = unseen.iter().position(|byte| *byte == b'\n') else {
            self.searched = self.bytes.len();
            return if self.bytes.len() - self.start > self.line_max { Err(TooLong) } else { Ok(None) };
        };
        let end = self.searched + at;
        let line = self.bytes.get(self.start..end).unwrap_or_default();
        self.start = end + 1;
        self.searched = end + 1;
        if line.len() > self.line_max { Err(TooLong) } else { Ok(Some(line)) }
    }
}

/// A request with the number that its answer bears.
#[derive(Debug, Clone)]
pub struct Call {
    /// Chosen by the front end.
    pub id: u64,
    /// What it asks.
    pub request: Request,
}

/// An answer or an error. The id is missing only if the request's could not be read.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Answer {
    /// Id of the request.
    pub id: Option<u64>,
    /// The answer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub result: Option<Response>,
    /// Or the error.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<ApiError>,
}

impl Answer {
    /// The line of an answer, with its end.
    #[must_use]
    pub fn line(id: Option<u64>, outcome: Result<Response, ApiError>) -> Vec<u8> {
        let (result, error) = match outcome {
            Ok(result) => (Some(result), None),
            Err(error) => (None, Some(error)),
        };
        encode(&Self { id, result, error })
    }
}

/// What a node writes.
#[derive(Debug, Clone)]
pub enum FromNode {
    /// An answer.
    Answer(Box<Answer>),
    /// An event.
    Event(Event),
}

/// The line of a call, with its end.
#[must_use]
pub fn call_line(id: u64, request: &Request) -> Vec<u8> {
    #[derive(Serialize)]
    struct Line<'a> {
        id: u64,
        #[serde(flatten)]
        request: &'a Request,
    }
    encode(&Line { id, request })
}

/// The line of an event, with its end.
#[must_use]
pub fn event_line(event: &Event) -> Vec<u8> {
    encode(event)
}

fn encode(value: &impl Serialize) -> Vec<u8> {
    // These types hold only texts, numbers and lists of them, which always have a JSON form; an empty line would be skipped.
    let mut line = serde_json::to_vec(value).unwrap_or_default();
    line.push(b'\n');
    line
}

/// Reads the line of a call.
///
/// # Errors
/// The id, if it could be read, and what to answer.
pub fn parse_call(line: &[u8]) -> Result<Call, (Option<u64>, ApiError)> {
    let bad = |id, why: String| (id, ApiError::new(BAD_REQUEST, why));
    let mut object: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(line).map_err(|error| bad(None, format!("not a JSON object: {error}")))?;
    let id = object.remove("id").and_then(|id| id.as_u64());
    let Some(known) = id else {
        return Err(bad(None, "the request needs an \"id\", a whole number".to_owned()));
    };
    // Many clients of such interfaces send empty parameters with a method that has none.
    if object.get("params").and_then(serde_json::Value::as_object).is_some_and(serde_json::Map::is_empty) {
        object.remove("params");
    }
    let request: Request =
        serde_json::from_value(object.into()).map_err(|error| bad(id, error.to_string()))?;
    if line.len() > REQUEST_LINE_MAX && !matches!(request, Request::SendMany { .. }) {
        return Err(bad(id, format!("a request has at most {REQUEST_LINE_MAX} bytes")));
    }
    Ok(Call { id: known, request })
}

/// Reads a line that a node wrote; `None` for a kind that this program does not know.
#[must_use]
pub fn parse_from_node(line: &[u8]) -> Option<FromNode> {
    #[derive(Deserialize)]
    struct Kind {
        event: Option<serde::de::IgnoredAny>,
    }
    let kind: Kind = serde_json::from_slice(line).ok()?;
    if kind.event.is_some() {
        serde_json::from_slice(line).ok().map(FromNode::Event)
    } else {
        serde_json::from_slice(line).ok().map(Box::new).map(FromNode::Answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_out_whole_however_the_bytes_arrive() {
        let text = b"one\n\ntwo\nthree";
        for size in 1..text.len() {
            let (mut lines, mut seen) = (Lines::new(10), Vec::new());
            for part in text.chunks(size) {
                lines.push(part);
                while let Some(line) = lines.next_line().unwrap() {
                    seen.push(line.to_vec());
                }
            }
            assert_eq!(seen, [&b"one"[..], b"", b"two"]);
        }
    }

    #[test]
    fn a_line_past_its_bound_is_refused_before_its_end_comes() {
        let mut lines = Lines::new(4);
        lines.push(b"abcd");
        assert_eq!(lines.next_line(), Ok(None));
        lines.push(b"e");
        assert_eq!(lines.next_line(), Err(TooLong));
        let mut lines = Lines::new(4);
        lines.push(b"abcde\n");
        assert_eq!(lines.next_line(), Err(TooLong));
    }

    #[test]
    fn a_call_survives_its_own_line() {
        let request =
            Request::Messages { contact: Some(3), before: None, since: Some("ab".into()), limit: 7 };
        let line = call_line(9, &request);
        let call = parse_call(line.trim_ascii_end()).unwrap();
        assert_eq!(call.id, 9);
        assert_eq!(format!("{:?}", call.request), format!("{request:?}"));
        assert!(matches!(parse_call(br#"{"id":1,"method":"status"}"#).unwrap().request, Request::Status));
        assert!(matches!(
            parse_call(br#"{"id":1,"method":"status","params":{}}"#).unwrap().request,
            Request::Status
        ));
    }

    #[test]
    fn a_malformed_call_is_answered_with_its_id_where_it_has_one() {
        for (line, id) in [
            (&b"hello"[..], None),
            (b"[]", None),
            (br#"{"method":"status"}"#, None),
            (br#"{"id":-1,"method":"status"}"#, None),
            (br#"{"id":4}"#, Some(4)),
            (br#"{"id":4,"method":"fly"}"#, Some(4)),
            (br#"{"id":4,"method":"send","params":{"contact":1}}"#, Some(4)),
            (br#"{"id":4,"method":"send","params":{"contact":1,"text":"a","more":1}}"#, Some(4)),
        ] {
            let (seen, error) = parse_call(line).unwrap_err();
            assert_eq!((seen, error.code.as_str()), (id, BAD_REQUEST));
        }
    }

    #[test]
    fn only_a_batch_may_be_longer_than_a_plain_request() {
        let text = "x".repeat(REQUEST_LINE_MAX);
        let plain = call_line(1, &Request::Send { contact: 1, text: text.clone() });
        assert_eq!(parse_call(&plain).unwrap_err().1.code, BAD_REQUEST);
        let batch = call_line(1, &Request::SendMany { contact: 1, texts: vec![text] });
        assert!(parse_call(&batch).is_ok());
    }

    #[test]
    fn answers_and_events_are_told_apart() {
        let event = Event::Received { contact: 1, from: 2, to: 3 };
        assert!(matches!(parse_from_node(&event_line(&event)), Some(FromNode::Event(seen)) if seen == event));
        let answer = Answer::line(Some(5), Err(ApiError::new("busy", "later")));
        assert!(matches!(
            parse_from_node(&answer),
            Some(FromNode::Answer(answer)) if answer.id == Some(5) && answer.error.is_some()
        ));
        assert!(parse_from_node(br#"{"event":"of a later version"}"#).is_none());
    }
}
