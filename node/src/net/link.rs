//! One link: a stream of frames with a bounded queue out and backpressure in, run by one task.

use super::Inner;
use super::bounds::Bounds;
use futures::io::{ReadHalf, WriteHalf};
use futures::task::AtomicWaker;
use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use karvon_protocol::core::{LinkId, LinkInfo, Reason};
use karvon_protocol::link::{Frame, Kind};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Frames that may wait for the other side.
pub const QUEUE_FRAMES_MAX: usize = 512;
/// Bytes that may wait for the other side.
pub const QUEUE_BYTES_MAX: usize = 4 << 20;
/// Frames are put together up to this many bytes before they are handed to the stream: one Yamux frame.
const COALESCE_BYTES: usize = 16 << 10;
/// Bytes that may wait for a link even while others fill what may wait in all.
const QUEUE_SHARE: usize = 64 << 10;
/// How long a frame may take to begin with, before its rate is judged.
const RATE_GRACE: Duration = Duration::from_secs(5);
/// How long an ending link tries to deliver what is queued and waits for the other side to have read it.
const LINGER: Duration = Duration::from_secs(1);

/// Bytes of frames over all links since start.
#[derive(Debug, Default)]
pub struct Counters {
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
}

impl Counters {
    /// Bytes of frames that came in.
    #[must_use]
    pub fn bytes_in(&self) -> u64 {
        self.bytes_in.load(Ordering::Relaxed)
    }

    /// Bytes of frames that were handed to the transport.
    #[must_use]
    pub fn bytes_out(&self) -> u64 {
        self.bytes_out.load(Ordering::Relaxed)
    }
}

#[derive(Default)]
struct Queue {
    frames: VecDeque<Frame>,
    bytes: usize,
    closed: Option<Reason>,
}

struct Shared {
    bounds: Arc<Bounds>,
    queue: Mutex<Queue>,
    /// Wakes the writer when there is a frame or the end.
    writer: AtomicWaker,
    /// Wakes the one that waits for the end.
    end: AtomicWaker,
    /// When a tunnel last used the link.
    used: Mutex<Option<Instant>>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        let queue = self.queue.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.bounds.unqueue(queue.bytes);
    }
}

/// The sending end of a link; cheap to clone, never blocks.
#[derive(Clone)]
pub(super) struct Port(Arc<Shared>);

impl Port {
    pub(super) fn new(bounds: Arc<Bounds>) -> Self {
        Self(Arc::new(Shared {
            bounds,
            queue: Mutex::default(),
            writer: AtomicWaker::new(),
            end: AtomicWaker::new(),
            used: Mutex::default(),
        }))
    }

