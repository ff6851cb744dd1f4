//! The cluster, for people.

use api::types::{Cluster, ClusterAnswer, ClusterGenerated, SecretsState};
use configgen::{ClusterInput, Cni, DiskSelector, InstallTarget};

use crate::cli::output::{fields, or_dash, when};

/// Everything but secrets.
pub(super) fn cluster(cluster: &Cluster) -> String {
    let mut rows = match &cluster.settings {
        Some(settings) => settings_rows(settings),
        None => vec![
            ("name", or_dash(cluster.name.as_ref())),
            (
                "settings",
                "none: base configs are imported, or there is no cluster yet".to_owned(),
            ),
        ],
    };
    let bases: Vec<String> = cluster
        .bases
        .iter()
        .map(|base| format!("{} ({} {})", base.role, base.origin, base.changed_at))
        .collect();
    rows.push(("base configs", or_none(&bases)));
    rows.push((
        "secrets",
        cluster.secrets.as_ref().map_or_else(
            || "-".to_owned(),
            |it| format!("{} {}", it.origin, it.made_at),
        ),
    ));
    rows.extend(cluster.backups.iter().map(|it| ("backup", backup(it))));
    rows.push(("patches", cluster.patches.to_string()));
    with_notes(&fields(&rows), &cluster.notes)
}

/// The settings after a change.
pub(super) fn answer(answer: &ClusterAnswer) -> String {
    with_notes(&fields(&settings_rows(&answer.settings)), &answer.notes)
}

/// What was made.
pub(super) fn generated(done: &ClusterGenerated) -> String {
    with_notes(&done.message, &done.notes)
}

/// A text with notes below it.
pub(in crate::cli) fn with_notes(text: &str, notes: &[String]) -> String {
    let mut shown = text.to_owned();
    for note in notes {
        shown.push_str("\nnote: ");
        shown.push_str(note);
    }
    shown
}

fn backup(state: &SecretsState) -> String {
    format!(
        "number {}: {} {}, replaced {}",
        state.id,
        state.origin,
        state.made_at,
        when(state.replaced_at)
    )
}

fn settings_rows(settings: &ClusterInput) -> Vec<(&'static str, String)> {
    let on = |on: bool| if on { "on" } else { "off" }.to_owned();
    let cni = match &settings.cni {
        Cni::Flannel => "flannel".to_owned(),
        Cni::None => "none".to_owned(),
        Cni::Custom(urls) => urls.join(", "),
    };
    let install = match &settings.install {
        Some(InstallTarget::Disk(path)) => path.clone(),
        Some(InstallTarget::Selector(selector)) => disk(selector),
        None => "-".to_owned(),
    };
    let mirrors: Vec<String> = settings
        .registry_mirrors
        .iter()
        .map(|mirror| format!("{} from {}", mirror.registry, mirror.endpoints.join(", ")))
        .collect();
    vec![
        ("name", settings.name.clone()),
        ("endpoint", settings.endpoint.clone()),
        ("Talos version", settings.talos_version.to_string()),
        (
            "Kubernetes version",
            settings.kubernetes_version.as_ref().map_or_else(
                || format!("{}, Talos's default", settings.kubernetes_version()),
                ToString::to_string,
            ),
        ),
        ("DNS domain", settings.dns_domain.clone()),
        ("pod subnets", settings.pod_subnets.join(", ")),
        ("service subnets", settings.service_subnets.join(", ")),
        ("CNI", cni),
        ("kube-proxy", on(settings.kube_proxy)),
        ("additional SANs", or_none(&settings.additional_sans)),
        ("install disk", install),
        ("install image", or_dash(settings.install_image.as_ref())),
        ("install wipe", on(settings.install_wipe)),
        (
            "workloads on control planes",
            on(settings.allow_scheduling_on_control_planes),
        ),
        ("KubeSpan", on(settings.kubespan)),
        ("discovery", on(settings.discovery)),
        ("registry mirrors", or_none(&mirrors)),
    ]
}

fn disk(selector: &DiskSelector) -> String {
    let facts = [
        ("size", &selector.size),
        ("type", &selector.kind),
        ("model", &selector.model),
        ("serial", &selector.serial),
        ("wwid", &selector.wwid),
        ("uuid", &selector.uuid),
        ("modalias", &selector.modalias),
        ("bus_path", &selector.bus_path),
    ];
    let facts: Vec<String> = facts
        .into_iter()
        .filter_map(|(name, fact)| Some(format!("{name} {}", fact.as_ref()?)))
        .collect();
    or_none(&facts)
}

fn or_none(list: &[String]) -> String {
    if list.is_empty() {
        "-".to_owned()
    } else {
        list.join(", ")
    }
}
