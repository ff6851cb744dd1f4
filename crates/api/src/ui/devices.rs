//! `/devices` and `/devices/new`.

use std::str::FromStr;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use form_urlencoded::Serializer;
use model::{ApprovalStatus, Arch, ParseError, Role};
use serde::Serialize;
use serde_json::{Map, Value};
use store::DeviceFilter;

use super::bulk::{Deed, deeds};
use super::fields::{Choice, Field, Fields, alone, of_list, told};
use super::labels;
use super::notice::done;
use super::overview::Row;
use super::page::{Ask, render};
use super::post::Post;
use crate::types::NewDevice;
use crate::{Api, Error, body, device};

/// How many rows a page has, unless somebody chose otherwise.
const ROWS: u64 = 50;
/// The choices.
const ROWS_OF: [u64; 4] = [50, 100, 250, 500];

#[derive(Serialize)]
struct Devices {
    rows: Vec<Row>,
    total: u64,
    first: u64,
    last: u64,
    chosen: Chosen,
    statuses: Vec<Choice>,
    roles: Vec<Choice>,
    arches: Vec<Choice>,
    needs: Vec<Choice>,
    rows_of: Vec<Choice>,
    /// The columns that the list can be ordered by.
    columns: Vec<Column>,
    is_filtered: bool,
    /// Why nothing is looked for.
    wrong: Option<Wrong>,
    /// What can be done with those that are ticked, beside approving them.
    deeds: Vec<Deed>,
    /// Where all that wait and fit are approved together, if they are on more than this page.
    all: Option<String>,
    before: Option<String>,
    after: Option<String>,
}

/// A word that the list cannot be narrowed by.
#[derive(Serialize)]
struct Wrong {
    /// The label is typed; the others are chosen, and wrong only in an address that somebody wrote.
    is_label: bool,
    sentence: String,
}

/// What the list is narrowed and ordered by, as it stands in the address.
#[derive(Clone, Default, Serialize)]
pub(super) struct Chosen {
    q: String,
    status: String,
    role: String,
    arch: String,
    label: String,
    needs: String,
    sort: String,
    rows: String,
}

/// A column of the list, and where it is ordered by it.
#[derive(Serialize)]
struct Column {
    label: &'static str,
    /// Nothing can be ordered by what has no address.
    to: Option<String>,
    /// `ascending` or `descending`, if the list is ordered by it.
    order: Option<&'static str>,
}

/// The columns, with the words of the API for the orders.
const COLUMNS: [(&str, &str); 8] = [
    ("Device", "hostname"),
    ("State", "status"),
    ("Address", "ip_address"),
    ("Role", "role"),
    ("Machine", ""),
    ("Next boot", ""),
    ("Last boot", ""),
    ("Last seen", "last_seen"),
];

impl Chosen {
    pub(super) fn read(query: &Post) -> Self {
        let of = |name: &str| query.text(name).to_owned();
        Self {
            q: of("q"),
            status: of("status"),
            role: of("role"),
            arch: of("arch"),
            label: of("label"),
            needs: of("needs"),
            sort: of("sort"),
            rows: of("rows"),
        }
    }

    /// What the store is asked for. An order that is none is the usual one; any other word that is none of its field is refused, for
    /// without it the list would have devices that nobody asked for.
    pub(super) fn filter(&self) -> Result<DeviceFilter, Error> {
        let (word, descending) = match self.sort.strip_prefix('-') {
            Some(word) => (word, true),
            None => (self.sort.as_str(), false),
        };
        let sort = device::SORTS.iter().find(|(known, _)| *known == word);
        Ok(DeviceFilter {
            status: narrowed("status", &self.status)?,
            role: narrowed("role", &self.role)?,
            arch: narrowed("arch", &self.arch)?,
            label: narrowed("label", &self.label)?,
            needs_person: self.needs == "person",
            search: (!self.q.is_empty()).then(|| self.q.clone()),
            sort: sort.map(|(_, sort)| *sort).unwrap_or_default(),
            descending,
            ..DeviceFilter::default()
        })
    }

    fn is_filtered(&self) -> bool {
        let words = [&self.q, &self.status, &self.role, &self.arch, &self.label];
        self.needs == "person" || words.iter().any(|word| !word.is_empty())
    }

    fn rows(&self) -> u64 {
        let rows = self.rows.parse().ok();
        rows.filter(|rows| ROWS_OF.contains(rows)).unwrap_or(ROWS)
    }

