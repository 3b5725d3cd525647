//! One metric, as Prometheus and the documents are told of it.

use metrics::Unit;

/// A metric's name, kind, labels and meaning. Its name ends in its unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Metric {
    /// The name.
    pub name: &'static str,
    /// What kind it is.
    pub kind: Kind,
    /// What its values are told apart by; ids never are.
    pub labels: &'static [&'static str],
    /// What it says.
    pub meaning: &'static str,
}

/// What kind of metric.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Its values fall into buckets.
    Histogram,
}

impl Metric {
    /// A counter.
    #[must_use]
    pub const fn counter(
        name: &'static str,
        labels: &'static [&'static str],
        meaning: &'static str,
    ) -> Self {
        Self::new(Kind::Counter, name, labels, meaning)
    }

    /// A gauge.
    #[must_use]
    pub const fn gauge(
        name: &'static str,
        labels: &'static [&'static str],
        meaning: &'static str,
    ) -> Self {
        Self::new(Kind::Gauge, name, labels, meaning)
    }

    /// A histogram.
    #[must_use]
    pub const fn histogram(
        name: &'static str,
        labels: &'static [&'static str],
        meaning: &'static str,
    ) -> Self {
        Self::new(Kind::Histogram, name, labels, meaning)
    }

    const fn new(
        kind: Kind,
        name: &'static str,
        labels: &'static [&'static str],
        meaning: &'static str,
    ) -> Self {
        Self {
            name,
            kind,
            labels,
            meaning,
        }
    }

    /// The unit, which ends the name.
    #[must_use]
    pub fn unit(&self) -> Unit {
        let name = self.name.trim_end_matches("_total");
        if name.ends_with("_seconds") {
            Unit::Seconds
        } else if name.ends_with("_bytes") {
            Unit::Bytes
        } else {
            Unit::Count
        }
    }

    /// Describes it to the installed recorder. A counter or gauge without labels is there from now on, at 0.
    pub fn describe(&self) {
        let is_plain = self.labels.is_empty();
        match self.kind {
            Kind::Counter => {
                metrics::describe_counter!(self.name, self.unit(), self.meaning);
                if is_plain {
                    metrics::counter!(self.name).increment(0);
                }
            }
            Kind::Gauge => {
                metrics::describe_gauge!(self.name, self.unit(), self.meaning);
                if is_plain {
                    metrics::gauge!(self.name).increment(0.0);
                }
            }
            Kind::Histogram => {
                metrics::describe_histogram!(self.name, self.unit(), self.meaning);
            }
        }
    }
}

impl Kind {
    /// As Prometheus spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}
