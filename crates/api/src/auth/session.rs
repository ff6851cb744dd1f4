//! Signing in and out by browser.

use std::net::IpAddr;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::header::{ACCEPT, COOKIE, HOST, HeaderName, REFERER, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use model::{Actor, Author, Authority, EventKind, FieldChange, PersonName};
use store::{Lane, User};
use subtle::ConstantTimeEq as _;

use super::gate::{Gate, LONGEST};
use super::{Caller, Credential, Door, password, secret};
use crate::types::OwnPassword;
use crate::{Api, Error, audit};

/// The name of the cookie.
const NAME: &str = "ktizo_session";
/// The header in which a page's script shows the CSRF token.
pub(crate) const CSRF_HEADER: &str = "x-csrf-token";
/// A set-up link is good for so long.
const LINK: Duration = Duration::from_secs(24 * 3600);

/// An open session of a browser. As an extractor it sends who has none to the sign-in page.
#[derive(Clone, Debug)]
pub struct Session {
    /// Who it is.
    pub caller: Caller,
    /// The name it signed in with.
    pub name: PersonName,
    /// What every form must carry in its field `csrf`, and every request of a script in the header `X-CSRF-Token`.
    pub csrf: String,
    token: String,
}

/// A session that was just opened.
#[derive(Debug)]
pub struct NewSession {
    token: String,
    /// Whose it is.
    pub name: PersonName,
    /// What its owner may do.
    pub authority: Authority,
}

/// Why nobody was signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInRefusal {
    /// There is no such user, or it has another password. Which of the two is not told.
    #[error("name or password is wrong")]
    Wrong,
    /// Too many failures.
    #[error("too many failures; try again in {} s", wait.as_secs() + 1)]
    SlowDown {
        /// How long to wait.
        wait: Duration,
    },
    /// It could not be found out.
    #[error(transparent)]
    Failed(#[from] Error),
}

/// A user that showed its password.
struct Proven {
    name: PersonName,
    /// The fingerprint of the password.
    hash: Option<String>,
}

/// Looks whether a password is that of this name, and makes who fails wait longer and longer. `from` is the address it comes from.
async fn prove(
    gate: &Gate,
    name: &str,
    password: &str,
    from: &str,
) -> Result<Proven, SignInRefusal> {
    let name = name.parse::<PersonName>().ok();
    let address = address_key(from);
    let account = name.as_ref().map(|name| format!("user {name}"));
    let mut keys = vec![address.clone()];
    // What others do with a name must not keep its owner out for ever: from where it was signed in of late, only the own failures count.
    let at_home = match name.clone() {
        Some(name) => {
            let from = from.to_owned();
            let known = gate.store.read(Lane::Admin, move |reader| {
                reader.has_session_from(&name, &from)
            });
            known.await.map_err(Error::from)?
        }
        None => false,
    };
    keys.extend(account.clone().filter(|_| !at_home));
    // The failure is noted before the work, so that a burst of guesses cannot pass together.
    let now = gate.now();
    let wait = gate.slow(|slow| {
        let wait = slow.wait(&keys, now);
        if wait.is_none() {
            slow.failed(&keys, now);
        }
        wait
    });
    if let Some(wait) = wait {
        return Err(SignInRefusal::SlowDown { wait });
    }
    let hash = match name.clone() {
        Some(name) => gate
            .store
            .read(Lane::Admin, move |reader| reader.password_hash(&name))
            .await
            .map_err(Error::from)?,
        None => None,
    };
    let right = password::verify(password.to_owned(), hash.clone()).await?;
    let named = name.clone();
    let Some(name) = name.filter(|_| right) else {
        if let Some(name) = named {
            let author = Author {
                actor: Actor::System,
                from: Some(from.to_owned()),
            };
            gate.store
                .write(Lane::Admin, author, move |writer| {
                    writer.event(None, EventKind::SignInRefused { name })
                })
                .await
                .map_err(Error::from)?;
        }
        return Err(SignInRefusal::Wrong);
    };
    gate.slow(|slow| {
        slow.take_back(&address);
        if let Some(account) = &account {
            slow.forget(account);
        }
    });
    Ok(Proven { name, hash })
}

/// Signs a person in. `from` is the address it comes from.
pub async fn sign_in(
    gate: &Gate,
    name: &str,
    password: &str,
    from: &str,
) -> Result<NewSession, SignInRefusal> {
    let Proven { name, hash } = prove(gate, name, password, from).await?;
    let token = secret::random()?;
    let (print, expires_at) = (secret::fingerprint(&token), gate.now().plus(LONGEST));
    let opened = gate
        .store
        .write(Lane::Admin, author_of(&name, from), move |writer| {
            // The password may have been changed since it was read.
            let user = writer.user(&name)?;
            let Some(user) = user.filter(|_| writer.password_hash(&name).ok().flatten() == hash)
            else {
                return Ok::<_, Error>(None);
            };
            writer.open_session(user.id, print, expires_at)?;
            writer.event(None, EventKind::SignedIn)?;
            Ok(Some(user))
        })
        .await?;
    let user = opened.ok_or(SignInRefusal::Wrong)?;
    Ok(NewSession {
        token,
        name: user.name,
        authority: user.authority,
    })
}

/// Changes the password of the account whose `caller` is, which shows the present one. Its sessions end, but that of `credential`.
pub(crate) async fn change_own_password(
    gate: &Gate,
    caller: &Caller,
    credential: &Credential,
    asked: OwnPassword,
) -> Result<(), Error> {
    let wrong = || Error::invalid("present", "is not your present password");
    let users = gate.store.read(Lane::Admin, |reader| reader.users());
    let mut users = users.await?.into_iter();
    let Some(user) = users.find(|user| caller.account == Some(user.id)) else {
        let why = format!(
            "{} is no account here, and has no password",
            caller.actor.called()
        );
        let hint = "`ktizo user set NAME --password` changes that of an account";
        return Err(Error::refused("no_account", None, why, Some(hint)));
    };
    password::check(&asked.password)?;
    let proven = prove(gate, user.name.as_str(), &asked.present, &caller.from).await;
    let Proven { name, hash } = proven.map_err(|refusal| match refusal {
        SignInRefusal::Wrong => wrong(),
        SignInRefusal::Failed(err) => err,
        SignInRefusal::SlowDown { .. } => {
            let field = Some("present".to_owned());
            Error::refused("slow_down", field, refusal.to_string(), None)
        }
    })?;
    let new = password::hash(asked.password).await?;
    let keep = match credential {
        Credential::Session(token) => Some(secret::fingerprint(token)),
        Credential::Root | Credential::Standing | Credential::Token(_) => None,
    };
    gate.store
        .write(Lane::Admin, caller.author(), move |writer| {
            // It may have been changed since it was read.
            let known = writer.user(&name)?.map(|user| user.id);
            let Some(known) = known.filter(|_| writer.password_hash(&name).ok().flatten() == hash)
            else {
                return Err(wrong());
            };
            writer.set_password(known, &new, keep)?;
            let change = audit::of_secret("password");
            let fields = vec![change.field.clone()];
            writer.event_of(None, EventKind::UserChanged { name, fields }, &[change])?;
            Ok(())
        })
        .await
}

/// The address in the slow-down. A host has a whole network of IPv6 addresses (RFC 4291 section 2.5.1), which counts as one.
fn address_key(from: &str) -> String {
    match from.parse() {
        Ok(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("from {a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
        _ => format!("from {from}"),
    }
}

/// Makes the first user, or another administrator, by the one-time link, spends the link, and signs the new user in. A user of this
/// name gets the password and becomes an administrator.
pub async fn set_up(
    gate: &Gate,
    link_token: &str,
    name: &str,
    password: &str,
    from: &str,
) -> Result<NewSession, Error> {
    let keys = [address_key(from)];
    let now = gate.now();
    if let Some(wait) = gate.slow(|slow| slow.wait(&keys, now)) {
        let why = SignInRefusal::SlowDown { wait }.to_string();
        return Err(Error::refused("slow_down", None, why, None));
    }
    if !set_up_open(gate, link_token).await? {
        gate.slow(|slow| slow.failed(&keys, now));
        return Err(spent());
    }
    let name: PersonName = name.parse().map_err(|err: model::ParseError| {
        Error::invalid("name", format!("is not {}", err.expected()))
    })?;
    let hash = password::hash(password.to_owned()).await?;
    let shown = secret::fingerprint(link_token);
    let token = secret::random()?;
    let (print, expires_at) = (secret::fingerprint(&token), now.plus(LONGEST));
    let user = name.clone();
    gate.store
        .write(Lane::Admin, author_of(&name, from), move |writer| {
            let link = writer.set_up_link()?;
            if !link.is_some_and(|(link, end)| secret::same(link, shown) && writer.now() < end) {
                return Err(spent());
            }
            writer.delete_set_up_link()?;
            let authority = Authority::Admin;
            let id = match writer.user(&user)? {
                None => {
                    let id = writer.insert_user(&user, authority, &hash)?;
                    let name = user.clone();
                    writer.event(None, EventKind::UserAdded { name, authority })?;
                    id
                }
                Some(known) => {
                    writer.set_authority(known.id, authority)?;
                    writer.set_password(known.id, &hash, None)?;
                    let given = FieldChange {
                        field: "authority".to_owned(),
                        before: known.authority.to_string(),
                        after: authority.to_string(),
                    };
                    let mut changes = vec![audit::of_secret("password")];
                    changes.extend(Some(given).filter(|_| known.authority != authority));
                    let fields = changes.iter().map(|change| change.field.clone()).collect();
                    let name = user.clone();
                    writer.event_of(None, EventKind::UserChanged { name, fields }, &changes)?;
                    known.id
                }
            };
            writer.open_session(id, print, expires_at)?;
            writer.event(None, EventKind::SignedIn)?;
            Ok(())
        })
        .await?;
    Ok(NewSession {
        token,
        name,
        authority: Authority::Admin,
    })
}

/// Whether this set-up link is good; for the page that it opens.
pub async fn set_up_open(gate: &Gate, link_token: &str) -> Result<bool, Error> {
    let link = gate
        .store
        .read(Lane::Admin, |reader| reader.set_up_link())
        .await?;
    let (shown, now) = (secret::fingerprint(link_token), gate.now());
    Ok(link.is_some_and(|(link, end)| secret::same(link, shown) && now < end))
}

/// Whether anybody can sign in yet.
pub async fn has_users(gate: &Gate) -> Result<bool, Error> {
    let users = gate
        .store
        .read(Lane::Admin, |reader| reader.users())
        .await?;
    Ok(!users.is_empty())
}

/// Makes a one-time set-up link in the place of the one before; returns its token. The page is `/set-up?token=TOKEN`.
pub async fn make_set_up_link(gate: &Gate, author: Author) -> Result<String, Error> {
    let token = secret::random()?;
    let print = secret::fingerprint(&token);
    gate.store
        .write(Lane::Admin, author, move |writer| {
            writer.save_set_up_link(print, writer.now().plus(LINK))?;
            writer.event(None, EventKind::SetUpLinkMade)
        })
        .await?;
    Ok(token)
}

/// Ends a session. The answer should carry [`signed_out_cookie`].
pub async fn sign_out(gate: &Gate, session: Session) -> Result<(), Error> {
    let print = secret::fingerprint(&session.token);
    gate.store
        .write(Lane::Admin, session.caller.author(), move |writer| {
            if writer.close_session(print)? {
                writer.event(None, EventKind::SignedOut)?;
            }
            Ok(())
        })
        .await
}

fn spent() -> Error {
    let why = "the set-up link is not good, or not any more";
    let hint = "`sudo ktizo admin reset` on the host makes another";
    Error::refused("link_spent", None, why, Some(hint))
}

fn author_of(name: &PersonName, from: &str) -> Author {
    Author {
        actor: Actor::Person(name.to_string()),
        from: Some(from.to_owned()),
    }
}

impl NewSession {
    /// The header that gives the browser its cookie; `secure` where the connection is TLS.
    pub fn cookie(&self, secure: bool) -> AppendHeaders<[(HeaderName, HeaderValue); 1]> {
        set_cookie(&self.token, LONGEST.as_secs(), secure)
    }
}

/// The header that takes the cookie away.
pub fn signed_out_cookie(secure: bool) -> AppendHeaders<[(HeaderName, HeaderValue); 1]> {
    set_cookie("", 0, secure)
}

fn set_cookie(
    value: &str,
    seconds: u64,
    secure: bool,
) -> AppendHeaders<[(HeaderName, HeaderValue); 1]> {
    let secure = if secure { "; Secure" } else { "" };
    let text =
        format!("{NAME}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    // A token is of letters, digits, `-` and `_` only.
    let value = HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""));
    AppendHeaders([(SET_COOKIE, value)])
}

impl Session {
    pub(super) fn new(token: &str, user: User, from: &str) -> Self {
        Self {
            csrf: secret::csrf_of(token),
            token: token.to_owned(),
            caller: Caller {
                actor: Actor::Person(user.name.to_string()),
                authority: user.authority,
                from: from.to_owned(),
                account: Some(user.id),
            },
            name: user.name,
        }
    }

    /// By what its requests come in.
    pub(crate) fn credential(&self) -> Credential {
        Credential::Session(self.token.as_str().into())
    }

    /// Lets a form or a script through that shows the session's CSRF token.
    pub fn check_csrf(&self, shown: &str) -> Result<(), Error> {
        if self.csrf.as_bytes().ct_eq(shown.as_bytes()).into() {
            return Ok(());
        }
        Err(Error::Forbidden {
            why: "the request does not show the CSRF token of its session".to_owned(),
            hint: "load the page anew and send the form again".to_owned(),
        })
    }

    /// The session of a request, if it has a good cookie.
    pub async fn of(gate: &Gate, parts: &Parts) -> Result<Option<Self>, Error> {
        let Some(token) = cookie_of(&parts.headers) else {
            return Ok(None);
        };
        let from = Door::of(&parts.extensions)?.from();
        gate.session(token, &from, is_use(&parts.headers)).await
    }

    /// The session of a `Cookie` header's text that came from `from`, if it is open.
    pub async fn of_cookie(gate: &Gate, header: &str, from: &str) -> Result<Option<Self>, Error> {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_str(header)
            .map_err(|_| Error::Malformed("the cookies cannot be read".to_owned()))?;
        headers.insert(COOKIE, value);
        match cookie_of(&headers) {
            Some(token) => gate.session(token, from, true).await,
            None => Ok(None),
        }
    }

    /// Refuses a request of another method than GET and HEAD that does not show the CSRF token in its header.
    pub(super) fn check_unsafe(&self, method: &Method, headers: &HeaderMap) -> Result<(), Error> {
        if matches!(*method, Method::GET | Method::HEAD) {
            return Ok(());
        }
        let shown = headers
            .get(CSRF_HEADER)
            .and_then(|value| value.to_str().ok());
        self.check_csrf(shown.unwrap_or_default())
    }
}

/// Whether a person may be behind a request. A page that is open asks for itself anew, which its script says, and for news (WHATWG HTML,
/// "Server-sent events"), also when nobody is there any more.
pub(super) fn is_use(headers: &HeaderMap) -> bool {
    let says = |name: HeaderName, by_itself: &str| {
        headers.get(name).is_some_and(|value| value == by_itself)
    };
    let refreshes = says(HeaderName::from_static("x-requested-with"), "app.js");
    !refreshes && !says(ACCEPT, "text/event-stream")
}

/// The session token of a request's cookies (RFC 6265 section 4.2).
pub(super) fn cookie_of(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, value)| *name == NAME && !value.is_empty())
        .map(|(_, value)| value)
}

