//! The web pages: server-rendered, without a build step, and whole without a script of their own.
//!
//! A page is a template in `templates/ui`, a struct of what it shows, and a handler that makes the one from the store and renders
//! the other. A form posts to its page; what is done ends in a redirect, what is refused shows the form again with all that was
//! typed and the sentence at its field. Regions marked `data-live` are fetched again by `app.js` when an event says so.

// What every page is made with.
mod disk;
mod fields;
mod filter;
mod frame;
mod labels;
mod notice;
mod page;
mod picture;
mod post;
mod refusals;
mod seen;
mod statics;
mod visitor;

// One file for each page.
mod account;
mod approve;
mod assets;
mod bulk;
mod cluster;
mod device;
mod devices;
mod diagnostics;
mod events;
mod network;
mod overview;
mod people;
mod sign;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};

use crate::router::in_time;
use crate::{Api, body};

pub(crate) use frame::as_page;
pub use page::{PageError, Pages};

/// Every page and form, behind the sign-in, and the sign-in itself.
pub(crate) fn pages(api: &Api) -> Router<Api> {
    let signed_in = Router::new()
        .route("/", get(overview::show))
        .route("/devices", get(devices::list))
        .route("/devices/new", get(devices::blank).post(devices::add))
        .route(
            "/devices/approve",
            get(approve::several).post(approve::approve),
        )
        .route("/devices/bulk", get(bulk::preview).post(bulk::act))
        .route("/devices/{id}", get(device::show).post(device::save))
        .route("/devices/{id}/approve", get(approve::one))
        .route("/devices/{id}/reject", post(device::reject))
        .route("/devices/{id}/order", post(device::give_order))
        .route("/devices/{id}/wipe/decline", post(device::decline_wipe))
        .route("/devices/{id}/proof", post(device::vouch))
        .route("/devices/{id}/identity", post(device::decide_identity))
        .route("/devices/{id}/release", post(device::renew_release))
        .route("/devices/{id}/delete", post(device::delete))
        .route("/cluster", get(cluster::show))
        .route("/cluster/settings", post(cluster::save))
        .route("/cluster/generate", post(cluster::generate))
        .route("/cluster/base", post(cluster::import_base))
        .route("/cluster/base/{role}/export", post(cluster::export_base))
        .route("/cluster/secrets", post(cluster::import_secrets))
        .route("/cluster/secrets/export", post(cluster::export_secrets))
        .route("/cluster/talosconfig", post(cluster::talosconfig))
        .route("/cluster/patches", post(cluster::save_patch))
        .route("/cluster/patches/new", get(cluster::new_patch))
        .route("/cluster/patches/{id}", get(cluster::edit_patch))
        .route("/cluster/patches/{id}/delete", post(cluster::delete_patch))
        .route("/cluster/regenerate", post(cluster::regenerate))
        .route("/network", get(network::show).post(network::save))
        .route("/assets", get(assets::show))
        .route("/assets/{version}/{name}/delete", post(assets::remove))
        .route("/events", get(events::show))
        .route("/people", get(people::show))
        .route("/people/users", post(people::add_user))
        .route("/people/users/{name}", post(people::change_user))
        .route("/people/users/{name}/delete", post(people::delete_user))
        .route("/people/tokens", post(people::add_token))
        .route("/people/tokens/{id}/revoke", post(people::revoke_token))
        .route("/account", get(account::show))
        .route("/account/password", post(account::change_password))
        .route("/diagnostics", get(diagnostics::show))
        .route("/sign-out", post(sign::sign_out))
        .layer(DefaultBodyLimit::max(body::MAX_JSON))
        .layer(from_fn(in_time));
    // A file is as long as it is and takes as long; one that stalls is given up.
    let files = Router::new()
        .route("/assets", post(assets::import))
        .layer(DefaultBodyLimit::disable());
    let signed_in = signed_in
        .merge(files)
        .layer(from_fn_with_state(api.clone(), frame::gate));
    let open = Router::new()
        .route("/sign-in", get(sign::sign_in_form).post(sign::sign_in))
        .route("/set-up", get(sign::set_up_form).post(sign::set_up))
        .layer(DefaultBodyLimit::max(body::MAX_STRANGERS_FORM))
        .layer(from_fn(in_time))
        .layer(from_fn(frame::dress));
    // The stylesheet, the script and the logo are the same for everybody, and nobody's secret.
    signed_in
        .merge(open)
        .route("/static/{file}", get(statics::serve))
}
