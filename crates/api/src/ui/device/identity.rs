//! A person's word about who a device is, and which cards are its own.

use axum::extract::{Path, State};
use axum::response::Response;
use model::IdentityDecision;

use super::refused;
use crate::device::{self, DeviceRef};
use crate::ui::page::{Ask, done};
use crate::ui::post::Post;
use crate::{Api, Error};

pub(in crate::ui) async fn decide(
    State(api): State<Api>,
    ask: Ask,
    Path(id): Path<String>,
    post: Post,
) -> Result<Response, Error> {
    ask.visitor.must_operate()?;
    let who: DeviceRef = id.parse()?;
    let wrong = |_| Error::invalid("decision", "choose what is so");
    let decision: IdentityDecision = match post.text("decision").parse().map_err(wrong) {
        Ok(decision) => decision,
        Err(err) => return refused(&api, &ask, who, &post, err).await,
    };
    // A decision about another card names the device by that card.
    let about = match post.text("card") {
        "" => who,
        card => card.parse()?,
    };
    match device::decide_identity(&api.store, ask.visitor.author(), about, decision).await {
        Ok(device) => Ok(done(&format!("/devices/{}", device.id), "identity-decided")),
        Err(err) => refused(&api, &ask, who, &post, err).await,
    }
}
