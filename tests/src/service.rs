//! The lab in the service manager's place: the socket that a daemon tells its state to (`sd_notify(3)`).

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::clock::now;

/// Every line with the moment it came.
type Said = Vec<(Instant, String)>;

/// What a daemon told, from the moment of listening on.
#[derive(Debug)]
pub struct Notices {
    path: PathBuf,
    said: Arc<Mutex<Said>>,
    end: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
}

impl Notices {
    /// Opens the socket.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn listen(name: &str) -> Result<Self> {
        let path = PathBuf::from(format!("/run/{name}.notify"));
        if path.exists() {
            fs::remove_file(&path)?;
        }
        let socket = UnixDatagram::bind(&path).context("the readiness socket could not be made")?;
        // As systemd's own: a daemon that gave up root's powers may still speak.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777))?;
        socket.set_read_timeout(Some(Duration::from_millis(50)))?;
        let said = Arc::new(Mutex::new(Said::new()));
        let end = Arc::new(AtomicBool::new(false));
        let (writer, stop) = (Arc::clone(&said), Arc::clone(&end));
        let reader = std::thread::Builder::new()
            .name("notices".into())
            .spawn(move || {
                let mut buffer = [0; 4096];
                while !stop.load(Ordering::Acquire) {
                    // The read timeout, or a daemon that has gone: either way the next one is waited for.
                    let Ok(length) = socket.recv(&mut buffer) else {
                        continue;
                    };
                    let at = now();
                    let text = String::from_utf8_lossy(&buffer[..length]);
                    let lines = text.lines().map(|line| (at, line.to_owned()));
                    writer
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .extend(lines);
                }
            })?;
        Ok(Self {
            path,
            said,
            end,
            reader: Some(reader),
        })
    }

    /// The socket's path, for `NOTIFY_SOCKET`.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// When a line first came, if it did.
    pub fn first(&self, line: &str) -> Option<Instant> {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.iter()
            .find(|(_, known)| known == line)
            .map(|(at, _)| *at)
    }

    /// How often a line came.
    pub fn count(&self, line: &str) -> usize {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.iter().filter(|(_, known)| known == line).count()
    }

    /// Forgets all, before a daemon is started again.
    pub fn forget(&self) {
        self.said
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

impl Drop for Notices {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Release);
        if let Some(reader) = self.reader.take() {
            // A reader that panicked has said so already.
            let _ = reader.join();
        }
    }
}
