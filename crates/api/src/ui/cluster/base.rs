//! Base configs that are brought in, and device configs that are made anew.

use axum::extract::State;
use axum::response::Response;
use model::Role;

use super::{View, confirmation, file, renamed};
use crate::types::BaseImport;
use crate::ui::notice::done;
use crate::ui::page::Ask;
use crate::ui::post::Post;
use crate::{Api, Error, base};

pub(in crate::ui) async fn import(
    State(api): State<Api>,
    ask: Ask,
    post: Post,
) -> Result<Response, Error> {
    ask.visitor.must_admin()?;
    let import = BaseImport {
        controlplane: file(&post, Role::Controlplane.as_str()),
        worker: file(&post, Role::Worker.as_str()),
        confirm: confirmation(&post, "base_confirm"),
        ..BaseImport::default()
    };
    match base::import(&api.store, &api.progress, ask.visitor.author(), import).await {
        Ok(imported) if imported.roles.is_empty() => Ok(done("/cluster", "unchanged")),
        Ok(_) => Ok(done("/cluster", "imported")),
        Err(err) => View::refused(&api, &ask, &post, renamed(err, "confirm", "base_confirm")).await,
    }
}

pub(in crate::ui) async fn regenerate(
    State(api): State<Api>,
    ask: Ask,
    post: Post,
) -> Result<Response, Error> {
    ask.visitor.must_admin()?;
    let (author, folder) = (ask.visitor.author(), api.base_folder.clone());
    match base::regenerate(&api.store, &api.progress, author, folder).await {
        Ok(_) => Ok(done("/cluster", "regenerated")),
        Err(err) => View::refused(&api, &ask, &post, err).await,
    }
}
