//! What somebody meant who mistyped a word.

/// The known word that a mistyped one is nearest to, if any is near.
pub fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.len() / 3).clamp(1, 3);
    let distance = |other: &str| edits(&word.to_ascii_lowercase(), &other.to_ascii_lowercase());
    known
        .map(|other| (distance(other), other))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, other)| other)
}

/// Levenshtein's distance.
fn edits(one: &str, two: &str) -> usize {
    let two: Vec<char> = two.chars().collect();
    let mut row: Vec<usize> = (0..=two.len()).collect();
    for (line, left) in one.chars().enumerate() {
        let mut corner = row[0];
        row[0] = line + 1;
        for (column, right) in two.iter().enumerate() {
            let replaced = corner + usize::from(left != *right);
            corner = row[column + 1];
            row[column + 1] = replaced.min(corner + 1).min(row[column] + 1);
        }
    }
    row[two.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistyped_words_find_their_neighbours() {
        let known = || ["hostname", "interfaces", "nameservers"].into_iter();
        assert_eq!(nearest("hostnmae", known()), Some("hostname"));
        assert_eq!(nearest("interface", known()), Some("interfaces"));
        assert_eq!(nearest("bogus", known()), None);
    }
}
