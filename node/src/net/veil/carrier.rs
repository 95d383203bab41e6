//! A carrier: one connection under a session, and the moving of frames over it.

use super::Common;
use super::stream::Shared;
use futures::future::BoxFuture;
use karvon_protocol::veil::session::Verdict;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// Small frames are put together until there are this many bytes, then written: one TLS record. A record that a freeze cuts is of no use
/// at all, so a large frame has one of its own: each carrier must bring the stream on.
const COALESCE_BYTES: usize = 512;
/// Bytes read at once.
const READ_BYTES: usize = 8 << 10;

/// Any connection.
pub(in crate::net) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// Why a dial brought no carrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::net) enum DialFault {
    /// Nothing answered in time.
    #[error("no answer")]
    Silent,
    /// Refused, unreachable, or broken off.
    #[error("refused")]
    Refused,
    /// What answers is not this door, or lets this slot in no more.
    #[error("not a door for this slot")]
    NoDoor,
}

impl From<DialFault> for io::Error {
    fn from(fault: DialFault) -> Self {
        let kind = match fault {
            DialFault::Silent => io::ErrorKind::TimedOut,
            DialFault::Refused => io::ErrorKind::ConnectionRefused,
            DialFault::NoDoor => io::ErrorKind::PermissionDenied,
        };
        Self::new(kind, fault)
    }
}

/// Brings carriers to one door.
pub(in crate::net) trait Dial: Send + Sync {
    /// Whose dials are counted together.
    fn addr(&self) -> SocketAddr;

    /// A dial without an answer within this time will get none.
    fn patience(&self) -> Duration;

    /// A fresh carrier that the door has let in.
    fn dial(&self) -> BoxFuture<'_, Result<Carrier, DialFault>>;

    /// A carrier fell silent while it owed an answer.
    fn froze(&self) {}
}

/// Why [`Carrier::run`] returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// The connection broke, was closed, or said what it may not say.
    Broken,
    /// It owes an answer and is silent.
    Frozen,
    /// It has carried what it may.
    Spent,
    /// The session is over.
    Over,
}

/// A connection under a session.
pub(in crate::net) struct Carrier {
    io: Box<dyn Io>,
    /// Bytes that this side has put on the wire, everything below the session counted.
    sent: Arc<AtomicU64>,
    out: Vec<u8>,
    written: usize,
    unflushed: bool,
    timer: Pin<Box<Sleep>>,
    timer_for: Option<karvon_protocol::core::Mono>,
}

impl Carrier {
    pub(in crate::net) fn new(io: impl Io + 'static, sent: Arc<AtomicU64>) -> Self {
        Self {
            io: Box::new(io),
            sent,
            out: Vec::new(),
            written: 0,
            unflushed: false,
            timer: Box::pin(sleep_until(Instant::now())),
            timer_for: None,
        }
    }

    pub(super) fn bytes_sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Reads exactly this many bytes: the first frame.
    pub(super) async fn read_exact(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        self.io.read_exact(bytes).await.map(drop)
    }

    /// Writes bytes that belong to no session, and ends the connection.
    pub(super) async fn end_with(mut self, bytes: &[u8]) {
        use tokio::io::AsyncWriteExt as _;
        // The other side may be gone.
        let _ = self.io.write_all(bytes).await;
        let _ = self.io.shutdown().await;
    }

    /// Moves frames between the session and the connection until one of them can not go on. May be cancelled and called again.
    pub(super) async fn run(&mut self, shared: &Shared, common: &Common, despite_spent: bool) -> Ended {
        poll_fn(|cx| self.poll_run(cx, shared, common, despite_spent)).await
    }

    fn poll_run(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Shared,
        common: &Common,
        spent: bool,
    ) -> Poll<Ended> {
        shared.register_driver(cx.waker());
        loop {
            let now = common.now();
            let wrote = match self.poll_out(cx, shared, now) {
                Poll::Ready(Err(_)) => return Poll::Ready(Ended::Broken),
                Poll::Ready(Ok(())) => true,
                Poll::Pending => false,
            };
            // What was to be said before the end has left once nothing is written any more.
            if shared.lock().session.ended().is_some() && !self.unflushed && self.out.is_empty() {
                return Poll::Ready(Ended::Over);
            }
            let read = match self.poll_in(cx, shared, now) {
                Poll::Ready(Err(_)) => return Poll::Ready(Ended::Broken),
                Poll::Ready(Ok(())) => true,
                Poll::Pending => false,
            };
            if !wrote && !read {
                break;
            }
        }
        let (verdict, timeout) = {
            let inner = shared.lock();
            (inner.session.verdict(common.now()), inner.session.next_timeout())
        };
        match verdict {
            Verdict::Frozen => return Poll::Ready(Ended::Frozen),
            Verdict::Spent if !spent => return Poll::Ready(Ended::Spent),
            Verdict::Spent | Verdict::Fine => {}
        }
        let Some(at) = timeout else { return Poll::Pending };
        if self.timer_for != Some(at) {
            self.timer_for = Some(at);
            self.timer.as_mut().reset(Instant::now() + common.until(at));
        }
        if self.timer.as_mut().poll(cx).is_ready() {
            // The timer may be a little early; it is set anew on the next turn.
            self.timer_for = None;
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Ready when something was written.
    fn poll_out(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Shared,
        now: karvon_protocol::core::Mono,
    ) -> Poll<io::Result<()>> {
        let mut any = false;
        loop {
            if self.written == self.out.len() {
                self.out.clear();
                self.written = 0;
                let mut inner = shared.lock();
                while self.out.len() < COALESCE_BYTES
                    && let Some(frame) = inner.session.transmit(now)
                {
                    self.out.extend_from_slice(&frame);
                }
            }
            let rest = self.out.get(self.written..).unwrap_or_default();
            if !rest.is_empty() {
                match Pin::new(&mut self.io).poll_write(cx, rest) {
                    Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    Poll::Ready(Ok(count)) => {
                        self.written += count;
                        self.unflushed = true;
                        any = true;
                        continue;
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => break,
                }
            }
            if self.unflushed {
                match Pin::new(&mut self.io).poll_flush(cx) {
                    Poll::Ready(Ok(())) => self.unflushed = false,
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => break,
                }
            }
            break;
        }
        if any { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    /// Ready when something was read.
    fn poll_in(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Shared,
        now: karvon_protocol::core::Mono,
    ) -> Poll<io::Result<()>> {
        let mut space = [0; READ_BYTES];
        let mut buffer = ReadBuf::new(&mut space);
        ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer))?;
        if buffer.filled().is_empty() {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        let taken = shared.lock().session.received(buffer.filled(), now);
        shared.wake_stream();
        Poll::Ready(taken.map_err(|fault| io::Error::new(io::ErrorKind::InvalidData, fault)))
    }
}
