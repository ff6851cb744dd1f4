//! Where the bytes of a transfer come from.

use std::fs::File;
use std::io;
use std::mem;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;

use crate::director::Content;

/// Bytes read from a file at once, and the most that a transfer holds of it. A window is never larger.
const READ_AHEAD: u64 = 64 * 1024;

/// The content of one transfer: in memory, or a file of which a piece is held.
#[derive(Debug)]
pub(super) enum Source {
    Memory(Bytes),
    File(Piece),
}

/// A piece of a file.
#[derive(Debug)]
pub(super) struct Piece {
    file: Arc<File>,
    size: u64,
    offset: u64,
    held: Vec<u8>,
}

impl Source {
    pub(super) fn new(content: Content) -> Self {
        match content {
            Content::Bytes(bytes) => Self::Memory(bytes),
            Content::File(file, size) => Self::File(Piece {
                file,
                size,
                offset: 0,
                held: Vec::new(),
            }),
        }
    }

    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File(piece) => piece.size,
        }
    }

    /// `len` bytes from `offset` on, at most [`READ_AHEAD`]. A file is read by a thread that may wait for its disk, so nobody
    /// else waits with it.
    pub(super) async fn read(&mut self, offset: u64, len: usize) -> io::Result<&[u8]> {
        match self {
            Self::Memory(bytes) => usize::try_from(offset)
                .ok()
                .and_then(|start| bytes.get(start..)?.get(..len))
                .ok_or_else(|| io::ErrorKind::UnexpectedEof.into()),
            Self::File(piece) => {
                if piece.find(offset, len).is_none() {
                    piece.load(offset).await?;
                }
                piece
                    .find(offset, len)
                    .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
            }
        }
    }
}

impl Piece {
    fn find(&self, offset: u64, len: usize) -> Option<&[u8]> {
        let start = usize::try_from(offset.checked_sub(self.offset)?).ok()?;
        self.held.get(start..)?.get(..len)
    }

    async fn load(&mut self, offset: u64) -> io::Result<()> {
        let file = Arc::clone(&self.file);
        let len = usize::try_from(self.size.saturating_sub(offset).min(READ_AHEAD))
            .expect("a piece is a few kilobytes");
        let mut held = mem::take(&mut self.held);
        let read = tokio::task::spawn_blocking(move || {
            held.resize(len, 0);
            file.read_exact_at(&mut held, offset).map(|()| held)
        });
        self.held = read.await.map_err(io::Error::other)??;
        self.offset = offset;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(bytes: &[u8]) -> Arc<File> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Arc::new(file)
    }

    #[tokio::test]
    async fn a_file_and_its_bytes_read_the_same() {
        let bytes: Vec<u8> = (0..200_000_u32).map(|i| (i % 251) as u8).collect();
        let mut memory = Source::new(Content::Bytes(bytes.clone().into()));
        let mut disk = Source::new(Content::File(file(&bytes), 200_000));
        assert_eq!(memory.size(), disk.size());
        for (offset, len) in [
            (0, 512),
            (512, 65_536),
            (65_000, 65_000),
            (60_000, 1),
            (199_999, 1),
            (199_000, 1000),
            (200_000, 0),
            (0, 65_536),
        ] {
            let wanted = &bytes[offset..offset + len];
            assert!(memory.read(offset as u64, len).await.unwrap() == wanted);
            assert!(disk.read(offset as u64, len).await.unwrap() == wanted);
            let Source::File(piece) = &disk else { panic!() };
            assert!(piece.held.capacity() <= 65_536, "{}", piece.held.capacity());
        }
    }

    #[tokio::test]
    async fn a_file_that_has_become_shorter_is_an_error() {
        let mut disk = Source::new(Content::File(file(&[1; 1000]), 70_000));
        assert!(disk.read(0, 512).await.is_err());
        let mut memory = Source::new(Content::Bytes(Bytes::from_static(b"abc")));
        assert!(memory.read(2, 2).await.is_err());
        assert!(memory.read(u64::MAX, 2).await.is_err());
    }
}
