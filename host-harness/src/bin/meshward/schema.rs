//! `meshward schema`: the JSON Schema of the configuration, or of an audit record, on stdout.

use crate::failure::Failure;

/// Arguments of `meshward schema`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    meshward schema > meshward.schema.json\n  \
    meshward schema audit-record > audit-record.schema.json\n\n  \
    # In an editor with the YAML language server, as the first line of a configuration:\n  \
    # yaml-language-server: $schema=./meshward.schema.json")]
pub(crate) struct Args {
    /// What it is the schema of.
    #[arg(value_enum, default_value_t)]
    of: Of,
}

/// What has a schema.
#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
enum Of {
    /// The configuration.
    #[default]
    Config,
    /// A record of the audit.
    AuditRecord,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let schema = match args.of {
        Of::Config => schemars::schema_for!(meshward::Config),
        Of::AuditRecord => meshward::audit_record_schema(),
    };
    let mut text = serde_json::to_string_pretty(&schema).map_err(Failure::runtime)?;
    text.push('\n');
    Failure::on_stdout(std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes()))
}
