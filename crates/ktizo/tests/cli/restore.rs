//! What is said to who restores something else than a backup.

use crate::{complains, ktizo, put};

#[test]
fn what_is_no_backup_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("folder")).unwrap();
    for (name, content) in [
        ("empty", &b""[..]),
        ("notes.txt", &b"call the data centre\n".repeat(100)[..]),
        ("backup.gz", b"\x1f\x8b\x08\x00more"),
        ("backup.zst", b"\x28\xb5\x2f\xfdmore"),
        ("ktizo.db", b"SQLite format 3\0more"),
    ] {
        std::fs::write(at(name), content).unwrap();
    }
    std::fs::create_dir(at("state")).unwrap();
    put(&at("state").join("ktizo.db"), "present");
    for (name, why) in [
        ("missing", "open {}: No such file or directory"),
        (
            "folder",
            "{} is a folder; name the file that `ktizo backup` wrote",
        ),
        (
            "empty",
            "{} is not a backup of ktizo; name a file that `ktizo backup` wrote",
        ),
        (
            "notes.txt",
            "{} is not a backup of ktizo; name a file that `ktizo backup` wrote",
        ),
        (
            "backup.gz",
            "{} is not a backup of ktizo: it is compressed, and `gunzip` unpacks it; name",
        ),
        (
            "backup.zst",
            "{} is not a backup of ktizo: it is compressed, and `unzstd` unpacks it; name",
        ),
        (
            "ktizo.db",
            "{} is not a backup of ktizo: it is a database alone; name",
        ),
    ] {
        let file = at(name).display().to_string();
        let state = at("state").display().to_string();
        let (code, said) = complains(&ktizo(["restore", &file, "--yes", "--state-dir", &state]));
        let why = format!("ktizo: {}", why.replace("{}", &file));
        assert!(code == 1 && said.starts_with(&why), "{name}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        let present = std::fs::read_to_string(at("state").join("ktizo.db")).unwrap();
        assert_eq!(present, "present");
    }
}
