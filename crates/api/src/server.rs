//! The two servers of the admin plane: bound first, then serving until they are stopped.

mod connection;
mod patient;
mod tcp;
mod unix;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use tcp::TcpServer;
pub use unix::UnixServer;

use crate::auth::Door;

/// Why a server could not be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another process has the port.
    #[error(
        "TCP port {port} of the admin API is in use by another process; `sudo ss -lntp 'sport = :{port}'` shows which"
    )]
    PortInUse {
        /// The port.
        port: u16,
    },
    /// The port could not be opened for another reason.
    #[error("cannot open TCP port {port} for the admin API: {source}")]
    Port {
        /// The port.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
    /// Another ktizo answers at the socket.
    #[error("the socket {} is in use by another process, probably another ktizo; `sudo ss -lxp src {}` shows which", path.display(), path.display())]
    SocketInUse {
        /// The socket.
        path: PathBuf,
    },
    /// Something that is no socket is in its place.
    #[error("{} is not a socket; move it away, or name another path with --socket", path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// The socket could not be made for another reason.
    #[error("cannot make the socket {}: {source}", path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Connections a server takes at once; a browser has six, a script one, and live listeners may hold most of them.
const CONNECTIONS: usize = 1024;
/// How long to wait after the system refused a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Where connections come from, and who is at their other end.
trait Listener {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    fn accept(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// By which door `stream` came in. May look users up.
    fn door(
        &self,
        stream: &Self::Stream,
    ) -> impl Future<Output = io::Result<Door>> + Send + 'static;
}

/// Serves until `stop` is cancelled, then lets the requests under way end.
async fn serve(listener: impl Listener, app: Router, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let next = async {
            // The semaphore is never closed; a missing place would only mean one connection more.
            let place = Arc::clone(&places).acquire_owned().await.ok();
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = stop.cancelled() => break,
            Some(ended) = connections.join_next() => {
                if let Err(err) = ended {
                    tracing::error!(%err, "an admin connection broke");
                }
                continue;
            }
            next = next => next,
        };
        match accepted {
            Ok(stream) => {
                let door = listener.door(&stream);
                let (app, stop) = (app.clone(), stop.clone());
                connections.spawn(async move {
                    match door.await {
                        Ok(door) => connection::converse(stream, app, door, stop).await,
                        Err(err) => tracing::warn!(%err, "an admin caller could not be told"),
                    }
                    drop(place);
                });
            }
            Err(err) => {
                tracing::warn!(%err, "cannot accept an admin connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}
