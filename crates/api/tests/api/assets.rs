//! Assets: uploaded, taken into use together or not at all, replaced, removed.

use std::time::Duration;

use api::types::{AssetCommit, AssetImport, Upload};
use api::{AssetFolder, ClientError};
use bytes::Bytes;
use futures_util::stream;
use model::{Arch, AssetKind, AssetName, Sha256Digest};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::world::{World, files, until};

fn digest(content: &[u8]) -> Sha256Digest {
    Sha256Digest(Sha256::digest(content).into())
}

async fn upload(world: &World, content: &'static [u8]) -> Upload {
    let pieces = stream::iter(
        content
            .chunks(1000)
            .map(|piece| Ok(Bytes::from_static(piece))),
    );
    let upload = world
        .client
        .upload(pieces, content.len() as u64)
        .await
        .unwrap();
    assert_eq!(
        (upload.sha256, upload.size),
        (digest(content), content.len() as u64)
    );
    upload
}

fn as_asset(upload: Upload, version: &str, kind: AssetKind) -> AssetImport {
    AssetImport {
        version: version.parse().unwrap(),
        arch: Arch::Amd64,
        kind,
        sha256: upload.sha256,
        expected_sha256: None,
    }
}

const KERNEL: &[u8] = &file::<5000>(b"MZ", b'k');
const OTHER_KERNEL: &[u8] = &file::<9000>(b"MZ", b'o');
const INITRAMFS: &[u8] = &file::<9000>(b"070701", b'i');

/// A kernel for amd64 and nothing else.
const BZIMAGE: &[u8] = &{
    let mut content = [0; 1024];
    let (_, header) = content.split_at_mut(0x202);
    header.split_at_mut(4).0.copy_from_slice(b"HdrS");
    content
};

/// A file that begins as a kernel or an initramfs does.
const fn file<const LEN: usize>(begin: &[u8], fill: u8) -> [u8; LEN] {
    let mut content = [fill; LEN];
    let (head, _) = content.split_at_mut(begin.len());
    head.copy_from_slice(begin);
    content
}

#[tokio::test]
async fn a_release_comes_into_use_at_once_and_goes_again() {
    let world = World::new().await;
    let assets = vec![
        as_asset(upload(&world, KERNEL).await, "v1.13.9", AssetKind::Kernel),
        as_asset(
            upload(&world, INITRAMFS).await,
            "v1.13.9",
            AssetKind::Initramfs,
        ),
    ];
    assert_eq!(world.client.assets().await.unwrap(), []);
    let commit = AssetCommit { assets };
    let done = world.client.import_assets(&commit).await.unwrap();
    assert_eq!((done.new, done.assets.len()), (2, 2));
    let mut names = [digest(KERNEL).to_string(), digest(INITRAMFS).to_string()];
    names.sort();
    assert_eq!(files(&world.path("assets")), names);
    assert_eq!(files(&world.path("assets/uploads")), [""; 0]);
    assert_eq!(
        std::fs::read(world.path("assets").join(digest(KERNEL).to_string())).unwrap(),
        KERNEL
    );
    assert_eq!(world.kinds().await, ["asset_imported", "asset_imported"]);

    let again = world.client.import_assets(&commit).await.unwrap();
    assert_eq!((again.new, again.assets), (0, done.assets));
    assert_eq!(world.kinds().await.len(), 2);

    let version = "v1.13.9".parse().unwrap();
    let kernel = AssetName {
        arch: Arch::Amd64,
        kind: AssetKind::Kernel,
    };
    world.client.remove_asset(&version, kernel).await.unwrap();
    assert_eq!(
        files(&world.path("assets")),
        [digest(INITRAMFS).to_string()]
    );
    let gone = world
        .client
        .remove_asset(&version, kernel)
        .await
        .unwrap_err();
    assert!(
        matches!(gone, ClientError::Refused { status: 404, .. }),
        "{gone}"
    );
    assert_eq!(world.kinds().await.last().unwrap(), "asset_removed");
}

