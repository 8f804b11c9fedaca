//! Exit codes: what a script may rely on. They stand in `pdr --help` too.

/// The command did not do what it was asked to.
pub const FAILURE: u8 = 1;
/// The command went through, and the server refused some of the records.
pub const REFUSED: u8 = 2;
/// The command went through, and the answer is no.
pub const DENY: u8 = 3;
/// The command line makes no sense (`EX_USAGE` of sysexits).
pub const USAGE: u8 = 64;

/// What `pdr --help` says on them.
pub const HELP: &str = "\
Exit codes:
  0   it was done; the answer is yes
  1   it was not done: the error says why, and what to do
  2   an import went through, and some of its records were refused
  3   the answer is no (DENY): nothing was handed out, disclosed or processed
  64  the command line makes no sense

Client commands find a development server in --data-dir by themselves. Another server is named
with --address and --token-file, or with PDR_ADDRESS, PDR_TOKEN_FILE and PDR_CA.

Begin with:
  pdr demo
  pdr serve --dev";