/// A request without a session: to the sign-in page, and back afterwards.
#[derive(Debug)]
pub enum NoSession {
    /// To this page.
    SignIn(String),
    /// It could not be found out.
    Failed(Error),
}

impl IntoResponse for NoSession {
    fn into_response(self) -> Response {
        match self {
            Self::SignIn(to) => Redirect::to(&to).into_response(),
            Self::Failed(err) => err.into_response(),
        }
    }
}

impl FromRequestParts<Api> for Session {
    type Rejection = NoSession;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, NoSession> {
        let found = Self::of(&api.gate, parts)
            .await
            .map_err(NoSession::Failed)?;
        found.ok_or_else(|| {
            // A form goes back to the page it stood on: where it was sent to may be no page.
            let next = if parts.method == Method::GET {
                parts.uri.path_and_query().map(|path| path.as_str())
            } else {
                page_before(&parts.headers)
            };
            NoSession::SignIn(match next {
                Some(next) if next != "/" => {
                    format!("/sign-in?next={}", percent_encoded(next))
                }
                _ => "/sign-in".to_owned(),
            })
        })
    }
}

/// The path of the page of this daemon that a form stood on (`Referer`, RFC 9110 section 10.1.3).
fn page_before(headers: &HeaderMap) -> Option<&str> {
    let (_, rest) = headers.get(REFERER)?.to_str().ok()?.split_once("://")?;
    let (host, path) = rest.split_at(rest.find('/')?);
    (headers.get(HOST)?.as_bytes() == host.as_bytes()).then_some(path)
}

/// A path as the value of a query (RFC 3986 section 2.1).
fn percent_encoded(path: &str) -> String {
    path.bytes()
        .map(|b| match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                char::from(b).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}
