//! `/assets`: the files that machines boot.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use model::{Arch, Asset, AssetKind, AssetName, TalosVersion};
use serde::Serialize;

use super::fields::Choice;
use super::notice::done;
use super::page::{Ask, render};
use super::post::Post;
use crate::{Api, Error, asset, status};

#[derive(Serialize)]
struct View {
    assets: Vec<Line>,
    talos_version: Option<TalosVersion>,
    wrong: Option<String>,
    kinds: Vec<Choice>,
    arches: Vec<Choice>,
}

/// An asset with its name.
#[derive(Serialize)]
struct Line {
    name: String,
    #[serde(flatten)]
    asset: Asset,
}

pub(super) async fn show(State(api): State<Api>, ask: Ask) -> Result<Response, Error> {
    let assets = asset::list(&api.store).await?;
    let status = status::status(&api).await?;
    let view = View {
        assets: assets
            .into_iter()
            .map(|asset| Line {
                name: AssetName {
                    arch: asset.arch,
                    kind: asset.kind,
                }
                .to_string(),
                asset,
            })
            .collect(),
        talos_version: status.talos_version,
        wrong: None,
        kinds: Choice::words(AssetKind::ALL),
        arches: Choice::words(Arch::ALL),
    };
    render(
        &api,
        &ask,
        ("assets.html", "/assets"),
        StatusCode::OK,
        &view,
    )
    .await
}

pub(super) async fn remove(
    State(api): State<Api>,
    ask: Ask,
    Path((version, name)): Path<(String, String)>,
    _post: Post,
) -> Result<Response, Error> {
    ask.visitor.must_admin()?;
    let known = (version.parse::<TalosVersion>().ok()).zip(AssetName::parse(&name));
    let Some((version, name)) = known else {
        let name = format!("{version}/{name}");
        return Err(Error::NotFound {
            what: "asset",
            name,
        });
    };
    let author = ask.visitor.author();
    asset::remove(&api.store, &api.assets, author, version, name).await?;
    Ok(done("/assets", "asset-removed"))
}
