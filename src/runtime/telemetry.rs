//! Logs: structured, to standard error. They carry ids and counts; personal data has types that
//! do not print, and callers' texts are not logged.

use std::{
    io::{self, IsTerminal},
    panic::{self, Location},
};

use tracing_subscriber::{EnvFilter, fmt, fmt::format::FmtSpan};

/// Sends logs to standard error. `level` is `error`, `warn`, `info`, `debug` or `trace` and
/// counts for the registry; libraries never say more than `warn`, since the debug output of some
/// holds statements and messages.
pub fn start(format: LogFormat, level: &str) -> Result<(), TelemetryError> {
    let filter = filter(level)?;
    let builder = fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        // A file or a pipe that gets colours is hard to search.
        .with_ansi(io::stderr().is_terminal())
        .with_span_events(FmtSpan::NONE);
    match format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Human => builder.with_target(false).try_init(),
    }
    .map_err(|_| TelemetryError::StartedAlready)?;
    panic::set_hook(Box::new(|panicked| log_panic(panicked.location())));
    Ok(())
}

// Where, and not what: the text of a panic may hold the value that it stumbled over.
fn log_panic(location: Option<&Location<'_>>) {
    let (file, line) = location.map_or(("", 0), |location| (location.file(), location.line()));
    tracing::error!(file, line, "panic");
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object.
    Json,
    /// For people.
    Human,
}

/// Why logging did not start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TelemetryError {
    /// The level is none.
    #[error("the log level must be error, warn, info, debug or trace")]
    LevelUnknown,
    /// Something else has started logging in this process.
    #[error("logging was started already")]
    StartedAlready,
}

fn filter(level: &str) -> Result<EnvFilter, TelemetryError> {
    let libraries = match level {
        "error" => "error",
        "warn" | "info" | "debug" | "trace" => "warn",
        _ => return Err(TelemetryError::LevelUnknown),
    };
    let directives = format!("{libraries},registry={level},pdr={level}");
    EnvFilter::try_new(directives).map_err(|_| TelemetryError::LevelUnknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_counts_for_the_registry_and_never_for_libraries() {
        let directives = filter("trace").unwrap().to_string();
        assert!(directives.contains("registry=trace"), "{directives}");
        assert!(directives.contains("warn"), "{directives}");
        assert!(
            !directives.starts_with("trace") && !directives.contains(",trace"),
            "{directives}"
        );
    }

    #[test]
    fn directives_cannot_be_smuggled_in_as_a_level() {
        for level in ["", "INFO", "info,sqlx=trace", "verbose"] {
            assert_eq!(
                filter(level).unwrap_err(),
                TelemetryError::LevelUnknown,
                "{level:?}"
            );
        }
    }
}
