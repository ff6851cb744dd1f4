//! The whole surface on one page.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{delete, get, post};
use model::Clock;
use store::Store;

use crate::routes::{assets, cluster, devices, events, network, patches, state};
use crate::{AssetFolder, Error, Progress, Service, auth, body};

/// What the operations work on. Clones share it.
#[derive(Clone)]
pub struct Api {
    /// The store.
    pub store: Store,
    /// The boot assets.
    pub assets: AssetFolder,
    /// The folder `base/`, in which an operator may edit base configs by hand.
    pub base_folder: PathBuf,
    /// The daemon around it.
    pub service: Arc<dyn Service>,
    /// Where certificates begin.
    pub clock: Arc<dyn Clock>,
    /// How far the making of device configs is.
    pub progress: Progress,
}

/// The longest a request may take that carries no file: a regeneration for ten thousand devices is the longest.
const LONGEST: Duration = Duration::from_secs(120);

/// Every path that is answered. A request must come through a server of this crate, which says who asks.
pub fn router(api: Api) -> Router {
    let v1 = Router::new()
        .route("/devices", get(devices::list).post(devices::add))
        .route("/devices/register", post(devices::register))
        .route("/devices/regenerate", post(devices::regenerate))
        .route("/devices/regenerate/progress", get(devices::progress))
        .route(
            "/devices/{id}",
            get(devices::show)
                .put(devices::update)
                .delete(devices::delete),
        )
        .route("/devices/{id}/approve", post(devices::approve))
        .route("/devices/{id}/reject", post(devices::reject))
        .route("/devices/{id}/order", post(devices::give_order))
        .route("/devices/{id}/approval-suggestions", get(devices::suggest))
        .route("/devices/{id}/boots", get(devices::boots))
        .route("/devices/{id}/config", get(devices::config))
        .route("/devices/{id}/config/preview", get(devices::preview))
        .route("/devices/{id}/config/diff", get(devices::diff))
        .route("/devices/{id}/config/explain", get(devices::explain))
        .route(
            "/devices/{id}/settings",
            get(devices::settings).put(devices::change_settings),
        )
        .route("/network/settings", get(network::show).put(network::change))
        .route("/cluster", get(cluster::show))
        .route(
            "/cluster/settings",
            get(cluster::settings).put(cluster::change),
        )
        .route("/cluster/config/generate", post(cluster::generate))
        .route("/cluster/base", post(cluster::import_base))
        .route("/cluster/base/{role}", get(cluster::export_base))
        .route(
            "/cluster/secrets",
            get(cluster::export_secrets).post(cluster::import_secrets),
        )
        .route("/cluster/talosconfig", get(cluster::talosconfig))
        .route("/patches", get(patches::list).post(patches::save))
        .route(
            "/patches/{id}",
            get(patches::show)
                .put(patches::change)
                .delete(patches::delete),
        )
        .route("/assets", get(assets::list).post(assets::import))
        .route("/assets/{version}/{name}", delete(assets::remove))
        .route("/events", get(events::list))
        .route("/audit/logs", get(events::audit))
        .route("/status", get(state::status))
        .layer(DefaultBodyLimit::max(body::MAX_JSON))
        .layer(from_fn(in_time))
        .route(
            "/assets/uploads",
            post(assets::upload).layer(DefaultBodyLimit::disable()),
        )
        .fallback(nowhere)
        .method_not_allowed_fallback(no_method)
        .layer(from_fn(auth::require));
    Router::new()
        .route("/healthz", get(state::healthz))
        .route("/readyz", get(state::readyz))
        .nest("/api/v1", v1)
        .fallback(nowhere)
        .method_not_allowed_fallback(no_method)
        .with_state(api)
}

async fn in_time(request: Request, next: Next) -> Result<Response, Error> {
    tokio::time::timeout(LONGEST, next.run(request))
        .await
        .map_err(|_| Error::Timeout)
}

async fn nowhere(request: Request) -> Error {
    let name: String = request.uri().path().chars().take(80).collect();
    Error::NotFound { what: "path", name }
}

async fn no_method() -> Error {
    Error::Method
}
