//! What the table means, told in lives.

mod activities;
mod consents;
mod golden;
mod items;
mod life;
mod policy;
mod validity;
