//! The binary as people and scripts meet it: what it prints, what it leaves behind, its exit codes.

mod run;

mod audit;
mod commands;
mod connectors;
mod import;
mod keys;
mod offline;
mod request;
mod serve;
mod tasks;
