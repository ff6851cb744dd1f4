//! `/account`: what everybody changes of their own account.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::fields::{Field, Fields};
use super::notice::done;
use super::page::{Ask, render};
use super::post::Post;
use crate::types::OwnPassword;
use crate::{Api, Error, auth};

#[derive(Serialize)]
struct View {
    form: Fields,
    wrong: Option<String>,
}

impl View {
    fn new() -> Self {
        Self {
            form: Fields::new(
                ["present", "password", "again"].map(|name| (name, Field::default())),
            ),
            wrong: None,
        }
    }

    async fn show(&self, api: &Api, ask: &Ask, status: StatusCode) -> Result<Response, Error> {
        render(api, ask, ("account.html", "/account"), status, self).await
    }
}

pub(super) async fn show(State(api): State<Api>, ask: Ask) -> Result<Response, Error> {
    View::new().show(&api, &ask, StatusCode::OK).await
}

pub(super) async fn change_password(
    State(api): State<Api>,
    ask: Ask,
    post: Post,
) -> Result<Response, Error> {
    let of = |name: &str| post.get(name).unwrap_or_default().to_owned();
    let asked = OwnPassword {
        present: of("present"),
        password: of("password"),
    };
    let changed = if of("again") == asked.password {
        let credential = ask.visitor.session.credential();
        auth::change_own_password(&api.gate, ask.visitor.caller(), &credential, asked).await
    } else {
        Err(Error::invalid("again", "is not the same password"))
    };
    match changed {
        Ok(()) => Ok(done("/account", "password-changed")),
        Err(err) => {
            // Passwords are typed anew: no page has one in it.
            let mut view = View::new();
            view.wrong = view.form.refuse(err)?;
            view.show(&api, &ask, StatusCode::UNPROCESSABLE_ENTITY)
                .await
        }
    }
}
