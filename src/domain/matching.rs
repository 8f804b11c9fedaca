//! Matching: whose data is being registered, judged by where the identifiers lead.
//!
//! An account leads to one person; a contact may be shared; a device is a pseudonym until somebody
//! is known behind it. A registration is refused only when accounts contradict each other: a
//! guest's order is never lost over a shared address or a borrowed browser.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use super::{id::SubjectId, name::IdentifierType, policy::model::IdentifierKind};

/// One identifier of a registration, and where it leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presented {
    /// Its type.
    pub identifier_type: IdentifierType,
    /// What the type leads to.
    pub kind: IdentifierKind,
    /// The subjects that have it.
    pub leads_to: Vec<SubjectId>,
}

/// What matching needs to know of a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// When it came into being.
    pub created_at: Timestamp,
    /// The types of its accounts.
    pub accounts: BTreeSet<IdentifierType>,
    /// Whether it is known by devices alone.
    pub is_pseudonym: bool,
}

/// What every subject that is named or led to looks like.
pub type Profiles = HashMap<SubjectId, Profile>;

/// Whose data it is, and what becomes of the identifiers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Match {
    /// The subject; `None`: a new one.
    pub subject: Option<SubjectId>,
    /// Places of the identifiers that are to be linked to it.
    pub link: Vec<usize>,
    /// Pseudonyms behind its devices, which go up in it.
    pub merge: Vec<SubjectId>,
    /// Places of the devices that stay with somebody else.
    pub left: Vec<usize>,
}

/// Accounts of different subjects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The subjects, in the order in which they were named.
    pub subjects: Vec<SubjectId>,
}

/// Chooses the subject. `named` is a subject that the registration names by its id; `presented` are
/// its identifiers in their order.
pub fn choose(
    named: Option<SubjectId>,
    presented: &[Presented],
    profiles: &Profiles,
) -> Result<Match, Conflict> {
    let subject = match by_account(named, presented)? {
        Some(subject) => Some(subject),
        None => by_contact(presented, profiles).or_else(|| by_device(presented, profiles)),
    };
    let mut matched = Match {
        subject,
        ..Match::default()
    };
    for (place, one) in presented.iter().enumerate() {
        matched.settle(place, one, profiles);
    }
    Ok(matched)
}

/// The one subject that is named or that the accounts lead to.
fn by_account(
    named: Option<SubjectId>,
    presented: &[Presented],
) -> Result<Option<SubjectId>, Conflict> {
    let holders = of_kind(presented, IdentifierKind::Account).flat_map(|one| &one.leads_to);
    let mut subjects = Vec::new();
    for subject in named.iter().chain(holders) {
        if !subjects.contains(subject) {
            subjects.push(*subject);
        }
    }
    match subjects.as_slice() {
        [] => Ok(None),
        [subject] => Ok(Some(*subject)),
        _ => Err(Conflict { subjects }),
    }
}

/// The subject that the contacts lead to. No account leads anywhere.
fn by_contact(presented: &[Presented], profiles: &Profiles) -> Option<SubjectId> {
    let new_accounts: BTreeSet<_> = of_kind(presented, IdentifierKind::Account)
        .map(|one| &one.identifier_type)
        .collect();
    let has_none_of_them = |profile: &Profile| {
        profile
            .accounts
            .iter()
            .all(|one| !new_accounts.contains(one))
    };
    let mut contacts =
        of_kind(presented, IdentifierKind::Contact).filter(|one| !one.leads_to.is_empty());
    if new_accounts.is_empty() {
        let leads_to = &contacts.next()?.leads_to;
        return match leads_to.as_slice() {
            [subject] => Some(*subject),
            several => oldest_guest(several, profiles),
        };
    }
    // A guest who opens an account becomes its holder, if it can be told which guest.
    let candidates = contacts
        .map(|one| with_profile(&one.leads_to, profiles, has_none_of_them))
        .find(|candidates| !candidates.is_empty())?;
    match candidates.as_slice() {
        [subject] => Some(*subject),
        _ => None,
    }
}

/// The subject behind a device: whoever it is when nothing else was presented, else a pseudonym
/// that becomes known by this registration.
fn by_device(presented: &[Presented], profiles: &Profiles) -> Option<SubjectId> {
    let only_devices = presented
        .iter()
        .all(|one| one.kind == IdentifierKind::Device);
    of_kind(presented, IdentifierKind::Device)
        .flat_map(|one| &one.leads_to)
        .find(|subject| only_devices || is_pseudonym(**subject, profiles))
        .copied()
}

impl Match {
    /// What becomes of one identifier, now that the subject is chosen.
    fn settle(&mut self, place: usize, one: &Presented, profiles: &Profiles) {
        if self
            .subject
            .is_some_and(|subject| one.leads_to.contains(&subject))
        {
            return;
        }
        let shared = one.kind == IdentifierKind::Contact;
        match one.leads_to.first() {
            Some(holder) if !shared => self.settle_device(place, *holder, profiles),
            Some(_) | None => self.link.push(place),
        }
    }

