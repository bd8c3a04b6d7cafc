//! What TLS said before HTTP/2 made a text of it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The last error of TLS on a connection. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct TlsFault(Arc<Mutex<Option<rustls::Error>>>);

impl TlsFault {
    /// The error, if there was one.
    pub(crate) fn get(&self) -> Option<rustls::Error> {
        self.0.lock().clone()
    }

    fn note(&self, error: &io::Error) {
        if let Some(error) = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>())
        {
            *self.0.lock() = Some(error.clone());
        }
    }
}

/// A stream whose errors of TLS are noted.
///
/// With TLS 1.3 a server finds fault with the certificate of a client only after the handshake: the client learns it when
/// it reads.
pub(crate) struct Overheard<S> {
    stream: S,
    fault: TlsFault,
}

impl<S> Overheard<S> {
    pub(crate) const fn new(stream: S, fault: TlsFault) -> Self {
        Self { stream, fault }
    }

    fn heard<T>(&self, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(error)) = &result {
            self.fault.note(error);
        }
        result
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Overheard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.heard(result)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Overheard<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.heard(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.heard(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_flush(context);
        self.heard(result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_shutdown(context);
        self.heard(result)
    }
}
