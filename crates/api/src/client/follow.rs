//! Listening to what happens.

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use model::EventId;
use reqwest::Method;
use reqwest::header::ACCEPT;
use serde_json::Value;

use super::{Client, ClientError};

/// One message of the live stream.
#[derive(Clone, Debug, PartialEq)]
pub struct News {
    /// `hello`, `event`, `device`, `boot`, `kernel_log`, `settings` or `resync`.
    pub kind: String,
    /// The event's number, for those of kind `event`.
    pub event: Option<EventId>,
    /// What it is about.
    pub data: Value,
}

/// The live stream.
pub struct Follow {
    place: String,
    stream: std::pin::Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>,
    read: Vec<u8>,
}

impl Client {
    /// Listens to what happens, and first hears what happened after `after`.
    pub async fn follow(&self, after: Option<EventId>) -> Result<Follow, ClientError> {
        let request = self
            .request(Method::GET, "/events")
            .header(ACCEPT, "text/event-stream")
            .query(&[("after", after)]);
        let response = self.send(request).await?;
        Ok(Follow {
            place: self.place.clone(),
            stream: Box::pin(response.bytes_stream()),
            read: Vec::new(),
        })
    }
}

impl Follow {
    /// The next message; `None` when the stream has ended.
    pub async fn next(&mut self) -> Result<Option<News>, ClientError> {
        loop {
            if let Some(end) = self.read.windows(2).position(|pair| pair == b"\n\n") {
                let message: Vec<u8> = self.read.drain(..end + 2).collect();
                if let Some(news) = self.parse(&String::from_utf8_lossy(&message))? {
                    return Ok(Some(news));
                }
                continue;
            }
            match self.stream.next().await {
                None => return Ok(None),
                Some(Ok(bytes)) => self.read.extend_from_slice(&bytes),
                Some(Err(err)) => return Err(ClientError::unreachable(&self.place, &err)),
            }
        }
    }

    /// Reads a message; a heartbeat is none.
    fn parse(&self, message: &str) -> Result<Option<News>, ClientError> {
        let field = |name: &str| message.lines().find_map(|line| line.strip_prefix(name));
        let (Some(kind), Some(data)) = (field("event: "), field("data: ")) else {
            return Ok(None);
        };
        Ok(Some(News {
            kind: kind.to_owned(),
            event: field("id: ").and_then(|id| id.parse().ok()).map(EventId),
            data: serde_json::from_str(data)
                .map_err(|err| ClientError::garbled(&self.place, 200, &err))?,
        }))
    }
}