    fn settle_device(&mut self, place: usize, holder: SubjectId, profiles: &Profiles) {
        if self.subject.is_none() || !is_pseudonym(holder, profiles) {
            self.left.push(place);
        } else if !self.merge.contains(&holder) {
            self.merge.push(holder);
        }
    }
}

fn of_kind(presented: &[Presented], kind: IdentifierKind) -> impl Iterator<Item = &Presented> {
    presented.iter().filter(move |one| one.kind == kind)
}

fn is_pseudonym(subject: SubjectId, profiles: &Profiles) -> bool {
    profiles
        .get(&subject)
        .is_some_and(|profile| profile.is_pseudonym)
}

fn with_profile(
    subjects: &[SubjectId],
    profiles: &Profiles,
    wanted: impl Fn(&Profile) -> bool,
) -> Vec<SubjectId> {
    let fits = |subject: &&SubjectId| profiles.get(subject).is_some_and(&wanted);
    subjects.iter().filter(fits).copied().collect()
}

fn oldest_guest(subjects: &[SubjectId], profiles: &Profiles) -> Option<SubjectId> {
    let guests = with_profile(subjects, profiles, |profile| profile.accounts.is_empty());
    let age = |subject: &SubjectId| (profiles.get(subject).map(|one| one.created_at), *subject);
    guests.into_iter().min_by_key(age)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNA: SubjectId = SubjectId(uuid::Uuid::from_u128(1));
    const BEN: SubjectId = SubjectId(uuid::Uuid::from_u128(2));
    const BROWSER: SubjectId = SubjectId(uuid::Uuid::from_u128(3));
    const PHONE: SubjectId = SubjectId(uuid::Uuid::from_u128(4));

    fn presented(kind: IdentifierKind, name: &str, leads_to: &[SubjectId]) -> Presented {
        Presented {
            identifier_type: name.parse().unwrap(),
            kind,
            leads_to: leads_to.to_vec(),
        }
    }

    fn account(leads_to: &[SubjectId]) -> Presented {
        presented(IdentifierKind::Account, "shop_user", leads_to)
    }

    fn forum(leads_to: &[SubjectId]) -> Presented {
        presented(IdentifierKind::Account, "forum_member", leads_to)
    }

    fn email(leads_to: &[SubjectId]) -> Presented {
        presented(IdentifierKind::Contact, "email", leads_to)
    }

    fn skype(leads_to: &[SubjectId]) -> Presented {
        presented(IdentifierKind::Contact, "skype", leads_to)
    }

    fn device(leads_to: &[SubjectId]) -> Presented {
        presented(IdentifierKind::Device, "ga_client", leads_to)
    }

    fn profile(age: i64, accounts: &[&str], is_pseudonym: bool) -> Profile {
        Profile {
            created_at: Timestamp::from_second(-age).unwrap(),
            accounts: accounts.iter().map(|name| name.parse().unwrap()).collect(),
            is_pseudonym,
        }
    }

    /// Anna and Ben are guests, Ben the older one; browser and phone are pseudonyms.
    fn guests() -> Profiles {
        HashMap::from([
            (ANNA, profile(10, &[], false)),
            (BEN, profile(20, &[], false)),
            (BROWSER, profile(5, &[], true)),
            (PHONE, profile(5, &[], true)),
        ])
    }

    fn with_account(mut profiles: Profiles, subject: SubjectId, accounts: &[&str]) -> Profiles {
        profiles.insert(subject, profile(1, accounts, false));
        profiles
    }

    fn chosen(presented: &[Presented], profiles: &Profiles) -> Option<SubjectId> {
        choose(None, presented, profiles).unwrap().subject
    }

    #[test]
    fn what_leads_nowhere_makes_a_new_subject_that_gets_it_all() {
        let matched = choose(None, &[email(&[]), account(&[]), device(&[])], &guests()).unwrap();
        assert_eq!(matched.subject, None);
        assert_eq!(matched.link, [0, 1, 2]);
    }

    #[test]
    fn a_known_account_decides_whatever_the_contacts_say() {
        let profiles = with_account(guests(), ANNA, &["shop_user"]);
        let matched = choose(None, &[email(&[BEN]), account(&[ANNA])], &profiles).unwrap();
        assert_eq!(matched.subject, Some(ANNA));
        assert_eq!(matched.link, [0], "the shared contact is linked too");
    }

    #[test]
    fn accounts_of_two_subjects_are_a_conflict_that_names_both_in_order() {
        let conflict = choose(None, &[forum(&[BEN]), account(&[ANNA])], &guests()).unwrap_err();
        assert_eq!(conflict.subjects, [BEN, ANNA]);
    }

    #[test]
    fn an_account_of_another_than_the_named_subject_is_a_conflict() {
        let conflict = choose(Some(ANNA), &[account(&[BEN])], &guests()).unwrap_err();
        assert_eq!(conflict.subjects, [ANNA, BEN]);
    }

    #[test]
    fn an_unknown_account_beside_a_known_one_is_linked() {
        let matched = choose(None, &[account(&[ANNA]), forum(&[])], &guests()).unwrap();
        assert_eq!((matched.subject, matched.link), (Some(ANNA), vec![1]));
    }

    #[test]
    fn a_named_subject_gets_the_unknown_identifiers() {
        let matched = choose(Some(ANNA), &[email(&[BEN]), account(&[])], &guests()).unwrap();
        assert_eq!((matched.subject, matched.link), (Some(ANNA), vec![0, 1]));
    }

    #[test]
    fn a_guest_who_opens_an_account_becomes_its_holder() {
        let presented = [account(&[]), email(&[ANNA])];
        assert_eq!(chosen(&presented, &guests()), Some(ANNA));
        let member = with_account(guests(), ANNA, &["forum_member"]);
        assert_eq!(chosen(&presented, &member), Some(ANNA));
    }

    #[test]
    fn a_second_account_of_a_type_on_one_contact_is_another_person() {
        let profiles = with_account(guests(), ANNA, &["shop_user"]);
        let matched = choose(None, &[account(&[]), email(&[ANNA])], &profiles).unwrap();
        assert_eq!((matched.subject, matched.link), (None, vec![0, 1]));
    }

    #[test]
    fn a_new_account_on_a_contact_of_two_guests_is_another_person() {
        assert_eq!(
            chosen(&[account(&[]), email(&[ANNA, BEN])], &guests()),
            None
        );
    }

    #[test]
    fn the_one_guest_among_account_holders_gets_the_new_account() {
        let profiles = with_account(guests(), BEN, &["shop_user"]);
        let presented = [account(&[]), email(&[ANNA, BEN])];
        assert_eq!(chosen(&presented, &profiles), Some(ANNA));
    }

    #[test]
    fn the_first_contact_that_leads_somewhere_decides() {
        let matched = choose(
            None,
            &[skype(&[]), email(&[BEN]), skype(&[ANNA])],
            &guests(),
        );
        let matched = matched.unwrap();
        assert_eq!((matched.subject, matched.link), (Some(BEN), vec![0, 2]));
    }

    #[test]
    fn a_contact_alone_leads_to_its_one_subject_even_if_that_has_an_account() {
        let profiles = with_account(guests(), ANNA, &["shop_user"]);
        assert_eq!(chosen(&[email(&[ANNA])], &profiles), Some(ANNA));
    }

    #[test]
    fn of_several_guests_on_one_contact_the_oldest_is_meant() {
        assert_eq!(chosen(&[email(&[ANNA, BEN])], &guests()), Some(BEN));
    }

    #[test]
    fn a_guest_on_a_contact_of_account_holders_is_somebody_else() {
        let profiles = with_account(guests(), ANNA, &["shop_user"]);
        assert_eq!(chosen(&[email(&[ANNA, BEN])], &profiles), Some(BEN));
        let profiles = with_account(profiles, BEN, &["forum_member"]);
        let matched = choose(None, &[email(&[ANNA, BEN])], &profiles).unwrap();
        assert_eq!((matched.subject, matched.link), (None, vec![0]));
    }

    #[test]
    fn a_device_alone_leads_to_whoever_has_it() {
        assert_eq!(chosen(&[device(&[BROWSER])], &guests()), Some(BROWSER));
        assert_eq!(chosen(&[device(&[ANNA])], &guests()), Some(ANNA));
    }

    #[test]
    fn a_pseudonym_becomes_known_by_its_first_contact() {
        let matched = choose(None, &[device(&[BROWSER]), email(&[])], &guests()).unwrap();
        assert_eq!((matched.subject, matched.link), (Some(BROWSER), vec![1]));
    }

    #[test]
    fn a_pseudonym_goes_up_in_the_person_who_is_known_behind_it() {
        let matched = choose(None, &[email(&[ANNA]), device(&[BROWSER])], &guests()).unwrap();
        assert_eq!(matched.subject, Some(ANNA));
        assert_eq!(matched.merge, [BROWSER]);
        assert!(matched.left.is_empty() && matched.link.is_empty());
    }

    #[test]
    fn two_devices_of_one_registration_become_one_subject() {
        let matched = choose(None, &[device(&[BROWSER]), device(&[PHONE])], &guests()).unwrap();
        assert_eq!(matched.subject, Some(BROWSER));
        assert_eq!(matched.merge, [PHONE]);
    }

    #[test]
    fn two_devices_of_one_pseudonym_are_merged_once() {
        let presented = [email(&[ANNA]), device(&[BROWSER]), device(&[BROWSER])];
        let matched = choose(None, &presented, &guests()).unwrap();
        assert_eq!(matched.merge, [BROWSER]);
    }

    #[test]
    fn a_device_of_somebody_known_stays_with_them_and_refuses_nothing() {
        let matched = choose(None, &[email(&[ANNA]), device(&[BEN])], &guests()).unwrap();
        assert_eq!((matched.subject, matched.left), (Some(ANNA), vec![1]));
        let matched = choose(None, &[email(&[]), device(&[BEN])], &guests()).unwrap();
        assert_eq!((matched.subject, matched.link), (None, vec![0]));
        assert_eq!(matched.left, [1]);
    }
}
