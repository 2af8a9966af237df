//! The binary: an exit code from the library, and nothing else.

fn main() -> std::process::ExitCode {
    sockdoc::cli::main()
}
