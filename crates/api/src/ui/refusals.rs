//! What the servers of the boot plane turned away, and why, in words.

use serde::Serialize;

use crate::Sample;

/// One reason, and how often it was one.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Refusal {
    /// Which server.
    server: &'static str,
    /// The word it is counted under, as in the metrics.
    word: String,
    /// What it means, in a sentence.
    meaning: &'static str,
    count: u64,
    /// Whether it is worth a look; most are what any network has.
    is_trouble: bool,
}

/// A counter, the label that carries its word, and the server it is of.
const COUNTERS: [(&str, &str, &str); 3] = [
    ("ktizo_dhcp_datagrams", "detail", "ProxyDHCP"),
    ("ktizo_tftp_refused", "reason", "TFTP"),
    ("ktizo_http_closed", "reason", "boot HTTP"),
];

/// Words of the counters with what they mean, and whether each is worth a look.
const MEANINGS: [(&str, &str, &str, bool); 33] = [
    ("ProxyDHCP", "malformed", "It was no DHCP message.", true),
    (
        "ProxyDHCP",
        "own_reply",
        "It was an answer of this very server.",
        false,
    ),
    (
        "ProxyDHCP",
        "other_reply",
        "It was another server's answer.",
        false,
    ),
    (
        "ProxyDHCP",
        "not_network_boot",
        "Whoever sent it does not boot from the network.",
        false,
    ),
    (
        "ProxyDHCP",
        "other_server",
        "It was for another DHCP server.",
        false,
    ),
    (
        "ProxyDHCP",
        "other_kind",
        "It asked for nothing, such as a release of an address.",
        false,
    ),
    (
        "ProxyDHCP",
        "other_port",
        "That firmware can load nothing on port 4011.",
        false,
    ),
    (
        "ProxyDHCP",
        "no_hardware_address",
        "It named no MAC address by which a machine can be known.",
        true,
    ),
    (
        "ProxyDHCP",
        "bad_relay",
        "Its DHCP relay cannot be answered: look at the relay's address.",
        true,
    ),
    (
        "ProxyDHCP",
        "unknown_arch",
        "There are no boot loaders for such a machine.",
        true,
    ),
    (
        "ProxyDHCP",
        "copy",
        "It came in by another network card or by a relay as well, and was answered there.",
        false,
    ),
    (
        "ProxyDHCP",
        "rate_limited",
        "The machine asked too often.",
        true,
    ),
    (
        "ProxyDHCP",
        "overloaded",
        "Too many newer requests came before it was decided.",
        true,
    ),
    (
        "ProxyDHCP",
        "not_served",
        "It came by a network card that is not served, or has no address: see `interfaces` in the config file.",
        true,
    ),
    (
        "ProxyDHCP",
        "nothing",
        "There was no boot program for the machine: a loader is missing, or the machine was just sent to its disk.",
        true,
    ),
    ("ProxyDHCP", "late", "It was not decided in time.", true),
    (
        "ProxyDHCP",
        "unsent",
        "The answer could not be sent: look at the network card and the firewall.",
        true,
    ),
    ("TFTP", "stray", "It belonged to no transfer.", false),
    ("TFTP", "malformed", "It was no TFTP request.", true),
    (
        "TFTP",
        "write",
        "It wanted to write; nothing is ever written by TFTP.",
        true,
    ),
    (
        "TFTP",
        "unknown_name",
        "It asked for a name that is none here.",
        true,
    ),
    (
        "TFTP",
        "missing",
        "It asked for a file that is not there: a loader or an asset was not imported.",
        true,
    ),
    (
        "TFTP",
        "too_often",
        "The same file was asked for too often.",
        true,
    ),
    (
        "TFTP",
        "address_full",
        "One address had too many transfers at once.",
        true,
    ),
    (
        "TFTP",
        "full",
        "There were too many transfers at once.",
        true,
    ),
    (
        "TFTP",
        "repeated",
        "The request came twice, as a lost answer makes firmware do.",
        false,
    ),
    (
        "boot HTTP",
        "turned_away",
        "All places for connections were taken.",
        true,
    ),
    (
        "boot HTTP",
        "made_way",
        "It was idle, and made way for another.",
        false,
    ),
    (
        "boot HTTP",
        "slow_head",
        "Its request did not come in time.",
        true,
    ),
    ("boot HTTP", "stalled", "It stopped taking its file.", true),
    (
        "boot HTTP",
        "unanswered",
        "What was asked could not be answered in time.",
        true,
    ),
    ("boot HTTP", "malformed", "It was no HTTP request.", true),
    ("boot HTTP", "broken", "The connection broke off.", false),
];

/// What was turned away at all, the most frequent first.
pub(super) fn refusals(samples: &[Sample]) -> Vec<Refusal> {
    let mut refusals: Vec<Refusal> = samples.iter().filter_map(refusal).collect();
    refusals.sort_by_key(|it| std::cmp::Reverse((it.is_trouble, it.count)));
    refusals
}

fn refusal(sample: &Sample) -> Option<Refusal> {
    let (_, label, server) = COUNTERS
        .into_iter()
        .find(|(name, ..)| *name == sample.name)?;
    let of = |label: &str| {
        let found = sample.labels.iter().find(|(name, _)| *name == label);
        found.map(|(_, value)| value.as_str())
    };
    let outcome = of("outcome").unwrap_or("ignored");
    if sample.value == 0 || matches!(outcome, "offer" | "ack") {
        return None;
    }
    let word = of(label).filter(|word| !word.is_empty()).unwrap_or(outcome);
    let known = MEANINGS
        .iter()
        .find(|(of, known, ..)| *of == server && *known == word);
    Some(Refusal {
        server,
        word: word.to_owned(),
        meaning: known.map_or("", |(_, _, meaning, _)| meaning),
        count: sample.value,
        is_trouble: known.is_none_or(|(_, _, _, trouble)| *trouble),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_turned_away_is_told_with_its_reason() {
        let counted = |outcome: &str, detail: &str, value| {
            let labels = [("outcome", outcome), ("detail", detail)];
            Sample::counter("ktizo_dhcp_datagrams", "", &labels, value)
        };
        let samples = [
            counted("offer", "pxe", 7),
            counted("ignored", "not_network_boot", 900),
            counted("ignored", "unknown_arch", 2),
            counted("ignored", "bad_relay", 0),
            counted("nothing", "", 3),
            Sample::counter("ktizo_tftp_bytes", "", &[], 5),
        ];
        let told: Vec<(String, u64, bool)> = refusals(&samples)
            .into_iter()
            .map(|it| (it.word, it.count, it.is_trouble && !it.meaning.is_empty()))
            .collect();
        assert_eq!(
            told,
            [
                ("nothing".to_owned(), 3, true),
                ("unknown_arch".to_owned(), 2, true),
                ("not_network_boot".to_owned(), 900, false),
            ]
        );
    }
}
