//! What happened, as a sentence for people.

use std::fmt;

use super::EventKind;
use crate::Role;

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DeviceSeen { by } => write!(f, "seen for the first time, by {by}"),
            Self::DeviceAdded => f.write_str("added by hand"),
            Self::DeviceApproved { hostname, address, role } => write!(f, "approved as {role} {hostname} with address {address}"),
            Self::DeviceRejected => f.write_str("rejected"),
            Self::DeviceUpdated { fields } => write!(f, "changed: {}", fields.join(", ")),
            Self::OrderGiven { order } => write!(f, "boot order `{order}` given"),
            Self::DeviceDeleted { status } => write!(f, "deleted (was {status})"),
            Self::DevicesForgotten { count } => write!(f, "{count} never-approved devices forgotten to make room; the longest unseen went first"),
            Self::WipeAsked => f.write_str("a wipe was asked for at the console; it waits for a signed-in person"),
            Self::WipeOrdered { then, expires } => write!(f, "wipe ordered, good for one boot until {}; after the wipe: `{then}`", expires.minute()),
            Self::WipeCancelled => f.write_str("wipe called off"),
            Self::WipeExpired => f.write_str("wipe called off: nothing came of it for a day"),
            Self::WipeSent => f.write_str("wipe sent to the machine; no other will be for this order"),
            Self::WipeProven { by, then } => write!(f, "disk wiped, by the word of {}; boot order `{then}` stands", by.named()),
            Self::InstallProven { by } => write!(f, "Talos is installed, by the word of {}", by.named()),
            Self::InstallFailed { attempt, error: Some(error), .. } => write!(f, "install attempt {attempt} failed: {error}"),
            Self::InstallFailed { attempt, error: None, last_stage } => {
                write!(f, "install attempt {attempt} failed: no proof came")?;
                match last_stage {
                    Some(stage) => write!(f, " after stage {stage}"),
                    None => Ok(()),
                }
            }
            Self::InstallRepeated { attempt } => write!(f, "install is tried again, attempt {attempt}"),
            Self::ConfigServed { peer, bytes, .. } => write!(f, "config of {bytes} bytes served to {peer}"),
            Self::ConfigRefused { peer, reason } => write!(f, "config refused to {peer}: {reason}"),
            Self::CardAttached { card } => write!(f, "card {card} shows its UUID and is taken for another card of it; it gets no config until a person confirms it"),
            Self::IdentityConflict { conflict, card } => write!(f, "it cannot be told who it is ({card}): {}; no config until a person decides", conflict.meaning()),
            Self::IdentityDecided { decision, card } => write!(f, "identity decided: {decision} ({card})"),
            Self::ConfigTokenRenewed => f.write_str("the token that its last boot got for its config is good for another 3 hours and 50 fetches"),
            Self::ConfigFailed { reason } => write!(f, "config could not be made: {reason}"),
            Self::Regenerated { made: 0, .. } => f.write_str("device configs made anew: there are none"),
            Self::Regenerated { made, changed } => write!(f, "{made} device configs made anew, {changed} of them changed"),
            Self::SettingsChanged { fields } => write!(f, "network settings changed: {}", few(fields)),
            Self::StrictModeSwitched { on: true } => f.write_str("strict boot mode on: a machine that nobody approved waits, and its disks are left alone"),
            Self::StrictModeSwitched { on: false } => {
                f.write_str("strict boot mode off: a machine that nobody approved boots its disk, or Talos without a config if no disk boots")
            }
            Self::BaseImported { roles } => write!(f, "base configs imported for {}", named(roles)),
            Self::BaseGenerated { roles } => write!(f, "base configs made for {}", named(roles)),
            Self::ClusterSettingsChanged { fields } => write!(f, "cluster settings changed: {}", few(fields)),
            Self::SecretsMade => f.write_str("secrets of a new cluster made"),
            Self::SecretsImported { replaced: false } => f.write_str("secrets of the cluster imported"),
            Self::SecretsImported { replaced: true } => f.write_str("secrets of the cluster replaced by imported ones; the old ones are kept as a backup"),
            Self::SecretsExported { file } => write!(f, "{file} was taken out; it holds secrets"),
            Self::PatchSaved { patch } => write!(f, "patch {patch} saved"),
            Self::PatchDeleted { patch } => write!(f, "patch {patch} deleted"),
            Self::AssetImported { version, name, .. } => write!(f, "{name} of Talos {version} imported"),
            Self::AssetRemoved { version, name } => write!(f, "{name} of Talos {version} removed"),
            Self::FileMissing { what } => f.write_str(what),
            Self::SignedIn => f.write_str("signed in"),
            Self::SignedOut => f.write_str("signed out"),
            Self::SignInRefused { name } => write!(f, "a sign-in as {name} was refused"),
            Self::SetUpLinkMade => f.write_str("a one-time set-up link was made"),
            Self::UserAdded { name, authority } => write!(f, "user {name} added as {authority}"),
            Self::UserChanged { name, fields } => write!(f, "user {name} changed: {}", fields.join(", ")),
            Self::UserDeleted { name } => write!(f, "user {name} deleted"),
            Self::TokenMade { name, authority, expires_at: Some(at) } => write!(f, "API token {name} made as {authority}, until {}", at.minute()),
            Self::TokenMade { name, authority, expires_at: None } => write!(f, "API token {name} made as {authority}, without an end"),
            Self::TokenRevoked { name } => write!(f, "API token {name} revoked"),
            Self::BackupTaken { bytes } => write!(f, "backup of {bytes} bytes taken; it holds every secret"),
            Self::StateRestored { file, taken_at, sessions, tokens, wipes, installs } => write!(
                f,
                "state restored from {file}, taken {}; sessions ended: {sessions}, API tokens revoked: {}, wipes called off: {wipes}, \
                 installs that are a menu: {installs}",
                taken_at.minute(),
                tokens.len()
            ),
        }
    }
}

/// Names of fields in a sentence; the record of a change has them all.
fn few(fields: &[String]) -> String {
    const MOST: usize = 6;
    match fields.get(MOST..) {
        Some(rest @ [_, _, ..]) => {
            format!("{} and {} more", fields[..MOST].join(", "), rest.len())
        }
        _ => fields.join(", "),
    }
}

fn named(roles: &[Role]) -> String {
    roles
        .iter()
        .map(|role| role.as_str())
        .collect::<Vec<_>>()
        .join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_many_fields_is_a_short_sentence() {
        let changed = |count: usize| {
            let fields = (1..=count).map(|field| format!("f{field}")).collect();
            EventKind::ClusterSettingsChanged { fields }.to_string()
        };
        assert_eq!(
            changed(7),
            "cluster settings changed: f1, f2, f3, f4, f5, f6, f7"
        );
        assert_eq!(
            changed(16),
            "cluster settings changed: f1, f2, f3, f4, f5, f6 and 10 more"
        );
    }
}
