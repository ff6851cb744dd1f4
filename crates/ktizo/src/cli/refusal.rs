//! What the daemon refuses, in the words of the command line.

use api::ClientError;
use api::types::ErrorBody;

/// Fields of the API, and the options that set them.
const OPTIONS: &[(&str, &str)] = &[
    ("mac_address", "--mac"),
    ("hostname", "--hostname"),
    ("ip_address", "--address"),
    ("role", "--role"),
    ("notes", "--notes"),
    ("labels", "--label"),
    ("install_disk", "--install-disk"),
    ("install_selector", "--install-selector"),
    ("install_image", "--install-image"),
    ("ephemeral_min_size", "--ephemeral-min-size"),
    ("ephemeral_max_size", "--ephemeral-max-size"),
    ("ephemeral_disk_selector", "--ephemeral-disk-selector"),
    ("image_cache", "--image-cache-..."),
    ("user_volumes", "--user-volume"),
    ("kernel_modules", "--kernel-module"),
    ("local_boot", "--local-boot"),
    ("loader", "--loader"),
    ("confirm", "--confirm"),
    ("strict_boot_mode", "--strict-boot-mode"),
    ("hold_limit_seconds", "--hold-limit"),
    ("menu_seconds", "--menu"),
    ("node_subnet", "--node-subnet"),
    ("gateway", "--gateway"),
    ("nameservers", "--nameservers"),
    ("server_address", "--server-address"),
    ("talos_version", "--talos-version"),
    ("extra_kernel_args", "--extra-kernel-args"),
    ("install_attempts", "--install-attempts"),
    ("proof_limit_seconds", "--proof-limit"),
    ("kubernetes_version", "--kubernetes-version"),
    ("dns_domain", "--dns-domain"),
    ("pod_subnets", "--pod-subnets"),
    ("service_subnets", "--service-subnets"),
    ("additional_sans", "--additional-sans"),
    ("registry_mirrors", "--registry-mirror"),
];

/// The sentence of a failed call, with what helps against it here.
pub(super) fn told(err: &ClientError) -> String {
    match err {
        // By the Unix socket nobody has to say who they are.
        ClientError::Refused { status: 401, .. } => {
            "the token is wrong, expired or revoked; `ktizo token add NAME` on the server makes another, and `ktizo login URL` keeps it"
                .to_owned()
        }
        ClientError::Refused { body, .. } => refused(body),
        ClientError::Unreachable { place, .. } if !place.contains("://") => format!(
            "{err}; is it running? `systemctl start ktizo` or `ktizo serve` starts it, --socket names the socket of another"
        ),
        ClientError::Unreachable { place, why } if why.contains("certificate") => format!(
            "this host does not know the certificate of {place} ({why}); `ktizo login {place}` shows its SHA-256 and asks, --fingerprint \
             SHA256 or --ca FILE trusts it"
        ),
        other => other.to_string(),
    }
}

/// Field, reason and hint.
fn refused(body: &ErrorBody) -> String {
    // What was seen is no option: the command line sends it by itself.
    let field = body.field.as_deref().filter(|field| *field != "seen");
    let field = field.map(|field| {
        let option = OPTIONS.iter().find(|(known, _)| *known == field);
        option.map_or(field, |(_, option)| option)
    });
    let mut told = match field {
        Some(field) => format!("{field}: {}", body.message),
        None => body.message.clone(),
    };
    if let Some(hint) = &body.hint {
        told.push_str(&format!(" ({hint})"));
    }
    told
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn every_field_has_an_option_that_is_there() {
        let mut help = String::new();
        let mut commands = vec![crate::cli::Cli::command()];
        while let Some(command) = commands.pop() {
            let options = command.get_arguments().filter_map(|arg| arg.get_long());
            help.extend(options.map(|option| format!("--{option}\n")));
            commands.extend(command.get_subcommands().cloned());
        }
        for (field, option) in OPTIONS {
            let begin = option.trim_end_matches("...");
            assert!(help.contains(begin), "{field}: there is no {option}");
        }
    }

    #[test]
    fn refusals_speak_of_options() {
        let body = |field: Option<&str>, hint: Option<&str>| ErrorBody {
            code: "invalid".to_owned(),
            message: "is wrong".to_owned(),
            field: field.map(str::to_owned),
            hint: hint.map(str::to_owned),
        };
        for (body, expected) in [
            (body(Some("ip_address"), None), "--address: is wrong"),
            (body(Some("assets[0]"), None), "assets[0]: is wrong"),
            (body(None, Some("do this")), "is wrong (do this)"),
            (body(Some("seen"), None), "is wrong"),
        ] {
            assert_eq!(told(&ClientError::Refused { status: 422, body }), expected);
        }
        let unreachable = |place: &str, why: &str| {
            told(&ClientError::Unreachable {
                place: place.to_owned(),
                why: why.to_owned(),
            })
        };
        for (said, expected) in [
            (
                unreachable("/run/ktizo/ktizo.sock", "No such file or directory"),
                "systemctl start ktizo",
            ),
            (
                unreachable("https://h:8000", "invalid peer certificate: UnknownIssuer"),
                "ktizo login https://h:8000",
            ),
            (
                unreachable("https://h:8000", "connection refused"),
                "no ktizo answers at https://h:8000: connection refused",
            ),
        ] {
            assert!(said.contains(expected), "{said}");
        }
        let body = body(None, None);
        let said = told(&ClientError::Refused { status: 401, body });
        assert!(said.starts_with("the token is wrong"), "{said}");
    }
}
