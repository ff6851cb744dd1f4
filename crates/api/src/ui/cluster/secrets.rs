//! The cluster's secrets, base configs and client configuration, taken out as files and brought in.

use axum::extract::{Path, State};
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use model::Role;

use super::{View, confirmation, file, renamed};
use crate::types::SecretsImport;
use crate::ui::notice::done;
use crate::ui::page::Ask;
use crate::ui::post::Post;
use crate::{Api, Error, cluster};

pub(in crate::ui) async fn import(
    State(api): State<Api>,
    ask: Ask,
    post: Post,
) -> Result<Response, Error> {
    ask.visitor.must_admin()?;
    let import = SecretsImport {
        secrets: file(&post, "secrets"),
        controlplane: None,
        confirm: confirmation(&post, "secrets_confirm"),
    };
    match cluster::import(&api.store, &api.progress, ask.visitor.author(), import).await {
        Ok(imported) if imported.changed => Ok(done("/cluster", "secrets-imported")),
        Ok(_) => Ok(done("/cluster", "unchanged")),
        Err(err) => {
            View::refused(
                &api,
                &ask,
                &post,
                renamed(err, "confirm", "secrets_confirm"),
            )
            .await
        }
    }
}

/// Takes the bundle out. A form asks for it and no link, so that no other page can have it written down that somebody did.
pub(in crate::ui) async fn export_secrets(
    State(api): State<Api>,
    ask: Ask,
    post: Post,
) -> Result<Response, Error> {
    ask.visitor.must_admin()?;
    let backup = post.text("backup").parse().ok();
    let text = cluster::export(&api.store, ask.visitor.author(), backup).await?;
    Ok(match backup {
        None => download("secrets.yaml", text),
        Some(backup) => download(&format!("secrets-{backup}.yaml"), text),
    })
}

pub(in crate::ui) async fn export_base(
    State(api): State<Api>,
    ask: Ask,
    Path(role): Path<String>,
    _post: Post,
) -> Result<Response, Error> {
    ask.visitor.must_admin()?;
    let role: Role = role
        .parse()
        .map_err(|err: model::ParseError| Error::invalid("role", err.to_string()))?;
    let text = cluster::export_base(&api.store, ask.visitor.author(), role).await?;
    Ok(download(&format!("{role}.yaml"), text))
}

pub(in crate::ui) async fn talosconfig(
    State(api): State<Api>,
    ask: Ask,
    _post: Post,
) -> Result<Response, Error> {
    ask.visitor.must_admin()?;
    let text = cluster::talosconfig(&api.store, &*api.clock, ask.visitor.author()).await?;
    Ok(download("talosconfig", text))
}

/// A file that the browser keeps and does not show (RFC 6266).
fn download(name: &str, text: String) -> Response {
    let named = HeaderValue::from_str(&format!("attachment; filename=\"{name}\""));
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/x-yaml")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (
            CONTENT_DISPOSITION,
            named.unwrap_or(HeaderValue::from_static("attachment")),
        ),
    ];
    (headers, text).into_response()
}
