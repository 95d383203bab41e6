//! A byte stream that counts what passes and stops when the node's byte budget is used up, or when its handshake has to give way.

use super::bounds::Bounds;
use super::handshakes::Handshake;
use futures::{AsyncRead, AsyncWrite};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// See the module.
pub(super) struct Counted<S> {
    stream: S,
    bounds: Arc<Bounds>,
    /// Of a connection from outside.
    handshake: Option<Arc<Handshake>>,
}

impl<S> Counted<S> {
    pub(super) const fn new(stream: S, bounds: Arc<Bounds>, handshake: Option<Arc<Handshake>>) -> Self {
        Self { stream, bounds, handshake }
    }

    fn room(&self, cx: &Context<'_>) -> io::Result<usize> {
        if let Some(handshake) = &self.handshake {
            handshake.check(cx)?;
        }
        match self.bounds.room() {
            0 => Err(io::Error::new(io::ErrorKind::QuotaExceeded, "the byte budget is used up")),
            room => Ok(room),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let length = self.room(cx)?.min(buf.len());
        let buf = buf.get_mut(..length).unwrap_or_default();
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        self.bounds.count_read(read);
        Poll::Ready(Ok(read))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let length = self.room(cx)?.min(buf.len());
        let buf = buf.get(..length).unwrap_or_default();
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, buf))?;
        self.bounds.count_written(written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::bounds::NetLimits;
    use futures::{AsyncReadExt as _, AsyncWriteExt as _, io::Cursor};

    #[tokio::test]
    async fn nothing_passes_beyond_the_budget_in_either_direction() {
        let bounds = Arc::new(Bounds::new(NetLimits::relay()));
        bounds.allow_bytes(Some(5_000));
        let mut from = Counted::new(Cursor::new(vec![1; 100_000]), bounds.clone(), None);
        let mut out = Vec::new();
        let error = from.read_to_end(&mut out).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::QuotaExceeded);
        // Headers are counted too, so less than the budget is content.
        assert!((4_000..=5_000).contains(&out.len()), "{}", out.len());
        let mut to = Counted::new(Cursor::new(Vec::new()), bounds.clone(), None);
        assert!(to.write_all(&[1; 10]).await.is_err());
        bounds.allow_bytes(Some(1_000));
        assert!(to.write_all(&[1; 10]).await.is_ok());
        assert_eq!(bounds.bytes_written(), 10);
    }
    /// Somebody who connected and says nothing.
    struct Silent;

    impl AsyncRead for Silent {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
            Poll::Pending
        }
    }

    #[tokio::test]
    async fn a_silent_stream_ends_when_its_handshake_is_given_up() {
        let handshake = Arc::new(Handshake::default());
        let bounds = Arc::new(Bounds::new(NetLimits::relay()));
        let mut stream = Counted::new(Silent, bounds, Some(handshake.clone()));
        let reads = tokio::spawn(async move { stream.read(&mut [0; 8]).await.map_err(|error| error.kind()) });
        tokio::task::yield_now().await;
        assert!(!reads.is_finished());
        handshake.give_up();
        assert_eq!(reads.await.unwrap(), Err(io::ErrorKind::ConnectionAborted));
    }
}
