//! A person's word about who a device is, and which cards are its own.

use axum::extract::{Path, State};
use axum::response::Response;
use model::Timestamp;

use super::{answered, refused};
use crate::device::{self, DeviceRef};
use crate::types::DecideIdentity;
use crate::ui::page::Ask;
use crate::ui::post::Post;
use crate::ui::seen;
use crate::{Api, Error};

pub(in crate::ui) async fn decide(
    State(api): State<Api>,
    ask: Ask,
    Path(id): Path<String>,
    post: Post,
) -> Result<Response, Error> {
    ask.visitor.must_operate()?;
    let who: DeviceRef = id.parse()?;
    let said = match said(&post) {
        Ok(said) => said,
        Err(err) => return refused(&api, &ask, who, &post, err).await,
    };
    // A decision about another card names the device by that card.
    let about = match post.text("card") {
        "" => who.clone(),
        card => card.parse()?,
    };
    let (author, expected) = (ask.visitor.author(), seen::expected(&post));
    let decided = device::decide_identity(&api.store, author, about, said, expected).await;
    answered((&api, &ask, &post), who, decided, "identity-decided").await
}

fn said(post: &Post) -> Result<DecideIdentity, Error> {
    let decision = post.text("decision").parse();
    let since = match post.text("since") {
        "" => None,
        text => Some(text.parse::<Timestamp>().map_err(|_| Error::Stale)?),
    };
    Ok(DecideIdentity {
        decision: decision.map_err(|_| Error::invalid("decision", "choose what is so"))?,
        since,
    })
}
