//! Where a base config or a secrets bundle comes from.

use crate::error::word_enum;

word_enum! {
    /// Who made a base config or a secrets bundle.
    Origin, "an origin: generated or imported", {
        /// ktizo.
        Generated = "generated",
        /// A person, who brought it, or changed it by hand.
        Imported = "imported",
    }
}
