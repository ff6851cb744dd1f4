//! What happened, in a closed list.

mod sentence;
mod words;

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
    /// The event of an asset that came.
    pub fn asset_imported(version: TalosVersion, name: AssetName, sha256: Sha256Digest) -> Self {
        Self::AssetImported {
            version,
            name: name.to_string(),
            sha256,
        }
    }
}
