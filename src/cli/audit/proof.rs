//! `pdr audit checkpoint`, `proof` and `consistency`: what to keep elsewhere, and what to show to others.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::{
    cli::{
        client::Way,
        development::write_private,
        output::{Grid, Output, json, print, refusal, time},
    },
    proto::v1::{
        AuditCheckpoint, GetCheckpointRequest, GetConsistencyProofRequest,
        GetInclusionProofRequest, GetInclusionProofResponse,
        audit_service_client::AuditServiceClient,
    },
};

#[derive(Debug, clap::Args)]
pub(super) struct Checkpoint {
    /// The checkpoint over exactly so many entries. Default: the latest.
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    tree_size: i64,
    /// Save it to a file, for `pdr audit verify --since`.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Proof {
    /// The entry.
    audit_id: String,
    /// The log as it was with so many entries. Default: as it is at the latest checkpoint.
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    tree_size: i64,
    /// Save it to a file, for `pdr audit verify`.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Consistency {
    /// Entries in the earlier log; there has to be a checkpoint over exactly so many.
    #[arg(long = "from", value_name = "TREE_SIZE")]
    from: i64,
    /// Entries in the later log. Default: as it is at the latest checkpoint.
    #[arg(
        long = "to",
        value_name = "TREE_SIZE",
        default_value_t = 0,
        hide_default_value = true
    )]
    to: i64,
    /// Save it to a file, for `pdr audit verify`.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) async fn checkpoint(way: Way, output: Output, asked: Checkpoint) -> Result<()> {
    let mut client = AuditServiceClient::new(way);
    let checkpoint = get(&mut client, asked.tree_size).await?;
    if let Some(file) = &asked.out {
        write_private(file, &format!("{}\n", checkpoint.envelope))?;
    }
    output.show("AuditCheckpoint", &checkpoint, |checkpoint| {
        let mut grid = Grid::new(&["checkpoint", &checkpoint.origin]);
        grid.row(["entries", &checkpoint.tree_size.to_string()]);
        grid.row(["root", &hex(&checkpoint.root_hash)]);
        grid.row(["sealed at", &time(checkpoint.sealed_at.as_ref())]);
        grid.row(["signed by", &checkpoint.key_id]);
        grid.to_string()
    })
}

pub(super) async fn proof(way: Way, output: Output, asked: Proof) -> Result<()> {
    let request = GetInclusionProofRequest {
        audit_id: asked.audit_id,
        tree_size: asked.tree_size,
    };
    let mut client = AuditServiceClient::new(way);
    let proof = client.get_inclusion_proof(request).await;
    let proof = proof.map_err(|status| refusal(&status))?.into_inner();
    if let Some(file) = &asked.out {
        let proof = json("GetInclusionProofResponse", &proof)?;
        write_private(file, &format!("{proof}\n"))?;
    }
    output.show("GetInclusionProofResponse", &proof, render)
}

fn render(proof: &GetInclusionProofResponse) -> String {
    let (position, size) = (proof.position.to_string(), proof.tree_size.to_string());
    let steps = proof.path.len().to_string();
    let mut grid = Grid::new(&["position", &position]);
    grid.row(["entry", proof.entry.as_str()]);
    grid.row(["of entries", &size]);
    grid.row(["root", &hex(&proof.root_hash)]);
    grid.row(["steps", &steps]);
    grid.to_string()
}

/// The proof with both checkpoints: whoever verifies it needs nothing else.
pub(super) async fn consistency(way: Way, output: Output, asked: Consistency) -> Result<()> {
    let mut client = AuditServiceClient::new(way);
    let from = get(&mut client, asked.from).await?;
    let to = get(&mut client, asked.to).await?;
    let request = GetConsistencyProofRequest {
        from_tree_size: from.tree_size,
        to_tree_size: to.tree_size,
    };
    let proof = client.get_consistency_proof(request).await;
    let proof = proof.map_err(|status| refusal(&status))?.into_inner();
    let mut document = json("GetConsistencyProofResponse", &proof)?;
    document["from_checkpoint"] = json("AuditCheckpoint", &from)?;
    document["to_checkpoint"] = json("AuditCheckpoint", &to)?;
    if let Some(file) = &asked.out {
        write_private(file, &format!("{document}\n"))?;
    }
    match output {
        Output::Json => print(&format!("{document}\n")),
        Output::Table => print(&format!(
            "the log of {} entries is said to begin with that of {}, in {} steps; \
             `pdr audit verify` verifies a saved proof\n",
            proof.to_tree_size,
            proof.from_tree_size,
            proof.path.len()
        )),
    }
}

async fn get(client: &mut AuditServiceClient<Way>, tree_size: i64) -> Result<AuditCheckpoint> {
    let request = GetCheckpointRequest { tree_size };
    let answer = client.get_checkpoint(request).await;
    let answer = answer.map_err(|status| refusal(&status))?.into_inner();
    answer.checkpoint.context("an answer has a checkpoint")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        text.push_str(&format!("{byte:02x}"));
        text
    })
}
