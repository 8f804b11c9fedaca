//! How a caller names a person: by the registry's id, or by an identifier that leads to the person.

use super::{id::SubjectId, identifier::IdentifierValue, name::IdentifierType};

/// An identifier as a caller gives it. It is not checked against the policy yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identifier {
    /// Its type.
    pub identifier_type: IdentifierType,
    /// Its value. Personal data: it does not print.
    pub value: IdentifierValue,
}

/// Names a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubjectRef {
    /// By id; an id that was merged away keeps resolving.
    Id(SubjectId),
    /// By identifier; a contact may lead to several subjects.
    Identifier(Identifier),
}
