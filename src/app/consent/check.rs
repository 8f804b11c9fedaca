//! What every statement about consent is held against, whether it gives or takes back.

use jiff::Timestamp;

use crate::{
    app::{
        error::{Error, Missing},
        registry::AHEAD_MAX,
    },
    domain::{
        caller::Caller,
        consent::statement::StatedEvidence,
        name::{Processor, Purpose},
        policy::{compile::CompiledPolicy, history::PolicyHistory},
        violation::Violations,
    },
};

/// One check: what it is held against, and what was found wrong so far.
pub(super) struct Check<'a> {
    pub(super) policies: &'a PolicyHistory,
    caller: &'a Caller,
    now: Timestamp,
    prefix: &'a str,
    violations: Violations,
}

impl<'a> Check<'a> {
    /// Paths of fields begin with `prefix`.
    pub(super) fn new(
        policies: &'a PolicyHistory,
        caller: &'a Caller,
        now: Timestamp,
        prefix: &'a str,
    ) -> Self {
        Self {
            policies,
            caller,
            now,
            prefix,
            violations: Violations::default(),
        }
    }

    /// Notes that a field breaks a rule.
    pub(super) fn refuse(&mut self, field: &str, rule: impl std::fmt::Display) {
        self.violations.add(self.path(field), rule);
    }

    /// The value, unless something was found wrong. Who gives none has noted why.
    pub(super) fn finish<T>(self, value: Option<T>) -> Result<T, Error> {
        match value {
            Some(value) if self.violations.is_empty() => Ok(value),
            _ => Err(self.violations.into()),
        }
    }

    /// Whether the caller may speak for these purposes and name these processors.
    pub(super) fn claims(
        &self,
        purposes: &[Purpose],
        processors: &[Processor],
    ) -> Result<(), Error> {
        let purpose = |purpose: &Purpose| self.caller.may_use_purpose(purpose);
        let processor = |one: &Processor| self.caller.may_name_processor(Some(one));
        self.claim("purposes", purposes.iter().position(|one| !purpose(one)))?;
        self.claim(
            "processors",
            processors.iter().position(|one| !processor(one)),
        )
    }

    fn claim(&self, claim: &'static str, first_beyond: Option<usize>) -> Result<(), Error> {
        match first_beyond {
            None => Ok(()),
            Some(index) => Err(Error::ClaimMissing {
                claim,
                field: self.path(&format!("{claim}[{index}]")),
            }),
        }
    }

    /// When it was said: now, unless it is stated.
    pub(super) fn instant(&mut self, occurred_at: Option<Timestamp>) -> Timestamp {
        let occurred_at = occurred_at.unwrap_or(self.now);
        if occurred_at > self.now + AHEAD_MAX {
            self.refuse(
                "occurred_at",
                "is more than five minutes ahead of the registry's clock",
            );
        }
        occurred_at
    }

    /// The version that was shown: the one named, or the one in force when it was said. `None`: it
    /// is not published, which is noted.
    pub(super) fn version_shown(
        &mut self,
        evidence: &StatedEvidence,
        occurred_at: Timestamp,
    ) -> Result<Option<&'a CompiledPolicy>, Error> {
        let policies = self.policies;
        let Some(version) = &evidence.policy_version else {
            let in_force = policies.in_force(occurred_at);
            let in_force = in_force.ok_or(Error::NotFound(Missing::Policy))?;
            return Ok(Some(in_force));
        };
        let shown = policies.get(version);
        if shown.is_none() {
            self.refuse(
                "evidence.policy_version",
                "is not published; name the published version that was shown, or leave it empty \
                 for the one in force at occurred_at",
            );
        }
        Ok(shown.map(|policy| &**policy))
    }

    fn path(&self, field: &str) -> String {
        if self.prefix.is_empty() {
            field.to_owned()
        } else {
            format!("{}.{field}", self.prefix)
        }
    }
}
