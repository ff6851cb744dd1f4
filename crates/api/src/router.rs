//! The whole surface on one page: which method of which path does what, and who may.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::handler::Handler as _;
use axum::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, Method};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{MethodRouter, delete, get, post, put};
use model::Authority::{Admin, Operator, Viewer};
use model::{Authority, Clock};
use store::Store;

use crate::auth::Gate;
use crate::event::EventQuery;
use crate::openapi::{self, Doc, doc};
use crate::routes::{assets, cluster, devices, events, network, patches, people, state};
use crate::{
    AssetFolder, Error, Live, NextBoot, Pages, Progress, Service, auth, body, device, types, ui,
};

/// What the operations work on. Clones share it.
#[derive(Clone)]
pub struct Api {
    /// The store.
    pub store: Store,
    /// Who may come in.
    pub gate: Gate,
    /// What happens, for listeners. Its [`Live::follow`] must run.
    pub live: Live,
    /// The boot assets.
    pub assets: AssetFolder,
    /// The state folder.
    pub state_dir: PathBuf,
    /// The folder `base/`, in which an operator may edit base configs by hand.
    pub base_folder: PathBuf,
    /// The templates of the web pages.
    pub pages: Pages,
    /// The daemon around it.
    pub service: Arc<dyn Service>,
    /// Looks ahead to the next boot of a machine.
    pub next_boot: Arc<dyn NextBoot>,
    /// Where certificates begin.
    pub clock: Arc<dyn Clock>,
    /// How far the making of device configs is.
    pub progress: Progress,
}

/// The longest a request may take that carries no file: a regeneration for ten thousand devices is the longest.
const LONGEST: Duration = Duration::from_secs(120);

/// One method of one path below `/api/v1`.
struct Route {
    method: Method,
    path: &'static str,
    /// What a caller must at least be.
    least: Authority,
    handler: MethodRouter<Api>,
    doc: Doc,
}

