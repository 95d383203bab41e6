//! A stream whose hello, answers and bytes are noted.

use super::{Stage, Watch};
use karvon_protocol::ids::RelayId;
use karvon_protocol::netcheck::Outcome;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::ReadBuf;

/// A connection to a door whose first answer and bytes are noted.
pub(in crate::net) struct Watched<S> {
    stream: S,
    /// `None` for a connection that is nobody's door.
    to: Option<(Watch, RelayId)>,
    clock: Arc<dyn crate::clock::Clock>,
    answered: bool,
}

impl<S> Watched<S> {
    pub(in crate::net) fn new(
        stream: S,
        to: Option<(Watch, RelayId)>,
        clock: Arc<dyn crate::clock::Clock>,
    ) -> Self {
        let watched = Self { stream, to, clock, answered: false };
        watched.note(Stage::Hello);
        watched
    }

    fn note(&self, stage: Stage) {
        if let Some((watch, relay)) = &self.to {
            watch.reached(*relay, stage, self.clock.now().mono);
        }
    }

    fn on_read(&mut self, outcome: &io::Result<usize>) {
        let Some((watch, relay)) = &self.to else { return };
        match outcome {
            Ok(length @ 1..) => {
                watch.count(*relay, *length, true);
                if !std::mem::replace(&mut self.answered, true) {
                    self.note(Stage::Answered);
                }
            }
            // An end in order says what the stage says.
            Ok(0) if self.answered => {}
            Ok(0) => watch.known(*relay, Outcome::HelloClosed),
            Err(_) if self.answered => watch.known(*relay, Outcome::Broke),
            Err(_) => watch.known(*relay, Outcome::HelloReset),
        }
    }

    fn on_write(&mut self, outcome: &io::Result<usize>) {
        let Some((watch, relay)) = &self.to else { return };
        match outcome {
            Ok(length) => watch.count(*relay, *length, false),
            Err(_) if self.answered => watch.known(*relay, Outcome::Broke),
            Err(_) => watch.known(*relay, Outcome::HelloReset),
        }
    }
}

impl<S: tokio::io::AsyncRead + Unpin> tokio::io::AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buf));
        let length = read.map(|()| buf.filled().len() - before);
        self.on_read(&length);
        Poll::Ready(length.map(drop))
    }
}

impl<S: tokio::io::AsyncWrite + Unpin> tokio::io::AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, buf));
        self.on_write(&written);
        Poll::Ready(written)
    }

    /// Several TLS records in one packet, as browsers send them.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, bufs));
        self.on_write(&written);
        Poll::Ready(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<S: futures::AsyncRead + Unpin> futures::AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buf));
        self.on_read(&read);
        Poll::Ready(read)
    }
}

impl<S: futures::AsyncWrite + Unpin> futures::AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, buf));
        self.on_write(&written);
        Poll::Ready(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}
