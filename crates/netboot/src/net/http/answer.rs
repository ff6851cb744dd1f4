//! One request and its answer: the director says what, this turns it into a response.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use hyper::header::{
    ACCEPT_RANGES, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderValue,
    IF_RANGE, RANGE,
};
use hyper::{Method, Request, Response, StatusCode};
use model::MacAddr;

use super::body::Outgoing;
use super::counters::{BootHttpCounters, HttpKind};
use super::line::Line;
use super::receipt::Receipt;
use crate::Director;
use crate::core::answer::is_nothing;
use crate::core::http::{ALLOWED, HttpAsk, HttpRefusal, Range, TEXT};
use crate::core::path::BootPath;
use crate::director::{ConfigAnswer, ConfigAsk, Content, Site};
use crate::net::chains::Chains;

/// What is said of a machine that fetched what is not there and was not meant to be.
const LEFT: &str = "sent to its disk: it was offered a file that does not exist, and goes on to its next boot entry";

/// What all connections share.
pub(super) struct Shared {
    pub(super) director: Arc<dyn Director>,
    pub(super) chains: Option<Chains>,
    pub(super) counters: Arc<BootHttpCounters>,
    pub(super) readers: Arc<AtomicUsize>,
    pub(super) http_port: u16,
}

/// One connection's requests, in turn.
#[derive(Clone)]
pub(super) struct Exchange {
    pub(super) shared: Arc<Shared>,
    pub(super) line: Arc<Line>,
    pub(super) server: Ipv4Addr,
    pub(super) peer: IpAddr,
}

impl Exchange {
    /// Answers one request.
    pub(super) async fn answer<B>(&self, request: Request<B>) -> Response<Outgoing> {
        self.line.asked();
        let uri = request.uri();
        let method = request.method().as_str();
        let (kind, response) = match HttpAsk::read(method, uri.path(), uri.query()) {
            Err(refusal) => (
                HttpKind::Other,
                self.refuse(refusal, request.method() == Method::HEAD),
            ),
            Ok(ask) => {
                let kind = HttpKind::of(&ask.path);
                (kind, self.give(ask, &request).await)
            }
        };
        let status = response.status().as_u16();
        self.shared.counters.answered(kind, status);
        tracing::debug!(peer = %self.peer, method, path = uri.path(), status, "boot HTTP request");
        response
    }

    async fn give<B>(&self, ask: HttpAsk, request: &Request<B>) -> Response<Outgoing> {
        let director = &self.shared.director;
        let site = Site {
            server: self.server,
            http_port: self.shared.http_port,
            peer: self.peer,
        };
        match &ask.path {
            BootPath::DeviceScript(mac) => {
                if ask.head_only {
                    return self.head_of_script(&ask);
                }
                let mac = *mac;
                if let Some(chains) = &self.shared.chains {
                    chains.passed(mac);
                }
                let kind = ask.content_type();
                let script = director.script(ask.query.into_ask(mac, site)).await;
                self.live(kind, script.into(), false, None)
            }
            BootPath::Autoexec => {
                let script = director.autoexec(site).await;
                self.live(ask.content_type(), script.into(), ask.head_only, None)
            }
            BootPath::Table => match director.table(site).await {
                Ok(script) => self.live(ask.content_type(), script.into(), ask.head_only, None),
                Err(why) => self.text(StatusCode::SERVICE_UNAVAILABLE, &why, ask.head_only),
            },
            BootPath::Config(mac) => self.config(*mac, &ask, site).await,
            BootPath::Loader(name) if is_nothing(name) => {
                let receipt = self.receipt(None, &ask);
                if let Some(receipt) = receipt {
                    receipt.done(LEFT);
                }
                self.text(StatusCode::NOT_FOUND, LEFT, ask.head_only)
            }
            BootPath::Loader(name) => {
                let receipt = self.receipt(None, &ask);
                match director.loader(name).await {
                    Ok(content) => self.file(&ask, request, &content, receipt),
                    Err(why) => self.missing(&why, ask.head_only, receipt),
                }
            }
            BootPath::Asset { version, name } => {
                let receipt = self.receipt(None, &ask);
                match director.asset(version.as_ref(), *name).await {
                    Ok(content) => self.file(&ask, request, &content, receipt),
                    Err(why) => self.missing(&why, ask.head_only, receipt),
                }
            }
        }
    }

    /// The report of what is sent; a HEAD sends nothing.
    fn receipt(&self, mac: Option<MacAddr>, ask: &HttpAsk) -> Option<Receipt> {
        (!ask.head_only).then(|| {
            let director = Arc::clone(&self.shared.director);
            Receipt::begin(
                director,
                mac,
                self.peer,
                ask.path.stage(),
                ask.path.to_string(),
            )
        })
    }

    async fn config(&self, mac: MacAddr, ask: &HttpAsk, site: Site) -> Response<Outgoing> {
        let head_only = ask.head_only;
        let wanted = ConfigAsk {
            mac,
            site,
            token: ask.token,
            head_only,
        };
        match self.shared.director.config(wanted).await {
            ConfigAnswer::Serve(config) => {
                let receipt = self.receipt(Some(mac), ask);
                self.live(ask.content_type(), config, ask.head_only, receipt)
            }
            ConfigAnswer::Refused(why) => self.text(StatusCode::FORBIDDEN, &why, ask.head_only),
            ConfigAnswer::Unavailable(why) => {
                self.text(StatusCode::SERVICE_UNAVAILABLE, &why, ask.head_only)
            }
        }
    }

