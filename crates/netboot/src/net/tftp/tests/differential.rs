//! The same requests to this server and to async-tftp: where that one is right, both answer the same.

use std::net::UdpSocket as StdUdpSocket;

use async_tftp::server::TftpServerBuilder;
use futures_util::future::select;
use tokio::sync::oneshot;

use super::*;

/// async-tftp with a folder of its own, on a thread of its own, until it is dropped.
struct Peer {
    address: SocketAddrV4,
    /// Ends the thread when dropped.
    _stop: oneshot::Sender<()>,
    _folder: tempfile::TempDir,
}

impl Peer {
    fn new(loader: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("ipxe")).unwrap();
        std::fs::write(folder.path().join("ipxe/snponly.efi"), loader).unwrap();
        let socket = StdUdpSocket::bind("127.0.0.1:0").unwrap();
        let std::net::SocketAddr::V4(address) = socket.local_addr().unwrap() else {
            panic!("bound to IPv4");
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let root = folder.path().to_owned();
        std::thread::spawn(move || {
            async_io::block_on(async move {
                let server = TftpServerBuilder::with_dir_ro(root)
                    .unwrap()
                    .std_socket(socket)
                    .unwrap()
                    .block_size_limit(1468)
                    .window_size_limit(44)
                    .build()
                    .await
                    .unwrap();
                select(Box::pin(server.serve()), stopped).await;
            });
        });
        Self {
            address,
            _stop: stop,
            _folder: folder,
        }
    }
}

#[tokio::test]
async fn the_same_bytes_and_options_as_async_tftp() {
    let some = |blksize: u64, windowsize: u64, tsize: bool, timeout: u64| Options {
        blksize: (blksize > 0).then_some(blksize),
        tsize: tsize.then_some(0),
        timeout: (timeout > 0).then_some(timeout),
        windowsize: (windowsize > 0).then_some(windowsize),
    };
    for size in [0, 1, 511, 512, 513, 1468, 1468 * 4, 100_000] {
        let loader = content(size);
        let peer = Peer::new(&loader);
        let told = Told {
            loader: loader.clone(),
            ..Told::default()
        };
        let served = Served::new(told, Limits::default());
        for options in [
            Options::default(),
            some(0, 0, true, 0),
            some(512, 0, true, 0),
            some(1432, 0, true, 0),
            some(1468, 4, false, 0),
            some(1468, 4, true, 3),
            some(9000, 16, true, 0),
            some(1024, 44, false, 1),
            some(0, 8, false, 0),
            some(7, 4, true, 0),
            some(65_465, 0, true, 0),
            some(512, 65_536, true, 0),
            some(512, 1, false, 256),
        ] {
            let mine = fetch(
                Ipv4Addr::LOCALHOST,
                served.address,
                "ipxe/snponly.efi",
                options,
            )
            .await;
            let theirs = fetch(
                Ipv4Addr::LOCALHOST,
                peer.address,
                "ipxe/snponly.efi",
                options,
            )
            .await;
            assert!(mine.content.unwrap() == loader, "{size} {options:?}");
            assert!(theirs.content.unwrap() == loader, "{size} {options:?}");
            assert_eq!(mine.agreed, theirs.agreed, "{size} {options:?}");
        }
        let mine = fetch(Ipv4Addr::LOCALHOST, served.address, "ipxe/none.efi", edk2()).await;
        let theirs = fetch(Ipv4Addr::LOCALHOST, peer.address, "ipxe/none.efi", edk2()).await;
        assert_eq!(mine.content.unwrap_err().0, theirs.content.unwrap_err().0);
    }
}
