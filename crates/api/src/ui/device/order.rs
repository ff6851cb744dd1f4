//! Orders for one device, and a person's word about what became of them.

use axum::extract::{Path, State};
use axum::response::Response;
use model::BootOrder;

use super::{answered, refused};
use crate::device::{self, DeviceRef};
use crate::types::{GiveOrder, Proof};
use crate::ui::notice::done;
use crate::ui::page::Ask;
use crate::ui::post::Post;
use crate::ui::seen;
use crate::{Api, Error, IfMatch};

/// What the form's fields of a wipe are called beside those of other forms.
const CONFIRM: &str = "wipe_confirm";

pub(in crate::ui) async fn give(
    State(api): State<Api>,
    ask: Ask,
    Path(id): Path<String>,
    post: Post,
) -> Result<Response, Error> {
    ask.visitor.must_operate()?;
    let who: DeviceRef = id.parse()?;
    let given = match read(&post) {
        Ok(given) => given,
        Err(err) => return refused(&api, &ask, who, &post, err).await,
    };
    let is_wipe = given.order == BootOrder::Wipe;
    let said = if is_wipe { "wipe-ordered" } else { "ordered" };
    let (author, expected) = (ask.visitor.author(), seen::expected(&post));
    let mut given = device::give_order(&api.store, author, who.clone(), given, expected).await;
    if let Err(Error::Refused(refusal)) = &mut given
        && refusal.field.as_deref() == Some("confirm")
    {
        // The hint of the API is for a program.
        refusal.field = Some(CONFIRM.to_owned());
        refusal.hint = None;
    }
    answered((&api, &ask, &post), who, given, said).await
}

fn read(post: &Post) -> Result<GiveOrder, Error> {
    let wrong = |_| Error::invalid("order", "Choose what the next network boot should do.");
    let order: BootOrder = post.text("order").parse().map_err(wrong)?;
    if order != BootOrder::Wipe {
        return Ok(GiveOrder {
            order,
            confirm: None,
            then: None,
        });
    }
    Ok(GiveOrder {
        order,
        confirm: Some(post.text(CONFIRM).to_owned()),
        then: post.text("then").parse().ok(),
    })
}

/// Says no to a wipe that was asked for or ordered, also from an old page: nothing is lost by it.
pub(in crate::ui) async fn decline_wipe(
    State(api): State<Api>,
    ask: Ask,
    Path(id): Path<String>,
    _post: Post,
) -> Result<Response, Error> {
    ask.visitor.must_operate()?;
    let device = device::decline_wipe(
        &api.store,
        ask.visitor.author(),
        id.parse()?,
        IfMatch::any(),
    )
    .await?;
    Ok(done(&format!("/devices/{}", device.id), "wipe-declined"))
}

/// Takes a person's word that Talos is on the disk, or that a wipe is done.
pub(in crate::ui) async fn vouch(
    State(api): State<Api>,
    ask: Ask,
    Path(id): Path<String>,
    post: Post,
) -> Result<Response, Error> {
    ask.visitor.must_operate()?;
    let who: DeviceRef = id.parse()?;
    let proof = match post.text("proof") {
        "wiped" => Proof::Wiped,
        _ => Proof::Installed,
    };
    let vouched = device::vouch(
        &api.store,
        ask.visitor.author(),
        who.clone(),
        proof,
        seen::expected(&post),
    )
    .await;
    answered((&api, &ask, &post), who, vouched, "vouched").await
}

/// Makes the token that the machine has for its config good again.
pub(in crate::ui) async fn renew_release(
    State(api): State<Api>,
    ask: Ask,
    Path(id): Path<String>,
    post: Post,
) -> Result<Response, Error> {
    ask.visitor.must_operate()?;
    let who: DeviceRef = id.parse()?;
    let renewed = device::renew_release(
        &api.store,
        ask.visitor.author(),
        who.clone(),
        seen::expected(&post),
    )
    .await;
    answered((&api, &ask, &post), who, renewed, "renewed").await
}
