//! The OpenAPI 3.1 document, made from the table of routes and the types of the wire.

use std::collections::BTreeMap;

use axum::http::Method;
use model::Authority;
use serde_json::{Value, json};
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::schema::Schema;
use utoipa::openapi::{Ref, RefOr};
use utoipa::{IntoParams, ToSchema};

use crate::types::ErrorBody;

/// What a route takes and gives.
#[derive(Clone)]
pub(crate) struct Doc {
    summary: &'static str,
    query: Vec<Parameter>,
    body: Option<Value>,
    status: u16,
    /// Another status with the same body.
    or_status: Option<u16>,
    media: &'static str,
    answer: Option<Value>,
    versioned: bool,
    conditional: bool,
    streams: bool,
    headers: Vec<(&'static str, &'static str)>,
    schemas: Vec<(String, RefOr<Schema>)>,
}

/// A route that takes nothing and answers 204.
pub(crate) fn doc(summary: &'static str) -> Doc {
    Doc {
        summary,
        query: Vec::new(),
        body: None,
        status: 204,
        or_status: None,
        media: "application/json",
        answer: None,
        versioned: false,
        conditional: false,
        streams: false,
        headers: Vec::new(),
        schemas: Vec::new(),
    }
}

impl Doc {
    /// What may follow the `?`.
    pub(crate) fn query<P: IntoParams>(mut self) -> Self {
        self.query = P::into_params(|| Some(ParameterIn::Query));
        self
    }

    /// The body it takes.
    pub(crate) fn takes<T: ToSchema>(mut self) -> Self {
        let schema = self.add::<T>();
        self.body = Some(json!({"application/json": {"schema": schema}}));
        self
    }

    /// A file as its body.
    pub(crate) fn takes_file(mut self) -> Self {
        let schema = json!({"type": "string", "contentMediaType": "application/octet-stream"});
        self.body = Some(json!({"application/octet-stream": {"schema": schema}}));
        self
    }

    /// The body it gives, with this status.
    pub(crate) fn gives<T: ToSchema>(mut self, status: u16) -> Self {
        self.status = status;
        self.answer = Some(json!(self.add::<T>()));
        self
    }

    /// It gives the same with this status where the thing was not there before, or was.
    pub(crate) fn or(mut self, status: u16) -> Self {
        self.or_status = Some(status);
        self
    }

    /// A list of what it gives.
    pub(crate) fn gives_list<T: ToSchema>(mut self) -> Self {
        self.status = 200;
        let items = self.add::<T>();
        self.answer = Some(json!({"type": "array", "items": items}));
        self
    }

    /// An answer that is no JSON.
    pub(crate) fn gives_media(mut self, media: &'static str) -> Self {
        self.status = 200;
        self.media = media;
        self.answer = Some(json!({"type": "string"}));
        self
    }

    /// It has a version: `ETag` in its answer; `If-Match` is looked at where it changes something.
    pub(crate) fn versioned(mut self) -> Self {
        self.versioned = true;
        self.conditional()
    }

    /// `If-Match` is looked at where it changes something.
    pub(crate) fn conditional(mut self) -> Self {
        self.conditional = true;
        self
    }

    /// Its list comes in pages.
    pub(crate) fn paged(mut self, sent_as: &'static str) -> Self {
        self.headers.push(("Next-Cursor", sent_as));
        self
    }

    /// It tells how long the whole list is.
    pub(crate) fn counted(mut self) -> Self {
        let why = "How many there are in all that fit.";
        self.headers.push(("Total-Count", why));
        self
    }

    /// To a listener it answers with a stream of what happens (WHATWG HTML, "Server-sent events").
    pub(crate) fn streams(mut self) -> Self {
        self.streams = true;
        self
    }

    fn add<T: ToSchema>(&mut self) -> RefOr<Schema> {
        T::schemas(&mut self.schemas);
        self.schemas.push((T::name().into_owned(), T::schema()));
        Ref::from_schema_name(T::name()).into()
    }
}

