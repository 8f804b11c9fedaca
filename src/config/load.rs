//! The loader: the one place that reads the environment.

use std::{env, fs, io, path::Path};

use super::{Config, ConfigError, Credential, ValueSource};

/// Largest configuration file, in bytes.
const FILE_BYTES_MAX: u64 = 256 * 1024;
/// Longest value that a variable or a file of its own holds, in bytes.
const VALUE_BYTES_MAX: usize = 16 * 1024;

impl Config {
    /// Reads the file, if one is named, and the variables of this process.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let text = match file {
            Some(path) => read_text(path).map_err(|problem| ConfigError::one(path, problem))?,
            None => String::new(),
        };
        let name = file.map_or_else(String::new, |path| path.display().to_string());
        Self::read(&name, &text, env::vars_os())
    }
}

impl ValueSource {
    /// The value; the error says what to do, and repeats nothing of it.
    pub fn read(&self) -> Result<Credential, String> {
        let text = match self {
            Self::File(path) => read_text(path)?,
            Self::Variable(name) => {
                match (env::var_os(name), env::var_os(format!("{name}_FILE"))) {
                    (Some(value), None) => value.into_string().map_err(|_| "is not UTF-8")?,
                    (None, Some(path)) => read_text(Path::new(&path))?,
                    (Some(_), Some(_)) => {
                        return Err(format!("must not be set beside {name}_FILE"));
                    }
                    (None, None) => return Err(format!("is not set; set it, or {name}_FILE")),
                }
            }
        };
        match text.trim() {
            "" => Err("is empty".to_owned()),
            text if text.len() > VALUE_BYTES_MAX => {
                Err(format!("has more than {VALUE_BYTES_MAX} bytes"))
            }
            text => Ok(Credential::new(text)),
        }
    }
}

fn read_text(path: &Path) -> Result<String, String> {
    let cannot = |error: io::Error| format!("cannot be read: {error}");
    if fs::metadata(path).map_err(cannot)?.len() > FILE_BYTES_MAX {
        return Err(format!("has more than {FILE_BYTES_MAX} bytes"));
    }
    fs::read_to_string(path).map_err(cannot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_missing_is_a_problem_with_its_path() {
        let refused = Config::load(Some(Path::new("/nowhere/registry.toml"))).unwrap_err();
        assert!(
            refused
                .to_string()
                .contains("/nowhere/registry.toml: cannot be read"),
            "{refused}"
        );
    }

    #[test]
    fn a_file_over_the_limit_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("registry.toml");
        let oversized = "#".repeat(usize::try_from(FILE_BYTES_MAX).unwrap() + 1);
        fs::write(&path, oversized).unwrap();
        let refused = Config::load(Some(&path)).unwrap_err();
        assert!(refused.to_string().contains("has more than"), "{refused}");
    }
}
