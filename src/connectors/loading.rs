//! Loads the connectors that are switched on, with what their declarations ask for. Whatever is wrong with
//! any of them is reported at once, and no server starts with half of them.

use std::{collections::BTreeMap, fmt, fs, io, path::Path, sync::Arc};

use super::{
    declaration::{limits::FILE_BYTES_MAX, model::Declaration, read},
    engine::{Connector, Parts},
    shipped::{SHIPPED, shipped},
};
use crate::{
    config::{Connectors, Credential, ValueSource},
    domain::name::Processor,
    runtime::{clock::Clock, ids::Ids},
};

/// One problem of a connector that is switched on. It repeats no value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LoadProblem {
    /// The file, or the processor whose declaration the program carries.
    pub place: String,
    /// What is wrong, and what to do.
    pub what: String,
}

impl fmt::Display for LoadProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// Every problem of the connectors that are switched on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError {
    /// The problems, at least one.
    pub problems: Vec<LoadProblem>,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the connectors have {} problem(s):", self.problems.len())?;
        self.problems
            .iter()
            .try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for LoadError {}

/// A declaration, and where it is from.
#[derive(Clone, Debug)]
pub struct Found {
    /// What is declared.
    pub declaration: Declaration,
    /// The file, or the processor whose declaration the program carries.
    pub place: String,
    /// The program carries it.
    pub is_shipped: bool,
}

/// A connector that is switched on, with everything that it needs.
pub struct Loaded {
    declaration: Declaration,
    settings: BTreeMap<String, String>,
    secrets: BTreeMap<String, Credential>,
    plain_on_loopback: bool,
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded")
            .field("processor", &self.declaration.processor)
            .finish_non_exhaustive()
    }
}

/// Loads every connector that is switched on.
pub fn load(chosen: &Connectors) -> Result<Vec<Loaded>, LoadError> {
    let mut problems = Vec::new();
    let mut loaded = Vec::new();
    for processor in &chosen.enabled {
        match find(chosen, processor).and_then(|found| complete(found, chosen)) {
            Ok(one) => loaded.push(one),
            Err(more) => problems.extend(more),
        }
    }
    problems.sort();
    problems.dedup();
    if problems.is_empty() {
        Ok(loaded)
    } else {
        Err(LoadError { problems })
    }
}

/// The declaration of a processor: the deployment's own, or else the one that the program carries.
pub fn find(chosen: &Connectors, processor: &Processor) -> Result<Found, Vec<LoadProblem>> {
    if let Some(directory) = &chosen.directory {
        let path = directory.join(format!("{processor}.yaml"));
        let place = path.display().to_string();
        match read_file(&path) {
            Ok(Some(text)) => return understand(&text, processor, place, false),
            Ok(None) => {}
            Err(what) => return Err(vec![LoadProblem { place, what }]),
        }
    }
    let Some(text) = shipped(processor.as_str()) else {
        let known = SHIPPED.map(|(name, _)| name).join(", ");
        let place = format!("connectors.enabled: {processor}");
        let what = match &chosen.directory {
            Some(directory) => format!(
                "has no file {processor}.yaml in {}, and the program carries declarations for {known} only",
                directory.display()
            ),
            None => format!(
                "the program carries declarations for {known} only; set connectors.directory for your own"
            ),
        };
        return Err(vec![LoadProblem { place, what }]);
    };
    understand(text, processor, processor.to_string(), true)
}

/// What a declaration asks for and is not there: variables and files.
pub fn missing(found: &Found) -> Vec<LoadProblem> {
    let values = found.declaration.values().into_iter();
    let missing = values.filter_map(|(path, source)| {
        let what = source.read().err()?;
        Some(LoadProblem {
            place: found.place.clone(),
            what: format!("{path}: {source} {what}"),
        })
    });
    missing.collect()
}

fn understand(
    text: &str,
    processor: &Processor,
    place: String,
    is_shipped: bool,
) -> Result<Found, Vec<LoadProblem>> {
    let declaration = read(text).map_err(|problems| {
        let problems = problems.into_iter().map(|problem| LoadProblem {
            place: place.clone(),
            what: problem.to_string(),
        });
        problems.collect::<Vec<_>>()
    })?;
    if declaration.processor != *processor {
        let named = &declaration.processor;
        let what = format!("processor: is {named}, and the file is named after {processor}");
        return Err(vec![LoadProblem { place, what }]);
    }
    Ok(Found {
        declaration,
        place,
        is_shipped,
    })
}

fn complete(found: Found, chosen: &Connectors) -> Result<Loaded, Vec<LoadProblem>> {
    let mut problems = missing(&found);
    let urls = found.declaration.urls();
    if !chosen.plain_on_loopback && urls.iter().any(|url| url.is_plain()) {
        problems.push(LoadProblem {
            place: found.place.clone(),
            what: "names a URL that begins with http://: calls go over https:// only".to_owned(),
        });
    }
    let mut settings = BTreeMap::new();
    let mut secrets = BTreeMap::new();
    for (path, source) in found.declaration.values() {
        // What cannot be read is among the problems already.
        let Ok(value) = source.read() else { continue };
        match path.split_once('.') {
            Some(("settings", name)) => {
                settings.insert(name.to_owned(), value.expose().to_owned());
            }
            Some((_, name)) => {
                secrets.insert(name.to_owned(), value);
            }
            None => {}
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Loaded {
        declaration: found.declaration,
        settings,
        secrets,
        plain_on_loopback: chosen.plain_on_loopback,
    })
}

/// Reads a file; `None`: there is none.
fn read_file(path: &Path) -> Result<Option<String>, String> {
    let cannot = |error: io::Error| format!("cannot be read: {error}");
    let size = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        size => size.map_err(cannot)?.len(),
    };
    if size > FILE_BYTES_MAX {
        return Err(format!("has more than {FILE_BYTES_MAX} bytes"));
    }
    fs::read_to_string(path).map(Some).map_err(cannot)
}

