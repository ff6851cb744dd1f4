//! `/cluster`: what all nodes share: settings, secrets, base configs and patches.

mod base;
mod patches;
mod secrets;
mod settings;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use configgen::Contract;
use model::{Authority, Origin, Role, Timestamp};
use serde::Serialize;
use store::Lane;

use super::fields::{Field, Fields, told};
use super::page::{Ask, render};
use super::post::Post;
use crate::sources::Sources;
use crate::types::{Cluster, Patch};
use crate::{Api, Error, cluster, device, patch};

pub(super) use base::{import as import_base, regenerate};
pub(super) use patches::{
    blank as new_patch, delete as delete_patch, edit as edit_patch, save as save_patch,
};
pub(super) use secrets::{export_base, export_secrets, import as import_secrets, talosconfig};
pub(super) use settings::{generate, save};

const REFUSED: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;

#[derive(Serialize)]
struct View {
    cluster: Cluster,
    /// What must be typed where something cannot be taken back.
    confirm_label: String,
    settings: settings::Form,
    bases: Vec<Base>,
    /// Whether a base config is in use that ktizo did not make.
    is_imported: bool,
    patches: Vec<Patch>,
    /// The forms for base configs, secrets and the generation.
    form: Fields,
    /// What Talos would warn of in the config of any device.
    warnings: Vec<String>,
    wrong: Option<String>,
}

/// The base config of a role, as far as it may be shown.
#[derive(Serialize)]
struct Base {
    role: Role,
    title: &'static str,
    /// Who made the one in use.
    origin: Option<Origin>,
    changed_at: Option<Timestamp>,
    /// How many devices were approved in the role.
    devices: usize,
}

/// What is called by the name of a role.
fn title(role: Role) -> &'static str {
    match role {
        Role::Controlplane => "Control plane",
        Role::Worker => "Worker",
    }
}

impl View {
    async fn read(api: &Api) -> Result<Self, Error> {
        let cluster = cluster::show(&api.store).await?;
        let (approved, sources) = device::look(&api.store, |reader| {
            Ok((reader.approved()?, Sources::read(reader)?))
        })
        .await?;
        let booted = sources.talos_version().cloned();
        let releases = releases(api).await?;
        let warnings = tokio::task::spawn_blocking(move || {
            crate::generate::Recipe::of(sources).and_then(|recipe| recipe.try_roles())
        })
        .await
        .map_err(|err| Error::Internal(err.to_string()))?;
        let bases: Vec<Base> = Role::ALL
            .iter()
            .map(|role| {
                let state = cluster.bases.iter().find(|base| base.role == *role);
                Base {
                    role: *role,
                    title: title(*role),
                    origin: state.map(|base| base.origin),
                    changed_at: state.map(|base| base.changed_at),
                    devices: approved
                        .iter()
                        .filter(|device| device.role == Some(*role))
                        .count(),
                }
            })
            .collect();
        let called = cluster
            .name
            .clone()
            .unwrap_or_else(|| cluster::UNNAMED.to_owned());
        Ok(Self {
            confirm_label: format!("Type {called} to confirm"),
            settings: settings::Form::new(
                cluster.settings.as_ref(),
                cluster.name.as_deref(),
                booted,
                releases,
            ),
            is_imported: bases
                .iter()
                .any(|base| base.origin == Some(Origin::Imported)),
            bases,
            patches: patch::list(&api.store, Authority::Viewer).await?,
            form: Fields::new(
                [
                    "generate_confirm",
                    "controlplane",
                    "worker",
                    "base_confirm",
                    "secrets",
                    "secrets_confirm",
                ]
                .map(|name| (name, Field::default())),
            ),
            // What is wrong with a base config or a patch is worth a warning as well.
            warnings: warnings.or_else(|err| told(err).map(|(_, why)| vec![why]))?,
            wrong: None,
            cluster,
        })
    }

    async fn show(&self, api: &Api, ask: &Ask, status: StatusCode) -> Result<Response, Error> {
        render(api, ask, ("cluster.html", "/cluster"), status, self).await
    }

    /// The page after a form of it was refused: with what was typed, and the sentence at its field.
    async fn refused(api: &Api, ask: &Ask, post: &Post, err: Error) -> Result<Response, Error> {
        let mut view = Self::read(api).await?;
        view.form.typed(post);
        view.wrong = view.form.refuse(err)?;
        view.show(api, ask, REFUSED).await
    }
}

/// The Talos releases of which a kernel was imported, the newest first.
async fn releases(api: &Api) -> Result<Vec<String>, Error> {
    let assets = api
        .store
        .read(Lane::Admin, |reader| reader.assets())
        .await?;
    let mut releases: Vec<String> = Vec::new();
    for asset in assets {
        let release = asset.version.to_string();
        if !releases.contains(&release) {
            releases.push(release);
        }
    }
    if releases.is_empty() {
        releases.push(format!("{}.0", Contract::NEWEST));
    }
    Ok(releases)
}

/// The fields of two forms of the page are called alike in the API.
fn renamed(err: Error, of: &str, to: &str) -> Error {
    match err {
        Error::Refused(mut refusal) if refusal.field.as_deref() == Some(of) => {
            refusal.field = Some(to.to_owned());
            Error::Refused(refusal)
        }
        other => other,
    }
}

/// The text of a file in a form, if there is any.
fn file(post: &Post, name: &str) -> Option<String> {
    let text = post.get(name).unwrap_or_default();
    (!text.trim().is_empty()).then(|| text.to_owned())
}

/// What was typed to confirm, if anything.
fn confirmation(post: &Post, name: &str) -> Option<String> {
    let text = post.text(name);
    (!text.is_empty()).then(|| text.to_owned())
}

pub(super) async fn show(State(api): State<Api>, ask: Ask) -> Result<Response, Error> {
    View::read(&api)
        .await?
        .show(&api, &ask, StatusCode::OK)
        .await
}
