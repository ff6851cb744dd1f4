//! Numbers that name rows, one type each so that they cannot be mixed up.

/// Declares a row number.
macro_rules! row_id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

row_id! {
    /// Names one device for as long as it is kept.
    DeviceId
}
row_id! {
    /// Names one event; later events have larger numbers.
    EventId
}

pub(crate) use row_id;
