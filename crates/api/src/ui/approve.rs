//! `/devices/approve` and `/devices/{id}/approve`: letting devices in, one or many, with everything suggested.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use configgen::InstallTarget;
use model::{ApprovalStatus, Role};
use serde::Serialize;
use serde_json::{Map, Value};
use store::{DeviceFilter, Lane};

use super::devices::Chosen;
use super::fields::{Choice, Field, told};
use super::notice::done;
use super::page::{Ask, render};
use super::post::Post;
use super::seen;
use crate::device::{self, DeviceRef, MOST_AT_ONCE};
use crate::sources::read_cluster;
use crate::types::{ApproveDevice, Device};
use crate::{Api, Error, IfMatch, Version, body};

#[derive(Serialize)]
struct Approve {
    rows: Vec<Row>,
    wrong: Option<String>,
    roles: Vec<Choice>,
    /// How many more wait than are approved together.
    more: u64,
    /// How many of those that were chosen are not there any more.
    gone: usize,
    /// Whether the cluster has no control plane yet, and the first must answer at its endpoint.
    is_first: bool,
    /// Whether something else answers at the cluster's endpoint.
    endpoint_elsewhere: bool,
    /// The disk of a device that has none of its own.
    install_disk: String,
    /// The number of the last event that the form may tell of.
    seen_event: String,
    /// What is known of the disks of most of them, which is said once.
    most_disks: Option<MostDisks>,
}

/// A note on disks that is the same of several devices.
#[derive(Serialize)]
struct MostDisks {
    note: String,
    devices: usize,
}

impl MostDisks {
    fn of(rows: &[Row]) -> Option<Self> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for row in rows.iter().filter(|row| !row.disk_note.is_empty()) {
            *counts.entry(&row.disk_note).or_default() += 1;
        }
        let most = counts.into_iter().max_by_key(|(_, devices)| *devices)?;
        (most.1 > 1).then(|| Self {
            note: most.0.to_owned(),
            devices: most.1,
        })
    }
}

/// One device of the form.
#[derive(Serialize)]
struct Row {
    device: Device,
    /// What its fields are called in the form.
    names: Names,
    hostname: Field,
    ip_address: Field,
    role: Field,
    install_disk: Field,
    /// What is known of its disks, in a sentence.
    disk_note: String,
    /// Which version of it the person is shown.
    seen: String,
    wrong: Option<String>,
}

/// The fields of one device among those of others.
#[derive(Serialize)]
struct Names {
    hostname: String,
    ip_address: String,
    role: String,
    install_disk: String,
    seen: String,
}

impl Names {
    fn new(device: &Device) -> Self {
        let of = |field: &str| format!("{field}-{}", device.id);
        Self {
            hostname: of("hostname"),
            ip_address: of("ip_address"),
            role: of("role"),
            install_disk: of("install_disk"),
            seen: of("seen"),
        }
    }
}

pub(super) async fn one(
    State(api): State<Api>,
    ask: Ask,
    Path(id): Path<String>,
) -> Result<Response, Error> {
    ask.visitor.must_operate()?;
    let device = device::show(&api.store, id.parse()?).await?;
    suggested(&api, &ask, vec![DeviceRef::Id(device.id)], 0).await
}

pub(super) async fn several(State(api): State<Api>, ask: Ask) -> Result<Response, Error> {
    ask.visitor.must_operate()?;
    let query = ask.query();
    if query.text("all").is_empty() {
        let chosen: Result<Vec<DeviceRef>, Error> =
            query.all("id").take(MOST_AT_ONCE).map(str::parse).collect();
        return suggested(&api, &ask, chosen?, 0).await;
    }
    let filter = DeviceFilter {
        status: Some(ApprovalStatus::Pending),
        limit: Some(MOST_AT_ONCE as u64),
        ..Chosen::read(&query).filter()?
    };
    let (waiting, total) = api
        .store
        .read(Lane::Admin, move |reader| {
            Ok((reader.devices(&filter)?, reader.count_matching(&filter)?))
        })
        .await?;
    let chosen: Vec<DeviceRef> = waiting
        .iter()
        .map(|device| DeviceRef::Id(device.id))
        .collect();
    let more = total - chosen.len() as u64;
    suggested(&api, &ask, chosen, more).await
}

