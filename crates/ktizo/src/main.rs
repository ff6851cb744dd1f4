//! `ktizo`: turns bare machines into Talos Linux nodes over the network.

use std::process::ExitCode;

fn main() -> ExitCode {
    ktizo::cli::main()
}
