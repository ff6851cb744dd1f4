//! The admin API by Unix socket, whose callers the kernel names.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use model::Listening;
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use super::{BindError, Listener, Source, serve};
use crate::auth::{Access, Door, UnixPeer};

/// The admin API by Unix socket, bound and not yet serving.
#[derive(Debug)]
pub struct UnixServer {
    listener: UnixListener,
    path: PathBuf,
    access: Arc<Access>,
    listening: Listening,
}

impl UnixServer {
    /// Makes the socket. One that a dead process left behind is replaced; one at which somebody answers is refused.
    ///
    /// Everybody may connect, so that a user who may not do anything is told so in a sentence; who may is decided by `access`.
    pub async fn bind(path: &Path, access: Access) -> Result<Self, BindError> {
        let refused = |source| BindError::Socket {
            path: path.to_owned(),
            source,
        };
        match std::fs::symlink_metadata(path) {
            Ok(there) if !there.file_type().is_socket() => {
                let path = path.to_owned();
                return Err(BindError::NotASocket { path });
            }
            Ok(_) => {
                if UnixStream::connect(path).await.is_ok() {
                    let path = path.to_owned();
                    return Err(BindError::SocketInUse { path });
                }
                std::fs::remove_file(path).map_err(refused)?;
            }
            Err(err) if err.kind() == io::ErrorKind::NotFound => {
                if let Some(folder) = path.parent() {
                    std::fs::create_dir_all(folder).map_err(refused)?;
                }
            }
            Err(err) => return Err(refused(err)),
        }
        let listener = UnixListener::bind(path).map_err(refused)?;
        std::fs::set_permissions(path, Permissions::from_mode(0o666)).map_err(refused)?;
        Ok(Self {
            listener,
            path: path.to_owned(),
            access: Arc::new(access),
            listening: Listening::default(),
        })
    }

    /// The path of the socket.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How it does at its socket.
    pub fn listening(&self) -> Listening {
        self.listening.clone()
    }

    /// Serves until `stop` is cancelled; removes the socket and returns when the requests under way have ended. To wait no longer,
    /// drop the future.
    pub async fn serve(self, app: Router, stop: CancellationToken) {
        let listening = self.listening.clone();
        serve(self, listening, app, stop).await;
    }
}

impl Drop for UnixServer {
    fn drop(&mut self) {
        // What stays behind is replaced at the next start.
        if let Err(err) = std::fs::remove_file(&self.path) {
            tracing::debug!(path = %self.path.display(), %err, "the socket file stays behind");
        }
    }
}

impl Listener for UnixServer {
    type Raw = UnixStream;
    type Stream = UnixStream;

    async fn accept(&self) -> io::Result<UnixStream> {
        Ok(self.listener.accept().await?.0)
    }

    fn source(&self, stream: &UnixStream) -> Option<Source> {
        let credentials = stream.peer_cred().ok()?;
        Some(Source::User(credentials.uid()))
    }

    fn open(
        &self,
        stream: UnixStream,
    ) -> impl Future<Output = io::Result<(UnixStream, Door)>> + Send + 'static {
        let credentials = stream.peer_cred();
        let access = Arc::clone(&self.access);
        async move {
            let credentials = credentials?;
            let looked_up =
                tokio::task::spawn_blocking(move || UnixPeer::look_up(credentials, &access));
            let peer = looked_up.await.map_err(io::Error::other)?;
            Ok((stream, Door::Unix(Arc::new(peer))))
        }
    }
}
