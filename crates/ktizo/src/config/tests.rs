//! The shipped file, and a folder of good and bad ones.

use super::*;

const SHIPPED: &str = include_str!("../../../../etc/ktizo.yaml");

#[test]
fn the_shipped_file_lists_every_key_at_its_default() {
    let shipped: serde_yaml::Value = serde_yaml::from_str(SHIPPED).unwrap();
    let defaults = serde_yaml::to_value(RawConfig::default()).unwrap();
    assert_eq!(shipped, defaults);
}

#[test]
fn no_file_and_an_empty_file_are_the_defaults() {
    let shipped = Config::parse(Path::new("ktizo.yaml"), SHIPPED).unwrap();
    for text in ["", "\n# nothing\n", "boot: {}\n"] {
        assert_eq!(
            Config::parse(Path::new("ktizo.yaml"), text).unwrap(),
            shipped,
            "{text:?}"
        );
    }
}

/// Each file in `good` loads; each in `bad` is refused with the message in its comment, which is its first line or its last.
#[test]
fn the_folder_of_configs_loads_or_is_refused_as_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/config");
    let mut seen = 0;
    for kind in ["good", "bad"] {
        for entry in std::fs::read_dir(folder.join(kind)).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let got = Config::parse(Path::new("ktizo.yaml"), &text)
                .map(|_| ())
                .map_err(|err| err.to_string());
            let expected = match kind {
                "good" => Ok(()),
                _ => {
                    let mut lines = text.lines().map(|line| line.strip_prefix("# "));
                    let (first, last) = (lines.next().flatten(), lines.next_back().flatten());
                    Err(first.or(last).unwrap().to_owned())
                }
            };
            assert_eq!(got, expected, "{}", path.display());
            seen += 1;
        }
    }
    assert!(seen > 5, "the folder has its files");
}

#[test]
fn to_listen_without_tls_where_others_can_read_along_is_warned_of() {
    for (admin, warns) in [
        ("", false),
        ("admin: { listen: null }", false),
        ("admin: { listen: \"127.0.0.1:8000\" }", false),
        ("admin: { listen: \"[::1]:8000\" }", false),
        ("admin: { listen: \"[::ffff:127.0.0.1]:8000\" }", false),
        ("admin: { listen: \"0.0.0.0:8000\", tls: {} }", false),
        ("admin: { listen: \"0.0.0.0:8000\" }", true),
        ("admin: { listen: \"[::]:8000\" }", true),
        ("admin: { listen: \"192.168.1.2:8000\" }", true),
    ] {
        let config = Config::parse(Path::new("ktizo.yaml"), admin).unwrap();
        let warnings = config.warnings();
        assert_eq!(!warnings.is_empty(), warns, "{admin}: {warnings:?}");
        assert!(warnings.iter().all(|text| text.contains("`tls: {}`")));
    }
}

#[test]
fn a_certificate_that_is_not_there_is_named() {
    let text = "admin: { tls: { cert: /nowhere/a.crt, key: /nowhere/a.key } }";
    let file = Path::new("ktizo.yaml");
    let config = Config::parse(file, text).unwrap();
    let err = config.check_files(file).unwrap_err().to_string();
    assert!(
        err.starts_with("ktizo.yaml: admin.tls.cert: /nowhere/a.crt cannot be read"),
        "{err}"
    );
}

#[test]
fn what_serve_would_refuse_of_the_templates_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let shown = folder.path().display();
    let file = Path::new("ktizo.yaml");
    let check = |templates: &Path| {
        let config = Config::parse(file, &format!("templates: {}", templates.display())).unwrap();
        config.check_files(file).map_err(|err| err.to_string())
    };
    assert_eq!(check(folder.path()), Ok(()));
    let nowhere = check(Path::new("/nowhere")).unwrap_err();
    assert!(
        nowhere.starts_with("ktizo.yaml: templates: read the templates in /nowhere: "),
        "{nowhere}"
    );
    for (name, text, expected) in [
        (
            "leave.ipxe",
            "#!ipxe\necho {{ nosuch }}\n",
            "leave.ipxe:2:9: ",
        ),
        ("layout.html", "{% if %}", "layout.html"),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let why = check(folder.path()).unwrap_err();
        let begins = format!("ktizo.yaml: templates: the templates in {shown}: ");
        assert!(why.starts_with(&begins) && why.contains(expected), "{why}");
        std::fs::remove_file(path).unwrap();
    }
}
