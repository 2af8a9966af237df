//! `sockdoc completions`.

use std::io;

use clap_complete::Shell;

use crate::commands::Status;
use crate::error::{Error, Result};
use crate::sys::privilege;

/// Print a script that lets a shell complete sockdoc's commands and flags.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    . <(sockdoc completions bash)            for this shell only\n  \
    sockdoc completions bash >~/.local/share/bash-completion/completions/sockdoc\n  \
    sockdoc completions zsh >~/.zfunc/_sockdoc   with ~/.zfunc in $fpath\n  \
    sockdoc completions fish >~/.config/fish/completions/sockdoc.fish")]
pub struct Args {
    /// The shell.
    shell: Shell,
}

/// Runs the command.
pub fn run(args: &Args, parser: fn() -> clap::Command) -> Result<Status> {
    privilege::drop_all()?;
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut parser(), "sockdoc", &mut script);
    io::Write::write_all(&mut io::stdout().lock(), &script).map_err(Error::output)?;
    Ok(Status::Good)
}
