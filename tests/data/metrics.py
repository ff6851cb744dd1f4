"""Holds /metrics of a daemon to OpenMetrics and to what `promtool check metrics` asks of names, by Prometheus's own strict parser.

    KTIZO_TOKEN=... metrics.py URL FILE

FILE keeps what was read. If it is there, from an earlier call, no counter may have gone down since, and no family may be gone.
"""

import os
import re
import sys
import urllib.request

from prometheus_client.openmetrics.parser import text_string_to_metric_families

NAME = re.compile(r"ktizo_[a-z][a-z0-9]*(_[a-z0-9]+)*")
LABEL = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
# Times are in seconds, sizes in bytes, shares between 0 and 1.
NO_UNITS = re.compile(r"_(ms|us|ns|millis\w*|micros\w*|nanos\w*|minutes?|hours?|days?|kb|mb|kib|mib|kilobytes|percent)(_|$)")
# What somebody who watches ktizo looks for, with the labels that tell it apart.
NEEDED = {
    "ktizo_dhcp_datagrams": ("counter", {"outcome", "detail"}),
    "ktizo_tftp_sessions": ("counter", {"outcome"}),
    "ktizo_http_answers": ("counter", {"kind", "status"}),
    "ktizo_devices": ("gauge", {"status"}),
    "ktizo_boots": ("counter", set()),
    "ktizo_generation_errors": ("counter", set()),
    "ktizo_database_seconds": ("histogram", {"kind", "lane"}),
    "ktizo_port_served": ("gauge", {"service"}),
}


def read(text):
    """The families by name, each held to the rules; the parser refuses what is no OpenMetrics, above all a series that comes twice."""
    families = {}
    for family in text_string_to_metric_families(text):
        name = family.name
        assert name not in families, f"{name} comes twice"
        assert NAME.fullmatch(name), f"{name} is no name of ktizo's"
        assert family.documentation.strip(), f"{name} has no HELP"
        assert family.type in ("counter", "gauge", "histogram"), f"{name} has type {family.type}"
        assert not re.search(r"_(total|count|sum|bucket|counter|gauge|histogram)$", name), f"{name} ends in a word of the format"
        assert not NO_UNITS.search(name), f"{name} is not in base units"
        for sample in family.samples:
            labels = set(sample.labels) - ({"le"} if family.type == "histogram" else set())
            assert all(LABEL.fullmatch(label) for label in labels), f"{name}: {labels}"
            assert not labels & {"le", "quantile"}, f"{name}: {labels}"
            assert all(len(value) <= 64 for value in sample.labels.values()), f"{name}: {sample.labels}"
            assert family.type == "gauge" or sample.value >= 0, f"{name} is below zero"
        assert family.samples, f"{name} has no sample"
        families[name] = family
    for name, (kind, labels) in NEEDED.items():
        assert name in families, f"{name} is missing"
        assert families[name].type == kind, f"{name} is a {families[name].type}"
        for sample in families[name].samples:
            assert set(sample.labels) - {"le"} == labels, f"{name}: {sample.labels}"
    return families


def grows(families):
    """What may not go down: the values of counters and the parts of histograms."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families.values()
        if family.type != "gauge"
        for sample in family.samples
    }


def main():
    url, file = sys.argv[1:]
    request = urllib.request.Request(url + "/metrics", headers={"Authorization": "Bearer " + os.environ["KTIZO_TOKEN"]})
    with urllib.request.urlopen(request, timeout=30) as answer:
        kind = answer.headers["Content-Type"]
        text = answer.read().decode()
    assert kind.startswith("application/openmetrics-text; version=1.0.0"), kind
    now = read(text)
    if os.path.exists(file):
        with open(file) as before:
            before = read(before.read())
        gone = before.keys() - now.keys()
        assert not gone, f"gone: {gone}"
        after = grows(now)
        for series, value in grows(before).items():
            assert after.get(series, -1) >= value, f"{series} went down from {value} to {after.get(series)}"
    with open(file, "w") as kept:
        kept.write(text)
    print(f"/metrics: {len(now)} families, {sum(len(family.samples) for family in now.values())} samples")


main()
