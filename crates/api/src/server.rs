//! The two servers of the admin plane: bound first, then serving until they are stopped.

mod connection;
mod patient;
mod tcp;
mod tls;
mod unix;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use model::Listening;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use tcp::TcpServer;
pub use tls::{Certificate, Fingerprint, TlsError};
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
/// Connections from one host or of one user at once, so that none can take all places. Behind a proxy everybody has its address.
const FROM_ONE: usize = CONNECTIONS / 2;
/// How long to wait after the system refused a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Where connections come from, and who is at their other end.
trait Listener {
    type Raw: Send + 'static;
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    fn accept(&self) -> impl Future<Output = io::Result<Self::Raw>> + Send;

    /// From where a connection came, where that can be told from others.
    fn source(&self, raw: &Self::Raw) -> Option<Source>;

    /// Greets the other end, and tells by which door it came in. May look users up, or wait for it.
    fn open(
        &self,
        raw: Self::Raw,
    ) -> impl Future<Output = io::Result<(Self::Stream, Door)>> + Send + 'static;
}

/// Whose connections are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Source {
    /// Those of a host. It has a whole network of IPv6 addresses (RFC 4291 section 2.5.1), of which this is the first.
    Host(IpAddr),
    /// Those of a user of this host, by its number.
    User(u32),
}

impl Source {
    fn host(address: IpAddr) -> Self {
        Self::Host(match address.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
            other => other,
        })
    }
}

/// How many connections there are from each source.
#[derive(Clone, Debug, Default)]
struct Sources(Arc<Mutex<HashMap<Source, usize>>>);

/// A connection that is counted for as long as it lives.
struct Counted {
    sources: Sources,
    source: Source,
}

impl Sources {
    /// Counts a connection; `None` if its source has as many as it may.
    fn count(&self, source: Source) -> Option<Counted> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(source).or_default();
        if *count >= FROM_ONE {
            return None;
        }
        *count += 1;
        let sources = self.clone();
        Some(Counted { sources, source })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let counts = &self.sources.0;
        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.source);
            }
        }
    }
}

/// Serves until `stop` is cancelled, then lets the requests under way end.
async fn serve(
    listener: impl Listener,
    listening: Listening,
    app: Router,
    stop: CancellationToken,
) {
    let serving = listening.begin();
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    let sources = Sources::default();
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
            Ok(raw) => {
                let counted = match listener.source(&raw) {
                    Some(source) => match sources.count(source) {
                        Some(counted) => Some(counted),
                        None => {
                            tracing::debug!(?source, "too many admin connections from one source");
                            continue;
                        }
                    },
                    None => None,
                };
                let opening = listener.open(raw);
                let (app, stop) = (app.clone(), stop.clone());
                connections.spawn(async move {
                    match stop.run_until_cancelled(opening).await {
                        Some(Ok((stream, door))) => {
                            connection::converse(stream, app, door, stop.clone()).await;
                        }
                        // Anybody can connect and say nonsense.
                        Some(Err(err)) => {
                            tracing::debug!(%err, "an admin connection was not opened");
                        }
                        None => {}
                    }
                    drop((place, counted));
                });
            }
            Err(err) => {
                tracing::warn!(%err, "cannot accept an admin connection");
                serving.failed(&err, tokio::time::Instant::now().into_std());
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop((listener, serving));
    while connections.join_next().await.is_some() {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_host_and_no_user_takes_all_places() {
        let host = |text: &str| Source::host(text.parse().unwrap());
        for (one, same, other) in [
            (
                host("192.0.2.1"),
                host("::ffff:192.0.2.1"),
                host("192.0.2.2"),
            ),
            (
                host("2001:db8::1"),
                host("2001:db8::ffff:2"),
                host("2001:db8:0:1::1"),
            ),
            (Source::User(1000), Source::User(1000), Source::User(0)),
        ] {
            let sources = Sources::default();
            let mut held: Vec<Counted> = (0..FROM_ONE / 2)
                .flat_map(|_| [one, same].map(|source| sources.count(source).unwrap()))
                .collect();
            assert!(sources.count(one).is_none() && sources.count(same).is_none());
            assert!(sources.count(other).is_some(), "{other:?}");
            held.pop();
            assert!(sources.count(one).is_some());
            held.clear();
            assert!(sources.0.lock().unwrap().is_empty());
        }
    }
}
