//! What tests share: the golden material, and one fresh secrets bundle, for its RSA key takes a while.

use std::path::PathBuf;
use std::sync::LazyLock;

use crate::SecretsBundle;

/// The folder `talos` of the golden material; `None`, with the reason printed, where there is none. With `CI=true` that fails.
pub(crate) fn talos() -> Option<PathBuf> {
    match std::env::var_os("KTIZO_GOLDEN_DIR") {
        Some(folder) => Some(PathBuf::from(folder).join("talos")),
        None if std::env::var("CI").is_ok_and(|value| value == "true") => {
            panic!("KTIZO_GOLDEN_DIR must be set in CI")
        }
        None => {
            println!("skipped: KTIZO_GOLDEN_DIR is not set");
            None
        }
    }
}

/// The contracts that have golden configs, oldest first.
pub(crate) fn contracts() -> Vec<String> {
    let Some(folder) = talos() else {
        return Vec::new();
    };
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().join("inputs.json").is_file())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort_by_key(|name| name.trim_start_matches("v1.").parse::<u32>().unwrap());
    assert!(names.len() >= 8, "{names:?}");
    names
}

/// A golden file.
pub(crate) fn read(path: &str) -> String {
    let file = talos()
        .expect("only read after the folder was found")
        .join(path);
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// A bundle made once, on 2026-01-15.
pub(crate) fn fresh_secrets() -> SecretsBundle {
    static BUNDLE: LazyLock<SecretsBundle> = LazyLock::new(|| {
        SecretsBundle::generate("2026-01-15T12:00:00.7Z".parse().unwrap()).unwrap()
    });
    BUNDLE.clone()
}
