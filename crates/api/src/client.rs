//! The other end of the API, for the command line: over the Unix socket, or over TCP with a token.

mod calls;
mod cluster;
mod error;
mod follow;
mod trust;

use std::borrow::Cow;
use std::path::Path;
use std::sync::{Arc, PoisonError};

use model::Sha256Digest;
use reqwest::{Method, RequestBuilder, Response, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::types::ErrorBody;

pub use calls::{DeviceQuery, Download, EventQuery, LogQuery};
pub use error::ClientError;
pub use follow::{Follow, News};
pub use trust::Trust;

/// A connection to one daemon.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    /// `http://HOST:PORT`, without a slash at the end.
    base: String,
    token: Option<String>,
    /// How errors call the daemon's address.
    place: String,
}

impl Client {
    /// A client of the daemon at a Unix socket.
    pub fn unix(socket: &Path) -> Result<Self, ClientError> {
        let place = socket.display().to_string();
        let http = reqwest::Client::builder()
            .unix_socket(socket)
            .no_proxy()
            .build()
            .map_err(|err| ClientError::unusable(&place, &err))?;
        Ok(Self {
            http,
            base: "http://localhost".to_owned(),
            token: None,
            place,
        })
    }

    /// A client of the daemon at a URL such as `http://127.0.0.1:8000` or `https://192.0.2.7:8000`; `trust` is for the latter.
    pub fn tcp(url: &str, token: Option<String>, trust: &Trust) -> Result<Self, ClientError> {
        let base = url.trim_end_matches('/').to_owned();
        let unusable = |why: String| ClientError::Unusable {
            place: base.clone(),
            why,
        };
        if !base.starts_with("http://") && !base.starts_with("https://") {
            let why = "the address must begin with https:// or http://";
            return Err(unusable(why.to_owned()));
        }
        let mut builder = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none());
        if let Some(config) = trust.config().map_err(unusable)? {
            builder = builder.tls_backend_preconfigured(config);
        }
        let http = builder
            .build()
            .map_err(|err| ClientError::unusable(url, &err))?;
        Ok(Self {
            http,
            place: base.clone(),
            base,
            token,
        })
    }

    /// Whether two URLs for [`Self::tcp`] are those of one server, however they are written.
    pub fn is_same_server(one: &str, other: &str) -> bool {
        let read = |url: &str| Url::parse(url.trim_end_matches('/')).ok();
        read(one).is_some_and(|one| read(other) == Some(one))
    }

    /// The SHA-256 of the certificate that `url` shows, whatever it is; nothing is sent to it. For a person to compare.
    pub async fn fingerprint_at(url: &str) -> Result<Sha256Digest, ClientError> {
        let seen = Arc::default();
        // No certificate has this one.
        let nobodys = Sha256Digest([0; 32]);
        let config = trust::pinned(nobodys, Arc::clone(&seen));
        let config = config.map_err(|why| ClientError::Unusable {
            place: url.to_owned(),
            why,
        })?;
        let http = reqwest::Client::builder()
            .no_proxy()
            .tls_backend_preconfigured(config)
            .build()
            .map_err(|err| ClientError::unusable(url, &err))?;
        let asked = http.get(url).send().await;
        let seen = *seen.lock().unwrap_or_else(PoisonError::into_inner);
        match (seen, asked) {
            (Some(fingerprint), _) => Ok(fingerprint),
            (None, Err(err)) => Err(ClientError::unreachable(url, &err)),
            (None, Ok(_)) => Err(ClientError::Unusable {
                place: url.to_owned(),
                why: "it shows no certificate".to_owned(),
            }),
        }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let path = past_other_paths(&method, path);
        let request = self
            .http
            .request(method, format!("{}/api/v1{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let response = request
            .send()
            .await
            .map_err(|err| ClientError::unreachable(&self.place, &err))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let status = status.as_u16();
        let bytes = self.read(response).await?;
        let body: ErrorBody = serde_json::from_slice(&bytes)
            .map_err(|err| ClientError::garbled(&self.place, status, &err))?;
        Err(ClientError::Refused { status, body })
    }

    async fn read(&self, response: Response) -> Result<bytes::Bytes, ClientError> {
        response
            .bytes()
            .await
            .map_err(|err| ClientError::unreachable(&self.place, &err))
    }

    async fn fetch<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ClientError> {
        let response = self.send(request).await?;
        let status = response.status().as_u16();
        let bytes = self.read(response).await?;
        serde_json::from_slice(&bytes)
            .map_err(|err| ClientError::garbled(&self.place, status, &err))
    }

    async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &(impl Serialize + ?Sized),
    ) -> Result<T, ClientError> {
        self.fetch(self.request(Method::GET, path).query(query))
            .await
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        self.fetch(self.request(Method::POST, path).json(body))
            .await
    }

    async fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        self.fetch(self.request(Method::PUT, path).json(body)).await
    }
}

/// Some host names are paths of their own below `/devices`, to which one only posts. The device is meant where the name's first letter is
/// written as its number.
fn past_other_paths<'a>(method: &Method, path: &'a str) -> Cow<'a, str> {
    let means_a_device = *method != Method::POST;
    match path {
        "/devices/bulk" if means_a_device => "/devices/%62ulk".into(),
        "/devices/register" if means_a_device => "/devices/%72egister".into(),
        "/devices/regenerate" if means_a_device => "/devices/%72egenerate".into(),
        path => path.into(),
    }
}
