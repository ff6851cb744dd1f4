//! What changes from one config to another, as people read it.

use similar::TextDiff;

use crate::MachineConfig;
use crate::mask::masked;

/// Lines around a change that are shown.
const CONTEXT: usize = 3;

/// The difference of two configs as a unified diff, secrets masked; empty if they are the same.
///
/// Where a secret differs, its line says `(secret, changed)`.
pub fn difference(before: &MachineConfig, after: &MachineConfig) -> String {
    unified(
        &masked(before, None).print(),
        &masked(after, Some(before)).print(),
        CONTEXT,
    )
}

/// The unified diff of two texts, without a header.
pub fn unified(before: &str, after: &str, context: usize) -> String {
    TextDiff::from_lines(before, after)
        .unified_diff()
        .context_radius(context)
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_shows_places_and_no_secret() {
        let before = MachineConfig::parse(
            "x",
            "machine:\n    type: worker\n    token: one\n    a: 1\n    b: 2\n",
        )
        .unwrap();
        let after = MachineConfig::parse(
            "y",
            "machine:\n    type: worker\n    token: two\n    a: 1\n    b: 3\n",
        )
        .unwrap();
        insta::assert_snapshot!(difference(&before, &after), @r#"
    @@ -1,5 +1,5 @@
     machine:
         type: worker
    -    token: (secret)
    +    token: (secret, changed)
         a: 1
    -    b: 2
    +    b: 3
    "#);
        assert_eq!(difference(&before, &before), "");
    }
}