/// Every route. A path that is not in it is not answered, and each names who may use it.
fn table() -> Vec<Route> {
    const GET: Method = Method::GET;
    const PUT: Method = Method::PUT;
    const POST: Method = Method::POST;
    const DELETE: Method = Method::DELETE;
    let rows: Vec<(Method, &'static str, Authority, MethodRouter<Api>, Doc)> = vec![
        (GET, "/devices", Viewer, get(devices::list), doc("Lists devices").query::<device::ListQuery>().gives_list::<types::Device>().paged("What to send as `after` to go on, where a limit left some out.").counted()),
        (POST, "/devices", Operator, post(devices::add), doc("Adds a device by hand").takes::<types::NewDevice>().gives::<types::Device>(201)),
        (POST, "/devices/register", Operator, post(devices::register), doc("Registers a device, or leaves it as it is if it is known").takes::<types::NewDevice>().gives::<types::Device>(200).or(201)),
        (POST, "/devices/regenerate", Admin, post(devices::regenerate), doc("Makes all device configs anew").gives::<types::Regenerated>(200)),
        (GET, "/devices/regenerate/progress", Viewer, get(devices::progress), doc("Tells how far the making of device configs is").gives::<types::RegenerateProgress>(200)),
        (POST, "/devices/bulk", Operator, post(devices::bulk), doc("Approves, rejects, orders or deletes many devices, all or none").takes::<types::BulkDevices>().gives::<types::BulkAnswer>(200)),
        (GET, "/devices/{id}", Viewer, get(devices::show), doc("Shows a device").gives::<types::Device>(200).versioned()),
        (PUT, "/devices/{id}", Operator, put(devices::update), doc("Changes fields of a device").takes::<types::DevicePatch>().gives::<types::Device>(200).versioned()),
        (DELETE, "/devices/{id}", Admin, delete(devices::delete), doc("Deletes a device").conditional()),
        (POST, "/devices/{id}/approve", Operator, post(devices::approve), doc("Lets a device in").takes::<types::ApproveDevice>().gives::<types::Device>(200).versioned()),
        (POST, "/devices/{id}/reject", Operator, post(devices::reject), doc("Turns a device away").gives::<types::Device>(200).versioned()),
        (POST, "/devices/{id}/order", Operator, post(devices::give_order), doc("Gives a boot order").takes::<types::GiveOrder>().gives::<types::Device>(200).versioned()),
        (DELETE, "/devices/{id}/wipe", Operator, delete(devices::decline_wipe), doc("Calls off a wipe that was ordered or asked for at the console").gives::<types::Device>(200).versioned()),
        (POST, "/devices/{id}/proof", Operator, post(devices::vouch), doc("Vouches for an install or a wipe that no machine has proven").takes::<types::Vouch>().gives::<types::Device>(200).versioned()),
        (POST, "/devices/{id}/identity", Operator, post(devices::decide_identity), doc("Decides who a device is, or whether a card is its own").takes::<types::DecideIdentity>().gives::<types::Device>(200).versioned()),
        (POST, "/devices/{id}/config-release", Operator, post(devices::renew_release), doc("Renews the token with which a device fetches its config").gives::<types::Device>(200).versioned()),
        (GET, "/devices/{id}/approval-suggestions", Viewer, get(devices::suggest), doc("Suggests what a device could be approved with").gives::<types::Suggestions>(200)),
        (GET, "/devices/{id}/boots", Viewer, get(devices::boots), doc("Lists the last boots of a device").query::<devices::BootsQuery>().gives_list::<types::Boot>()),
        (GET, "/devices/{id}/script", Viewer, get(devices::script), doc("Shows the script that the next boot of a device would get, and why; nothing of it happens").gives::<types::ScriptPreview>(200)),
        (GET, "/devices/{id}/kernel-log", Viewer, get(devices::kernel_log), doc("Shows lines of the kernel log that a device sent in a boot, tokens masked").query::<device::LogQuery>().gives::<types::KernelLog>(200)),
        (GET, "/devices/{id}/config", Admin, get(devices::config), doc("Shows the config of a device, with its secrets").gives_media("application/x-yaml")),
        (GET, "/devices/{id}/config/preview", Viewer, get(devices::preview), doc("Shows the config that a device would get, its secrets masked; an admin may ask for them").query::<device::PreviewQuery>().gives_media("application/x-yaml")),
        (GET, "/devices/{id}/config/diff", Viewer, get(devices::diff), doc("Shows what changes against what a device last received, secrets masked").gives::<types::ConfigDiff>(200)),
        (GET, "/devices/{id}/config/explain", Viewer, get(devices::explain), doc("Tells which layers made a value of a config what it is, secrets masked").query::<device::ExplainQuery>().gives_list::<types::ConfigOrigin>()),
        (GET, "/devices/{id}/settings", Viewer, get(devices::settings), doc("Shows what the config of a device has beyond its fields").gives::<types::DeviceSettings>(200).versioned()),
        (PUT, "/devices/{id}/settings", Operator, put(devices::change_settings), doc("Changes what the config of a device has beyond its fields").takes::<types::DeviceSettings>().gives::<types::DeviceSettings>(200).versioned()),
        (GET, "/network/settings", Viewer, get(network::show), doc("Shows the network settings").gives::<types::NetworkAnswer>(200).versioned()),
        (PUT, "/network/settings", Admin, put(network::change), doc("Changes network settings").takes::<model::NetworkSettings>().gives::<types::NetworkAnswer>(200).versioned()),
        (GET, "/cluster", Viewer, get(cluster::show), doc("Shows what there is of the cluster, without a secret").gives::<types::Cluster>(200)),
        (GET, "/cluster/settings", Viewer, get(cluster::settings), doc("Shows the cluster's settings").gives::<types::ClusterAnswer>(200).versioned()),
        (PUT, "/cluster/settings", Admin, put(cluster::change), doc("Changes the cluster's settings").takes::<configgen::ClusterInput>().gives::<types::ClusterAnswer>(200).versioned()),
        (POST, "/cluster/config/generate", Admin, post(cluster::generate), doc("Makes base configs from the settings, and secrets if there are none").takes::<types::GenerateCluster>().gives::<types::ClusterGenerated>(200)),
        (POST, "/cluster/base", Admin, post(cluster::import_base), doc("Takes base configs into use").takes::<types::BaseImport>().gives::<types::BaseImported>(200)),
        (GET, "/cluster/base/{role}", Admin, get(cluster::export_base), doc("Shows the base config of a role, with its secrets").gives_media("application/x-yaml")),
        (GET, "/cluster/secrets", Admin, get(cluster::export_secrets), doc("Shows the cluster's secrets, or some that were replaced").query::<cluster::SecretsQuery>().gives_media("application/x-yaml")),
        (POST, "/cluster/secrets", Admin, post(cluster::import_secrets), doc("Takes a secrets bundle into use").takes::<types::SecretsImport>().gives::<types::SecretsImported>(200)),
        (GET, "/cluster/talosconfig", Admin, get(cluster::talosconfig), doc("Makes a talosconfig with a fresh certificate").gives_media("application/x-yaml")),
        (GET, "/patches", Viewer, get(patches::list), doc("Lists patches without their texts, in the order of application").gives_list::<types::Patch>()),
        (POST, "/patches", Admin, post(patches::save), doc("Adds a patch, or puts its text in the place of that of the same name").takes::<types::SavePatch>().gives::<types::PatchDone>(201).or(200).versioned()),
        (POST, "/patches/check", Admin, post(patches::check), doc("Tells what a patch would change, and saves nothing").takes::<types::SavePatch>().gives::<types::PatchChecked>(200)),
        (GET, "/patches/{id}", Admin, get(patches::show), doc("Shows a patch with its text, which may hold secrets").gives::<types::Patch>(200).versioned()),
        (PUT, "/patches/{id}", Admin, put(patches::change), doc("Replaces the text of a patch").takes::<types::PatchContent>().gives::<types::PatchDone>(200).versioned()),
        (DELETE, "/patches/{id}", Admin, delete(patches::delete), doc("Deletes a patch").gives::<types::PatchDone>(200).conditional()),
        (GET, "/assets", Viewer, get(assets::list), doc("Lists kernels and initramfs files").gives_list::<types::Asset>()),
        (POST, "/assets", Admin, post(assets::import), doc("Takes uploaded files into use as assets").takes::<types::AssetCommit>().gives::<types::AssetImported>(201)),
        (POST, "/assets/uploads", Admin, post(assets::upload), doc("Uploads a kernel or initramfs; `POST /assets` takes it into use").takes_file().gives::<types::Upload>(201)),
        (DELETE, "/assets/{version}/{name}", Admin, delete(assets::remove), doc("Takes an asset out of use")),
        (GET, "/events", Viewer, get(events::list), doc("Lists events, newest first; to a listener that accepts text/event-stream, what happens").query::<EventQuery>().gives_list::<types::Event>().paged("What to send as `before` to go on, where there are more.").streams()),
        (GET, "/audit/logs", Viewer, get(events::audit), doc("Lists what persons did, newest first").query::<EventQuery>().gives_list::<types::Event>().paged("What to send as `before` to go on, where there are more.")),
        (GET, "/status", Viewer, get(state::status), doc("Tells how the daemon does").gives::<types::Status>(200)),
        (GET, "/backup", Admin, get(state::backup), doc("Takes a backup, which holds every secret").gives_media("application/x-tar")),
        (GET, "/openapi.json", Viewer, get(state::openapi), doc("Shows this document").gives_media("application/json")),
        (GET, "/whoami", Viewer, get(people::whoami), doc("Tells who asks").gives::<types::Whoami>(200)),
        (GET, "/users", Admin, get(people::users), doc("Lists users").gives_list::<types::User>()),
        (POST, "/users", Admin, post(people::add_user), doc("Adds a user").takes::<types::NewUser>().gives::<types::User>(201)),
        (GET, "/users/{name}", Admin, get(people::user), doc("Shows a user").gives::<types::User>(200).versioned()),
        (PUT, "/users/{name}", Admin, put(people::change_user), doc("Changes a user").takes::<types::UserPatch>().gives::<types::User>(200).versioned()),
        (DELETE, "/users/{name}", Admin, delete(people::delete_user), doc("Deletes a user; their sessions end, and the API tokens they made are revoked").conditional()),
        (PUT, "/users/me/password", Viewer, put(people::change_own_password), doc("Changes the caller's own password; its other sessions end").takes::<types::OwnPassword>()),
        (GET, "/tokens", Admin, get(people::tokens), doc("Lists API tokens").gives_list::<types::ApiToken>()),
        (POST, "/tokens", Admin, post(people::add_token), doc("Makes an API token").takes::<types::NewToken>().gives::<types::TokenShown>(201)),
        (DELETE, "/tokens/{id}", Admin, delete(people::revoke_token), doc("Revokes an API token")),
        (POST, "/set-up-link", Admin, post(people::make_set_up_link), doc("Makes a one-time set-up link").gives::<types::SetUpLink>(201)),
    ];
    rows.into_iter()
        .map(|(method, path, least, handler, doc)| Route {
            method,
            path,
            least,
            handler,
            doc,
        })
        .collect()
}

