//! A gRPC client as far as a unary call needs one.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::header::HeaderMap;
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

type RequestBody = BoxBody<Bytes, Infallible>;

#[derive(Clone)]
pub(crate) struct Client {
    sender: SendRequest<RequestBody>,
}

/// What a call was answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) http: StatusCode,
    /// The status of gRPC in the head, which has no message after it.
    pub(crate) refused: Option<String>,
    /// The status of gRPC after the message.
    pub(crate) status: Option<String>,
    pub(crate) body: Bytes,
}

pub(crate) const PUBLISH: &str = "/events.EventSinkService/Publish";
pub(crate) const GRPC: &str = "application/grpc";

impl Client {
    pub(crate) async fn connect(address: SocketAddr, tasks: &mut JoinSet<()>) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
        tasks.spawn(async move {
            connection.await.ok();
        });
        Self { sender }
    }

    pub(crate) async fn call(
        &mut self,
        path: &str,
        kind: &str,
        body: RequestBody,
    ) -> hyper::Result<Answer> {
        let request = Request::post(format!("http://sink{path}"))
            .header("content-type", kind)
            .header("te", "trailers")
            .body(body)
            .unwrap();
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let http = response.status();
        let status = |headers: &HeaderMap| {
            let value = headers.get("grpc-status")?;
            Some(value.to_str().unwrap().to_owned())
        };
        let refused = status(response.headers());
        let body = response.into_body().collect().await?;
        Ok(Answer {
            http,
            refused,
            status: body.trailers().and_then(status),
            body: body.to_bytes(),
        })
    }

    /// Sends one message as gRPC does, and answers with the status.
    pub(crate) async fn publish(&mut self, message: &[u8]) -> hyper::Result<String> {
        let answer = self.call(PUBLISH, GRPC, whole(&frame(message))).await?;
        Ok(answer.status.or(answer.refused).unwrap_or_default())
    }
}

pub(crate) fn whole(bytes: &[u8]) -> RequestBody {
    Full::new(Bytes::copy_from_slice(bytes)).boxed()
}

pub(crate) fn frame(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap();
    [&[0][..], &length.to_be_bytes(), message].concat()
}

/// An `events.EventRequest` with a `machine.RestartEvent`.
pub(crate) fn event(id: &str) -> Vec<u8> {
    event_of(
        "type.googleapis.com/machine.RestartEvent",
        &[0x08, 0x01],
        id,
    )
}

pub(crate) fn event_of(type_url: &str, value: &[u8], id: &str) -> Vec<u8> {
    #[derive(Clone, PartialEq, Message)]
    struct Any {
        #[prost(string, tag = "1")]
        type_url: String,
        #[prost(bytes = "vec", tag = "2")]
        value: Vec<u8>,
    }
    #[derive(Clone, PartialEq, Message)]
    struct EventRequest {
        #[prost(message, optional, tag = "1")]
        data: Option<Any>,
        #[prost(string, tag = "2")]
        id: String,
    }
    EventRequest {
        data: Some(Any {
            type_url: type_url.to_owned(),
            value: value.to_vec(),
        }),
        id: id.to_owned(),
    }
    .encode_to_vec()
}
