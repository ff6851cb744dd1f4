//! `/assets`: the files that machines boot.

use axum::extract::multipart::{Field as Part, Multipart, MultipartError};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use model::{Arch, Asset, AssetKind, AssetName, ParseError, TalosVersion};
use serde::Serialize;

use super::fields::{Choice, Field, Fields};
use super::notice::done;
use super::page::{Ask, render};
use super::post::Post;
use crate::types::{AssetCommit, AssetImport, Upload};
use crate::{Api, Error, asset, body, status};

#[derive(Serialize)]
struct View {
    assets: Vec<Line>,
    talos_version: Option<TalosVersion>,
    wrong: Option<String>,
    form: Fields,
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

impl View {
    async fn read(api: &Api) -> Result<Self, Error> {
        let assets = asset::list(&api.store).await?.into_iter();
        let line = |asset: Asset| Line {
            name: asset.name().to_string(),
            asset,
        };
        let names = ["file", "kind", "arch", "version", "expected_sha256"];
        Ok(Self {
            assets: assets.map(line).collect(),
            talos_version: status::status(api).await?.talos_version,
            wrong: None,
            form: Fields::new(names.map(|name| (name, Field::default()))),
            kinds: Choice::words(AssetKind::ALL),
            arches: Choice::words(Arch::ALL),
        })
    }

    async fn show(&self, api: &Api, ask: &Ask, status: StatusCode) -> Result<Response, Error> {
        render(api, ask, ("assets.html", "/assets"), status, self).await
    }
}

pub(super) async fn show(State(api): State<Api>, ask: Ask) -> Result<Response, Error> {
    View::read(&api)
        .await?
        .show(&api, &ask, StatusCode::OK)
        .await
}

/// Takes a file as a browser sends it without the script, in one form with what it is. The CSRF token is the first of its fields, so
/// that nothing of a form is kept that another site made.
pub(super) async fn import(
    State(api): State<Api>,
    ask: Ask,
    mut parts: Multipart,
) -> Result<Response, Error> {
    ask.visitor.must_admin()?;
    let (mut fields, mut left) = (Vec::new(), body::MAX_STRANGERS_FORM);
    let mut sent = None;
    while let Some(part) = parts.next_field().await.map_err(broken)? {
        let name = part.name().unwrap_or_default().to_owned();
        if name != "file" {
            fields.push((name, short(part, &mut left).await?));
            continue;
        }
        must_be_of(&ask, &fields)?;
        let is_chosen = part.file_name().is_some_and(|name| !name.is_empty());
        sent = Some(if is_chosen {
            asset::receive(&api.assets, part).await
        } else {
            Err(Error::invalid("file", "choose a file"))
        });
    }
    must_be_of(&ask, &fields)?;
    let post = Post::of(fields);
    let sent = sent.unwrap_or_else(|| Err(Error::invalid("file", "choose a file")));
    let imported = match sent.and_then(|upload| read(&post, &upload)) {
        Ok(asset) => {
            let commit = AssetCommit {
                assets: vec![asset],
            };
            asset::import(&api.store, &api.assets, ask.visitor.author(), commit).await
        }
        Err(err) => Err(err),
    };
    match imported {
        Ok(_) => Ok(done("/assets", "asset-imported")),
        Err(err) => {
            let mut view = View::read(&api).await?;
            view.form.typed(&post);
            view.wrong = view.form.refuse(at_field(err))?;
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            view.show(&api, &ask, status).await
        }
    }
}

/// Refuses fields without the CSRF token of the session.
fn must_be_of(ask: &Ask, fields: &[(String, String)]) -> Result<(), Error> {
    let token = fields.iter().find(|(name, _)| name == "csrf");
    let token = token.map_or("", |(_, token)| token);
    ask.visitor.session.check_csrf(token)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it is what errors are mapped with"
)]
fn broken(err: MultipartError) -> Error {
    Error::Malformed(format!("the form cannot be read: {err}"))
}

/// The text of a field, of which all together may have so many bytes as are left.
async fn short(mut part: Part<'_>, left: &mut usize) -> Result<String, Error> {
    let mut bytes = Vec::new();
    loop {
        let piece = tokio::time::timeout(asset::STALLED, part.chunk()).await;
        let Some(piece) = piece.map_err(|_| Error::Timeout)?.map_err(broken)? else {
            break;
        };
        *left = left
            .checked_sub(piece.len())
            .ok_or_else(|| Error::Malformed("the form is too large".to_owned()))?;
        bytes.extend_from_slice(&piece);
    }
    String::from_utf8(bytes).map_err(|err| Error::Malformed(format!("the form is no text: {err}")))
}

/// What a file is imported as.
fn read(post: &Post, upload: &Upload) -> Result<AssetImport, Error> {
    let wrong = |field: &'static str| move |err: ParseError| Error::invalid(field, err.to_string());
    let expected = match post.text("expected_sha256") {
        "" => None,
        text => Some(text.parse().map_err(wrong("expected_sha256"))?),
    };
    Ok(AssetImport {
        version: post.text("version").parse().map_err(wrong("version"))?,
        arch: post.text("arch").parse().map_err(wrong("arch"))?,
        kind: post.text("kind").parse().map_err(wrong("kind"))?,
        sha256: upload.sha256,
        expected_sha256: expected,
    })
}

/// Puts a refusal of the API at the field of the form.
fn at_field(err: Error) -> Error {
    match err {
        Error::Refused(mut refusal) => {
            refusal.field = refusal
                .field
                .map(|field| match field.strip_prefix("assets[0].") {
                    Some("sha256") => "file".to_owned(),
                    Some(other) => other.to_owned(),
                    None => field,
                });
            Error::Refused(refusal)
        }
        other => other,
    }
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