/// Who may use what: method, path below `/api/v1`, and the least authority.
pub fn authorities() -> Vec<(Method, &'static str, Authority)> {
    table()
        .into_iter()
        .map(|route| (route.method, route.path, route.least))
        .collect()
}

/// The OpenAPI document of the table.
pub(crate) fn openapi() -> serde_json::Value {
    let routes: Vec<_> = table()
        .into_iter()
        .map(|route| (route.method, route.path, route.least, route.doc))
        .collect();
    openapi::document(&routes)
}

/// Every path that is answered. A request must come through a server of this crate, which says who asks.
pub fn router(api: Api) -> Router {
    let mut v1 = Router::new();
    for route in table() {
        let handler: MethodRouter<Api> = route
            .handler
            .layer(from_fn_with_state(route.least, auth::authorise));
        let handler = if route.path == "/assets/uploads" {
            handler.layer(DefaultBodyLimit::disable())
        } else {
            handler
                .layer(DefaultBodyLimit::max(body::MAX_JSON))
                .layer(from_fn(in_time))
        };
        v1 = v1.route(route.path, handler);
    }
    let v1 = v1
        .fallback(nowhere)
        .method_not_allowed_fallback(no_method)
        .layer(from_fn_with_state(api.clone(), auth::require))
        .layer(from_fn(as_data));
    Router::new()
        .merge(ui::pages(&api))
        .route("/metrics", locked(get(state::metrics), Viewer, &api))
        .route("/healthz", get(state::healthz))
        .route("/readyz", get(state::readyz))
        .nest("/api/v1", v1)
        .fallback(nowhere.layer(from_fn_with_state(api.clone(), ui::as_page)))
        .method_not_allowed_fallback(no_method)
        .with_state(api)
}

/// A handler outside of the table, for callers who are at least `least`.
fn locked(handler: MethodRouter<Api>, least: Authority, api: &Api) -> MethodRouter<Api> {
    handler
        .layer(from_fn_with_state(least, auth::authorise))
        .layer(from_fn_with_state(api.clone(), auth::require))
}

/// An answer of the API is data: no browser is to take it for a page, and nothing on the way is to keep it.
async fn as_data(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Answers within the longest time that a request may take which carries no file.
pub(crate) async fn in_time(request: Request, next: Next) -> Result<Response, Error> {
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
