//! The words that name the kinds of events, as JSON and filters write them.

use super::EventKind;

macro_rules! words {
    ($($kind:ident = $word:literal,)*) => {
        impl EventKind {
            /// The words of all kinds.
            pub const WORDS: &[&str] = &[$($word),*];

            /// The word that names the kind, as JSON and filters write it.
            pub const fn word(&self) -> &'static str {
                match self {
                    $(Self::$kind { .. } => $word,)*
                }
            }
        }
    };
}

words! {
    DeviceSeen = "device_seen",
    DeviceAdded = "device_added",
    DeviceApproved = "device_approved",
    DeviceRejected = "device_rejected",
    DeviceUpdated = "device_updated",
    OrderGiven = "order_given",
    DeviceDeleted = "device_deleted",
    DevicesForgotten = "devices_forgotten",
    WipeAsked = "wipe_asked",
    WipeOrdered = "wipe_ordered",
    WipeCancelled = "wipe_cancelled",
    WipeExpired = "wipe_expired",
    WipeSent = "wipe_sent",
    WipeProven = "wipe_proven",
    InstallProven = "install_proven",
    InstallFailed = "install_failed",
    InstallRepeated = "install_repeated",
    ConfigServed = "config_served",
    ConfigRefused = "config_refused",
    CardAttached = "card_attached",
    IdentityConflict = "identity_conflict",
    IdentityDecided = "identity_decided",
    ConfigTokenRenewed = "config_token_renewed",
    ConfigFailed = "config_failed",
    Regenerated = "regenerated",
    SettingsChanged = "settings_changed",
    StrictModeSwitched = "strict_mode_switched",
    BaseImported = "base_imported",
    BaseGenerated = "base_generated",
    ClusterSettingsChanged = "cluster_settings_changed",
    SecretsMade = "secrets_made",
    SecretsImported = "secrets_imported",
    SecretsExported = "secrets_exported",
    PatchSaved = "patch_saved",
    PatchDeleted = "patch_deleted",
    AssetImported = "asset_imported",
    AssetRemoved = "asset_removed",
    FileMissing = "file_missing",
    SignedIn = "signed_in",
    SignedOut = "signed_out",
    SignInRefused = "sign_in_refused",
    SetUpLinkMade = "set_up_link_made",
    UserAdded = "user_added",
    UserChanged = "user_changed",
    UserDeleted = "user_deleted",
    TokenMade = "token_made",
    TokenRevoked = "token_revoked",
    BackupTaken = "backup_taken",
    StateRestored = "state_restored",
}

#[cfg(test)]
mod tests {
    use super::*;

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
