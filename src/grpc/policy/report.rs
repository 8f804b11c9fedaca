//! What publishing a policy comes to, as messages. Lists are cut, and their lengths told, so that the
//! answer on the largest policy stays within the limit of a message.

use crate::{
    app::policy::PolicyReport,
    domain::policy::{
        compile::CompiledPolicy,
        diff::{Cell, CellChange, CellChangeReason},
        finding::Finding,
    },
    grpc::{
        choice::{Choice, optional_number},
        render::text,
    },
    proto::v1::{self, CellChangeKind},
};

/// Most findings, changes and outdated consents in one answer.
const ENTRIES_MAX: usize = 1_000;

/// The findings, worst first.
pub(super) fn findings(findings: &[Finding]) -> Vec<v1::Finding> {
    findings.iter().take(ENTRIES_MAX).map(finding).collect()
}

fn finding(finding: &Finding) -> v1::Finding {
    v1::Finding {
        code: finding.code.as_str().to_owned(),
        severity: finding.severity.number(),
        field_path: finding.field_path.clone(),
        article: finding.article.clone(),
        message: finding.message.clone(),
    }
}

/// What the policy changes.
pub(super) fn diff(report: &PolicyReport) -> v1::PolicyDiff {
    let before = report.compared_with.as_deref();
    let diff = &report.diff;
    let added = diff.added.iter().map(|one| (one, CellChangeKind::Added));
    let removed = diff
        .removed
        .iter()
        .map(|one| (one, CellChangeKind::Removed));
    let changed = diff.changed.iter().map(|one| (one, kind(&one.reason)));
    let differing = added.chain(removed).chain(changed);
    let outdated = diff.outdated_consents.iter().zip(&report.outdated_subjects);
    v1::PolicyDiff {
        from_version: text(before.map(CompiledPolicy::version)),
        to_version: report.policy.version().to_string(),
        changes: differing
            .take(ENTRIES_MAX)
            .map(|(change, kind)| cell_change(change, kind, before, &report.policy))
            .collect(),
        outdated_consents: outdated
            .take(ENTRIES_MAX)
            .map(|(cell, subjects)| outdated_consent(report, cell, *subjects))
            .collect(),
        affected_subjects: report.affected_subjects,
        change_count: count(diff.added.len() + diff.removed.len() + diff.changed.len()),
        outdated_consent_count: count(diff.outdated_consents.len()),
    }
}

/// A length, as it stands in a message.
pub(super) fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

fn kind(reason: &CellChangeReason) -> CellChangeKind {
    match reason {
        CellChangeReason::ActivityAdded(_)
        | CellChangeReason::BasisStated(_)
        | CellChangeReason::SharingAdded => CellChangeKind::Added,
        CellChangeReason::ActivityRemoved(_)
        | CellChangeReason::BasisDropped(_)
        | CellChangeReason::SharingRemoved => CellChangeKind::Removed,
        CellChangeReason::BasisChanged { .. } => CellChangeKind::BasisChanged,
        CellChangeReason::RecipientBecameController
        | CellChangeReason::RecipientBecameProcessor => CellChangeKind::RecipientChanged,
        CellChangeReason::ConsentAlsoRequired | CellChangeReason::ConsentNoLongerRequired => {
            CellChangeKind::ConsentChanged
        }
    }
}

fn cell_change(
    change: &CellChange,
    kind: CellChangeKind,
    before: Option<&CompiledPolicy>,
    after: &CompiledPolicy,
) -> v1::CellChange {
    let basis = |policy: &CompiledPolicy| {
        let Cell {
            subject_category,
            data_category,
            purpose,
            ..
        } = &change.cell;
        policy.basis(subject_category, data_category, purpose)
    };
    // A cell that was not permitted, though its activity was, has no basis to speak of.
    let before = before.filter(|_| kind != CellChangeKind::Added);
    let after = Some(after).filter(|_| kind != CellChangeKind::Removed);
    v1::CellChange {
        cell: Some(cell(&change.cell)),
        kind: kind.into(),
        why: change.reason.to_string(),
        basis_before: optional_number(before.and_then(basis)),
        basis_after: optional_number(after.and_then(basis)),
    }
}

fn outdated_consent(report: &PolicyReport, outdated: &Cell, subjects: i64) -> v1::OutdatedConsent {
    let changes = report.diff.added.iter().chain(&report.diff.changed);
    let why = changes.filter(|change| change.cell == *outdated);
    v1::OutdatedConsent {
        cell: Some(cell(outdated)),
        why: why
            .map(|change| change.reason.to_string())
            .collect::<Vec<_>>()
            .join("; "),
        affected_subjects: subjects,
    }
}

fn cell(cell: &Cell) -> v1::Cell {
    v1::Cell {
        subject_category: cell.subject_category.to_string(),
        data_category: cell.data_category.to_string(),
        purpose: cell.purpose.to_string(),
        processor: text(cell.processor.as_ref()),
    }
}
