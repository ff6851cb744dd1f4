//! The admin API by TCP, behind a token.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::{BindError, Listener, serve};
use crate::auth::{Door, Token};

/// The admin API by TCP, bound and not yet serving.
#[derive(Debug)]
pub struct TcpServer {
    listener: TcpListener,
    address: SocketAddr,
    token: Arc<Token>,
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
        })
    }

    /// The address it is bound to, with the port it really has.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is cancelled; returns when the requests under way have ended. To wait no longer, drop the future.
    pub async fn serve(self, app: Router, stop: CancellationToken) {
        serve(self, app, stop).await;
    }
}

impl Listener for TcpServer {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<TcpStream> {
        let (stream, _) = self.listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn door(&self, stream: &TcpStream) -> impl Future<Output = io::Result<Door>> + Send + 'static {
        std::future::ready(stream.peer_addr().map(|peer| Door::Tcp {
            token: Arc::clone(&self.token),
            peer,
            tls: false,
        }))
    }
}
