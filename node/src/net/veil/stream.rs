//! The stream that libp2p sees of a session, and what it shares with the task that brings carriers under it.

use futures::task::AtomicWaker;
use futures::{AsyncRead, AsyncWrite};
use karvon_protocol::veil::session::Session;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

/// A session with those who wait for it.
pub(super) struct Shared {
    inner: Mutex<Inner>,
    /// The task that drives the session.
    driver: AtomicWaker,
}

pub(super) struct Inner {
    pub(super) session: Session,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Shared {
    pub(super) fn new(session: Session) -> Arc<Self> {
        let inner = Mutex::new(Inner { session, reader: None, writer: None });
        Arc::new(Self { inner, driver: AtomicWaker::new() })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        super::locked(&self.inner)
    }

    pub(super) fn register_driver(&self, waker: &Waker) {
        self.driver.register(waker);
    }

    /// Wakes whoever reads or writes the stream, if there is something for them.
    pub(super) fn wake_stream(&self) {
        let mut inner = self.lock();
        let reader = inner.session.is_readable().then(|| inner.reader.take()).flatten();
        let writer = inner.session.is_writable().then(|| inner.writer.take()).flatten();
        drop(inner);
        for waker in [reader, writer].into_iter().flatten() {
            waker.wake();
        }
    }

    /// Drops the session and wakes everybody.
    pub(super) fn drop_session(&self) {
        self.lock().session.drop_session();
        self.driver.wake();
        self.wake_stream();
    }

    /// Whether the session is over.
    pub(super) fn is_over(&self) -> bool {
        self.lock().session.ended().is_some()
    }

    /// Ready when the session is over, while no carrier is attached to notice it.
    pub(super) async fn over(&self) {
        std::future::poll_fn(|cx| {
            self.register_driver(cx.waker());
            if self.is_over() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// One session as a byte stream. Dropping it without closing it drops the session.
pub(in crate::net) struct VeilStream(Arc<Shared>, bool);

impl VeilStream {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self(shared, false)
    }
}

impl Drop for VeilStream {
    fn drop(&mut self) {
        if !self.1 {
            self.0.drop_session();
        }
    }
}

impl AsyncRead for VeilStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut inner = self.0.lock();
        match inner.session.read(buf) {
            Some(0) if !buf.is_empty() => {
                inner.reader = Some(cx.waker().clone());
                Poll::Pending
            }
            Some(count) => {
                drop(inner);
                // Room for the other side may have become worth telling.
                self.0.driver.wake();
                Poll::Ready(Ok(count))
            }
            None => Poll::Ready(Ok(0)),
        }
    }
}

impl AsyncWrite for VeilStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let mut inner = self.0.lock();
        if inner.session.ended().is_some() || self.1 {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        match inner.session.write(buf) {
            0 if !buf.is_empty() => {
                inner.writer = Some(cx.waker().clone());
                Poll::Pending
            }
            count => {
                drop(inner);
                self.0.driver.wake();
                Poll::Ready(Ok(count))
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Written bytes leave by themselves; to wait for their arrival would cost a round trip for each frame above.
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.lock().session.close();
        self.0.driver.wake();
        self.1 = true;
        Poll::Ready(Ok(()))
    }
}