async fn suggested(
    api: &Api,
    ask: &Ask,
    chosen: Vec<DeviceRef>,
    more: u64,
) -> Result<Response, Error> {
    let asked = chosen.len();
    let rows = device::suggest_all(&api.store, chosen, api.service.own_addresses()).await?;
    let gone = asked - rows.len();
    let rows = rows
        .into_iter()
        .filter(|(device, _)| device.status != ApprovalStatus::Approved);
    let rows: Vec<Row> = rows
        .map(|(device, with)| Row {
            names: Names::new(&device),
            hostname: Field::maybe(with.hostname),
            ip_address: Field::maybe(with.ip_address),
            role: Field::of(with.role),
            install_disk: Field::maybe(with.install_disk),
            disk_note: with.disk_note,
            seen: Version::of_device(&device).to_string(),
            wrong: None,
            device,
        })
        .collect();
    if rows.is_empty() {
        return Ok(done(
            "/devices",
            if gone > 0 { "gone" } else { "unchanged" },
        ));
    }
    let view = Approve {
        more,
        gone,
        ..Approve::new(api, rows).await?
    };
    view.show(api, ask, StatusCode::OK).await
}

impl Approve {
    async fn new(api: &Api, rows: Vec<Row>) -> Result<Self, Error> {
        let (approved, cluster, last) = api
            .store
            .read(Lane::Admin, |reader| {
                let approved = reader.count_matching(&DeviceFilter {
                    status: Some(ApprovalStatus::Approved),
                    role: Some(Role::Controlplane),
                    ..DeviceFilter::default()
                })?;
                Ok((approved, reader.cluster_settings()?, reader.last_event()?))
            })
            .await?;
        let install_disk = match read_cluster(cluster)?.and_then(|cluster| cluster.install) {
            Some(InstallTarget::Disk(path)) => path,
            Some(InstallTarget::Selector(_)) => "the one that fits".to_owned(),
            None => "as the base config says".to_owned(),
        };
        Ok(Self {
            most_disks: MostDisks::of(&rows),
            rows,
            wrong: None,
            roles: Choice::words(Role::ALL),
            more: 0,
            gone: 0,
            is_first: approved == 0,
            endpoint_elsewhere: false,
            install_disk,
            seen_event: last.map(|id| id.to_string()).unwrap_or_default(),
        })
    }

    async fn show(&self, api: &Api, ask: &Ask, status: StatusCode) -> Result<Response, Error> {
        render(api, ask, ("approve.html", "/devices"), status, self).await
    }
}

pub(super) async fn approve(
    State(api): State<Api>,
    ask: Ask,
    post: Post,
) -> Result<Response, Error> {
    ask.visitor.must_operate()?;
    let (mut rows, mut gone) = (Vec::new(), 0);
    for id in post.all("id").take(MOST_AT_ONCE) {
        let device = match device::show(&api.store, id.parse()?).await {
            Ok(device) => device,
            Err(Error::NotFound { .. }) => {
                gone += 1;
                continue;
            }
            Err(err) => return Err(err),
        };
        let names = Names::new(&device);
        let typed = |name: &str| Field::of(post.text(name));
        rows.push(Row {
            hostname: typed(&names.hostname),
            ip_address: typed(&names.ip_address),
            role: typed(&names.role),
            install_disk: typed(&names.install_disk),
            disk_note: String::new(),
            seen: Version::of_device(&device).to_string(),
            wrong: None,
            names,
            device,
        });
    }
    // Workers join a control plane, so the control planes go first.
    rows.sort_by_key(|row| row.role.value != Role::Controlplane.as_str());
    let mut left = Vec::new();
    let (mut approved, mut last) = (0, None);
    for mut row in rows {
        let seen = IfMatch::from_form(post.text(&row.names.seen));
        match let_in(&api, &ask, &row, seen, elsewhere(&post)).await {
            Ok(()) => {
                approved += 1;
                last = Some(row.device.id);
            }
            Err(err) => match row.come_back(&api, &post, err).await {
                Ok(()) => left.push(row),
                Err(Error::NotFound { .. }) => gone += 1,
                Err(err) => return Err(err),
            },
        }
    }
    if left.is_empty() {
        let page = match last {
            Some(id) if approved == 1 => format!("/devices/{id}"),
            _ => "/devices".to_owned(),
        };
        let said = match (approved, gone) {
            (0, 0) => "unchanged",
            (0, _) => "gone",
            (_, 0) => "approved",
            _ => "approved-but-gone",
        };
        return Ok(done(&page, said));
    }
    let view = Approve {
        gone,
        wrong: (approved > 0).then(|| format!("{approved} were approved; those below were not.")),
        endpoint_elsewhere: elsewhere(&post),
        ..Approve::new(&api, left).await?
    };
    view.show(&api, &ask, StatusCode::UNPROCESSABLE_ENTITY)
        .await
}

