//! What happened, in a closed list.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use crate::error::word_enum;
use crate::{
    Actor, ApprovalStatus, AssetName, Authority, BootStage, ConflictKind, DeviceId, EventId,
    FieldChange, Hostname, IdentityDecision, MacAddr, PersonName, ProofSource, Role, Sha256Digest,
    StandingOrder, TalosVersion, Timestamp,
};

/// One thing that happened, who did it, and to which device. Append-only, and never with a secret in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Event {
    /// Its row; later events have larger numbers.
    pub id: EventId,
    /// When.
    pub at: Timestamp,
    /// Who did it.
    pub actor: Actor,
    /// The device it concerns; kept after the device is deleted.
    pub device: Option<DeviceId>,
    /// The MAC of that device.
    pub mac: Option<MacAddr>,
    /// From where a person did it: an address, or the Unix socket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What the fields were before and are since, where a change is one of fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<FieldChange>,
    /// What.
    pub what: EventKind,
}

word_enum! {
    /// By what a machine was first heard of.
    SeenBy, "dhcp, script or config", {
        /// A DHCP request.
        Dhcp = "dhcp",
        /// A request for its boot script.
        Script = "script",
        /// A request for its config.
        Config = "config",
    }
}

/// Everything that can happen. Prints as a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EventKind {
    /// A machine was heard of for the first time.
    DeviceSeen {
        /// How.
        by: SeenBy,
    },
    /// A person added a device by hand.
    DeviceAdded,
    /// A person let a device in.
    DeviceApproved {
        /// Its name.
        hostname: Hostname,
        /// Its address.
        #[schema(value_type = String)]
        address: Ipv4Addr,
        /// Its role.
        role: Role,
    },
    /// A person turned a device away.
    DeviceRejected,
    /// A person changed a device.
    DeviceUpdated {
        /// The names of the fields that changed.
        fields: Vec<String>,
    },
    /// A person gave another boot order, or the same again.
    OrderGiven {
        /// The order.
        order: StandingOrder,
    },
    /// A device was deleted.
    DeviceDeleted {
        /// What it was.
        status: ApprovalStatus,
    },
    /// Devices that nobody ever decided about were dropped to make room.
    DevicesForgotten {
        /// How many.
        count: u64,
    },
    /// Somebody at the console of a machine asked for a wipe.
    WipeAsked,
    /// A person ordered a wipe.
    WipeOrdered {
        /// What stands when it is proven.
        then: StandingOrder,
        /// Until when the order holds.
        expires: Timestamp,
    },
    /// A wipe that was ordered or asked for is not to be: a person said no, or changed the device.
    WipeCancelled,
    /// A wipe that was ordered or asked for waited too long.
    WipeExpired,
    /// The one script that wipes left for the machine, or was about to.
    WipeSent,
    /// The disk is wiped.
    WipeProven {
        /// By what that is proven.
        by: ProofSource,
        /// What stands since.
        then: StandingOrder,
    },
    /// Talos is on the disk.
    InstallProven {
        /// By what that is proven.
        by: ProofSource,
    },
    /// An attempt to install left no proof, or its failure was reported.
    InstallFailed {
        /// Which, from 1.
        attempt: u32,
        /// Why, in Talos's words; without it the machine was silent.
        error: Option<String>,
        /// The last stage that was seen of it.
        last_stage: Option<BootStage>,
    },
    /// The order to install is tried again.
    InstallRepeated {
        /// Which attempt it is, from 2.
        attempt: u32,
    },
    /// A device config was served whole.
    ConfigServed {
        /// To whom.
        #[schema(value_type = String)]
        peer: IpAddr,
        /// Its length in bytes.
        bytes: u64,
        /// Its fingerprint.
        sha256: Sha256Digest,
    },
    /// A device config was asked for and refused.
    ConfigRefused {
        /// By whom.
        #[schema(value_type = String)]
        peer: IpAddr,
        /// Why, in words.
        reason: String,
    },
    /// A card showed the UUID of a device, and is taken for another one of it.
    CardAttached {
        /// The card.
        card: MacAddr,
    },
    /// It cannot be told who a device is.
    IdentityConflict {
        /// Why.
        conflict: ConflictKind,
        /// The card of whoever showed it.
        card: MacAddr,
    },
    /// A person said who a device is.
    IdentityDecided {
        /// What.
        decision: IdentityDecision,
        /// The card it is about.
        card: MacAddr,
    },
    /// A person let a machine that is still trying have its config with the token it has.
    ConfigTokenRenewed,
    /// A device config could not be made.
    ConfigFailed {
        /// Why, in words.
        reason: String,
    },
    /// Device configs were made anew.
    Regenerated {
        /// How many were made.
        made: u64,
        /// How many of them changed.
        changed: u64,
    },
    /// Network settings changed.
    SettingsChanged {
        /// The names of the fields that changed.
        fields: Vec<String>,
    },
    /// Strict boot mode was switched.
    StrictModeSwitched {
        /// What it is.
        on: bool,
    },
    /// Base configs were imported.
    BaseImported {
        /// The roles they are for.
        roles: Vec<Role>,
    },
    /// Base configs were made from the cluster's settings and secrets.
    BaseGenerated {
        /// The roles they are for.
        roles: Vec<Role>,
    },
    /// Cluster settings changed.
    ClusterSettingsChanged {
        /// The names of the fields that changed.
        fields: Vec<String>,
    },
    /// A cluster's secrets were made.
    SecretsMade,
    /// A cluster's secrets were imported.
    SecretsImported {
        /// Whether others were in use, which are kept as a backup.
        replaced: bool,
    },
    /// A person took out a file that holds secrets.
    SecretsExported {
        /// Which.
        file: String,
    },
    /// A patch was added or changed.
    PatchSaved {
        /// Its name with what it is for.
        patch: String,
    },
    /// A patch was deleted.
    PatchDeleted {
        /// Its name with what it was for.
        patch: String,
    },
    /// An asset was imported.
    AssetImported {
        /// Its release.
        version: TalosVersion,
        /// Its name.
        name: String,
        /// Its fingerprint.
        sha256: Sha256Digest,
    },
    /// An asset was removed.
    AssetRemoved {
        /// Its release.
        version: TalosVersion,
        /// Its name.
        name: String,
    },
    /// A machine needs a file that is not there.
    FileMissing {
        /// Which, and how to bring it, in words.
        what: String,
    },
    /// Somebody signed in.
    SignedIn,
    /// Somebody signed out.
    SignedOut,
    /// Somebody could not sign in.
    SignInRefused {
        /// As whom.
        name: PersonName,
    },
    /// A one-time set-up link was made.
    SetUpLinkMade,
    /// A user was added.
    UserAdded {
        /// Its name.
        name: PersonName,
        /// What it may do.
        authority: Authority,
    },
    /// A user was changed.
    UserChanged {
        /// Its name.
        name: PersonName,
        /// The names of the fields that changed.
        fields: Vec<String>,
    },
    /// A user was deleted.
    UserDeleted {
        /// Its name.
        name: PersonName,
    },
    /// An API token was made.
    TokenMade {
        /// Its name.
        name: PersonName,
        /// What it may do.
        authority: Authority,
        /// Until when; for ever without it.
        expires_at: Option<Timestamp>,
    },
    /// An API token was revoked.
    TokenRevoked {
        /// Its name.
        name: PersonName,
    },
    /// A backup was taken; it holds every secret.
    BackupTaken {
        /// Its length in bytes.
        bytes: u64,
    },
    /// A backup took the place of the state.
    StateRestored {
        /// The name of its file.
        file: String,
        /// When it was taken.
        taken_at: Timestamp,
        /// How many sessions of it were ended.
        sessions: u64,
        /// The API tokens of it that were revoked.
        tokens: Vec<PersonName>,
        /// How many wipes that it had ordered were called off.
        wipes: u64,
        /// How many installs that it had ordered are now a menu.
        installs: u64,
    },
}