impl Loaded {
    /// Makes the connector. Fails when there is no TLS to be had.
    pub fn open(
        self,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
    ) -> Result<Connector, reqwest::Error> {
        let parts = Parts {
            settings: self.settings,
            secrets: self.secrets,
            plain_on_loopback: self.plain_on_loopback,
            clock,
            ids,
        };
        Connector::new(self.declaration, parts)
    }
}

/// The names of the variables and files that a declaration asks for.
pub fn asked(found: &Found) -> Vec<String> {
    let values = found.declaration.values().into_iter();
    let names = values.map(|(_, source)| match source {
        ValueSource::Variable(name) => name.clone(),
        ValueSource::File(path) => path.display().to_string(),
    });
    names.collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    const OWN: &str = "
processor: crm
title: CRM
identifiers: [email]
secrets: { key: { file: KEY_FILE } }
authentication: { kind: bearer, token: key }
tasks:
  erase:
    steps:
      - name: delete
        for_each: { email: identifiers.email }
        method: DELETE
        url: SCHEME://127.0.0.1:1/people/{email}
        success: { status: 204 }
    finish: { outcome: done }
";

    fn chosen(names: &[&str], directory: Option<PathBuf>) -> Connectors {
        Connectors {
            enabled: names.iter().map(|name| name.parse().unwrap()).collect(),
            directory,
            plain_on_loopback: false,
        }
    }

    fn problems(chosen: &Connectors) -> Vec<String> {
        let error = load(chosen).unwrap_err();
        error.problems.iter().map(ToString::to_string).collect()
    }

    /// A directory with a declaration of the deployment's own, whose key is there.
    fn directory(file: &str, scheme: &str) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        let key = directory.path().join("key");
        fs::write(&key, "s3cret\n").unwrap();
        let text = OWN.replace("KEY_FILE", &key.display().to_string());
        let text = text.replace("SCHEME", scheme);
        fs::write(directory.path().join(file), text).unwrap();
        directory
    }

    #[test]
    fn what_is_not_switched_on_needs_nothing() {
        assert!(load(&Connectors::default()).unwrap().is_empty());
        let directory = directory("crm.yaml", "http");
        let none = chosen(&[], Some(directory.path().to_owned()));
        assert!(load(&none).unwrap().is_empty());
    }

    #[test]
    fn manual_ones_need_nothing_either() {
        assert_eq!(load(&chosen(&["paypal"], None)).unwrap().len(), 1);
    }

    #[test]
    fn everything_that_is_missing_is_reported_at_once() {
        let found = problems(&chosen(&["google_analytics", "stripe", "crm"], None));
        assert_eq!(found.len(), 6, "{found:?}");
        assert!(found[0].starts_with("connectors.enabled: crm: the program carries"));
        assert!(
            found.contains(
                &"stripe: secrets.api_key: the variable STRIPE_API_KEY is not set; set it, or \
                  STRIPE_API_KEY_FILE"
                    .to_owned()
            ),
            "{found:?}"
        );
    }

    #[test]
    fn a_declaration_of_the_deployments_own_is_found_by_its_name() {
        let directory = directory("crm.yaml", "https");
        let own = chosen(&["crm"], Some(directory.path().to_owned()));
        assert_eq!(load(&own).unwrap().len(), 1);
        assert!(!format!("{:?}", load(&own).unwrap()).contains("s3cret"));
        fs::remove_file(directory.path().join("key")).unwrap();
        assert!(problems(&own)[0].contains("secrets.key: the file"));
    }

    #[test]
    fn plain_http_is_refused() {
        let directory = directory("crm.yaml", "http");
        let mut own = chosen(&["crm"], Some(directory.path().to_owned()));
        assert!(problems(&own)[0].contains("https:// only"));
        own.plain_on_loopback = true;
        assert_eq!(load(&own).unwrap().len(), 1);
    }

    #[test]
    fn a_file_of_another_processor_is_refused() {
        let directory = directory("stripe.yaml", "https");
        let own = chosen(&["stripe"], Some(directory.path().to_owned()));
        assert!(problems(&own)[0].contains("is crm, and the file is named after stripe"));
    }

    #[test]
    fn a_file_over_the_limit_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("crm.yaml");
        let most = usize::try_from(FILE_BYTES_MAX).unwrap();
        let own = chosen(&["crm"], Some(directory.path().to_owned()));
        fs::write(&path, "#".repeat(most + 1)).unwrap();
        assert!(problems(&own)[0].contains("has more than"));
        fs::write(&path, "#".repeat(most)).unwrap();
        assert!(!problems(&own)[0].contains("has more than"));
    }
}
