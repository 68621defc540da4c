//! The `kindred` program: hands its arguments to [`kindred::cli`] and its exit code to the system.

use std::process::ExitCode;

fn main() -> ExitCode {
    kindred::cli::main()
}
