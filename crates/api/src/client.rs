//! The other end of the API, for the command line: over the Unix socket, or over TCP with a token.

mod calls;
mod cluster;
mod error;
mod follow;

use std::path::Path;

use reqwest::{Method, RequestBuilder, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::types::ErrorBody;

pub use calls::{DeviceQuery, Download, EventQuery};
pub use error::ClientError;
pub use follow::{Follow, News};

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

    /// A client of the daemon at a URL such as `http://127.0.0.1:8000`.
    pub fn tcp(url: &str, token: Option<String>) -> Result<Self, ClientError> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .build()
            .map_err(|err| ClientError::unusable(url, &err))?;
        let base = url.trim_end_matches('/').to_owned();
        if !base.starts_with("http://") {
            let why = "the address must begin with http://";
            return Err(ClientError::Unusable {
                place: base,
                why: why.to_owned(),
            });
        }
        Ok(Self {
            http,
            place: base.clone(),
            base,
            token,
        })
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
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
