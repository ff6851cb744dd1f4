//! Templates: each is rendered by some code or taken by another template, and each value given to them is used.

use super::{Fault, Source};

pub(super) fn check(sources: &[Source]) -> Vec<Fault> {
    let templates: Vec<_> = sources
        .iter()
        .filter(|source| source.path.starts_with("templates/"))
        .collect();
    let code = || {
        sources
            .iter()
            .filter(|source| source.path.starts_with("crates/") && source.path.ends_with(".rs"))
    };
    let mut faults = Vec::new();
    for template in &templates {
        let name = template.path.rsplit('/').next().unwrap_or(&template.path);
        // A name may be put together from a stem and a suffix.
        let stem = name.split('.').next().unwrap_or(name);
        let by_code = code().any(|source| {
            source.text.contains(name) || source.text.contains(&format!("\"{stem}\""))
        });
        let by_template = templates
            .iter()
            .any(|other| other.path != template.path && other.text.contains(name));
        if !by_code && !by_template {
            faults.push(Fault::new(
                &template.path,
                0,
                "no code renders this template and no template takes it",
            ));
        }
    }
    for source in code().filter(|source| source.text.contains("tera::")) {
        for (line, key) in keys(&source.text) {
            if !templates.iter().any(|template| uses(&template.text, key)) {
                faults.push(Fault::new(
                    &source.path,
                    line,
                    format!("no template uses the value `{key}`"),
                ));
            }
        }
    }
    faults
}

/// The values that code puts into a template's context, by name: `context.insert("name", ...)`.
fn keys(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let code = code.split("#[cfg(test)]").next().unwrap_or(code);
    code.lines().enumerate().filter_map(|(index, line)| {
        let (before, after) = line.split_once(".insert(\"")?;
        let key = after.split('"').next()?;
        before
            .trim_end()
            .ends_with("context")
            .then_some((index + 1, key))
    })
}

/// Whether a template has a name as a whole word.
fn uses(template: &str, name: &str) -> bool {
    let part = |letter: Option<char>| {
        letter.is_some_and(|letter| letter.is_alphanumeric() || letter == '_')
    };
    template.match_indices(name).any(|(at, _)| {
        !part(template[..at].chars().next_back())
            && !part(template[at + name.len()..].chars().next())
    })
}

#[cfg(test)]
mod tests {
    use super::super::said;
    use super::*;

    #[test]
    fn a_template_that_nobody_renders_is_found() {
        let sources = [
            Source::of("templates/pxe/hold.ipxe", "#!ipxe\n"),
            Source::of("templates/pxe/menu.ipxe", "#!ipxe\n"),
            Source::of("templates/pxe/lost.ipxe", "#!ipxe\n"),
            Source::of("templates/pxe/part.ipxe", "#!ipxe\n"),
            Source::of("templates/ui/page.html", "{% include \"part.ipxe\" %}\n"),
            Source::of(
                "crates/configgen/src/ipxe.rs",
                "render(\"pxe/hold.ipxe\"); name(\"menu\"); page.html\n",
            ),
        ];
        assert_eq!(
            said(check(&sources)),
            ["templates/pxe/lost.ipxe: no code renders this template and no template takes it"]
        );
    }

    #[test]
    fn a_value_that_no_template_uses_is_found() {
        let sources = [
            Source::of("templates/a.ipxe", "echo {{ mac }} {{ hostname }}\n"),
            Source::of(
                "crates/configgen/src/a.rs",
                "use tera::Context; // a.ipxe\ncontext.insert(\"mac\", 1);\ncontext.insert(\"host\", 2);\nmap.insert(\"other\", 3);\n",
            ),
        ];
        assert_eq!(
            said(check(&sources)),
            ["crates/configgen/src/a.rs:3: no template uses the value `host`"]
        );
    }
}
