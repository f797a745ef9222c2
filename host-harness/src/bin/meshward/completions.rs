//! `meshward completions`: the completion script of a shell, on stdout.

use clap_complete::Shell;

use crate::failure::Failure;

/// Arguments of `meshward completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    meshward completions bash > ~/.local/share/bash-completion/completions/meshward\n  \
    meshward completions zsh > ~/.zfunc/_meshward\n  \
    meshward completions fish > ~/.config/fish/completions/meshward.fish")]
pub(crate) struct Args {
    /// The shell to complete for.
    shell: Shell,
}

pub(crate) fn run(args: &Args, command: &mut clap::Command) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, command, "meshward", &mut script);
    Failure::on_stdout(std::io::Write::write_all(&mut std::io::stdout(), &script))
}
