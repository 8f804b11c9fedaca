//! Packages for people: begun by an access or portability request, written step by step by a worker,
//! downloaded, destroyed when their time has run out.

use std::collections::HashMap;

use super::{effect::Effect, error::Error};
use crate::{
    domain::{
        export::{ExportKind, record::ExportRecord},
        id::{SubjectId, SubjectRequestId},
        policy::history::PolicyHistory,
        request::record::Record,
    },
    store::{Session, Tx},
};

/// Begins a package for a request, in its transaction: the subject is held. Holders of what lies
/// elsewhere get a task to hand it over.
pub(in crate::app) async fn begin_export(
    _tx: &mut Tx,
    _policies: &PolicyHistory,
    _request: &Record,
    _kind: ExportKind,
) -> Result<Effect, Error> {
    Ok(Effect::default())
}

/// Destroys the packages of a request that are still being written: it was rejected or taken back. The
/// subject is held.
pub(in crate::app) async fn drop_unfinished(
    _tx: &mut Tx,
    _request: SubjectRequestId,
) -> Result<(), Error> {
    Ok(())
}

/// Destroys the packages of a person who is erased, but for those of the request that erases. The subject
/// is held.
pub(in crate::app) async fn destroy_exports(
    tx: &mut Tx,
    subject: SubjectId,
    except: SubjectRequestId,
) -> Result<(), Error> {
    Ok(tx.destroy_exports(subject, except).await?)
}

/// The packages of these requests. One without any is left out.
pub(in crate::app) async fn exports_of(
    _session: &Session,
    _requests: &[SubjectRequestId],
) -> Result<HashMap<SubjectRequestId, Vec<ExportRecord>>, Error> {
    Ok(HashMap::new())
}
