//! `/assets`.

use axum::Json;
use axum::body::Body as RawBody;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use model::{Asset, AssetName, TalosVersion};

use crate::auth::Caller;
use crate::body::Body;
use crate::types::{AssetCommit, AssetImported, Upload};
use crate::{Api, Error, asset};

pub(crate) async fn list(State(api): State<Api>) -> Result<Json<Vec<Asset>>, Error> {
    asset::list(&api.store).await.map(Json)
}

pub(crate) async fn upload(
    State(api): State<Api>,
    body: RawBody,
) -> Result<(StatusCode, Json<Upload>), Error> {
    let upload = asset::receive(&api.assets, body.into_data_stream()).await?;
    Ok((StatusCode::CREATED, Json(upload)))
}

pub(crate) async fn import(
    State(api): State<Api>,
    caller: Caller,
    Body(commit): Body<AssetCommit>,
) -> Result<(StatusCode, Json<AssetImported>), Error> {
    let imported = asset::import(&api.store, &api.assets, caller.author(), commit).await?;
    Ok((StatusCode::CREATED, Json(imported)))
}

pub(crate) async fn remove(
    State(api): State<Api>,
    caller: Caller,
    Path((version, name)): Path<(String, String)>,
) -> Result<StatusCode, Error> {
    let version: TalosVersion = version
        .parse()
        .map_err(|err: model::ParseError| Error::invalid("version", err.to_string()))?;
    let parsed = AssetName::parse(&name).ok_or_else(|| {
        Error::invalid(
            "name",
            "is not the name of an asset such as vmlinuz-amd64 or initramfs-amd64.xz",
        )
    })?;
    asset::remove(&api.store, &api.assets, caller.author(), version, parsed).await?;
    Ok(StatusCode::NO_CONTENT)
}
