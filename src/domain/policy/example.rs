//! The example: the policy that a development server starts with.

/// `AliDropship`'s privacy policy of 2018-05-24, transcribed.
pub const EXAMPLE_POLICY_YAML: &str = include_str!("../../../policies/alidropship/2018-05-24.yaml");

#[cfg(test)]
mod tests;
