//! The form of the cluster's settings, and the making of base configs from them.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use configgen::{ClusterInput, Cni, Contract, DiskSelector, InstallTarget, RegistryMirror};
use model::TalosVersion;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{REFUSED, View, confirmation, renamed};
use crate::types::GenerateCluster;
use crate::ui::disk;
use crate::ui::fields::{Choice, Field, Fields, of_list};
use crate::ui::notice::done;
use crate::ui::page::Ask;
use crate::ui::post::Post;
use crate::{Api, Error, IfMatch, Version, cluster};

/// The form of the settings.
#[derive(Serialize)]
pub(super) struct Form {
    fields: Fields,
    /// Whether there are settings.
    is_set: bool,
    cnis: Vec<Choice>,
    installs: Vec<Choice>,
    /// Releases that can be chosen without typing.
    releases: Vec<String>,
    /// What Kubernetes the Talos of the settings brings along.
    default_kubernetes: String,
}

const YES_OR_NO: [&str; 5] = [
    "kube_proxy",
    "install_wipe",
    "allow_scheduling_on_control_planes",
    "kubespan",
    "discovery",
];

impl Form {
    /// The form for settings, or for those of a new cluster: its name may be known from base configs, and it would run the release
    /// that machines boot.
    pub(super) fn new(
        settings: Option<&ClusterInput>,
        name: Option<&str>,
        booted: Option<TalosVersion>,
        releases: Vec<String>,
    ) -> Self {
        let version = settings.map(|it| it.talos_version.clone()).or(booted);
        let contract = version
            .as_ref()
            .and_then(|version| Contract::of(version).ok());
        let kubernetes = contract
            .unwrap_or_else(Contract::newest_stable)
            .default_kubernetes();
        Self {
            fields: filled(settings, name, version.as_ref()),
            is_set: settings.is_some(),
            cnis: vec![
                Choice::new("flannel", "Flannel, Talos's default"),
                Choice::new("none", "none; you install one yourself, such as Cilium"),
                Choice::new("custom", "manifests at URLs"),
            ],
            installs: vec![
                Choice::new("disk", "the disk at a path"),
                Choice::new("selector", "the disk that fits"),
                Choice::new("none", "no disk given (Talos v1.14 and newer)"),
            ],
            releases,
            default_kubernetes: kubernetes.to_string(),
        }
    }
}

fn filled(
    settings: Option<&ClusterInput>,
    name: Option<&str>,
    version: Option<&TalosVersion>,
) -> Fields {
    // What a new cluster has where nobody says otherwise is told by the settings' own defaults.
    let of_new = json!({"name": "", "endpoint": "", "talos_version": "v1.0.0"});
    let standard: Option<ClusterInput> = serde_json::from_value(of_new).ok();
    let given = settings.or(standard.as_ref());
    let text = |of: fn(&ClusterInput) -> String| Field::of(given.map(of).unwrap_or_default());
    let (cni, urls) = match given.map(|it| &it.cni) {
        Some(Cni::None) => ("none", String::new()),
        Some(Cni::Custom(urls)) => ("custom", urls.join("\n")),
        Some(Cni::Flannel) | None => ("flannel", String::new()),
    };
    let (by, disk, selector) = match given.and_then(|it| it.install.as_ref()) {
        Some(InstallTarget::Disk(disk)) => ("disk", disk.clone(), DiskSelector::default()),
        Some(InstallTarget::Selector(selector)) => ("selector", String::new(), selector.clone()),
        None => ("none", String::new(), DiskSelector::default()),
    };
    let mut fields = Fields::new([
        (
            "name",
            Field::maybe(settings.map(|it| it.name.as_str()).or(name)),
        ),
        ("endpoint", text(|it| it.endpoint.clone())),
        ("talos_version", Field::maybe(version)),
        (
            "kubernetes_version",
            Field::maybe(given.and_then(|it| it.kubernetes_version.as_ref())),
        ),
        ("dns_domain", text(|it| it.dns_domain.clone())),
        ("pod_subnets", text(|it| it.pod_subnets.join(" "))),
        ("service_subnets", text(|it| it.service_subnets.join(" "))),
        ("cni", Field::of(cni)),
        ("cni_urls", Field::of(urls)),
        ("additional_sans", text(|it| it.additional_sans.join(" "))),
        ("install", Field::of(by)),
        ("install_disk", Field::of(disk)),
        (
            "install_image",
            Field::maybe(given.and_then(|it| it.install_image.as_ref())),
        ),
        ("registry_mirrors", text(|it| mirrors(&it.registry_mirrors))),
        ("kube_proxy", text(|it| it.kube_proxy.to_string())),
        ("install_wipe", text(|it| it.install_wipe.to_string())),
        (
            "allow_scheduling_on_control_planes",
            text(|it| it.allow_scheduling_on_control_planes.to_string()),
        ),
        ("kubespan", text(|it| it.kubespan.to_string())),
        ("discovery", text(|it| it.discovery.to_string())),
        // What the form was made of: a change by somebody else since must not be lost.
        ("seen", Field::of(Version::of(&settings))),
    ]);
    disk::fill(&mut fields, &selector);
    fields.remember()
}

