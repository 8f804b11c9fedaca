//! A consent form as its message.

use crate::{
    domain::consent::form::{ConsentForm, ConsentQuestion},
    grpc::{choice::Choice, consent::recipient, render::texts},
    proto::v1,
};

/// Renders a form.
pub(super) fn form(form: ConsentForm) -> v1::ConsentForm {
    v1::ConsentForm {
        subject_category: form.subject_category.to_string(),
        policy_version: form.policy_version.to_string(),
        locale: form.locale,
        questions: form.questions.into_iter().map(question).collect(),
        controller: Some(super::render::controller(&form.controller)),
        rights_channel: form.rights_channel,
    }
}

fn question(question: ConsentQuestion) -> v1::ConsentQuestion {
    v1::ConsentQuestion {
        purpose: question.purpose.to_string(),
        title: question.title,
        wording: question.wording,
        locale: question.locale,
        direct_marketing: question.direct_marketing,
        data_categories: texts(&question.data_categories),
        recipients: question.recipients.into_iter().map(recipient).collect(),
        methods: question.methods.into_iter().map(Choice::number).collect(),
    }
}
