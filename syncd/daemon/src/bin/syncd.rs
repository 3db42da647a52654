//! The program `syncd`: nothing but the call of its library, where everything is. See `lib.rs`.

use std::process::ExitCode;

fn main() -> ExitCode {
    syncd::main()
}
