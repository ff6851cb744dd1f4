//! `ktizo check-config`.

use std::path::Path;
use std::process::ExitCode;

use super::complain;
use super::output::say;
use crate::config::{Config, DEFAULT_FILE};

/// Says whether a config file is right.
pub(super) fn run(file: Option<&Path>) -> ExitCode {
    match Config::load(file) {
        Ok(config) => {
            if let Err(err) = config.check_files(file.unwrap_or_else(|| Path::new(DEFAULT_FILE))) {
                complain(&err.to_string());
                return ExitCode::FAILURE;
            }
            for warning in config.warnings() {
                complain(&format!("warning: {warning}"));
            }
            let shown = file.unwrap_or_else(|| Path::new(DEFAULT_FILE));
            let what = if shown.exists() {
                format!("{} is right", shown.display())
            } else {
                format!(
                    "{} is not there, so the defaults are in force",
                    shown.display()
                )
            };
            match say(&what) {
                Ok(()) => ExitCode::SUCCESS,
                Err(_) => ExitCode::FAILURE,
            }
        }
        Err(err) => {
            complain(&err.to_string());
            ExitCode::FAILURE
        }
    }
}
