//! What tells who may come in: the store of people, the clock, and the memory of failures.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::{Actor, Author, Clock, Timestamp};
use store::{Lane, Store};

use super::secret::fingerprint;
use super::session::Session;
use super::slow::SlowDown;
use super::{Caller, Credential};
use crate::Error;

/// A session ends this long after its beginning.
pub(super) const LONGEST: Duration = Duration::from_secs(7 * 86_400);
/// A session ends this long after its last request.
const IDLE: Duration = Duration::from_secs(12 * 3600);
/// A session or token in use is noted this often at most.
const NOTED: Duration = Duration::from_secs(60);

/// Tells who may come in. Clones share it.
#[derive(Clone)]
pub struct Gate {
    pub(crate) store: Store,
    clock: Arc<dyn Clock>,
    slow: Arc<Mutex<SlowDown>>,
}

impl Gate {
    /// The gate of a store.
    pub fn new(store: Store, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            clock,
            slow: Arc::default(),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Looks at, or adds to, the memory of failures.
    pub(super) fn slow<T>(&self, f: impl FnOnce(&mut SlowDown) -> T) -> T {
        f(&mut self.slow.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Who holds this API token, if it is good.
    pub(super) async fn token_holder(
        &self,
        shown: &str,
        from: &str,
    ) -> Result<Option<Caller>, Error> {
        let print = fingerprint(shown);
        let found = self
            .store
            .read(Lane::Admin, move |reader| reader.api_token(print))
            .await?;
        let now = self.now();
        let Some(token) = found.filter(|token| token.is_good(now)) else {
            return Ok(None);
        };
        let caller = Caller {
            actor: Actor::Person(format!("token/{}", token.name)),
            authority: token.in_force(),
            from: from.to_owned(),
            account: token.maker.map(|maker| maker.id),
        };
        if token
            .last_used
            .is_none_or(|last| !now.is_soon_after(last, NOTED))
        {
            let noted = self
                .store
                .write(Lane::Admin, caller.author(), move |writer| {
                    writer.api_token_used(token.id)
                });
            not_noted(noted.await);
        }
        Ok(Some(caller))
    }

    /// Writes down which sessions, tokens and set-up link time has ended, so that no clock that is set back revives them. To be called
    /// again and again.
    pub async fn end_by_time(&self) -> Result<(), Error> {
        let now = self.now();
        let ended = self
            .store
            .read(Lane::Admin, move |reader| reader.has_ended_by(now, IDLE))
            .await?;
        if !ended {
            return Ok(());
        }
        let names = self
            .store
            .write(Lane::Admin, Actor::System, |writer| {
                writer.end_by_time(IDLE)
            })
            .await?;
        for name in names {
            tracing::info!(%name, "the API token {name} has reached its end");
        }
        Ok(())
    }

    /// Whether what somebody came in by is still good.
    pub(crate) async fn still_holds(&self, credential: &Credential) -> bool {
        let found = match credential {
            Credential::Root | Credential::Standing => return true,
            Credential::Token(shown) => self.token_holder(shown, "").await.map(|it| it.is_some()),
            Credential::Session(shown) => {
                self.session(shown, "", false).await.map(|it| it.is_some())
            }
        };
        found.unwrap_or(false)
    }

    /// The session whose cookie this is, if it is open. With `in_use` it stays open for longer.
    pub(super) async fn session(
        &self,
        shown: &str,
        from: &str,
        in_use: bool,
    ) -> Result<Option<Session>, Error> {
        let print = fingerprint(shown);
        let found = self
            .store
            .read(Lane::Admin, move |reader| reader.session(print))
            .await?;
        let now = self.now();
        let Some(session) = found.filter(|session| session.is_open(now, IDLE)) else {
            return Ok(None);
        };
        if in_use && !now.is_soon_after(session.last_seen, NOTED) {
            let author = Author::from(Actor::Person(session.user.name.to_string()));
            let noted = self.store.write(Lane::Admin, author, move |writer| {
                writer.session_seen(print)
            });
            not_noted(noted.await);
        }
        Ok(Some(Session::new(shown, session.user, from)))
    }
}

/// A full disk must not keep those out who come to see what is wrong.
fn not_noted(noted: Result<(), store::Error>) {
    if let Err(err) = noted {
        tracing::warn!(%err, "the use of a session or token was not noted");
    }
}
