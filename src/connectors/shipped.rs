//! Declarations that the program carries itself.

/// Each with its processor.
pub const SHIPPED: [(&str, &str); 4] = [
    (
        "aweber",
        include_str!("../../policies/connectors/aweber.yaml"),
    ),
    (
        "google_analytics",
        include_str!("../../policies/connectors/google_analytics.yaml"),
    ),
    (
        "paypal",
        include_str!("../../policies/connectors/paypal.yaml"),
    ),
    (
        "stripe",
        include_str!("../../policies/connectors/stripe.yaml"),
    ),
];

/// The declaration that the program carries for a processor.
pub fn shipped(processor: &str) -> Option<&'static str> {
    let found = SHIPPED.iter().find(|(name, _)| *name == processor);
    found.map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connectors::declaration::read;

    #[test]
    fn what_is_shipped_can_be_read_and_is_under_its_name() {
        for (name, text) in SHIPPED {
            let declaration = read(text).unwrap_or_else(|problems| {
                let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
                panic!("{name}: {}", problems.join("\n"))
            });
            assert_eq!(declaration.processor.as_str(), name);
            assert!(!declaration.kinds().is_empty());
        }
    }
}
