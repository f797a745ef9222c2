//! `meshward schema`: the JSON Schema of the configuration, on stdout.

use crate::failure::Failure;

/// Arguments of `meshward schema`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    meshward schema > meshward.schema.json\n\n  \
    # In an editor with the YAML language server, as the first line of a configuration:\n  \
    # yaml-language-server: $schema=./meshward.schema.json")]
pub(crate) struct Args {}

pub(crate) fn run() -> Result<(), Failure> {
    let schema = schemars::schema_for!(meshward::Config);
    let mut text = serde_json::to_string_pretty(&schema).map_err(Failure::runtime)?;
    text.push('\n');
    Failure::on_stdout(std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes()))
}