/// The document.
pub(crate) fn document(routes: &[(Method, &'static str, Authority, Doc)]) -> Value {
    let mut schemas: BTreeMap<String, Value> = BTreeMap::new();
    let error = doc("").gives::<ErrorBody>(400);
    let mut paths: BTreeMap<String, BTreeMap<String, Value>> = BTreeMap::new();
    let all = routes.iter().map(|(.., doc)| doc).chain([&error]);
    for (name, schema) in all.flat_map(|doc| &doc.schemas) {
        schemas.entry(name.clone()).or_insert_with(|| json!(schema));
    }
    for (method, path, least, doc) in routes {
        let operation = operation(method, path, *least, doc);
        let methods = paths.entry(format!("/api/v1{path}")).or_default();
        methods.insert(method.as_str().to_ascii_lowercase(), operation);
    }
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "ktizo",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Turns bare machines into Talos Linux nodes over the network.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "An API token, or the one in the state folder."},
                "session": {
                    "type": "apiKey", "in": "cookie", "name": "ktizo_session",
                    "description": "The session of a browser; what changes something also needs the header X-CSRF-Token.",
                },
            },
        },
        "security": [{"token": []}, {"session": []}],
    });
    unsigned(&mut document);
    document
}

/// Takes the signed formats off numbers that are never below zero: such a format would end them at half of what they hold.
fn unsigned(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let is_signed = fields
                .get("format")
                .is_some_and(|format| format == "int64" || format == "int32");
            if is_signed && fields.get("minimum").is_some_and(|least| least == 0) {
                fields.remove("format");
            }
            fields.values_mut().for_each(unsigned);
        }
        Value::Array(values) => values.iter_mut().for_each(unsigned),
        _ => {}
    }
}

fn operation(method: &Method, path: &str, least: Authority, doc: &Doc) -> Value {
    let mut parameters: Vec<Value> = path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| {
            let mut parameter =
                json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}});
            if name == "id" && path.starts_with("/devices/") {
                parameter["description"] =
                    "The number of the device, its MAC address in any spelling, or its host name."
                        .into();
            }
            parameter
        })
        .collect();
    parameters.extend(doc.query.iter().map(|parameter| json!(parameter)));
    let changes = method != Method::GET;
    if doc.conditional && changes {
        parameters.push(json!({
            "name": "If-Match", "in": "header", "required": false, "schema": {"type": "string"},
            "description": "The version that the change was made for; another one is refused with 412.",
        }));
    }
    let refusal = |why: &str| {
        let schema = json!({"$ref": "#/components/schemas/ErrorBody"});
        json!({"description": why, "content": {"application/json": {"schema": schema}}})
    };
    let mut answer = json!({"description": "Done."});
    if let Some(schema) = &doc.answer {
        answer["content"] = json!({doc.media: {"schema": schema}});
    }
    if doc.streams {
        answer["content"]["text/event-stream"] = json!({"schema": {"type": "string"}});
        parameters.push(json!({
            "name": "Last-Event-ID", "in": "header", "required": false, "schema": {"type": "string"},
            "description": "The number of the last event that a listener heard; what happened after it is told first. Any other text counts as none.",
        }));
    }
    let version = ("ETag", "The version, for If-Match.");
    let headers = doc.headers.iter().chain(doc.versioned.then_some(&version));
    for (name, why) in headers {
        answer["headers"][*name] = json!({"schema": {"type": "string"}, "description": why});
    }
    let mut operation = json!({
        "operationId": name(method, path),
        "summary": doc.summary,
        "description": format!("Needs the authority {least}."),
        "parameters": parameters,
        "responses": {
            doc.status.to_string(): answer,
            "401": refusal("The caller did not say who it is."),
            "403": refusal("The caller may not do this."),
            "default": refusal("Why it was refused."),
        },
    });
    if let Some(status) = doc.or_status {
        let responses = &mut operation["responses"];
        responses[status.to_string()] = responses[doc.status.to_string()].clone();
    }
    if doc.conditional && changes {
        let why = "It is another version than the one in If-Match.";
        operation["responses"]["412"] = refusal(why);
    }
    if let Some(body) = &doc.body {
        operation["requestBody"] = json!({"content": body});
    }
    operation
}

/// Such as `post_devices_id_approve`.
fn name(method: &Method, path: &str) -> String {
    let path: String = path
        .chars()
        .filter(|c| !matches!(c, '{' | '}'))
        .map(|c| if matches!(c, '/' | '-' | '.') { '_' } else { c })
        .collect();
    method.as_str().to_ascii_lowercase() + &path
}