/// What machines boot is told in one way, and a newer release that is half there is only mentioned.
#[tokio::test]
async fn the_release_that_machines_boot_is_whole() {
    let world = World::new().await;
    let (kernel, initramfs) = (
        upload(&world, KERNEL).await,
        upload(&world, INITRAMFS).await,
    );
    let assets = vec![as_asset(kernel, "v2.0.0", AssetKind::Kernel)];
    world
        .client
        .import_assets(&AssetCommit { assets })
        .await
        .unwrap();
    let half = world.client.status().await.unwrap();
    assert_eq!(half.talos_version, None);
    let first = &half.missing[0];
    assert!(first.starts_with("no initramfs of Talos v2.0.0"), "{first}");
    let assets = vec![
        as_asset(kernel, "v1.13.8", AssetKind::Kernel),
        as_asset(initramfs, "v1.13.8", AssetKind::Initramfs),
    ];
    world
        .client
        .import_assets(&AssetCommit { assets })
        .await
        .unwrap();
    let status = world.client.status().await.unwrap();
    assert_eq!(status.talos_version, "v1.13.8".parse().ok());
    let assets = |told: &[String]| told.iter().any(|line| line.contains("v2.0.0"));
    assert!(!assets(&status.missing), "{:?}", status.missing);
    assert_eq!(
        status.notes,
        [
            "Talos v2.0.0 is not whole: initramfs-amd64.xz was not imported, so machines boot v1.13.8"
        ]
    );
}

/// A cluster that installs another release than machines boot is told, with the way out, and no more once they agree.
#[tokio::test]
async fn two_releases_that_drift_apart_are_told() {
    let world = World::new().await;
    let (kernel, initramfs) = (
        upload(&world, KERNEL).await,
        upload(&world, INITRAMFS).await,
    );
    let assets = vec![
        as_asset(kernel, "v1.13.9", AssetKind::Kernel),
        as_asset(initramfs, "v1.13.9", AssetKind::Initramfs),
    ];
    world
        .client
        .import_assets(&AssetCommit { assets })
        .await
        .unwrap();
    for (version, told) in [("v1.12.1", true), ("v1.13.9", false)] {
        let patch =
            json!({"name": "lab", "endpoint": "https://10.0.0.9:6443", "talos_version": version});
        let patch = patch.as_object().unwrap().clone();
        world.client.set_cluster(&patch).await.unwrap();
        let (status, cluster) = (
            world.client.status().await.unwrap(),
            world.client.cluster().await.unwrap(),
        );
        for notes in [status.notes, cluster.notes] {
            let drift = notes.iter().any(|note| {
                note.starts_with("machines boot Talos v1.13.9") && note.contains("v1.12.1")
            });
            assert_eq!(drift, told, "{notes:?}");
        }
    }
}

#[tokio::test]
async fn a_file_that_was_damaged_is_mended_by_another_import() {
    let world = World::new().await;
    for damage in [None, Some(&KERNEL[..4000])] {
        let file = world.path("assets").join(digest(KERNEL).to_string());
        if let Some(damage) = damage {
            std::fs::write(&file, damage).unwrap();
        }
        let kernel = as_asset(upload(&world, KERNEL).await, "v1.13.9", AssetKind::Kernel);
        let commit = AssetCommit {
            assets: vec![kernel],
        };
        let done = world.client.import_assets(&commit).await.unwrap();
        assert_eq!(done.assets[0].size, 5000);
        assert_eq!(std::fs::read(&file).unwrap(), KERNEL);
        assert_eq!(files(&world.path("assets/uploads")), [""; 0]);
    }
}

