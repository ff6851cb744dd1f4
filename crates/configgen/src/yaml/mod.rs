//! YAML for Talos: an ordered document tree that keeps every scalar's spelling, with its own printer.
//!
//! Serde value models lose what Talos cares about (`1.10` becomes `1.1`, `0644` becomes 420, key order goes), so machine
//! configs are read into [`Node`]s whose scalars are their text and style, changed there, and printed from there.
//! Aliases and merge keys are expanded while reading, within a budget; comments are not kept. What a plain scalar *means*
//! is said by [`resolve`], which restates the rules of the YAML library Talos reads with and of YAML 1.1; a new string is
//! quoted whenever either of them would take it for something else.

mod mapping;
mod node;
mod parse;
mod path;
mod print;
pub mod resolve;

#[cfg(test)]
mod tests;

pub use mapping::{Entry, Mapping};
pub(crate) use node::Extent;
pub use node::{Node, Position, Scalar, Style, Value};
pub use parse::{Document, ParseError, parse};
pub(crate) use parse::{MAX_DEPTH, MAX_NODES};
pub use path::{Path, PathError, Step};
pub use print::{print, print_node};
pub use resolve::Resolved;
