//! A TLS connection whose last words are kept, so that a caller can be told why it broke: HTTP/2
//! forgets them.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::words;
use crate::error::MeshError;

/// The last thing that went wrong below HTTP/2.
#[derive(Debug, Default)]
pub(crate) struct Fault(Mutex<Option<MeshError>>);

impl Fault {
    /// What went wrong, if that is known.
    pub(crate) fn get(&self) -> Option<MeshError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set(&self, error: Option<MeshError>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }
}

/// The client's side of a connection.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(super) stream: TlsStream<TcpStream>,
    pub(super) address: String,
    pub(super) fault: Arc<Fault>,
}

impl Wire {
    /// With TLS 1.3 a server looks at the caller's certificate after the caller is done.
    fn note<T>(&self, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(error)) = &polled
            && let Some(words) = words::of(error)
        {
            self.fault.set(Some(MeshError::Tls { address: self.address.clone(), words }));
        }
        polled
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.note(polled)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.note(polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(context);
        self.note(polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
