//! The consent form.

use crate::{
    app::{error::Error, registry::Registry},
    domain::{audit::Action, caller::Caller, consent::form::ConsentForm, name::SubjectCategory},
};

impl Registry {
    /// What to ask people of a category, under the policy in force.
    pub async fn get_consent_form(
        &self,
        caller: &Caller,
        category: &SubjectCategory,
        locale: &str,
    ) -> Result<ConsentForm, Error> {
        let view = self.view(caller, Action::GetConsentForm, None).await?;
        ConsentForm::of(view.in_force()?, category, locale).ok_or_else(|| {
            Error::invalid(
                "subject_category",
                "is no subject category of the policy in force",
            )
        })
    }
}
