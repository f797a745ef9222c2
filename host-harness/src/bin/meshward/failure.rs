//! How a command fails: a message for people and an exit code for scripts.

use std::fmt::Display;
use std::io;
use std::process::ExitCode;

use clap::builder::styling::{AnsiColor, Style};

const ERROR: Style = AnsiColor::Red.on_default().bold();

/// Why a command ends without having done its work.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The caller gave something that cannot work: exit code 2.
    Usage(String),
    /// It failed while running: exit code 1.
    Runtime(String),
}

impl Failure {
    /// A usage or configuration failure.
    pub(crate) fn usage(message: impl Display) -> Self {
        Self::Usage(message.to_string())
    }

    /// A failure while running.
    pub(crate) fn runtime(message: impl Display) -> Self {
        Self::Runtime(message.to_string())
    }

    /// The result of writing to stdout. A reader that has seen enough (`| head`) is no failure.
    pub(crate) fn on_stdout(result: io::Result<()>) -> Result<(), Self> {
        match result {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Self::runtime(format!("cannot write to stdout: {error}")))
            }
            _ => Ok(()),
        }
    }

    /// Prints the message to stderr, in colour if that is a terminal, and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        let (message, code) = match self {
            Self::Usage(message) => (message, 2),
            Self::Runtime(message) => (message, 1),
        };
        anstream::eprintln!("{ERROR}error:{ERROR:#} {message}");
        ExitCode::from(code)
    }
}
