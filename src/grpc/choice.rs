//! Choices that the API and the domain have in common, both ways. The variants have the same names
//! on both sides; one that is added to either side alone does not compile.

use super::parse::{Parse, Parsed};
use crate::{
    domain::{
        consent::{ConsentChoice, EvidenceMethod, GivenBy},
        decision::{DecisionReason, Effect},
        event::EventKind,
        policy::{
            finding::Severity,
            model::{
                ClaimKind, IdentifierKind, LawfulBasis, Normalise, RecipientRole, RetentionKind,
                RetentionTrigger, Right, UnderRestriction,
            },
        },
        request::{
            ErasureGround, IdentityMethod, ObjectionRuling, RequestKind, RequestState,
            part::PartState,
        },
    },
    proto::v1,
};

/// A choice of the domain that has a counterpart in the API.
pub trait Choice: Sized {
    /// The counterpart.
    type Message: TryFrom<i32> + Into<i32> + Default;

    /// The choice that a message makes; `None`: it makes none.
    fn read(message: Self::Message) -> Option<Self>;

    /// The counterpart of this choice.
    fn render(self) -> Self::Message;

    /// The counterpart's number, as it stands in a message.
    fn number(self) -> i32 {
        self.render().into()
    }
}

/// The number of a choice that may not have been made: unspecified then.
pub fn optional_number<T: Choice>(choice: Option<T>) -> i32 {
    choice.map_or_else(T::Message::default, T::render).into()
}

impl Parse {
    /// A choice that must be made.
    pub fn chosen<T: Choice>(&mut self, field: &str, number: i32) -> Parsed<T> {
        self.choice(field, number, T::read)
    }

    /// A choice that may be left open (unspecified).
    pub fn optionally_chosen<T: Choice>(&mut self, field: &str, number: i32) -> Parsed<Option<T>> {
        self.choice(field, number, |message| Some(T::read(message)))
    }
}

macro_rules! choices {
    ($($name:ident { $($choice:ident,)* })*) => {$(
        impl Choice for $name {
            type Message = v1::$name;

            fn read(message: v1::$name) -> Option<Self> {
                match message {
                    v1::$name::Unspecified => None,
                    $(v1::$name::$choice => Some(Self::$choice),)*
                }
            }

            fn render(self) -> v1::$name {
                match self {
                    $(Self::$choice => v1::$name::$choice,)*
                }
            }
        }
    )*};
}

choices! {
    ClaimKind { ConsentByUse, }
    ConsentChoice { Given, Refused, Pending, Withdrawn, }
    DecisionReason {
        SubjectUnknown, SubjectErased, PurposeUnknown, DataCategoryUnknown, ProcessorUnknown,
        NoActivity, ProcessorNotNamed, ProcessingRestricted, NotCollected, PurposeExcluded,
        RetentionExpired, Objected, ConsentRefused, ConsentWithdrawn, ConsentMissing,
        ConsentExpired, ConsentEvidenceInsufficient, ConsentOutdated, Lawful,
    }
    Effect { Allow, Deny, }
    ErasureGround {
        NoLongerNecessary, ConsentWithdrawn, Objected, Unlawful, LegalObligation, Child,
    }
    EventKind {
        PolicyPublished, SubjectCreated, SubjectsMerged, CategoryAdded, CategoryEnded,
        IdentifierLinked, IdentifierUnlinked, ItemsRegistered, ItemCorrected, ItemsDeleted,
        ActivityRecorded, ConsentRecorded, ConsentWithdrawn, WithdrawalTokenIssued,
        DisclosureRecorded, RequestReceived, RequestChanged, ObjectionRecorded, ObjectionDecided,
        RestrictionApplied, RestrictionLifted, SubjectErased, LegalHoldPlaced, LegalHoldReleased,
        TaskCreated, TaskChanged, ExportReady, ConsentExpired, RetentionEnded, PolicyInForce,
    }
    GivenBy { Subject, Guardian, Agent, }
    IdentifierKind { Account, Contact, Device, }
    IdentityMethod { Login, ContactConfirmed, Document, Knowledge, Eid, }
    LawfulBasis {
        Consent, Contract, LegalObligation, VitalInterests, PublicTask, LegitimateInterests,
    }
    Normalise { Exact, CaseFold, Email, }
    ObjectionRuling { Upheld, Rejected, }
    RecipientRole { Processor, Controller, }
    RequestKind {
        Access, Portability, Erasure, Rectification, Restriction, Objection, Withdrawal,
    }
    RequestState {
        Received, IdentityVerified, InProgress, WaitingOnProcessors, OnHold, Completed, Rejected,
        Cancelled,
    }
    RetentionKind { Maximum, LegalMinimum, }
    RetentionTrigger { Collection, LastActivity, CategoryEnd, ConsentWithdrawal, }
    Right { Copy, Delete, WithdrawConsent, Rectify, Restrict, Object, Portability, Complain, }
    Severity { Error, Defect, Warning, Note, }
    UnderRestriction { LegalClaims, RightsOfOthers, PublicInterest, }
}

