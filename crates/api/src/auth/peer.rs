//! Who is at the other end of a Unix socket.

use std::ffi::CString;

use model::{Actor, Authority};
use nix::unistd::{Gid, Group, Uid, User, getgrouplist};
use tokio::net::unix::UCred;

use super::Caller;
use crate::Error;

/// Who may use the Unix socket, beside root and the daemon's own user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The group whose members may; it need not exist.
    pub group: String,
}

/// Somebody at the other end of a Unix socket.
#[derive(Debug)]
pub(crate) struct UnixPeer {
    name: String,
    is_root: bool,
    admitted: bool,
    group: String,
}

impl UnixPeer {
    /// Looks a caller up in the user and group databases, which may block.
    pub(crate) fn look_up(credentials: UCred, access: &Access) -> Self {
        let (uid, gid) = (
            Uid::from_raw(credentials.uid()),
            Gid::from_raw(credentials.gid()),
        );
        let user = User::from_uid(uid).ok().flatten();
        let name = user
            .as_ref()
            .map_or_else(|| format!("uid {uid}"), |user| user.name.clone());
        let own = uid.is_root() || uid == Uid::effective();
        Self {
            admitted: own || is_member(&access.group, user.as_ref(), gid),
            name,
            is_root: uid.is_root(),
            group: access.group.clone(),
        }
    }

    /// What the user database calls it.
    pub(crate) fn called(&self) -> &str {
        &self.name
    }

    /// Whether it is root.
    pub(crate) const fn is_root(&self) -> bool {
        self.is_root
    }

    /// The caller, if it may use the API.
    pub(crate) fn admit(&self) -> Result<Caller, Error> {
        if self.admitted {
            return Ok(Caller {
                actor: Actor::Person(self.name.clone()),
                authority: Authority::Admin,
                from: format!("Unix socket, {}", self.name),
                account: None,
            });
        }
        let (name, group) = (&self.name, &self.group);
        Err(Error::Forbidden {
            why: format!("{name} is neither root nor a member of group {group}"),
            hint: if matches!(Group::from_name(group), Ok(Some(_))) {
                format!("`sudo usermod -aG {group} {name}`, then sign in anew")
            } else {
                format!(
                    "there is no group {group} on this host: run it as root, with `sudo`, or as the user that the daemon runs as; or \
                     `sudo groupadd --system {group}`, `sudo usermod -aG {group} {name}`, and sign in anew"
                )
            },
        })
    }
}

/// Whether the user is in the group, as its first group or by the group database. The groups of the calling process do not count:
/// the kernel tells only its first one.
fn is_member(group: &str, user: Option<&User>, first: Gid) -> bool {
    let Ok(Some(group)) = Group::from_name(group) else {
        return false;
    };
    if group.gid == first {
        return true;
    }
    let Some(user) = user else { return false };
    let Ok(name) = CString::new(user.name.as_str()) else {
        return false;
    };
    getgrouplist(&name, user.gid).is_ok_and(|groups| groups.contains(&group.gid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn membership_is_by_first_group_or_by_the_group_database() {
        let root = User::from_uid(Uid::from_raw(0)).unwrap().unwrap();
        let (own, other) = (root.gid, Gid::from_raw(54_321));
        let group = Group::from_gid(own).unwrap().unwrap().name;
        for (group, user, first, member) in [
            (group.as_str(), None, own, true),
            (group.as_str(), Some(&root), other, true),
            (group.as_str(), None, other, false),
            ("daemon", Some(&root), own, false),
            ("no-such-group", Some(&root), own, false),
        ] {
            let got = is_member(group, user, first);
            assert_eq!(got, member, "{group} {:?} {first}", user.map(|it| &it.name));
        }
    }
}
