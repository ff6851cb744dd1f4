//! End-to-end tests: real firmware, a real network, the real daemon.

mod autoexec;
mod boots;
mod crash;
mod crowd;
mod founding;
mod full_disk;
mod holding;
mod identity;
mod lifecycle;
mod orders;
mod readiness;
mod renewal;
mod reports;
mod runner;
mod self_proof;
mod service;
mod starting;
mod trial;
mod wire;

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
            arm_unknown_is_held_until_approved
        }
        orders {
            bios_order_local_goes_to_its_disk
            uefi_order_local_goes_to_its_disk
            uefi_that_leaves_by_exit_is_not_loaded_again
            bios_order_menu_ends_at_the_disk
            bios_second_boot_does_not_install_again
        }
        reports {
            bios_install_is_proven_and_told_stage_by_stage
            bios_failed_install_says_why
        }
        lifecycle {
            bios_goes_to_its_disk_once_proven
            uefi_goes_to_its_disk_once_proven
            bios_without_proof_is_held_after_three
            bios_that_fails_is_held_after_three
            bios_is_wiped_once_whatever_loses_power
            bios_proves_its_wipe
        }
        identity {
            bios_another_machine_with_its_mac_is_held_until_decided
            a_stranger_gets_no_config_and_uses_up_nothing
        }
        holding {
            bios_is_not_lost_by_a_restart
            uefi_is_not_lost_by_a_restart
            bios_without_files_says_so_and_waits_for_them
        }
        starting {
            a_port_in_use_is_one_sentence
            a_second_daemon_is_refused
            a_state_folder_closed_to_the_user_is_named
            a_wrong_config_file_is_refused_with_its_line
            a_set_up_link_leads_to_its_page
            the_admin_plane_is_closed_to_the_network
            the_unit_is_valid_and_closed
            roots_powers_are_given_up
        }
        readiness { each_reason_is_named_while_it_lasts }
        full_disk { loses_nothing_and_goes_on }
        service {
            says_that_it_is_ready_and_that_it_lives
            ends_in_time_with_work_under_way
        }
        wire {
            each_card_answers_with_its_own_address
            tftp_answers_from_the_address_that_was_asked
            a_relayed_question_is_answered_to_its_relay
        }
        founding { from_nothing_to_a_machine_and_its_drift }
        crash {
            a_hundred_kills_lose_nothing
            a_wipe_is_sent_once_whenever_it_is_killed
        }
        crowd { no_listener_costs_a_boot_its_answer }
        autoexec { spares_the_waits_of_ipxe }
        renewal {
            beside_a_server_that_was_first
            beside_a_server_that_came_later
            not_beside_a_server_where_that_is_forbidden
        }
    })
}
