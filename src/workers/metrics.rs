//! Looks at what stands in the store, and shows it to whoever fetches the metrics.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::{
    app::{
        Registry,
        metrics::{Figures, OpenTasks},
    },
    domain::task::{Recipient, StateName},
    runtime::{lifecycle::WorkerError, metrics::Gauge},
};

/// From one look to the next.
const ROUND: Duration = Duration::from_secs(15);
/// Recipients that are told apart; those behind them count together.
const RECIPIENTS_MAX: usize = 100;
/// What those are called.
const OTHERS: &str = "others";

/// Runs until `stop`. When the store does not answer, it shows that and no figure: an old one would pass
/// for a new one.
pub async fn run(registry: Registry, stop: CancellationToken) -> Result<(), WorkerError> {
    while !stop.is_cancelled() {
        let gauges = match registry.figures().await {
            Ok(figures) => gauges(&figures),
            Err(error) => {
                let error = error.for_operators();
                tracing::warn!(error, "the store could not be looked at for the metrics");
                vec![up(0.0)]
            }
        };
        registry.metrics().show(gauges);
        tokio::select! {
            () = tokio::time::sleep(ROUND) => {}
            () = stop.cancelled() => {}
        }
    }
    Ok(())
}

fn up(value: f64) -> Gauge {
    Gauge::one(
        "store_up",
        "Whether the store answered when it was last looked at",
        value,
    )
}

fn gauges(figures: &Figures) -> Vec<Gauge> {
    let looked = u64::try_from(figures.at.as_second()).unwrap_or(0);
    let mut gauges = vec![
        up(1.0),
        one(
            "sampled_at_seconds",
            "When the store was last looked at, in seconds since 1970, by the store's clock",
            looked,
        ),
        one(
            "requests_due_soon",
            "Unanswered requests of data subjects that are due within 7 days",
            figures.requests.due,
        ),
        one(
            "requests_overdue",
            "Unanswered requests of data subjects past their deadline",
            figures.requests.overdue,
        ),
    ];
    gauges.extend(of_tasks(figures));
    gauges.extend(of_rows(figures));
    gauges
}

fn of_tasks(figures: &Figures) -> [Gauge; 4] {
    let tasks = &figures.tasks;
    let dead = tasks.iter().filter(|it| it.state == StateName::DeadLetter);
    [
        open_tasks(tasks),
        one(
            "tasks_dead_letters",
            "Tasks that were tried in vain and wait for a person",
            dead.map(|it| it.count).sum(),
        ),
        one(
            "tasks_unconfirmed",
            "Tasks that ended without the recipient's word",
            figures.unconfirmed,
        ),
        Gauge::one(
            "tasks_oldest_due_age_seconds",
            "How long the longest waiting task could have been done; 0: none waits",
            oldest(tasks, figures.at),
        ),
    ]
}

fn of_rows(figures: &Figures) -> [Gauge; 6] {
    [
        (
            "events_unplaced",
            "Events without a place",
            figures.unplaced_events,
        ),
        (
            "audit_unsealed",
            "Audit entries that are not sealed",
            figures.unsealed_audit,
        ),
        (
            "journal_owed",
            "What was taken away and is not in the journal yet",
            figures.owed_to_journal,
        ),
        (
            "exports_open",
            "Packages that are not destroyed",
            figures.exports,
        ),
        (
            "items_retained",
            "Items that would have been erased and must stay for now",
            figures.retained_items,
        ),
        ("legal_holds", "Legal holds that stand", figures.holds),
    ]
    .map(|(name, help, count)| one(name, help, count))
}

fn one(name: &'static str, help: &'static str, count: u64) -> Gauge {
    Gauge::one(name, help, number(count))
}

fn open_tasks(tasks: &[OpenTasks]) -> Gauge {
    let mut named = BTreeMap::<(String, String), BTreeMap<&'static str, u64>>::new();
    for task in tasks {
        let mut name = match &task.recipient {
            Recipient::Processor(name) => (name.to_string(), String::new()),
            Recipient::Holder(name) => (String::new(), name.to_string()),
        };
        if named.len() >= RECIPIENTS_MAX && !named.contains_key(&name) {
            name = (OTHERS.to_owned(), OTHERS.to_owned());
        }
        let states = named.entry(name).or_default();
        *states.entry(task.state.as_str()).or_default() += task.count;
    }
    let series = named.into_iter().flat_map(|((processor, holder), states)| {
        states.into_iter().map(move |(state, count)| {
            let labels = vec![
                ("processor", processor.clone()),
                ("holder", holder.clone()),
                ("state", state.to_owned()),
            ];
            (labels, number(count))
        })
    });
    Gauge {
        name: "tasks_open",
        help: "Tasks that have not come to their end, by processor or internal holder, and state",
        series: series.collect(),
    }
}

fn oldest(tasks: &[OpenTasks], now: Timestamp) -> f64 {
    let waiting = tasks
        .iter()
        .filter(|it| matches!(it.state, StateName::Pending | StateName::Suppressed));
    let since = waiting.map(|it| it.since).min().unwrap_or(now);
    now.duration_since(since).as_secs_f64().max(0.0)
}

/// Prometheus counts in floating point; counts are far below where that begins to round.
fn number(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(processor: &str, state: StateName, count: u64, since: &str) -> OpenTasks {
        OpenTasks {
            recipient: Recipient::Processor(processor.parse().unwrap()),
            state,
            count,
            since: since.parse().unwrap(),
        }
    }

    #[test]
    fn the_oldest_waiting_task_counts_and_neither_a_later_nor_a_dead_one() {
        let now = "2026-06-01T12:00:00Z".parse().unwrap();
        let tasks = [
            open("a", StateName::DeadLetter, 1, "2026-01-01T00:00:00Z"),
            open("a", StateName::Pending, 1, "2026-06-01T11:59:00Z"),
            open("b", StateName::Pending, 1, "2026-06-02T00:00:00Z"),
        ];
        assert!((oldest(&tasks, now) - 60.0).abs() < 0.001);
        assert!(oldest(&tasks[2..], now).abs() < 0.001);
        assert!(oldest(&[], now).abs() < 0.001);
    }

    #[test]
    fn however_many_recipients_there_are_the_series_are_bounded() {
        let many: Vec<_> = (0..RECIPIENTS_MAX + 20)
            .map(|n| {
                open(
                    &format!("p{n}"),
                    StateName::Pending,
                    2,
                    "2026-06-01T00:00:00Z",
                )
            })
            .collect();
        let gauge = open_tasks(&many);
        assert_eq!(gauge.series.len(), RECIPIENTS_MAX + 1);
        let (labels, value) = gauge
            .series
            .iter()
            .find(|(labels, _)| labels[0].1 == OTHERS)
            .unwrap();
        assert_eq!(labels[2], ("state", "PENDING".to_owned()));
        assert!((value - 40.0).abs() < 0.001);
    }
}
