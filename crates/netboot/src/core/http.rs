//! What a request on the boot port asks for, and how its answer looks: request line and header values in, plain values out.

mod query;
mod range;

pub use query::ScriptQuery;
pub use range::Range;

use model::ConfigToken;

use crate::core::path::{BootPath, PathRefusal};

/// A request that can be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAsk {
    /// Whether only the head of the answer is wanted.
    pub head_only: bool,
    /// What is asked for.
    pub path: BootPath,
    /// What the query says; empty for all but device scripts.
    pub query: ScriptQuery,
    /// The token that the query of a config's URL carries.
    pub token: Option<ConfigToken>,
}

/// A request that is refused before anybody is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpRefusal {
    /// Status 405: neither GET nor HEAD.
    Method,
    /// Status 404: nothing that ktizo serves.
    Path(PathRefusal),
}

/// The methods that are answered, as the `Allow` header lists them (RFC 9110 section 10.2.1).
pub const ALLOWED: &str = "GET, HEAD";

impl HttpAsk {
    /// Reads a request line. `path` still has its percent escapes; `query` is what follows the `?`.
    pub fn read(method: &str, path: &str, query: Option<&str>) -> Result<Self, HttpRefusal> {
        let head_only = match method {
            "GET" => false,
            "HEAD" => true,
            _ => return Err(HttpRefusal::Method),
        };
        let path = BootPath::from_http(path).map_err(HttpRefusal::Path)?;
        let mut said = ScriptQuery::default();
        let mut token = None;
        match (&path, query) {
            (BootPath::DeviceScript(_), Some(query)) => said = ScriptQuery::parse(query),
            (BootPath::Config(_), Some(query)) => token = token_of(query),
            _ => {}
        }
        Ok(Self {
            head_only,
            path,
            query: said,
            token,
        })
    }

    /// The media type of what is asked for.
    pub fn content_type(&self) -> &'static str {
        match &self.path {
            BootPath::DeviceScript(_) | BootPath::Table | BootPath::Autoexec => TEXT,
            BootPath::Config(_) => "application/x-yaml",
            // UEFI HTTP boot goes by this type and only then by the suffix (UEFI specification 2.10, section 24.7.3).
            BootPath::Loader(name) if name.as_str().ends_with(".efi") => "application/efi",
            BootPath::Loader(_) | BootPath::Asset { .. } => "application/octet-stream",
        }
    }

    /// How much of a file of `len` bytes is wanted. Only a GET has ranges (RFC 9110 section 14.2); one with an `If-Range` gets
    /// the whole file, for nothing here has a validator that could match (section 13.1.5).
    pub fn range(&self, header: Option<&str>, if_range: bool, len: u64) -> Range {
        match header {
            Some(header) if !self.head_only && !if_range => Range::read(header, len),
            _ => Range::Whole,
        }
    }
}

/// The token in the query of a config's URL; the first one counts.
fn token_of(query: &str) -> Option<ConfigToken> {
    let value = query
        .split('&')
        .find_map(|pair| pair.strip_prefix(ConfigToken::KEY)?.strip_prefix('='))?;
    ConfigToken::read(value)
}

/// The media type of scripts and of refusals.
pub const TEXT: &str = "text/plain; charset=utf-8";

#[cfg(test)]
mod tests {
    use super::*;

    /// One line for what a request comes to.
    fn seen(method: &str, target: &str) -> String {
        let (path, query) = target
            .split_once('?')
            .map_or((target, None), |(path, query)| (path, Some(query)));
        match HttpAsk::read(method, path, query) {
            Ok(ask) => {
                let head = if ask.head_only { "head of " } else { "" };
                let facts = if ask.query.facts.is_some() {
                    " with facts"
                } else {
                    ""
                };
                format!("{head}{} as {}{facts}", ask.path, ask.content_type())
            }
            Err(refusal) => format!("{refusal:?}"),
        }
    }

    #[test]
    fn a_request_line_is_a_question_or_a_refusal() {
        let mac = "52:54:00:12:34:56";
        for (method, target, expected) in [
            (
                "GET",
                "/boot.ipxe",
                "boot.ipxe as text/plain; charset=utf-8",
            ),
            (
                "HEAD",
                "/boot.ipxe",
                "head of boot.ipxe as text/plain; charset=utf-8",
            ),
            (
                "GET",
                "/autoexec.ipxe",
                "autoexec.ipxe as text/plain; charset=utf-8",
            ),
            (
                "GET",
                &format!("/boot/{mac}"),
                "boot/52-54-00-12-34-56 as text/plain; charset=utf-8",
            ),
            (
                "GET",
                &format!("/boot/{mac}?since=5"),
                "boot/52-54-00-12-34-56 as text/plain; charset=utf-8",
            ),
            (
                "GET",
                &format!("/boot/{mac}?uuid="),
                "boot/52-54-00-12-34-56 as text/plain; charset=utf-8 with facts",
            ),
            (
                "GET",
                &format!("/talos/configs/{mac}.yaml?uuid=x"),
                "talos/configs/52-54-00-12-34-56.yaml as application/x-yaml",
            ),
            (
                "GET",
                "/ipxe/snponly.efi",
                "ipxe/snponly.efi as application/efi",
            ),
            (
                "GET",
                "/ipxe/undionly.kpxe",
                "ipxe/undionly.kpxe as application/octet-stream",
            ),
            (
                "GET",
                "/talos/vmlinuz-amd64",
                "talos/vmlinuz-amd64 as application/octet-stream",
            ),
            ("POST", "/boot.ipxe", "Method"),
            ("OPTIONS", "*", "Method"),
            ("get", "/boot.ipxe", "Method"),
            ("GET", "/", "Path(Unknown)"),
            ("GET", "/boot/nobody", "Path(NotAMac)"),
            ("GET", "/../etc/passwd", "Path(LeavesRoot)"),
        ] {
            assert_eq!(seen(method, target), expected, "{method} {target}");
        }
    }

    #[test]
    fn the_url_of_a_config_carries_a_token() {
        let token = ConfigToken::from_random([7; 24]);
        let text = token.expose();
        let config = "/talos/configs/worker-52:54:00:12:34:56.yaml";
        for (path, query, expected) in [
            (config, format!("token={text}"), Some(token)),
            (config, format!("a=b&token={text}&token=x"), Some(token)),
            (config, format!("token={text}0"), None),
            (config, format!("mytoken={text}"), None),
            (config, "token=".to_owned(), None),
            ("/boot/52:54:00:12:34:56", format!("token={text}"), None),
        ] {
            let ask = HttpAsk::read("GET", path, Some(&query)).unwrap();
            assert_eq!(ask.token, expected, "{path}?{query}");
            assert!(!format!("{ask:?}").contains(&text));
        }
    }

    #[test]
    fn only_a_plain_get_has_ranges() {
        let ask = |method| HttpAsk::read(method, "/ipxe/snponly.efi", None).unwrap();
        let part = Range::Part { first: 1, last: 2 };
        assert_eq!(ask("GET").range(Some("bytes=1-2"), false, 9), part);
        assert_eq!(ask("GET").range(Some("bytes=1-2"), true, 9), Range::Whole);
        assert_eq!(ask("HEAD").range(Some("bytes=1-2"), false, 9), Range::Whole);
        assert_eq!(ask("GET").range(None, false, 9), Range::Whole);
    }
}