#[tokio::test]
async fn an_import_is_whole_or_nothing() {
    let world = World::new().await;
    let kernel = as_asset(upload(&world, KERNEL).await, "v1.13.9", AssetKind::Kernel);
    let mut missing = kernel.clone();
    missing.kind = AssetKind::Initramfs;
    missing.sha256 = digest(b"never sent");
    let text = as_asset(
        upload(&world, b"hello\n").await,
        "v1.13.9",
        AssetKind::Initramfs,
    );
    let mut other_arch = as_asset(upload(&world, BZIMAGE).await, "v1.13.9", AssetKind::Kernel);
    other_arch.arch = Arch::Arm64;
    let mut wrong = kernel.clone();
    wrong.expected_sha256 = Some(digest(b"another file"));
    for (assets, code, field) in [
        (json!([kernel, missing]), "not_uploaded", "assets[1].sha256"),
        (
            json!([wrong]),
            "checksum_mismatch",
            "assets[0].expected_sha256",
        ),
        (json!([kernel, text]), "wrong_content", "assets[1].sha256"),
        (json!([other_arch]), "wrong_content", "assets[0].sha256"),
        (json!([kernel, kernel]), "invalid", "assets[1]"),
        (json!([]), "invalid", "assets"),
        (
            json!([{"version": "latest"}]),
            "invalid",
            "assets[0].version",
        ),
    ] {
        let body = json!({"assets": assets});
        let (got_code, named, why) = world.refused("POST", "/assets", body).await;
        assert_eq!((got_code.as_str(), named.as_str()), (code, field), "{why}");
        assert_eq!(files(&world.path("assets")), [""; 0]);
    }
    let mut right = kernel;
    right.expected_sha256 = Some(right.sha256);
    let commit = AssetCommit {
        assets: vec![right],
    };
    assert_eq!(world.client.import_assets(&commit).await.unwrap().new, 1);
}

#[tokio::test]
async fn a_file_that_is_replaced_goes_and_one_that_is_shared_stays() {
    let world = World::new().await;
    let old = upload(&world, KERNEL).await;
    let assets = vec![
        as_asset(old, "v1.13.8", AssetKind::Kernel),
        as_asset(old, "v1.13.9", AssetKind::Kernel),
    ];
    world
        .client
        .import_assets(&AssetCommit { assets })
        .await
        .unwrap();
    let new = upload(&world, OTHER_KERNEL).await;
    let one = |version| AssetCommit {
        assets: vec![as_asset(new, version, AssetKind::Kernel)],
    };
    world.client.import_assets(&one("v1.13.8")).await.unwrap();
    assert_eq!(files(&world.path("assets")).len(), 2);
    world.client.import_assets(&one("v1.13.9")).await.unwrap();
    assert_eq!(
        files(&world.path("assets")),
        [digest(OTHER_KERNEL).to_string()]
    );
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let world = World::new().await;
    let mut stream = UnixStream::connect(world.socket()).await.unwrap();
    let head = "POST /api/v1/assets/uploads HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&[0; 10_000]).await.unwrap();
    let uploads = world.path("assets/uploads");
    until("the upload begins", || files(&uploads).len() == 1).await;
    drop(stream);
    until("half an upload is removed", || files(&uploads).is_empty()).await;
    let (status, empty) = world.ask("POST", "/assets/uploads", Value::Null).await;
    assert_eq!(status, 400, "{empty}");
    assert_eq!(files(&uploads), [""; 0]);
}

#[tokio::test]
async fn an_upload_may_be_larger_than_any_json_body() {
    let world = World::new().await;
    let mut stream = UnixStream::connect(world.socket()).await.unwrap();
    let len = 20 << 20;
    let head = format!(
        "POST /api/v1/assets/uploads HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![7; len]).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert!(
        answer.contains(&digest(&vec![7; len]).to_string()),
        "{answer}"
    );
}

