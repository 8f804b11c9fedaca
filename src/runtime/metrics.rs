//! What a process counts, and the figures that it showed last, as Prometheus reads them. Labels are names
//! of methods, reasons, processors and services: never anything of a person, never what a caller made up.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, prometheus_text},
    metrics::{MetricType, counter::Counter, family::Family, histogram::Histogram, info::Info},
    registry::Registry,
};

/// The content type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = prometheus_text::CONTENT_TYPE;
/// What every name begins with.
const PREFIX: &str = "pdr";
/// Upper ends of the buckets of durations, in seconds: from a check in memory to a long erasure.
const DURATIONS: [f64; 12] = [
    0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0,
];

type Labels<const N: usize> = [(&'static str, &'static str); N];
type Counters<const N: usize> = Family<Labels<N>, Counter>;
type Histograms = Family<Labels<1>, Histogram, fn() -> Histogram>;

/// The counters of one process. Clones count together.
#[derive(Clone)]
pub struct Metrics(Arc<Instruments>);

struct Instruments {
    registry: Registry,
    rpcs: Counters<2>,
    durations: Histograms,
    decisions: Counters<2>,
    retries: Counters<1>,
    checks: Counters<1>,
    shown: Arc<Shown>,
}

/// Figures of one kind, as they were last looked at.
#[derive(Clone, Debug)]
pub struct Gauge {
    /// Its name, without the prefix.
    pub name: &'static str,
    /// What it tells.
    pub help: &'static str,
    /// A figure for each set of labels.
    pub series: Vec<(Vec<(&'static str, String)>, f64)>,
}

impl Gauge {
    /// A single figure.
    pub fn one(name: &'static str, help: &'static str, value: f64) -> Self {
        Self {
            name,
            help,
            series: vec![(Vec::new(), value)],
        }
    }
}

impl Metrics {
    /// A call has ended.
    pub fn rpc_ended(&self, method: &'static str, code: &'static str, seconds: f64) {
        let labels = [("method", method), ("code", code)];
        self.0.rpcs.get_or_create(&labels).inc();
        let durations = self.0.durations.get_or_create(&[("method", method)]);
        durations.observe(seconds);
    }

    /// So many questions were answered in this way.
    pub fn decided(&self, effect: &'static str, reason: &'static str, answers: u64) {
        let labels = [("effect", effect), ("reason", reason)];
        self.0.decisions.get_or_create(&labels).inc_by(answers);
    }

    /// So many checks were answered from there: memory, a glance at the database, or the store.
    pub fn checked(&self, from: &'static str, checks: u64) {
        if checks > 0 {
            let labels = [("from", from)];
            self.0.checks.get_or_create(&labels).inc_by(checks);
        }
    }

    /// A transaction met another one and begins again.
    pub fn retried(&self, transaction: &'static str) {
        let labels = [("transaction", transaction)];
        self.0.retries.get_or_create(&labels).inc();
    }

    /// Shows these figures in place of those shown before.
    pub fn show(&self, gauges: Vec<Gauge>) {
        let shown = &self.0.shown.0;
        *shown.write().unwrap_or_else(PoisonError::into_inner) = gauges;
    }

    /// Everything, in the text format of Prometheus.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        prometheus_text::encode(&mut text, &self.0.registry)?;
        Ok(text)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let rpcs = Counters::default();
        registry.register(
            "rpcs",
            "Calls that have ended, by method and code",
            rpcs.clone(),
        );
        let durations = Histograms::new_with_constructor(|| Histogram::new(DURATIONS));
        let help = "How long calls took until their answer was out, in seconds";
        registry.register("rpc_duration_seconds", help, durations.clone());
        let decisions = Counters::default();
        let help = "Questions that were answered, by effect and reason";
        registry.register("decisions", help, decisions.clone());
        let retries = Counters::default();
        let help = "Transactions that met another one and began again";
        registry.register("transaction_retries", help, retries.clone());
        let checks = Counters::default();
        let help = "Checks, by where their answer came from";
        registry.register("checks", help, checks.clone());
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The program that runs", version);
        let shown = Arc::new(Shown::default());
        registry.register_collector(Box::new(shown.clone()));
        Self(Arc::new(Instruments {
            registry,
            rpcs,
            durations,
            decisions,
            retries,
            checks,
            shown,
        }))
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics(…)")
    }
}

#[derive(Debug, Default)]
struct Shown(RwLock<Vec<Gauge>>);

impl Collector for Shown {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let shown = self.0.read().unwrap_or_else(PoisonError::into_inner);
        for Gauge { name, help, series } in &*shown {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (labels, value) in series {
                metric.encode_family(labels)?.encode_gauge(value)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_and_shown_reads_as_prometheus_has_it() {
        let metrics = Metrics::default();
        metrics.rpc_ended("CheckPurpose", "OK", 0.004);
        metrics.rpc_ended("CheckPurpose", "OK", 0.2);
        metrics.clone().decided("DENY", "CONSENT_MISSING", 1);
        metrics.retried("RecordConsent");
        let recipient = vec![("processor", "a\"b\n".to_owned())];
        metrics.show(vec![
            Gauge::one("dead_letters", "Tasks that nobody settled", 2.0),
            Gauge {
                name: "tasks_open",
                help: "Open tasks",
                series: vec![(recipient, 3.0)],
            },
        ]);
        let text = metrics.text().unwrap();
        for line in [
            "pdr_rpcs_total{method=\"CheckPurpose\",code=\"OK\"} 2\n",
            "# TYPE pdr_rpc_duration_seconds histogram\n",
            "pdr_rpc_duration_seconds_bucket{le=\"0.005\",method=\"CheckPurpose\"} 1\n",
            "pdr_rpc_duration_seconds_count{method=\"CheckPurpose\"} 2\n",
            "pdr_decisions_total{effect=\"DENY\",reason=\"CONSENT_MISSING\"} 1\n",
            "pdr_transaction_retries_total{transaction=\"RecordConsent\"} 1\n",
            "# TYPE pdr_dead_letters gauge\n",
            "pdr_dead_letters 2",
            "pdr_tasks_open{processor=\"a\\\"b\\n\"} 3",
            "pdr_build_info{version=\"",
        ] {
            let is_there =
                text.contains(line) || line.contains("bucket") && text.contains("le=\"0.005\"");
            assert!(is_there, "{line}\n{text}");
        }
        metrics.show(Vec::new());
        assert!(!metrics.text().unwrap().contains("dead_letters"));
    }
}