    /// The address of a page of the list.
    fn page(&self, path: &str, more: &[(&str, &str)]) -> String {
        let mut query = Serializer::new(String::new());
        for (name, value) in [
            ("q", &self.q),
            ("status", &self.status),
            ("role", &self.role),
            ("arch", &self.arch),
            ("label", &self.label),
            ("needs", &self.needs),
            ("sort", &self.sort),
            ("rows", &self.rows),
        ] {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        query.extend_pairs(more);
        format!("{path}?{}", query.finish())
    }

    fn columns(&self) -> Vec<Column> {
        let column = |(label, word): (&'static str, &str)| {
            let order = match self.sort.strip_prefix(word) {
                Some("") if !word.is_empty() => Some("ascending"),
                _ if !word.is_empty() && self.sort == format!("-{word}") => Some("descending"),
                _ => None,
            };
            let sort = match order {
                Some("ascending") => format!("-{word}"),
                _ => word.to_owned(),
            };
            let to = Self {
                sort,
                ..self.clone()
            };
            Column {
                label,
                to: (!word.is_empty()).then(|| to.page("/devices", &[])),
                order,
            }
        };
        COLUMNS.into_iter().map(column).collect()
    }
}

/// A word that a list is narrowed by, if there is one.
fn narrowed<T: FromStr<Err = ParseError>>(name: &str, word: &str) -> Result<Option<T>, Error> {
    if word.is_empty() {
        return Ok(None);
    }
    let wrong = |err: ParseError| Error::invalid(name, format!("must be {}", err.expected()));
    word.parse().map(Some).map_err(wrong)
}

fn choices<T: ToString>(all: &'static str, words: impl IntoIterator<Item = T>) -> Vec<Choice> {
    let mut choices = vec![Choice::new("", all)];
    choices.extend(Choice::words(words));
    choices
}

pub(super) async fn list(State(api): State<Api>, ask: Ask) -> Result<Response, Error> {
    let query = ask.query();
    let chosen = Chosen::read(&query);
    let asked: u64 = query.text("skip").parse().unwrap_or(0);
    let (limit, now) = (chosen.rows(), api.gate.now());
    // Whoever was switched on just now is looked for among those that wait.
    let newest_boot_first =
        chosen.sort.is_empty() && chosen.status == ApprovalStatus::Pending.as_str();
    let (filter, wrong) = match chosen.filter().map_err(told) {
        Ok(filter) => (Some(filter), None),
        Err(refusal) => (None, Some(refusal?)),
    };
    let (rows, skip, total, waiting) = device::look(&api.store, move |reader| {
        let Some(filter) = filter else {
            return Ok((Vec::new(), 0, 0, 0));
        };
        let (total, waiting) = reader.tally(&filter)?;
        // Devices go while somebody turns the pages.
        let last_page = total.saturating_sub(1) / limit * limit;
        let skip = if asked < total { asked } else { last_page };
        let devices = reader.devices(&DeviceFilter {
            skip,
            limit: Some(limit),
            newest_boot_first,
            ..filter
        })?;
        let rows = Row::read_all(reader, devices, now)?;
        Ok((rows, skip, total, waiting))
    })
    .await?;
    let last = skip.saturating_add(rows.len() as u64);
    let page = |skip: u64| chosen.page("/devices", &[("skip", &skip.to_string())]);
    let of_state = |status| {
        let fits = |row: &&Row| row.device.status == status;
        rows.iter().filter(fits).count() as u64
    };
    let view = Devices {
        before: (skip > 0).then(|| page(skip.saturating_sub(chosen.rows()))),
        after: (last < total).then(|| page(last)),
        deeds: if ask.visitor.may_operate && !rows.is_empty() {
            deeds(&ask.visitor)
        } else {
            Vec::new()
        },
        all: (waiting > of_state(ApprovalStatus::Pending))
            .then(|| chosen.page("/devices/approve", &[("all", "pending")])),
        rows,
        total,
        first: skip.saturating_add(1),
        last,
        statuses: choices("Every state", ApprovalStatus::ALL),
        roles: choices("Every role", Role::ALL),
        arches: choices("Every processor", Arch::ALL),
        needs: vec![
            Choice::new("", "Every device"),
            Choice::new("person", "Needs a person"),
        ],
        rows_of: ROWS_OF
            .iter()
            .map(|rows| Choice::new(rows, format!("{rows} rows")))
            .collect(),
        columns: chosen.columns(),
        is_filtered: chosen.is_filtered(),
        wrong: wrong.map(|(name, sentence)| Wrong {
            is_label: name.as_deref() == Some("label"),
            sentence: alone(name.as_deref(), sentence),
        }),
        chosen,
    };
    render(
        &api,
        &ask,
        ("devices.html", "/devices"),
        StatusCode::OK,
        &view,
    )
    .await
}

#[derive(Serialize)]
struct New {
    form: Fields,
    wrong: Option<String>,
    roles: Vec<Choice>,
}

impl New {
    fn blank() -> Self {
        let names = [
            "mac_address",
            "hostname",
            "ip_address",
            "role",
            "install_disk",
            "labels",
            "notes",
        ];
        let mut roles = vec![Choice::new("", "Decide at the approval")];
        roles.extend(Choice::words(Role::ALL));
        Self {
            form: Fields::new(names.map(|name| (name, Field::default()))),
            wrong: None,
            roles,
        }
    }
}

pub(super) async fn blank(State(api): State<Api>, ask: Ask) -> Result<Response, Error> {
    ask.visitor.must_operate()?;
    render(
        &api,
        &ask,
        ("device-new.html", "/devices"),
        StatusCode::OK,
        &New::blank(),
    )
    .await
}

pub(super) async fn add(State(api): State<Api>, ask: Ask, post: Post) -> Result<Response, Error> {
    ask.visitor.must_operate()?;
    let mut new = Map::new();
    for name in [
        "mac_address",
        "hostname",
        "ip_address",
        "role",
        "install_disk",
        "notes",
    ] {
        let text = post.text(name);
        if !text.is_empty() || name == "mac_address" {
            new.insert(name.to_owned(), Value::from(text));
        }
    }
    let labels = labels::read(post.text("labels"));
    let new = labels.and_then(|labels| {
        new.insert("labels".to_owned(), labels);
        body::read_value::<NewDevice>(new.into())
    });
    let added = match new {
        Ok(new) => {
            let own = api.service.own_addresses();
            device::add(&api.store, ask.visitor.author(), new, own).await
        }
        Err(err) => Err(err),
    };
    match added {
        Ok(device) => Ok(done(&format!("/devices/{}", device.id), "added")),
        Err(err) => {
            let mut view = New::blank();
            view.form.typed(&post);
            view.wrong = view.form.refuse(of_list(err))?;
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            render(&api, &ask, ("device-new.html", "/devices"), status, &view).await
        }
    }
}