impl Choice for PartState {
    type Message = v1::RequestPartState;

    fn read(message: v1::RequestPartState) -> Option<Self> {
        match message {
            v1::RequestPartState::Unspecified => None,
            v1::RequestPartState::Pending => Some(Self::Pending),
            v1::RequestPartState::Running => Some(Self::Running),
            v1::RequestPartState::Waiting => Some(Self::Waiting),
            v1::RequestPartState::Done => Some(Self::Done),
            v1::RequestPartState::Dropped => Some(Self::Dropped),
        }
    }

    fn render(self) -> v1::RequestPartState {
        match self {
            Self::Pending => v1::RequestPartState::Pending,
            Self::Running => v1::RequestPartState::Running,
            Self::Waiting => v1::RequestPartState::Waiting,
            Self::Done => v1::RequestPartState::Done,
            Self::Dropped => v1::RequestPartState::Dropped,
        }
    }
}

impl Choice for EvidenceMethod {
    type Message = v1::EvidenceMethod;

    fn read(message: v1::EvidenceMethod) -> Option<Self> {
        match message {
            v1::EvidenceMethod::Unspecified => None,
            v1::EvidenceMethod::Checkbox => Some(Self::Checkbox),
            v1::EvidenceMethod::Form => Some(Self::Form),
            v1::EvidenceMethod::DoubleOptIn => Some(Self::DoubleOptIn),
            v1::EvidenceMethod::Signature => Some(Self::Signature),
            v1::EvidenceMethod::Oral => Some(Self::Oral),
            v1::EvidenceMethod::ImpliedByUse => Some(Self::ImpliedByUse),
            v1::EvidenceMethod::PreTicked => Some(Self::PreTicked),
            v1::EvidenceMethod::Imported => Some(Self::Imported),
        }
    }

    fn render(self) -> v1::EvidenceMethod {
        match self {
            // The one value that has another name: nothing was said.
            Self::NotStated => v1::EvidenceMethod::Unspecified,
            Self::Checkbox => v1::EvidenceMethod::Checkbox,
            Self::Form => v1::EvidenceMethod::Form,
            Self::DoubleOptIn => v1::EvidenceMethod::DoubleOptIn,
            Self::Signature => v1::EvidenceMethod::Signature,
            Self::Oral => v1::EvidenceMethod::Oral,
            Self::ImpliedByUse => v1::EvidenceMethod::ImpliedByUse,
            Self::PreTicked => v1::EvidenceMethod::PreTicked,
            Self::Imported => v1::EvidenceMethod::Imported,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_event_reads_back_as_itself() {
        for kind in EventKind::ALL {
            assert_eq!(EventKind::read(kind.render()), Some(kind));
        }
    }

    #[test]
    fn what_is_unspecified_is_no_choice_and_an_unknown_number_is_refused() {
        let mut parse = Parse::new();
        assert_eq!(parse.optionally_chosen::<LawfulBasis>("basis", 0), Ok(None));
        assert!(parse.chosen::<LawfulBasis>("basis", 0).is_err());
        assert!(parse.optionally_chosen::<LawfulBasis>("basis", 7).is_err());
        assert_eq!(
            parse.chosen::<LawfulBasis>("basis", 1),
            Ok(LawfulBasis::Consent)
        );
        assert_eq!(parse.finish(|| Ok(())).unwrap_err().len(), 2);
    }

    #[test]
    fn a_choice_that_was_not_made_is_unspecified() {
        assert_eq!(optional_number::<UnderRestriction>(None), 0);
        assert_eq!(optional_number(Some(UnderRestriction::LegalClaims)), 1);
    }
}
