//! `ktizo backup`.

use std::os::unix::fs::PermissionsExt as _;

use crate::{Daemon, complains, put, says};

#[test]
fn a_backup_that_was_broken_off_does_not_stand_in_the_way() {
    let daemon = Daemon::start();
    let (file, part) = (daemon.path("b.tar"), daemon.path("b.tar.part"));
    put(&part, "half of one");
    std::fs::set_permissions(&part, std::fs::Permissions::from_mode(0o644)).unwrap();
    says(&daemon.run("backup @b.tar"));
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!part.exists());
    let whole = std::fs::read(&file).unwrap();
    assert!(whole.windows(7).any(|bytes| bytes == b"SQLite "));

    let (code, why) = complains(&daemon.run("backup @b.tar"));
    assert!(code == 1 && why.contains("is there already"), "{why}");
    // What stands in the way is named.
    std::fs::create_dir(daemon.path("c.tar.part")).unwrap();
    let (code, why) = complains(&daemon.run("backup @c.tar"));
    assert!(
        code == 1 && why.contains("c.tar.part: Is a directory"),
        "{why}"
    );
}