fn mirrors(mirrors: &[RegistryMirror]) -> String {
    let line =
        |mirror: &RegistryMirror| format!("{} {}", mirror.registry, mirror.endpoints.join(" "));
    mirrors.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// What the form says, in the words of the API.
fn patch(post: &Post) -> Map<String, Value> {
    let mut patch = Map::new();
    let mut put = |name: &str, value: Value| {
        patch.insert(name.to_owned(), value);
    };
    // An empty field takes its default again; without a name or an endpoint there is no cluster, which the settings themselves say.
    for name in ["name", "endpoint"] {
        put(name, post.text(name).into());
    }
    for name in [
        "talos_version",
        "kubernetes_version",
        "dns_domain",
        "install_image",
    ] {
        put(name, post.or_null(name));
    }
    for name in ["pod_subnets", "service_subnets", "additional_sans"] {
        let words = words(post.text(name));
        put(
            name,
            if words.is_empty() {
                Value::Null
            } else {
                words.into()
            },
        );
    }
    put(
        "cni",
        match post.text("cni") {
            "custom" => json!({"custom": words(post.text("cni_urls"))}),
            "" => Value::Null,
            cni => cni.into(),
        },
    );
    put(
        "install",
        match post.text("install") {
            "none" => Value::Null,
            "selector" => json!({"selector": disk::read(post)}),
            _ => json!({"disk": post.text("install_disk")}),
        },
    );
    let mirrors = post.text("registry_mirrors").lines().map(words);
    let mirrors: Vec<Value> = mirrors
        .filter(|words| !words.is_empty())
        .map(|words| json!({"registry": words[0], "endpoints": words[1..]}))
        .collect();
    put("registry_mirrors", mirrors.into());
    for name in YES_OR_NO {
        put(name, (post.get(name) == Some("true")).into());
    }
    patch
}

fn words(text: &str) -> Vec<&str> {
    let words = text.split(|c: char| c.is_whitespace() || c == ',');
    words.filter(|word| !word.is_empty()).collect()
}

/// A refusal in the words of the API at the field that the form has for it.
fn at_field(err: Error) -> Error {
    let fact = |field: &str| disk::field(field).unwrap_or_else(|| field.to_owned());
    let err = match err {
        Error::Refused(mut refusal) => {
            refusal.field = refusal.field.as_deref().map(fact);
            if refusal.field.as_deref() == Some("talos_version") && refusal.hint.is_some() {
                // A page says where it is done.
                refusal.hint = Some("name one, or import one under Assets first".to_owned());
            }
            Error::Refused(refusal)
        }
        other => other,
    };
    match of_list(err) {
        Error::Refused(mut refusal) => {
            refusal.field = refusal.field.map(|field| match field.as_str() {
                "install" => "install_disk".to_owned(),
                "cni" => "cni_urls".to_owned(),
                _ => field,
            });
            Error::Refused(refusal)
        }
        other => other,
    }
}

/// What is said to the second of two people who change the settings.
const STALE: &str = "Somebody else changed the settings while you were typing. What you typed is kept, and what they changed is \
     marked. Save again to put yours in force.";

pub(in crate::ui) async fn save(
    State(api): State<Api>,
    ask: Ask,
    post: Post,
) -> Result<Response, Error> {
    ask.visitor.must_admin()?;
    let before = cluster::show(&api.store).await?.settings;
    let seen = IfMatch::from_form(post.text("seen"));
    let (author, patch) = (ask.visitor.author(), patch(&post));
    let changed = cluster::change(&api.store, &api.progress, &*api.clock, author, patch, seen);
    let err = match changed.await {
        Ok(_) if post.text("then") == "generate" => return made(&api, &ask, &post).await,
        Ok(after) if before.as_ref() == Some(&after.settings) => {
            return Ok(done("/cluster", "unchanged"));
        }
        Ok(_) => return Ok(done("/cluster", "saved")),
        Err(err) => err,
    };
    let mut view = View::read(&api).await?;
    if matches!(err, Error::Stale) {
        view.settings.fields.merge(&post, &YES_OR_NO);
        view.wrong = Some(STALE.to_owned());
        return view.show(&api, &ask, StatusCode::CONFLICT).await;
    }
    view.settings.fields.typed(&post);
    view.settings.fields.choose(&YES_OR_NO, &post);
    view.wrong = view.settings.fields.refuse(at_field(err))?;
    view.show(&api, &ask, REFUSED).await
}

pub(in crate::ui) async fn generate(
    State(api): State<Api>,
    ask: Ask,
    post: Post,
) -> Result<Response, Error> {
    ask.visitor.must_admin()?;
    made(&api, &ask, &post).await
}

async fn made(api: &Api, ask: &Ask, post: &Post) -> Result<Response, Error> {
    let asked = GenerateCluster {
        confirm: confirmation(post, "generate_confirm"),
    };
    let author = ask.visitor.author();
    match cluster::generate(&api.store, &api.progress, &*api.clock, author, asked).await {
        Ok(made) if made.secrets_made => Ok(done("/cluster", "cluster-made")),
        Ok(made) if made.roles.is_empty() => Ok(done("/cluster", "unchanged")),
        Ok(_) => Ok(done("/cluster", "generated")),
        Err(err) => {
            View::refused(api, ask, post, renamed(err, "confirm", "generate_confirm")).await
        }
    }
}
