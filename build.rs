//! Generates the protobuf messages, the gRPC clients and servers, and the descriptor set that
//! reflection serves, without a system `protoc`.

use std::{env, error::Error, fs, path::Path};

use protox::prost::Message;

const ROOT: &str = "proto";
const PACKAGE_DIR: &str = "proto/personaldata/registry/v1";

/// Messages that hold personal data or secrets themselves. Their `Debug` is written by hand in
/// `src/proto/redacted.rs` and shows none of it; messages around them inherit that.
const REDACTED: [&str; 12] = [
    ".personaldata.registry.v1.Identifier",
    ".personaldata.registry.v1.Item",
    ".personaldata.registry.v1.Evidence",
    ".personaldata.registry.v1.CorrectRecordRequest",
    ".personaldata.registry.v1.WithdrawConsentRequest",
    ".personaldata.registry.v1.IssueWithdrawalTokenResponse",
    ".personaldata.registry.v1.Correction",
    ".personaldata.registry.v1.LeasedTask",
    ".personaldata.registry.v1.TaskItem",
    ".personaldata.registry.v1.ProvidedItem",
    ".personaldata.registry.v1.DownloadExportResponse",
    ".personaldata.registry.v1.GetConsentReceiptResponse",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={PACKAGE_DIR}");
    let mut protos = Vec::new();
    for entry in fs::read_dir(PACKAGE_DIR)? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "proto")
        {
            protos.push(path);
        }
    }
    protos.sort();

    let descriptors = protox::compile(&protos, [ROOT])?;
    let out_dir = env::var("OUT_DIR")?;
    fs::write(
        Path::new(&out_dir).join("registry_descriptor.bin"),
        descriptors.encode_to_vec(),
    )?;
    tonic_prost_build::configure()
        .skip_debug(REDACTED)
        .compile_fds(descriptors)?;
    Ok(())
}
