//! The frame around every page: the session, the headers that keep it in, and the page of an error.

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::StatusCode;
use axum::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::page::render_trouble;
use super::visitor::Visitor;
use crate::Api;
use crate::auth::Session;
use crate::types::ErrorBody;

/// What a page may load and where it may go: its own host, nothing written into it, no frame around it.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; \
     frame-ancestors 'none'; base-uri 'none'";

/// Lets a request through that has a session, puts the headers on its page, and makes a page of an error.
pub(super) async fn gate(State(api): State<Api>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let visitor = match Session::from_request_parts(&mut parts, &api).await {
        Ok(session) => Visitor::from(session),
        Err(none) => return dressed(none.into_response()),
    };
    parts.extensions.insert(visitor.clone());
    let response = next.run(Request::from_parts(parts, body)).await;
    let is_error = response.status().is_client_error() || response.status().is_server_error();
    let kind = response.headers().get(CONTENT_TYPE);
    let is_json = kind.is_some_and(|kind| kind == "application/json");
    dressed(if is_error && is_json {
        trouble(&api, visitor, response).await
    } else {
        response
    })
}

/// Makes a page of the answer to an address that is none, where a browser asks for it; to a program it is answered as it is.
pub(crate) async fn as_page(state: State<Api>, request: Request, next: Next) -> Response {
    let accepts = request.headers().get(ACCEPT);
    let accepts = accepts.and_then(|accepts| accepts.to_str().ok());
    if accepts.is_some_and(|accepts| accepts.contains("text/html")) {
        gate(state, request, next).await
    } else {
        next.run(request).await
    }
}

/// Puts the headers on pages that need no session.
pub(super) async fn dress(request: Request, next: Next) -> Response {
    dressed(next.run(request).await)
}

fn dressed(mut response: Response) -> Response {
    let headers: [(HeaderName, &'static str); 5] = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "same-origin"),
    ];
    for (name, value) in headers {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The longest error that is made a page of.
const ERROR_BODY: usize = 64 << 10;

async fn trouble(api: &Api, visitor: Visitor, response: Response) -> Response {
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, ERROR_BODY).await.unwrap_or_default();
    let Ok(told) = serde_json::from_slice::<ErrorBody>(&bytes) else {
        return Response::from_parts(parts, Body::from(bytes));
    };
    #[derive(Serialize)]
    struct Trouble {
        heading: &'static str,
        message: String,
        hint: Option<String>,
    }
    let view = Trouble {
        heading: match parts.status {
            StatusCode::NOT_FOUND => "Not found",
            StatusCode::FORBIDDEN => "Not allowed",
            status if status.is_server_error() => "ktizo could not do that",
            _ => "That was refused",
        },
        message: told.message,
        hint: told.hint,
    };
    render_trouble(api, visitor, parts.status, &view).unwrap_or_else(IntoResponse::into_response)
}
