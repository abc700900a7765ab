//! The program `rosettar`.

use std::process::ExitCode;

fn main() -> ExitCode {
    rosettar_cli::run(std::env::args_os()).into()
}
