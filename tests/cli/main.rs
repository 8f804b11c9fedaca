//! The binary as people and scripts meet it: what it prints, what it leaves behind, its exit codes.

mod run;

mod commands;
mod import;
mod keys;
mod offline;
mod request;
mod serve;