impl EventKind {
    /// The words of all kinds.
    pub const WORDS: &[&str] = &[
        "device_seen",
        "device_added",
        "device_approved",
        "device_rejected",
        "device_updated",
        "order_given",
        "device_deleted",
        "devices_forgotten",
        "wipe_asked",
        "wipe_ordered",
        "wipe_cancelled",
        "wipe_expired",
        "wipe_sent",
        "wipe_proven",
        "install_proven",
        "install_failed",
        "install_repeated",
        "config_served",
        "config_refused",
        "card_attached",
        "identity_conflict",
        "identity_decided",
        "config_token_renewed",
        "config_failed",
        "regenerated",
        "settings_changed",
        "strict_mode_switched",
        "base_imported",
        "base_generated",
        "cluster_settings_changed",
        "secrets_made",
        "secrets_imported",
        "secrets_exported",
        "patch_saved",
        "patch_deleted",
        "asset_imported",
        "asset_removed",
        "file_missing",
        "signed_in",
        "signed_out",
        "sign_in_refused",
        "set_up_link_made",
        "user_added",
        "user_changed",
        "user_deleted",
        "token_made",
        "token_revoked",
        "backup_taken",
        "state_restored",
    ];

    /// The word that names the kind, as JSON and filters write it.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::DeviceSeen { .. } => "device_seen",
            Self::DeviceAdded => "device_added",
            Self::DeviceApproved { .. } => "device_approved",
            Self::DeviceRejected => "device_rejected",
            Self::DeviceUpdated { .. } => "device_updated",
            Self::OrderGiven { .. } => "order_given",
            Self::DeviceDeleted { .. } => "device_deleted",
            Self::DevicesForgotten { .. } => "devices_forgotten",
            Self::WipeAsked => "wipe_asked",
            Self::WipeOrdered { .. } => "wipe_ordered",
            Self::WipeCancelled => "wipe_cancelled",
            Self::WipeExpired => "wipe_expired",
            Self::WipeSent => "wipe_sent",
            Self::WipeProven { .. } => "wipe_proven",
            Self::InstallProven { .. } => "install_proven",
            Self::InstallFailed { .. } => "install_failed",
            Self::InstallRepeated { .. } => "install_repeated",
            Self::ConfigServed { .. } => "config_served",
            Self::ConfigRefused { .. } => "config_refused",
            Self::CardAttached { .. } => "card_attached",
            Self::IdentityConflict { .. } => "identity_conflict",
            Self::IdentityDecided { .. } => "identity_decided",
            Self::ConfigTokenRenewed => "config_token_renewed",
            Self::ConfigFailed { .. } => "config_failed",
            Self::Regenerated { .. } => "regenerated",
            Self::SettingsChanged { .. } => "settings_changed",
            Self::StrictModeSwitched { .. } => "strict_mode_switched",
            Self::BaseImported { .. } => "base_imported",
            Self::BaseGenerated { .. } => "base_generated",
            Self::ClusterSettingsChanged { .. } => "cluster_settings_changed",
            Self::SecretsMade => "secrets_made",
            Self::SecretsImported { .. } => "secrets_imported",
            Self::SecretsExported { .. } => "secrets_exported",
            Self::PatchSaved { .. } => "patch_saved",
            Self::PatchDeleted { .. } => "patch_deleted",
            Self::AssetImported { .. } => "asset_imported",
            Self::AssetRemoved { .. } => "asset_removed",
            Self::FileMissing { .. } => "file_missing",
            Self::SignedIn => "signed_in",
            Self::SignedOut => "signed_out",
            Self::SignInRefused { .. } => "sign_in_refused",
            Self::SetUpLinkMade => "set_up_link_made",
            Self::UserAdded { .. } => "user_added",
            Self::UserChanged { .. } => "user_changed",
            Self::UserDeleted { .. } => "user_deleted",
            Self::TokenMade { .. } => "token_made",
            Self::TokenRevoked { .. } => "token_revoked",
            Self::BackupTaken { .. } => "backup_taken",
            Self::StateRestored { .. } => "state_restored",
        }
    }

    /// The event of an asset that came.
    pub fn asset_imported(version: TalosVersion, name: AssetName, sha256: Sha256Digest) -> Self {
        Self::AssetImported {
            version,
            name: name.to_string(),
            sha256,
        }
    }
}

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

    #[test]
    fn the_words_are_those_of_json() {
        let unknown = serde_json::json!({"kind": "another"});
        let told = serde_json::from_value::<EventKind>(unknown).unwrap_err();
        // It lists all it would have taken.
        let told = told.to_string();
        let mut known: Vec<&str> = told.split('`').skip(3).step_by(2).collect();
        let mut words = EventKind::WORDS.to_vec();
        known.sort_unstable();
        words.sort_unstable();
        assert_eq!(known, words);
    }

    #[test]
    fn the_word_is_the_one_in_json() {
        for what in [
            EventKind::DeviceAdded,
            EventKind::WipeAsked,
            EventKind::StrictModeSwitched { on: true },
            EventKind::Regenerated {
                made: 2,
                changed: 1,
            },
            EventKind::SecretsMade,
            EventKind::SecretsImported { replaced: true },
            EventKind::ClusterSettingsChanged {
                fields: vec!["cni".to_owned()],
            },
        ] {
            let json = serde_json::to_value(&what).unwrap();
            assert_eq!(json["kind"], what.word());
            assert_eq!(serde_json::from_value::<EventKind>(json).unwrap(), what);
        }
    }
}
