//! The one error of this crate: a text that is not what it should be.

/// A text that could not be parsed, with what was expected in words a person can act on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct ParseError {
    text: String,
    expected: &'static str,
}

impl ParseError {
    /// Longer texts are cut in the message, so that a hostile one cannot fill a log.
    const SHOWN: usize = 80;

    pub(crate) fn new(text: &str, expected: &'static str) -> Self {
        let mut shown: String = text
            .chars()
            .take(Self::SHOWN)
            .filter(|c| !c.is_control())
            .collect();
        if text.chars().count() > Self::SHOWN {
            shown.push('…');
        }
        Self {
            text: shown,
            expected,
        }
    }

    /// What was expected, for messages that name the field themselves.
    pub fn expected(&self) -> &'static str {
        self.expected
    }
}

/// Implements `Serialize`, `Deserialize` and the OpenAPI schema of a text through `Display` and `FromStr`.
macro_rules! serde_as_text {
    ($type:ty) => {
        impl utoipa::PartialSchema for $type {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .into()
            }
        }
        impl utoipa::ToSchema for $type {
            fn name() -> std::borrow::Cow<'static, str> {
                std::borrow::Cow::Borrowed(stringify!($type))
            }
        }
        $crate::error::serde_as_text!(without_schema $type);
    };
    (without_schema $type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

/// Declares an enum whose variants each have one written form, used in text, JSON and the store alike.
macro_rules! word_enum {
    ($(#[$meta:meta])* $name:ident, $expected:literal, { $($(#[$variant_meta:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$variant_meta])* $variant),+ }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The written form of each of them.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The one written form.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::ParseError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text { $($word => Ok(Self::$variant),)+ _ => Err($crate::ParseError::new(text, $expected)) }
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .enum_values(Some([$($word),+]))
                    .into()
            }
        }
        impl utoipa::ToSchema for $name {
            fn name() -> std::borrow::Cow<'static, str> {
                std::borrow::Cow::Borrowed(stringify!($name))
            }
        }

        $crate::error::serde_as_text!(without_schema $name);
    };
}

pub(crate) use {serde_as_text, word_enum};
