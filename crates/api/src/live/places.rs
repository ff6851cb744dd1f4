//! Who may listen: so many at once, and for each kind of listener some places that no other kind can take.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::{Actor, Authority, UserId};

use crate::Error;
use crate::auth::{Caller, Credential};

/// Listeners at once.
const LISTENERS: usize = 384;
/// Listeners of one account with all its tokens at once, so that no person has all places.
const OF_ONE: usize = 32;
/// The same of a user of the host, by the socket, and of the token of the state folder: all but what is kept for other kinds.
const OF_HOST: usize = LISTENERS - Kind::Root.kept() - Kind::Admin.kept() - Kind::Other.kept();

/// The places of listeners. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Places(Arc<Mutex<Taken>>);

/// How many places each has.
#[derive(Debug, Default)]
struct Taken {
    by_kind: [usize; Kind::ALL.len()],
    by_holder: HashMap<Holder, usize>,
}

/// A place that is its holder's for as long as it lives.
pub(super) struct Place {
    places: Places,
    kind: Kind,
    holder: Holder,
}

/// Listeners that cannot take the places that are kept for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Root, by the socket.
    Root,
    /// The pages of admins.
    Admin,
    /// Others of the host: members of the group by the socket, and the token of the state folder.
    Host,
    /// The pages of others, and API tokens.
    Other,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Root, Self::Admin, Self::Host, Self::Other];

    const fn of(caller: &Caller, credential: &Credential) -> Self {
        match (credential, caller.authority) {
            (Credential::Root, _) => Self::Root,
            (Credential::Standing, _) => Self::Host,
            (Credential::Session(_), Authority::Admin) => Self::Admin,
            (Credential::Session(_) | Credential::Token(_), _) => Self::Other,
        }
    }

    /// So many places no other kind can take.
    const fn kept(self) -> usize {
        match self {
            Self::Admin => 2 * OF_ONE,
            Self::Root | Self::Host | Self::Other => OF_ONE / 2,
        }
    }
}

/// Whose listeners are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Holder {
    /// A user of the host, by the socket, or the token of the state folder.
    Host(Actor),
    /// An account: its pages and all the API tokens that it made.
    Account(UserId),
    /// An API token that no account made.
    Token(Actor),
}

impl Holder {
    fn of(caller: &Caller, credential: &Credential) -> Self {
        let actor = caller.actor.clone();
        match (credential, caller.account) {
            (Credential::Root | Credential::Standing, _) => Self::Host(actor),
            (_, Some(account)) => Self::Account(account),
            (Credential::Token(_) | Credential::Session(_), None) => Self::Token(actor),
        }
    }

    const fn most(&self) -> usize {
        match self {
            Self::Host(_) => OF_HOST,
            Self::Account(_) | Self::Token(_) => OF_ONE,
        }
    }
}

impl Places {
    /// A place, if there is one that this caller may have.
    pub(super) fn take(&self, caller: &Caller, credential: &Credential) -> Result<Place, Error> {
        let (kind, holder) = (Kind::of(caller, credential), Holder::of(caller, credential));
        let most = holder.most();
        let mut taken = self.taken();
        if taken.by_holder.get(&holder).is_some_and(|own| *own >= most) {
            return Err(Error::TooManyListeners { most });
        }
        if taken.free_for(kind) == 0 {
            return Err(Error::Crowded);
        }
        taken.by_kind[kind as usize] += 1;
        *taken.by_holder.entry(holder.clone()).or_default() += 1;
        drop(taken);
        Ok(Place {
            places: self.clone(),
            kind,
            holder,
        })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Places that nobody has and that are not kept for another kind.
    fn free_for(&self, kind: Kind) -> usize {
        let used: usize = self.by_kind.iter().sum();
        let others = Kind::ALL.into_iter().filter(|other| *other != kind);
        let kept = others.map(|other| other.kept().saturating_sub(self.by_kind[other as usize]));
        LISTENERS.saturating_sub(used + kept.sum::<usize>())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.by_kind[self.kind as usize] -= 1;
        if let Some(count) = taken.by_holder.get_mut(&self.holder) {
            *count -= 1;
            if *count == 0 {
                taken.by_holder.remove(&self.holder);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Somebody who listens.
    fn who(name: &str, authority: Authority, account: Option<i64>) -> Caller {
        Caller {
            actor: Actor::Person(name.to_owned()),
            authority,
            from: String::new(),
            account: account.map(UserId),
        }
    }

    fn session() -> Credential {
        Credential::Session("cookie".into())
    }

    /// As many places as it can get, and why it gets no more.
    fn all(
        places: &Places,
        caller: &Caller,
        credential: &Credential,
    ) -> (Vec<Place>, &'static str) {
        let mut held = Vec::new();
        loop {
            match places.take(caller, credential) {
                Ok(place) => held.push(place),
                Err(Error::Crowded) => return (held, "crowded"),
                Err(Error::TooManyListeners { .. }) => return (held, "too many"),
                Err(err) => panic!("{err}"),
            }
        }
    }

    #[test]
    fn nobody_takes_the_places_that_are_kept_for_others() {
        let places = Places::default();
        let of_host = |name: &str| {
            let caller = who(name, Authority::Admin, None);
            all(&places, &caller, &Credential::Standing)
        };
        let (first, why) = of_host("ann");
        assert_eq!((first.len(), why), (OF_HOST, "too many"));
        let (second, why) = of_host("bob");
        assert_eq!((second.len(), why), (0, "crowded"));

        let admin = |number| {
            let caller = who(&format!("admin-{number}"), Authority::Admin, Some(number));
            all(&places, &caller, &session()).0
        };
        let (one, two) = (admin(1), admin(2));
        assert_eq!((one.len(), two.len()), (OF_ONE, OF_ONE));
        let root = who("root", Authority::Admin, None);
        let (of_root, why) = all(&places, &root, &Credential::Root);
        assert_eq!((of_root.len(), why), (Kind::Root.kept(), "crowded"));
        let viewer = who("viewer", Authority::Viewer, Some(3));
        let (of_viewer, _) = all(&places, &viewer, &session());
        assert_eq!(of_viewer.len(), Kind::Other.kept());

        // A place that is left goes to whoever may have it.
        drop(first);
        let (second, _) = of_host("bob");
        assert_eq!(second.len(), OF_HOST);
        drop((second, one, two, of_root, of_viewer));
        let taken = places.taken();
        assert_eq!((taken.by_kind, taken.by_holder.len()), ([0; 4], 0));
    }

    #[test]
    fn many_accounts_leave_places_for_admins_and_root() {
        let places = Places::default();
        let mut held = Vec::new();
        for number in 1..=20 {
            let viewer = who("viewer", Authority::Viewer, Some(number));
            held.extend(all(&places, &viewer, &session()).0);
        }
        assert_eq!(held.len(), OF_HOST);
        // A token is no page, whoever made it.
        let admin = who("admin", Authority::Admin, Some(99));
        let token = Credential::Token("secret".into());
        assert!(matches!(places.take(&admin, &token), Err(Error::Crowded)));
        let page = places.take(&admin, &session());
        let root = who("root", Authority::Admin, None);
        let by_root = places.take(&root, &Credential::Root);
        assert!(page.is_ok() && by_root.is_ok());
    }
}