#[tokio::test]
async fn a_start_removes_uploads_that_were_left_behind_and_nothing_else() {
    let world = World::new().await;
    let kernel = as_asset(upload(&world, KERNEL).await, "v1.13.9", AssetKind::Kernel);
    let commit = AssetCommit {
        assets: vec![kernel],
    };
    let in_use = world.client.import_assets(&commit).await.unwrap().assets;
    let folder = world.path("assets");
    // It may be known to the state that is put back tomorrow.
    let unknown = digest(b"unrecorded").to_string();
    std::fs::write(folder.join(&unknown), "x").unwrap();
    std::fs::write(folder.join("README"), "an operator's note").unwrap();
    std::fs::write(folder.join("uploads/part-1"), "x").unwrap();
    AssetFolder::open(folder.clone(), &in_use).unwrap();
    let mut kept = [unknown, digest(KERNEL).to_string(), "README".to_owned()];
    kept.sort();
    let mut there = files(&folder);
    there.sort();
    assert_eq!(there, kept);
    assert_eq!(files(&folder.join("uploads")), [""; 0]);
}

#[tokio::test]
async fn a_name_that_is_no_asset_is_refused() {
    let world = World::new().await;
    for (path, field) in [
        ("/assets/latest/vmlinuz-amd64", "version"),
        ("/assets/v1.13.9/passwd", "name"),
    ] {
        let (_, named, _) = world.refused("DELETE", path, Value::Null).await;
        assert_eq!(named, field);
    }
    assert_eq!(
        world
            .ask("DELETE", "/assets/..%2f..%2fktizo.db/x", Value::Null)
            .await
            .0,
        422
    );
    assert_eq!(
        files(world.dir.path())
            .iter()
            .filter(|name| *name == "ktizo.db")
            .count(),
        1
    );
}

#[tokio::test]
async fn uploads_that_are_not_imported_do_not_stay() {
    let world = World::new().await;
    let uploads = world.path("assets/uploads");
    // Refused with a file that is none.
    let kernel = as_asset(upload(&world, KERNEL).await, "v1.13.9", AssetKind::Kernel);
    let text = as_asset(
        upload(&world, b"plain text\n").await,
        "v1.13.9",
        AssetKind::Initramfs,
    );
    let commit = AssetCommit {
        assets: vec![kernel, text],
    };
    world.client.import_assets(&commit).await.unwrap_err();
    assert_eq!(files(&uploads), [digest(KERNEL).to_string()]);
    std::fs::remove_file(uploads.join(digest(KERNEL).to_string())).unwrap();
    // Never asked for.
    upload(&world, b"old").await;
    let old = std::fs::File::open(uploads.join(digest(b"old").to_string())).unwrap();
    let now = old.metadata().unwrap().modified().unwrap();
    old.set_modified(now - Duration::from_secs(25 * 3600))
        .unwrap();
    upload(&world, b"young").await;
    upload(&world, b"younger").await;
    let mut left = files(&uploads);
    left.sort();
    let mut young = [digest(b"young").to_string(), digest(b"younger").to_string()];
    young.sort();
    assert_eq!(left, young);
}

#[tokio::test]
async fn a_damaged_file_is_no_asset_until_it_is_sent_again() {
    let world = World::new().await;
    let kernel = as_asset(upload(&world, KERNEL).await, "v1.13.9", AssetKind::Kernel);
    let commit = AssetCommit {
        assets: vec![kernel.clone()],
    };
    world.client.import_assets(&commit).await.unwrap();
    let file = world.path("assets").join(digest(KERNEL).to_string());
    std::fs::write(&file, &KERNEL[..KERNEL.len() - 1]).unwrap();
    let other = AssetCommit {
        assets: vec![AssetImport {
            version: "v1.13.8".parse().unwrap(),
            ..kernel
        }],
    };
    let err = world.client.import_assets(&other).await.unwrap_err();
    assert!(err.to_string().contains("damaged"), "{err}");
    assert_eq!(world.client.assets().await.unwrap().len(), 1);
    upload(&world, KERNEL).await;
    world.client.import_assets(&other).await.unwrap();
    let assets = world.client.assets().await.unwrap();
    assert!(assets.len() == 2 && assets.iter().all(|it| it.size == KERNEL.len() as u64));
    // Whole, it needs no upload.
    world.client.import_assets(&commit).await.unwrap();
}
