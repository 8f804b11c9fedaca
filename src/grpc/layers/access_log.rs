//! One log line for each call, when it is over, and a count of it: method, code, time, who called. Never content, and
//! never a path that a caller made up. Checks that were answered are counted, and logged only at `debug`: there are
//! thousands in a second.

use tonic::Code;

use crate::{
    domain::name::Source,
    runtime::{metrics::Metrics, stopwatch::Stopwatch},
};

/// A call under way. Dropped, it is over and is logged.
#[derive(Debug)]
pub struct Call {
    method: &'static str,
    /// Whether it is among those that come so often that a good end is worth no line.
    is_check: bool,
    stopwatch: Stopwatch,
    metrics: Metrics,
    caller: Option<Source>,
    code: Option<Code>,
}

impl Call {
    /// Begins a call of a method that is in the table, or of `unknown`.
    pub fn begin(method: &'static str, is_check: bool, metrics: Metrics) -> Self {
        Self {
            method,
            is_check,
            stopwatch: Stopwatch::start(),
            metrics,
            caller: None,
            code: None,
        }
    }

    /// Notes who calls.
    pub fn called_by(&mut self, caller: Source) {
        self.caller = Some(caller);
    }

    /// Notes how it ended.
    pub fn ended(&mut self, code: Code) {
        self.code = Some(code);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        // Dropped without an end: the caller went away.
        let code = self.code.unwrap_or(Code::Cancelled);
        let seconds = self.stopwatch.elapsed().as_secs_f64();
        self.metrics.rpc_ended(self.method, name(code), seconds);
        let (method, code_name) = (self.method, name(code));
        let duration_us = self.stopwatch.elapsed_us();
        let caller = self.caller.as_ref().map_or("", Source::as_str);
        if self.is_check && code == Code::Ok {
            tracing::debug!(method, code = code_name, duration_us, caller, "call");
        } else {
            tracing::info!(method, code = code_name, duration_us, caller, "call");
        }
    }
}

// As the specification of gRPC spells it.
fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