    /// A whole file or a part of it.
    fn file<B>(
        &self,
        ask: &HttpAsk,
        request: &Request<B>,
        content: &Content,
        mut receipt: Option<Receipt>,
    ) -> Response<Outgoing> {
        let headers = request.headers();
        let wanted = headers.get(RANGE).and_then(|value| value.to_str().ok());
        let len = content.len();
        let range = ask.range(wanted, headers.contains_key(IF_RANGE), len);
        let (status, first, part_len) = match range {
            Range::Whole => (StatusCode::OK, 0, len),
            Range::Part { first, last } => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
            Range::Unsatisfiable => (StatusCode::RANGE_NOT_SATISFIABLE, 0, 0),
        };
        if let (Some(receipt), Some(lies)) = (&mut receipt, range.content_range(len)) {
            receipt.mention(&lies);
        }
        let body = if range == Range::Unsatisfiable || ask.head_only {
            if let Some(receipt) = receipt {
                receipt.refuse("a range behind the end of the file was asked for");
            }
            Outgoing::none(Arc::clone(&self.line))
        } else {
            self.count_bytes(part_len);
            if let Some(receipt) = &receipt {
                receipt.announce();
            }
            match content {
                Content::Bytes(bytes) => {
                    // A length in memory fits a usize, and a range lies inside of it.
                    let from = usize::try_from(first).unwrap_or(usize::MAX);
                    let until = usize::try_from(first + part_len).unwrap_or(usize::MAX);
                    Outgoing::memory(bytes.slice(from..until), Arc::clone(&self.line), receipt)
                }
                Content::File(file, _) => Outgoing::file(
                    Arc::clone(file),
                    first,
                    part_len,
                    &self.shared.readers,
                    Arc::clone(&self.line),
                    receipt,
                ),
            }
        };
        let mut response = self.response(status, ask.content_type(), part_len, body);
        let headers = response.headers_mut();
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        if let Some(lies) = range.content_range(len).and_then(|text| text.parse().ok()) {
            headers.insert(CONTENT_RANGE, lies);
        }
        response
    }

    /// A file that is not there: said on the machine's screen and in its timeline.
    fn missing(&self, why: &str, head_only: bool, receipt: Option<Receipt>) -> Response<Outgoing> {
        if let Some(receipt) = receipt {
            receipt.refuse(why);
        }
        self.text(StatusCode::NOT_FOUND, why, head_only)
    }

    /// A text that is made for this request. The next request may get another one, so it has no ranges and is never kept.
    fn live(
        &self,
        kind: &'static str,
        text: Bytes,
        head_only: bool,
        receipt: Option<Receipt>,
    ) -> Response<Outgoing> {
        let len = text.len() as u64;
        let body = if head_only {
            Outgoing::none(Arc::clone(&self.line))
        } else {
            self.count_bytes(len);
            Outgoing::memory(text, Arc::clone(&self.line), receipt)
        };
        let mut response = self.response(StatusCode::OK, kind, len, body);
        response
            .headers_mut()
            .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    /// The head of a device's script. To make the script could spend an order or wait for a person, neither of which a HEAD may
    /// do; so its length is left out, as RFC 9110 section 9.3.2 allows.
    fn head_of_script(&self, ask: &HttpAsk) -> Response<Outgoing> {
        let mut response = self.live(ask.content_type(), Bytes::new(), true, None);
        response.headers_mut().remove(CONTENT_LENGTH);
        response
    }

    fn refuse(&self, refusal: HttpRefusal, head_only: bool) -> Response<Outgoing> {
        match refusal {
            HttpRefusal::Method => {
                let why = format!("only {ALLOWED} are answered here");
                let mut response = self.text(StatusCode::METHOD_NOT_ALLOWED, &why, head_only);
                response
                    .headers_mut()
                    .insert(ALLOW, HeaderValue::from_static(ALLOWED));
                response
            }
            HttpRefusal::Path(why) => self.text(StatusCode::NOT_FOUND, &why.to_string(), head_only),
        }
    }

    /// A plain sentence.
    fn text(&self, status: StatusCode, sentence: &str, head_only: bool) -> Response<Outgoing> {
        let text = Bytes::from(format!("{sentence}\n"));
        let len = text.len() as u64;
        let body = if head_only {
            Outgoing::none(Arc::clone(&self.line))
        } else {
            Outgoing::memory(text, Arc::clone(&self.line), None)
        };
        self.response(status, TEXT, len, body)
    }

    fn response(
        &self,
        status: StatusCode,
        kind: &'static str,
        len: u64,
        body: Outgoing,
    ) -> Response<Outgoing> {
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(CONTENT_LENGTH, len.into());
        response
    }

    fn count_bytes(&self, bytes: u64) {
        self.shared
            .counters
            .bytes
            .fetch_add(bytes, Ordering::Relaxed);
    }
}
