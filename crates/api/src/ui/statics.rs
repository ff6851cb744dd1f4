//! The stylesheet, the script and the logo, under names that change with their content.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

/// A file that is embedded.
struct Static {
    /// Its name with its fingerprint in it, such as `app.3f2a9c01.css`.
    name: String,
    media_type: &'static str,
    text: &'static str,
}

impl Static {
    fn new(stem: &str, ending: &str, media_type: &'static str, text: &'static str) -> Self {
        let print = HEXLOWER.encode(&Sha256::digest(text)[..6]);
        Self {
            name: format!("{stem}.{print}.{ending}"),
            media_type,
            text,
        }
    }

    fn path(&self) -> String {
        format!("/static/{}", self.name)
    }
}

static CSS: LazyLock<Static> = LazyLock::new(|| {
    let text = include_str!("../../../../templates/static/app.css");
    Static::new("app", "css", "text/css; charset=utf-8", text)
});
static JS: LazyLock<Static> = LazyLock::new(|| {
    let text = include_str!("../../../../templates/static/app.js");
    Static::new("app", "js", "text/javascript; charset=utf-8", text)
});
static LOGO: LazyLock<Static> = LazyLock::new(|| {
    let text = include_str!("../../../../templates/static/logo.svg");
    Static::new("logo", "svg", "image/svg+xml", text)
});

/// The path of the stylesheet.
pub(super) fn css() -> String {
    CSS.path()
}

/// The path of the script.
pub(super) fn js() -> String {
    JS.path()
}

/// The path of the logo.
pub(super) fn logo() -> String {
    LOGO.path()
}

/// Serves one of them; another name is none of them, or one of another version.
pub(super) async fn serve(Path(file): Path<String>) -> Response {
    let all: [&Static; 3] = [&CSS, &JS, &LOGO];
    let Some(found) = all.into_iter().find(|one| one.name == file) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers = [
        (CONTENT_TYPE, found.media_type),
        // The name changes when the content does, so that it may be kept for a year.
        (CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, found.text).into_response()
}
