//! Values as they are written on the command line.

use std::fmt::Display;
use std::net::Ipv4Addr;
use std::str::FromStr;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use model::{BootOrder, StandingOrder};
use serde_json::{Map, Value};

/// Words of a closed set, which shells complete and refusals list.
pub(super) fn one_of<T>(words: &'static [&'static str]) -> impl TypedValueParser<Value = T>
where
    T: FromStr + Clone + Send + Sync + 'static,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    PossibleValuesParser::new(words).try_map(|word| word.parse())
}

/// A standing order. A wipe, which is none, points to where it is given.
pub(super) fn standing_order() -> impl TypedValueParser<Value = StandingOrder> {
    let words = StandingOrder::WORDS.iter().copied().map(PossibleValue::new);
    let wipe = PossibleValue::new(BootOrder::Wipe.as_str()).hide(true);
    PossibleValuesParser::new(words.chain([wipe])).try_map(|word| match word.parse() {
        Ok(order) => Ok(order),
        Err(_) => Err("a wipe is ordered of one machine, and confirmed with its name: `ktizo device wipe DEVICE`"),
    })
}

/// What an address has to be, in words.
pub(super) const ADDRESS: &str = "an IPv4 address such as 192.168.1.50, without a prefix length";

/// Reads an address of a node.
pub(super) fn address(text: &str) -> Result<Ipv4Addr, String> {
    text.parse().map_err(|_| ADDRESS.to_owned())
}

/// Reads a switch.
pub(super) fn on_or_off(text: &str) -> Result<bool, String> {
    match text {
        "on" | "true" => Ok(true),
        "off" | "false" => Ok(false),
        _ => Err("must be on or off".to_owned()),
    }
}

/// A value as the API takes it, or `null` for `none`.
pub(super) fn or_none<T>(text: &str) -> Result<Value, String>
where
    T: FromStr + ToString,
    T::Err: Display,
{
    match text {
        "none" => Ok(Value::Null),
        text => one::<T>(text),
    }
}

/// A value as the API takes it, or `null` for the empty text, which takes the default again.
pub(super) fn or_default<T>(text: &str) -> Result<Value, String>
where
    T: FromStr + ToString,
    T::Err: Display,
{
    match text {
        "" => Ok(Value::Null),
        text => one::<T>(text),
    }
}

/// Values separated by commas, as the API takes them.
pub(super) fn list<T>(text: &str) -> Result<Value, String>
where
    T: FromStr + ToString,
    T::Err: Display,
{
    let values = text.split(',').map(|part| one::<T>(part.trim()));
    values.collect::<Result<Vec<_>, _>>().map(Value::from)
}

fn one<T>(text: &str) -> Result<Value, String>
where
    T: FromStr + ToString,
    T::Err: Display,
{
    let value = text.parse::<T>().map_err(|err| err.to_string())?;
    Ok(value.to_string().into())
}

/// A text as the API takes it: `null` for the empty one, which takes the default again.
pub(super) fn text(text: String) -> Value {
    if text.is_empty() {
        Value::Null
    } else {
        text.into()
    }
}

/// Facts of a disk; the daemon knows which there are. The empty text is none.
pub(super) fn selector(text: &str) -> Result<Value, String> {
    if text.is_empty() {
        return Ok(Value::Null);
    }
    let mut facts = Map::new();
    for fact in text.split(',') {
        let (name, value) = fact
            .split_once('=')
            .ok_or_else(|| format!("`{fact}` is not FACT=TEXT"))?;
        facts.insert(name.trim().to_owned(), value.trim().into());
    }
    Ok(facts.into())
}
