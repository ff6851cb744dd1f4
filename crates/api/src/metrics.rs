//! Numbers for Prometheus, in its text format (OpenMetrics 1.0).

use std::collections::BTreeMap;
use std::fmt::Error as FmtError;

use model::ApprovalStatus;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use store::{LATENCY_BOUNDS, Lane, Latency, Store};

use crate::Error;

/// One number, with what it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Its name, without `_total`.
    pub name: &'static str,
    /// What it counts, in a sentence.
    pub help: &'static str,
    /// Whether it only grows.
    pub grows: bool,
    /// What tells it from others of its name.
    pub labels: Vec<(&'static str, String)>,
    /// The number.
    pub value: u64,
}

impl Sample {
    /// A number that only grows.
    pub fn counter(
        name: &'static str,
        help: &'static str,
        labels: &[(&'static str, &str)],
        value: u64,
    ) -> Self {
        let labels = labels
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        Self {
            name,
            help,
            grows: true,
            labels: labels.collect(),
            value,
        }
    }

    /// A number that goes up and down.
    pub fn gauge(
        name: &'static str,
        help: &'static str,
        labels: &[(&'static str, &str)],
        value: u64,
    ) -> Self {
        Self {
            grows: false,
            ..Self::counter(name, help, labels, value)
        }
    }
}

impl Sample {
    fn write(&self, encoder: &mut MetricEncoder<'_>) -> Result<(), FmtError> {
        if self.grows {
            encoder.encode_counter::<NoLabelSet, _, u64>(&self.value, None)
        } else {
            encoder.encode_gauge(&self.value)
        }
    }
}

/// The text of all numbers: those of the daemon's servers, and those of the store.
pub(crate) async fn text(store: &Store, of_servers: Vec<Sample>) -> Result<String, Error> {
    let mut samples = of_servers;
    let of_store = store.read(Lane::Admin, |reader| {
        let mut counts = Vec::new();
        for status in ApprovalStatus::ALL {
            counts.push((status.as_str(), reader.count_devices(Some(*status))?));
        }
        Ok((counts, reader.boots_ever()?))
    });
    let (devices, boots) = of_store.await?;
    for (status, count) in devices {
        let help = "Devices by status";
        samples.push(Sample::gauge(
            "ktizo_devices",
            help,
            &[("status", status)],
            count,
        ));
    }
    samples.push(Sample::counter(
        "ktizo_boots",
        "Boots that were begun",
        &[],
        boots,
    ));
    let help = "Device configs that could not be made";
    samples.push(Sample::counter(
        "ktizo_generation_errors",
        help,
        &[],
        // Events of machines go in the end, and a counter may not.
        store.config_failures(),
    ));
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Numbers {
        samples,
        latencies: store.latencies(),
    }));
    let mut text = String::new();
    encode(&mut text, &registry).map_err(|err| Error::Internal(err.to_string()))?;
    Ok(text)
}

/// What one scrape shows.
#[derive(Debug)]
struct Numbers {
    samples: Vec<Sample>,
    latencies: Vec<Latency>,
}

impl Collector for Numbers {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), FmtError> {
        let mut families: BTreeMap<&str, Vec<&Sample>> = BTreeMap::new();
        for sample in &self.samples {
            families.entry(sample.name).or_default().push(sample);
        }
        for (name, samples) in families {
            let Some(first) = samples.first() else {
                continue;
            };
            let kind = if first.grows {
                MetricType::Counter
            } else {
                MetricType::Gauge
            };
            let mut family = encoder.encode_descriptor(name, first.help, None, kind)?;
            for sample in samples {
                let labels: Vec<(&str, &str)> = sample
                    .labels
                    .iter()
                    .map(|(name, value)| (*name, value.as_str()))
                    .collect();
                if labels.is_empty() {
                    // Without a family there are no empty braces.
                    sample.write(&mut family)?;
                } else {
                    sample.write(&mut family.encode_family(&labels)?)?;
                }
            }
        }
        let help = "Time from a request to the database to its answer, in seconds";
        let kind = MetricType::Histogram;
        let mut family = encoder.encode_descriptor("ktizo_database_seconds", help, None, kind)?;
        for row in &self.latencies {
            let bounds = LATENCY_BOUNDS.iter().copied().chain([f64::INFINITY]);
            let buckets: Vec<(f64, u64)> = bounds.zip(row.buckets.iter().copied()).collect();
            let labels = [("kind", row.kind), ("lane", row.lane)];
            family
                .encode_family(&labels)?
                .encode_histogram::<NoLabelSet>(
                    row.sum,
                    row.buckets.iter().sum(),
                    &buckets,
                    None,
                )?;
        }
        Ok(())
    }
}
