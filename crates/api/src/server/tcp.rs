//! The admin API by TCP, behind a token or a session, with TLS or without.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use model::Listening;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;

use super::tls::{Certificate, TlsError};
use super::{BindError, Listener, Source, serve};
use crate::auth::{Door, Token};

/// From the connection to the end of the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// The admin API by TCP, bound and not yet serving.
pub struct TcpServer {
    listener: TcpListener,
    address: SocketAddr,
    token: Arc<Token>,
    tls: Option<TlsAcceptor>,
    listening: Listening,
}

impl TcpServer {
    /// Binds `address`; port 0 takes a free one. Whoever shows `token` may do everything.
    pub async fn bind(address: SocketAddr, token: Token) -> Result<Self, BindError> {
        let port = address.port();
        let refused = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => BindError::PortInUse { port },
            _ => BindError::Port { port, source },
        };
        let listener = TcpListener::bind(address).await.map_err(refused)?;
        Ok(Self {
            address: listener.local_addr().map_err(refused)?,
            listener,
            token: Arc::new(token),
            tls: None,
            listening: Listening::default(),
        })
    }

    /// Speaks TLS, and shows this certificate.
    pub fn with_tls(self, certificate: Arc<Certificate>) -> Result<Self, TlsError> {
        let tls = TlsAcceptor::from(Arc::new(certificate.config()?));
        Ok(Self {
            tls: Some(tls),
            ..self
        })
    }

    /// The address it is bound to, with the port it really has.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// How it does at its port.
    pub fn listening(&self) -> Listening {
        self.listening.clone()
    }

    /// Serves until `stop` is cancelled; returns when the requests under way have ended. To wait no longer, drop the future.
    pub async fn serve(self, app: Router, stop: CancellationToken) {
        let listening = self.listening.clone();
        serve(self, listening, app, stop).await;
    }
}

impl std::fmt::Debug for TcpServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TcpServer")
            .field("address", &self.address)
            .field("tls", &self.tls.is_some())
            .finish_non_exhaustive()
    }
}

impl Listener for TcpServer {
    type Raw = TcpStream;
    type Stream = Either<TcpStream, TlsStream<TcpStream>>;

    async fn accept(&self) -> io::Result<TcpStream> {
        let (stream, _) = self.listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn source(&self, stream: &TcpStream) -> Option<Source> {
        let peer = stream.peer_addr().ok()?;
        Some(Source::host(peer.ip()))
    }

    fn open(
        &self,
        stream: TcpStream,
    ) -> impl Future<Output = io::Result<(Self::Stream, Door)>> + Send + 'static {
        let (tls, token) = (self.tls.clone(), Arc::clone(&self.token));
        async move {
            let door = Door::Tcp {
                token,
                peer: stream.peer_addr()?,
                tls: tls.is_some(),
            };
            let Some(tls) = tls else {
                return Ok((Either::Left(stream), door));
            };
            let greeted = tokio::time::timeout(HANDSHAKE, greet(stream, &tls));
            let stream = greeted.await.map_err(io::Error::from)??;
            Ok((Either::Right(stream), door))
        }
    }
}

/// The first byte of every TLS connection: the type of a handshake record (RFC 8446 section 5.1).
const HANDSHAKE_RECORD: u8 = 22;

/// Shakes hands. Somebody who speaks plain HTTP is told so in its own language.
async fn greet(mut stream: TcpStream, tls: &TlsAcceptor) -> io::Result<TlsStream<TcpStream>> {
    let mut first = [HANDSHAKE_RECORD];
    stream.peek(&mut first).await?;
    if first[0] != HANDSHAKE_RECORD {
        let why = "This port speaks TLS: use https:// instead of http://\n";
        let answer = format!(
            "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{why}",
            why.len()
        );
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await?;
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "plain HTTP on a TLS port",
        ));
    }
    tls.accept(stream).await
}
