//! End-to-end tests: real firmware, a real network, the real daemon.

mod boots;
mod holding;
mod orders;
mod renewal;
mod runner;
mod self_proof;
mod trial;

use std::process::ExitCode;

/// Names each test by its path, as a filter on the command line does.
macro_rules! cases {
    ($($module:ident { $($name:ident)* })*) => {
        &[$($((concat!(stringify!($module), "::", stringify!($name)), $module::$name),)*)*]
    };
}

fn main() -> ExitCode {
    runner::main(cases! {
        self_proof { bios uefi }
        boots {
            bios_unknown_is_held_until_approved
            bios_rejected_goes_to_its_disk
            bios_strict_off_goes_to_its_disk
            bios_strict_off_without_a_system_runs_talos
            bios_approved_gets_its_config
            uefi_unknown_is_held_until_approved
            uefi_rejected_goes_to_its_disk
            uefi_strict_off_goes_to_its_disk
            uefi_strict_off_without_a_system_runs_talos
            uefi_approved_gets_its_config
            uefi_2025_approved_gets_its_config
            uefi_card_rom_approved_gets_its_config
            uefi_card_rom_rejected_goes_to_its_disk
            http_boot_approved_gets_its_config
            http_boot_rejected_goes_to_its_disk
        }
        orders {
            bios_order_local_goes_to_its_disk
            uefi_order_local_goes_to_its_disk
            uefi_that_leaves_by_exit_is_not_loaded_again
            bios_order_menu_ends_at_the_disk
            bios_second_boot_does_not_install_again
        }
        holding {
            bios_is_not_lost_by_a_restart
            uefi_is_not_lost_by_a_restart
            bios_without_files_says_so_and_waits_for_them
        }
        renewal {
            beside_a_server_that_was_first
            beside_a_server_that_came_later
        }
    })
}
