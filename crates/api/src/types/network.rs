//! Network settings.

use std::borrow::Cow;

use model::NetworkSettings;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use serde_json::{Map, Value};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};

/// The settings in force, and what a change of them means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkAnswer {
    /// The settings.
    pub settings: NetworkSettings,
    /// What the change of strict boot mode means for machines that nobody approved, where it was changed.
    pub meaning: Option<String>,
}

/// What is changed of the settings, by the names of [`NetworkSettings`]: an absent field stays, `null` clears.
pub type NetworkPatch = Map<String, Value>;

/// The one field beside the settings.
const MEANING: &str = "meaning";

impl Serialize for NetworkAnswer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut value = serde_json::to_value(&self.settings).map_err(ser::Error::custom)?;
        if let Some(meaning) = &self.meaning {
            value[MEANING] = Value::from(meaning.clone());
        }
        value.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for NetworkAnswer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = Map::deserialize(deserializer)?;
        let meaning = match fields.remove(MEANING) {
            None | Some(Value::Null) => None,
            Some(Value::String(meaning)) => Some(meaning),
            Some(_) => return Err(de::Error::custom("`meaning` is a sentence")),
        };
        let settings = serde_json::from_value(fields.into()).map_err(de::Error::custom)?;
        Ok(Self { settings, meaning })
    }
}

impl utoipa::PartialSchema for NetworkAnswer {
    fn schema() -> RefOr<Schema> {
        let mut schema = NetworkSettings::schema();
        if let RefOr::T(Schema::Object(object)) = &mut schema {
            let sentence = ObjectBuilder::new().schema_type(Type::String);
            object
                .properties
                .insert(MEANING.to_owned(), sentence.into());
            object.additional_properties = None;
        }
        schema
    }
}

impl utoipa::ToSchema for NetworkAnswer {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("NetworkAnswer")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        NetworkSettings::schemas(schemas);
    }
}
