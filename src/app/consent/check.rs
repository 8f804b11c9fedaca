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

    /// The version that a withdrawal is kept under: as [`Self::version_shown`], but the first version
    /// speaks for the time before it. Taking consent back never fails for want of a policy.
    pub(super) fn version_spoken_of(
        &mut self,
        evidence: &StatedEvidence,
        occurred_at: Timestamp,
    ) -> Result<Option<&'a CompiledPolicy>, Error> {
        let policies = self.policies;
        if evidence.policy_version.is_none() && policies.in_force(occurred_at).is_none() {
            let first = policies.versions().first();
            return first
                .map(|first| Some(&**first))
                .ok_or(Error::NotFound(Missing::Policy));
        }
        self.version_shown(evidence, occurred_at)
    }

    /// That each purpose is one of some published version: consent can be taken back for what the
    /// policy no longer names.
    pub(super) fn purposes_ever_known(&mut self, purposes: &[Purpose]) {
        let unknown = |one: &Purpose| !self.any_version(|policy| policy.purpose(one).is_some());
        let unknown = indexes(purposes, unknown);
        for index in unknown {
            self.refuse(
                &format!("purposes[{index}]"),
                "is no purpose of any published policy version",
            );
        }
    }

    /// That each processor is one of some published version.
    pub(super) fn processors_ever_known(&mut self, processors: &[Processor]) {
        let unknown = |one: &Processor| !self.any_version(|policy| policy.processor(one).is_some());
        let unknown = indexes(processors, unknown);
        for index in unknown {
            self.refuse(
                &format!("processors[{index}]"),
                "is no processor of any published policy version",
            );
        }
    }

    fn any_version(&self, has: impl Fn(&CompiledPolicy) -> bool) -> bool {
        self.policies.versions().iter().any(|policy| has(policy))
    }

    fn path(&self, field: &str) -> String {
        if self.prefix.is_empty() {
            field.to_owned()
        } else {
            format!("{}.{field}", self.prefix)
        }
    }
}

fn indexes<N>(names: &[N], which: impl Fn(&N) -> bool) -> Vec<usize> {
    let indexed = names.iter().enumerate().filter(|(_, name)| which(name));
    indexed.map(|(index, _)| index).collect()
}