    /// The longest time in which so many bytes may pass over this link; `None` if it is not judged.
    fn patience(&self, bytes: usize) -> Option<Duration> {
        let rate = self.0.bounds.limits().min_rate;
        (rate > 0).then(|| RATE_GRACE + Duration::from_secs_f64(bytes as f64 / f64::from(rate)))
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // No code path panics while it holds the lock; if one did, the queue would still be whole.
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a frame. A link whose queue is full ends with [`Reason::Slow`]; on an ended link the frame is dropped.
    pub(super) fn push(&self, frame: Frame) {
        let mut queue = self.lock();
        if queue.closed.is_some() {
            return;
        }
        let bytes = Frame::size(frame.size_class()).unwrap_or_default();
        let own_full = queue.frames.len() >= QUEUE_FRAMES_MAX || queue.bytes + bytes > QUEUE_BYTES_MAX;
        // What waits in all is bounded too: then the links with much to take are given up, not those that keep up.
        let all_full = !own_full && !self.0.bounds.queue(bytes) && queue.bytes + bytes > QUEUE_SHARE;
        if own_full || all_full {
            if all_full {
                self.0.bounds.unqueue(bytes);
            }
            drop(queue);
            self.close(Reason::Slow);
            return;
        }
        self.note_use(&frame);
        queue.bytes += bytes;
        queue.frames.push_back(frame);
        drop(queue);
        self.0.writer.wake();
    }

    /// Ends the link; what is queued is still sent if the other side takes it soon. The first reason stays.
    pub(super) fn close(&self, reason: Reason) {
        let mut queue = self.lock();
        if queue.closed.is_some() {
            return;
        }
        queue.closed = Some(reason);
        if reason == Reason::Slow {
            self.0.bounds.count_slow();
        }
        if !lingers(reason) {
            queue.frames.clear();
            self.0.bounds.unqueue(std::mem::take(&mut queue.bytes));
        }
        drop(queue);
        self.0.writer.wake();
        self.0.end.wake();
    }

    /// Remembers the time if the frame belongs to a tunnel.
    fn note_use(&self, frame: &Frame) {
        if matches!(frame.kind, Kind::Open | Kind::Opened | Kind::Data) {
            *self.0.used.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
    }

    /// When a tunnel last used the link, in either direction.
    pub(super) fn used(&self) -> Option<Instant> {
        *self.0.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the link was ended, if it was.
    pub(super) fn closed(&self) -> Option<Reason> {
        self.lock().closed
    }

    /// The frames that wait; `None` once the link was ended and nothing waits.
    async fn take(&self) -> Option<Taken> {
        poll_fn(|cx| {
            self.0.writer.register(cx.waker());
            let mut queue = self.lock();
            if !queue.frames.is_empty() {
                let bytes = std::mem::take(&mut queue.bytes);
                let frames = std::mem::take(&mut queue.frames);
                return Poll::Ready(Some(Taken { frames, bytes, bounds: self.0.bounds.clone() }));
            }
            if queue.closed.is_some() { Poll::Ready(None) } else { Poll::Pending }
        })
        .await
    }

    /// Ready when the link was ended and its time to deliver the rest is over.
    async fn overdue(&self) -> Reason {
        let reason = poll_fn(|cx| {
            self.0.end.register(cx.waker());
            self.closed().map_or(Poll::Pending, Poll::Ready)
        })
        .await;
        if lingers(reason) {
            tokio::time::sleep(LINGER).await;
        }
        reason
    }
}

/// Frames on their way to the stream; they count as waiting until they are encoded.
struct Taken {
    frames: VecDeque<Frame>,
    bytes: usize,
    bounds: Arc<Bounds>,
}

impl Iterator for Taken {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let frame = self.frames.pop_front()?.encode();
        let bytes = frame.len().min(self.bytes);
        self.bytes -= bytes;
        self.bounds.unqueue(bytes);
        Some(frame)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.bounds.unqueue(self.bytes);
    }
}

/// Whether a link that ends for this reason may still deliver what is queued.
fn lingers(reason: Reason) -> bool {
    !matches!(reason, Reason::Slow | Reason::Lost)
}

/// Runs a link until either side ends it; tells the driver `LinkUp` first and `LinkDown` last.
pub(super) async fn run<S>(
    id: LinkId,
    info: LinkInfo,
    stream: S,
    port: Port,
    events: mpsc::Sender<Inner>,
    counters: Arc<Counters>,
) where
    S: AsyncRead + AsyncWrite + Send + Unpin,
{
    if events.send(Inner::Up(id, info, port.clone())).await.is_err() {
        return;
    }
    let (mut reader, mut writer) = stream.split();
    let reason = tokio::select! {
        biased;
        reason = port.overdue() => reason,
        reason = write(&mut writer, &port, &counters) => reason,
        reason = read(id, &mut reader, &port, &events, &counters) => reason,
    };
    port.close(reason);
    let reason = port.closed().unwrap_or(reason);
    // Nobody listens any more if the driver has stopped; then there is nobody to tell.
    let _ = events.send(Inner::Down(id, reason)).await;
}

/// Sends what is queued: all of it, then one flush. Returns only when the stream breaks.
async fn write<S: AsyncWrite + Unpin>(writer: &mut WriteHalf<S>, port: &Port, counters: &Counters) -> Reason {
    let done: io::Result<()> = async {
        while let Some(frames) = port.take().await {
            let mut bytes = Vec::new();
            for frame in frames {
                counters.bytes_out.fetch_add(frame.len() as u64, Ordering::Relaxed);
                if bytes.is_empty() {
                    bytes = frame;
                } else {
                    bytes.extend_from_slice(&frame);
                }
                if bytes.len() >= COALESCE_BYTES {
                    in_time(port.patience(bytes.len()), writer.write_all(&bytes)).await?;
                    bytes.clear();
                }
            }
            in_time(port.patience(bytes.len()), writer.write_all(&bytes)).await?;
            in_time(port.patience(COALESCE_BYTES), writer.flush()).await?;
        }
        writer.close().await
    }
    .await;
    match done {
        // The other side reads the rest, sees the end and ends the link in turn: closing the connection any earlier would lose what is
        // still in its buffers. How long that may take is decided elsewhere.
        Ok(()) => std::future::pending().await,
        Err(error) if error.kind() == io::ErrorKind::TimedOut => Reason::Slow,
        Err(_) => Reason::Lost,
    }
}

/// `pass`, unless it takes longer than the other side may.
async fn in_time<T>(patience: Option<Duration>, pass: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match patience {
        Some(patience) => tokio::time::timeout(patience, pass).await?,
        None => pass.await,
    }
}

/// Hands frames to the driver; while the driver takes none, none is read.
async fn read<S: AsyncRead + Unpin>(
    link: LinkId,
    reader: &mut ReadHalf<S>,
    port: &Port,
    events: &mpsc::Sender<Inner>,
    counters: &Counters,
) -> Reason {
    loop {
        match read_frame(reader, port, counters).await {
            Ok(frame) => {
                port.note_use(&frame);
                if events.send(Inner::Frame(link, frame)).await.is_err() {
                    return Reason::Shutdown;
                }
            }
            Err(reason) => return reason,
        }
    }
}

async fn read_frame<S: AsyncRead + Unpin>(
    reader: &mut ReadHalf<S>,
    port: &Port,
    counters: &Counters,
) -> Result<Frame, Reason> {
    let mut class = [0];
    reader.read_exact(&mut class).await.map_err(|_| Reason::Lost)?;
    let [class] = class;
    let size = Frame::size(class).map_err(|_| Reason::Protocol)?;
    let mut bytes = Vec::with_capacity(size.min(COALESCE_BYTES));
    bytes.push(class);
    // The memory grows with what came, not with what was announced: a frame that is begun and not sent costs little.
    let rest = async {
        let wanted = size as u64 - 1;
        let read = (&mut *reader).take(wanted).read_to_end(&mut bytes).await?;
        if read as u64 == wanted { Ok(()) } else { Err(io::Error::from(io::ErrorKind::UnexpectedEof)) }
    };
    in_time(port.patience(size), rest).await.map_err(|error| match error.kind() {
        io::ErrorKind::TimedOut => Reason::Slow,
        _ => Reason::Lost,
    })?;
    counters.bytes_in.fetch_add(size as u64, Ordering::Relaxed);
    Frame::decode(&bytes).map_err(|_| Reason::Protocol)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port() -> Port {
        Port::new(Arc::new(Bounds::leaf()))
    }

    fn info() -> LinkInfo {
        LinkInfo::Mesh { remote_key: [0; 32] }
    }

    fn frame(length: usize) -> Frame {
        Frame::new(Kind::Data, 1, vec![7; length])
    }

    #[tokio::test]
    async fn a_full_queue_ends_the_link_as_slow() {
        let by_count = port();
        for _ in 0..QUEUE_FRAMES_MAX {
            by_count.push(frame(1));
        }
        assert_eq!(by_count.closed(), None);
        by_count.push(frame(1));
        assert_eq!(by_count.closed(), Some(Reason::Slow));
        let by_bytes = port();
        for _ in 0..QUEUE_BYTES_MAX / 61_536 {
            by_bytes.push(frame(61_000));
        }
        assert_eq!(by_bytes.closed(), None);
        by_bytes.push(frame(61_000));
        assert_eq!(by_bytes.closed(), Some(Reason::Slow));
        assert!(by_bytes.take().await.is_none(), "what was queued is let go");
    }

    #[tokio::test]
    async fn what_waits_in_all_is_bounded_and_given_back() {
        let limits = crate::net::NetLimits { queue_bytes: 1 << 20, ..crate::net::NetLimits::relay() };
        let bounds = Arc::new(Bounds::new(limits));
        let (greedy, modest) = (Port::new(bounds.clone()), Port::new(bounds.clone()));
        for _ in 0..17 {
            greedy.push(frame(61_000));
        }
        assert_eq!(greedy.closed(), None);
        modest.push(frame(1_000));
        assert_eq!(modest.closed(), None, "who has little to take is not given up");
        greedy.push(frame(61_000));
        assert_eq!((greedy.closed(), bounds.slow()), (Some(Reason::Slow), 1));
        assert_eq!(bounds.queued(), 1_024);
        assert_eq!(modest.take().await.unwrap().count(), 1);
        assert_eq!(bounds.queued(), 0);
        modest.push(frame(1_000));
        drop(modest);
        assert_eq!(bounds.queued(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_frame_that_trickles_in_is_given_up_and_a_silent_link_is_not() {
        let (events, mut heard) = mpsc::channel(8);
        let (near, mut far) = tokio::io::duplex(1 << 20);
        let port = Port::new(Arc::new(Bounds::new(crate::net::NetLimits::relay())));
        tokio::spawn(run(LinkId(1), info(), Compat(near), port, events, Arc::default()));
        heard.recv().await.unwrap();
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        let bytes = frame(1_000).encode();
        let (head, rest) = bytes.split_at(500);
        tokio::io::AsyncWriteExt::write_all(&mut far, head).await.unwrap();
        tokio::time::sleep(Duration::from_secs(3)).await;
        tokio::io::AsyncWriteExt::write_all(&mut far, rest).await.unwrap();
        assert!(matches!(heard.recv().await, Some(Inner::Frame(..))), "slow is allowed");
        for _ in 0..20 {
            // The relay may have hung up already.
            let _ = tokio::io::AsyncWriteExt::write_all(&mut far, &bytes[..1]).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        assert!(matches!(heard.recv().await, Some(Inner::Down(_, Reason::Slow))));
    }

    #[tokio::test]
    async fn a_byte_that_is_no_size_class_ends_the_link_as_a_breach() {
        let (events, mut heard) = mpsc::channel(8);
        let bytes = futures::io::Cursor::new(vec![200; 100]);
        run(LinkId(1), info(), bytes, port(), events, Arc::default()).await;
        assert!(matches!(heard.recv().await, Some(Inner::Up(LinkId(1), ..))));
        assert!(matches!(heard.recv().await, Some(Inner::Down(LinkId(1), Reason::Protocol))));
    }

    #[tokio::test]
    async fn what_was_queued_before_the_end_is_still_sent() {
        let (events, mut heard) = mpsc::channel(8);
        let (near, far) = tokio::io::duplex(1 << 20);
        let near = Compat(near);
        let (port, far_port) = (port(), port());
        port.push(frame(300));
        port.push(frame(3));
        port.close(Reason::Idle);
        let task = tokio::spawn(run(LinkId(1), info(), near, port, events, Arc::default()));
        let mut far = Compat(far).split().0;
        let counters = Counters::default();
        assert_eq!(read_frame(&mut far, &far_port, &counters).await, Ok(frame(300)));
        assert_eq!(read_frame(&mut far, &far_port, &counters).await, Ok(frame(3)));
        assert_eq!(read_frame(&mut far, &far_port, &counters).await, Err(Reason::Lost));
        assert_eq!(counters.bytes_in(), 1_024 + 64);
        drop(far);
        task.await.unwrap();
        heard.recv().await.unwrap();
        assert!(matches!(heard.recv().await, Some(Inner::Down(_, Reason::Idle))));
    }

    #[tokio::test]
    async fn a_reader_without_room_stops_the_other_side() {
        let (events, mut heard) = mpsc::channel(1);
        let (near, mut far) = tokio::io::duplex(1_024);
        let task = tokio::spawn(run(LinkId(1), info(), Compat(near), port(), events, Arc::default()));
        let mut written = 0;
        let bytes = frame(1).encode();
        let full = Duration::from_millis(200);
        while tokio::time::timeout(full, tokio::io::AsyncWriteExt::write_all(&mut far, &bytes)).await.is_ok()
        {
            written += 1;
            assert!(written < 1_000, "nothing held the writer back");
        }
        drop(far);
        let mut frames = 0;
        while let Some(event) = heard.recv().await {
            frames += usize::from(matches!(event, Inner::Frame(..)));
        }
        task.await.unwrap();
        assert!(frames >= written, "{frames} of {written} came through");
    }

    /// Tokio's pipe with the traits of `futures`.
    struct Compat(tokio::io::DuplexStream);

    impl AsyncRead for Compat {
        fn poll_read(
            mut self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
            buf: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            let mut buf = tokio::io::ReadBuf::new(buf);
            let ready = tokio::io::AsyncRead::poll_read(std::pin::Pin::new(&mut self.0), cx, &mut buf);
            ready.map_ok(|()| buf.filled().len())
        }
    }

    impl AsyncWrite for Compat {
        fn poll_write(
            mut self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            tokio::io::AsyncWrite::poll_write(std::pin::Pin::new(&mut self.0), cx, buf)
        }

        fn poll_flush(
            mut self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
        ) -> Poll<io::Result<()>> {
            tokio::io::AsyncWrite::poll_flush(std::pin::Pin::new(&mut self.0), cx)
        }

        fn poll_close(
            mut self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
        ) -> Poll<io::Result<()>> {
            tokio::io::AsyncWrite::poll_shutdown(std::pin::Pin::new(&mut self.0), cx)
        }
    }
}
