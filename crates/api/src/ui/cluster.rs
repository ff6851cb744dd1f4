//! `/cluster`: what all nodes share.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use model::{Role, Timestamp};
use serde::Serialize;
use store::{Lane, Reader};

use super::fields::{Field, told};
use super::page::{Ask, done, render};
use super::post::Post;
use crate::types::BaseImport;
use crate::{Api, Error, base};

#[derive(Serialize)]
struct View {
    bases: Vec<Base>,
    wrong: Option<String>,
}

/// The base config of a role, as far as it may be shown.
#[derive(Serialize)]
struct Base {
    role: Role,
    title: &'static str,
    file: String,
    length: usize,
    imported_at: Option<Timestamp>,
    /// How many devices were approved in the role.
    devices: usize,
    field: Field,
}

impl View {
    async fn read(api: &Api) -> Result<Self, Error> {
        let bases = api
            .store
            .read(Lane::Admin, |reader| {
                Role::ALL
                    .iter()
                    .map(|role| Base::read(reader, *role))
                    .collect()
            })
            .await?;
        Ok(Self { bases, wrong: None })
    }

    async fn show(&self, api: &Api, ask: &Ask, status: StatusCode) -> Result<Response, Error> {
        render(api, ask, ("cluster.html", "/cluster"), status, self).await
    }
}

impl Base {
    fn read(reader: &Reader<'_>, role: Role) -> Result<Self, store::Error> {
        let base = reader.base(role)?;
        let approved = reader.approved()?;
        Ok(Self {
            role,
            title: match role {
                Role::Controlplane => "Control plane",
                Role::Worker => "Worker",
            },
            file: format!("{role}.yaml"),
            length: base.as_ref().map_or(0, |base| base.text.len()),
            imported_at: base.map(|base| base.imported_at),
            devices: approved
                .iter()
                .filter(|device| device.role == Some(role))
                .count(),
            field: Field::default(),
        })
    }
}

pub(super) async fn show(State(api): State<Api>, ask: Ask) -> Result<Response, Error> {
    View::read(&api)
        .await?
        .show(&api, &ask, StatusCode::OK)
        .await
}

pub(super) async fn import(
    State(api): State<Api>,
    ask: Ask,
    post: Post,
) -> Result<Response, Error> {
    ask.visitor.must_admin()?;
    let given = |role: Role| {
        let text = post.get(role.as_str()).unwrap_or_default();
        // A browser sends each line with CR and LF.
        (!text.trim().is_empty()).then(|| text.replace("\r\n", "\n"))
    };
    let import = BaseImport {
        controlplane: given(Role::Controlplane),
        worker: given(Role::Worker),
        ..BaseImport::default()
    };
    match base::import(&api.store, &api.progress, ask.visitor.author(), import).await {
        Ok(done_) => Ok(done(
            "/cluster",
            if done_.roles.is_empty() {
                "unchanged"
            } else {
                "imported"
            },
        )),
        Err(err) => {
            let mut view = View::read(&api).await?;
            let (name, sentence) = told(err)?;
            for base in &mut view.bases {
                let name_of = base.role.as_str();
                base.field.value = post.get(name_of).unwrap_or_default().to_owned();
                if name.as_deref() == Some(name_of) {
                    base.field.wrong = Some(sentence.clone());
                }
            }
            if view.bases.iter().all(|base| base.field.wrong.is_none()) {
                view.wrong = Some(sentence);
            }
            view.show(&api, &ask, StatusCode::UNPROCESSABLE_ENTITY)
                .await
        }
    }
}

pub(super) async fn regenerate(
    State(api): State<Api>,
    ask: Ask,
    _post: Post,
) -> Result<Response, Error> {
    ask.visitor.must_admin()?;
    let (author, folder) = (ask.visitor.author(), api.base_folder.clone());
    match base::regenerate(&api.store, &api.progress, author, folder).await {
        Ok(_) => Ok(done("/cluster", "regenerated")),
        Err(err) => {
            let mut view = View::read(&api).await?;
            view.wrong = Some(told(err)?.1);
            view.show(&api, &ask, StatusCode::UNPROCESSABLE_ENTITY)
                .await
        }
    }
}
