//! `[memory]`: what checks are answered from without asking the database.

use std::time::Duration;

use super::settings::Section;

const BUDGET_MIB: u32 = 256;
/// 64 GiB at most: beyond it a misspelt number is likelier.
const BUDGET_MIB_LIMITS: [u32; 2] = [0, 65_536];
const LEASE: Duration = Duration::from_secs(1);
/// What leases may last. Every replica waits for the longest where it cannot ask.
pub const LEASE_LIMITS: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(2)];

/// What checks are answered from without asking the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// How much is kept of people, in MiB; 0: nothing, every check asks the database.
    pub budget_mib: u32,
    /// How long a replica may answer from memory without having heard from the database.
    pub lease: Duration,
}

impl Memory {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        Self {
            budget_mib: section.number("budget_mib", BUDGET_MIB, BUDGET_MIB_LIMITS),
            lease: section.duration("lease", LEASE, LEASE_LIMITS),
        }
    }

    pub(super) fn development() -> Self {
        Self {
            budget_mib: BUDGET_MIB,
            lease: LEASE,
        }
    }

    /// The budget in bytes.
    pub fn budget_bytes(&self) -> u64 {
        u64::from(self.budget_mib) << 20
    }
}
