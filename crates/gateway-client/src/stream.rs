//! The bytes under a WebSocket, as the non-blocking `Read` and `Write` that tungstenite wants.
//!
//! tungstenite is driven directly because its limits must change after hello, which the asynchronous wrapper of it
//! does not offer.

use std::{
    io::{self, Read, Write},
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;
use tungstenite::{
    Error, Utf8Bytes, WebSocket,
    protocol::{CloseFrame, frame::coding::CloseCode},
};

/// A connection with or without TLS.
#[derive(Debug)]
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A connection that says `WouldBlock` where it would wait, and wakes the task given last when it can go on.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: Stream,
    waker: Waker,
    heard: usize,
}

impl Wire {
    pub(crate) fn new(stream: Stream) -> Self {
        Self {
            stream,
            waker: Waker::noop().clone(),
            heard: 0,
        }
    }

    /// Who is woken from now on. Call it on each poll, before reading or writing.
    pub(crate) fn set_waker(&mut self, waker: &Waker) {
        self.waker.clone_from(waker);
    }

    /// How many bytes came in since the last call?
    pub(crate) fn take_heard(&mut self) -> usize {
        std::mem::take(&mut self.heard)
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut context = Context::from_waker(&self.waker);
        let mut buffer = ReadBuf::new(buffer);
        let read = match &mut self.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_read(&mut context, &mut buffer),
            Stream::Tls(tls) => Pin::new(tls).poll_read(&mut context, &mut buffer),
        };
        blocking(read)?;
        let count = buffer.filled().len();
        self.heard += count;
        Ok(count)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut context = Context::from_waker(&self.waker);
        blocking(match &mut self.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_write(&mut context, bytes),
            Stream::Tls(tls) => Pin::new(tls).poll_write(&mut context, bytes),
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut context = Context::from_waker(&self.waker);
        blocking(match &mut self.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_flush(&mut context),
            Stream::Tls(tls) => Pin::new(tls).poll_flush(&mut context),
        })
    }
}

/// `WouldBlock` as `Pending`.
pub(crate) fn polled<T>(result: Result<T, Error>) -> Poll<Result<T, Error>> {
    match result {
        Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
        result => Poll::Ready(result),
    }
}

/// Queues a close frame and sends it as far as that goes without waiting.
pub(crate) fn say_goodbye(socket: &mut WebSocket<Wire>, code: u16, reason: &'static str) {
    let frame = CloseFrame {
        code: CloseCode::from(code),
        reason: Utf8Bytes::from_static(reason),
    };
    // the socket is given up either way
    let _ = socket.close(Some(frame));
}

/// Sends what is queued and throws away what comes in. Ready when the peer has closed.
pub(crate) fn poll_drain(socket: &mut WebSocket<Wire>, context: &mut Context<'_>) -> Poll<()> {
    socket.get_mut().set_waker(context.waker());
    if let Poll::Ready(Err(_)) = polled(socket.flush()) {
        return Poll::Ready(());
    }
    let mut scratch = [0; 4096];
    loop {
        match ready!(polled(
            socket.get_mut().read(&mut scratch).map_err(Error::Io)
        )) {
            Ok(0) | Err(_) => return Poll::Ready(()),
            Ok(_) => {}
        }
    }
}

fn blocking<T>(poll: Poll<io::Result<T>>) -> io::Result<T> {
    match poll {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}