/// Whether the form says that something else answers at the cluster's endpoint.
fn elsewhere(post: &Post) -> bool {
    post.get("endpoint_elsewhere") == Some("true")
}

async fn let_in(
    api: &Api,
    ask: &Ask,
    row: &Row,
    seen: IfMatch,
    elsewhere: bool,
) -> Result<(), Error> {
    let mut with = Map::new();
    for (name, field) in [
        ("hostname", &row.hostname),
        ("ip_address", &row.ip_address),
        ("role", &row.role),
        ("install_disk", &row.install_disk),
    ] {
        // An empty disk takes back one that was given before.
        if !field.value.is_empty() || name == "install_disk" {
            with.insert(name.to_owned(), Value::from(field.value.as_str()));
        }
    }
    with.insert("endpoint_elsewhere".to_owned(), elsewhere.into());
    let with: ApproveDevice = body::read_value(with.into())?;
    device::approve(
        &api.store,
        ask.visitor.author(),
        DeviceRef::Id(row.device.id),
        with,
        seen,
        api.service.own_addresses(),
    )
    .await?;
    Ok(())
}

/// The hint of a refusal in the words of this page, where the API's own is for the command line.
fn hint_here(code: &str, hint: Option<String>) -> Option<String> {
    let here = match code {
        "endpoint" => "or tick below that something else answers there",
        "disk_not_chosen" => "give its path here, or choose it by what it is in its settings",
        "base_missing" => "it is made or imported under Cluster Settings",
        "missing" | "already_approved" => return None,
        _ => return hint,
    };
    Some(here.to_owned())
}

impl Row {
    /// Makes it ready to be shown again: with why it was refused, and all else that is wrong with it.
    async fn come_back(&mut self, api: &Api, post: &Post, err: Error) -> Result<(), Error> {
        if matches!(err, Error::Stale) {
            let changes = seen::changes_since(api, self.device.id, post).await?;
            self.wrong = Some(format!(
                "It changed after you were shown it ({changes}); it is {}. Look at it once more",
                self.device.status
            ));
        } else {
            self.refuse(err)?;
            self.refuse_the_rest(api).await?;
        }
        let who = DeviceRef::Id(self.device.id);
        let with = device::suggest(&api.store, who, api.service.own_addresses()).await?;
        self.disk_note = with.disk_note;
        Ok(())
    }

    /// Puts a refusal where it belongs.
    fn refuse(&mut self, err: Error) -> Result<(), Error> {
        let (name, sentence) = match err {
            Error::Refused(mut refusal) => {
                refusal.hint = hint_here(refusal.code, refusal.hint);
                told(Error::Refused(refusal))?
            }
            err => told(err)?,
        };
        let place = match name.as_deref() {
            Some("hostname") => &mut self.hostname.wrong,
            Some("ip_address") => &mut self.ip_address.wrong,
            Some("role") => &mut self.role.wrong,
            Some("install_disk") => &mut self.install_disk.wrong,
            _ => &mut self.wrong,
        };
        place.get_or_insert(sentence);
        Ok(())
    }

    /// Puts what else is wrong with its fields where it belongs: who mends one mends all at once.
    async fn refuse_the_rest(&mut self, api: &Api) -> Result<(), Error> {
        let mut right = Map::new();
        for (name, typed) in [
            ("hostname", self.hostname.value.clone()),
            ("ip_address", self.ip_address.value.clone()),
            ("role", self.role.value.clone()),
            ("install_disk", self.install_disk.value.clone()),
        ] {
            // What is left empty is taken from the device; an empty disk takes back one that was given before.
            if typed.is_empty() && name != "install_disk" {
                continue;
            }
            let alone = Map::from_iter([(name.to_owned(), Value::from(typed))]);
            match body::read_value::<ApproveDevice>(alone.clone().into()) {
                Ok(_) => right.extend(alone),
                Err(err) => self.refuse(err)?,
            }
        }
        let with = body::read_value(right.into())?;
        let who = DeviceRef::Id(self.device.id);
        let own = api.service.own_addresses();
        for err in device::wrongs(&api.store, who, with, own).await? {
            self.refuse(err)?;
        }
        Ok(())
    }
}
