//! One call and its answer.

use std::convert::Infallible;
use std::future::Ready;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::combinators::WithTrailers;
use http_body_util::{BodyExt, Either, Empty, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use model::{Clock, TalosNotice};
use tokio::time::timeout;

use super::counters::{EventSinkCounters, count};
use super::limits::EventSinkLimits;
use crate::core::allowance::Allowances;
use crate::net::taker::{EventTaker, NotTaken, Sender};
use crate::wire::grpc::{self, EMPTY_MESSAGE, FrameFault};
use crate::wire::talos_event;

/// What every call is answered with.
pub(super) struct Desk {
    pub(super) taker: Arc<dyn EventTaker>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) limits: EventSinkLimits,
    pub(super) counters: Arc<EventSinkCounters>,
    pub(super) allowances: Mutex<Allowances>,
}

/// The one method.
const PUBLISH: &str = "/events.EventSinkService/Publish";
const GRPC: &str = "application/grpc";

pub(super) type AnswerBody =
    Either<WithTrailers<Full<Bytes>, Ready<Option<Result<HeaderMap, Infallible>>>>, Empty<Bytes>>;

/// A status of gRPC other than OK, and the text that goes with it: printable ASCII without `%`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Refusal {
    code: u8,
    text: &'static str,
}

impl Refusal {
    const fn new(code: u8, text: &'static str) -> Self {
        Self { code, text }
    }
}

// The numbers are those of gRPC's status codes.
const NO_EVENT: Refusal = Refusal::new(3, "the message is not an event");
const CUT_OFF: Refusal = Refusal::new(3, "the message is cut off");
const TOO_SLOW: Refusal = Refusal::new(4, "the message took too long");
const STRANGER: Refusal = Refusal::new(7, "no known device has this address");
const TOO_LONG: Refusal = Refusal::new(8, "the message is too long");
const UNKNOWN_METHOD: Refusal = Refusal::new(12, "only events.EventSinkService/Publish is served");
const NOT_SERVED: Refusal = Refusal::new(12, "one message without compression is served");
const UNAVAILABLE: Refusal = Refusal::new(14, "the event cannot be kept at the moment");

impl Desk {
    pub(super) async fn answer(
        &self,
        request: Request<Incoming>,
        peer: IpAddr,
    ) -> Response<AnswerBody> {
        if !is_grpc(request.headers()) || request.method() != Method::POST {
            count(&self.counters.unimplemented);
            let mut response = Response::new(Either::Right(Empty::new()));
            *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return response;
        }
        match self.publish(request, peer).await {
            Ok(()) => taken(),
            Err(refusal) => {
                tracing::debug!(%peer, code = refusal.code, refusal.text, "an event was refused");
                refused(refusal)
            }
        }
    }

    async fn publish(&self, request: Request<Incoming>, peer: IpAddr) -> Result<(), Refusal> {
        let counters = &self.counters;
        if request.uri().path() != PUBLISH {
            count(&counters.unimplemented);
            return Err(UNKNOWN_METHOD);
        }
        self.hold_back(peer).await;
        let body = self.receive(request.into_body()).await?;
        let message = grpc::message(&body).map_err(|fault| match fault {
            FrameFault::CutOff => {
                count(&counters.malformed);
                CUT_OFF
            }
            FrameFault::Compressed | FrameFault::MoreThanOne => {
                count(&counters.unimplemented);
                NOT_SERVED
            }
        })?;
        let event = talos_event::decode(message).map_err(|_| {
            count(&counters.malformed);
            NO_EVENT
        })?;
        let strange = matches!(
            event.notice,
            TalosNotice::Unknown { .. } | TalosNotice::Damaged { .. }
        );
        let sender = Sender {
            peer,
            connected: true,
            at: self.clock.now(),
        };
        let taken = timeout(self.limits.taking, self.taker.event(sender, event)).await;
        match taken.unwrap_or(Err(NotTaken::Unavailable)) {
            Ok(()) => {
                count(&counters.taken);
                if strange {
                    count(&counters.strange);
                }
                Ok(())
            }
            Err(NotTaken::Unavailable) => {
                count(&counters.unavailable);
                Err(UNAVAILABLE)
            }
            Err(NotTaken::Stranger) => {
                count(&counters.strangers);
                Err(STRANGER)
            }
        }
    }

    /// Keeps a machine waiting that calls too often.
    async fn hold_back(&self, peer: IpAddr) {
        let now = self.clock.now();
        let wait = self
            .allowances
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .charge(peer, 1, now);
        if !wait.is_zero() {
            count(&self.counters.delayed);
            tokio::time::sleep(wait).await;
        }
    }

    async fn receive<B>(&self, body: B) -> Result<Bytes, Refusal>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let body = Limited::new(body, self.limits.message_bytes + grpc::HEAD).collect();
        match timeout(self.limits.receiving, body).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(err)) if err.is::<LengthLimitError>() => {
                count(&self.counters.too_long);
                Err(TOO_LONG)
            }
            Ok(Err(_)) => {
                count(&self.counters.malformed);
                Err(CUT_OFF)
            }
            Err(_) => {
                count(&self.counters.malformed);
                Err(TOO_SLOW)
            }
        }
    }
}

/// Whether the content is said to be gRPC's: `application/grpc`, `application/grpc+proto`, `application/grpc;...`.
fn is_grpc(headers: &HeaderMap) -> bool {
    let rest = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .and_then(|kind| kind.strip_prefix(GRPC));
    rest.is_some_and(|rest| matches!(rest.as_bytes().first(), None | Some(b'+' | b';')))
}

/// An empty `events.EventResponse`, and the status OK after it.
fn taken() -> Response<AnswerBody> {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let message = Full::new(Bytes::from_static(&EMPTY_MESSAGE));
    with_kind(Either::Left(
        message.with_trailers(std::future::ready(Some(Ok(trailers)))),
    ))
}

/// A status without a message, which is in the head.
fn refused(refusal: Refusal) -> Response<AnswerBody> {
    let mut response = with_kind(Either::Right(Empty::new()));
    let headers = response.headers_mut();
    headers.insert("grpc-status", HeaderValue::from(u16::from(refusal.code)));
    headers.insert("grpc-message", HeaderValue::from_static(refusal.text));
    response
}

fn with_kind(body: AnswerBody) -> Response<AnswerBody> {
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(GRPC));
    response
}
