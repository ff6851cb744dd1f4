//! Making all device configs anew, together with the change that calls for it.
//!
//! With thousands of devices that takes seconds, and the store has one writer, which machines that boot wait for as well. So the
//! configs are made beforehand, from a view of the store, and the transaction only saves them: if anything changed in between, it
//! is all done again, and in the end, if the store never rests, within the transaction.

use std::sync::Arc;

use model::{Author, Device, EventKind, FieldChange, NetworkSettings, Role};
use store::{Lane, Reader, Store, Writer};

use crate::generate::{self, Bases};
use crate::{Error, audit, auth, device};

/// What device configs are made from.
#[derive(Clone, Debug)]
pub(crate) struct Ground {
    revision: i64,
    /// The settings in force.
    pub(crate) settings: NetworkSettings,
    /// The base configs in force.
    pub(crate) bases: Vec<(Role, store::Base)>,
    approved: Vec<Device>,
}

/// A change that all device configs follow.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    /// Other settings, and the names of the fields that changed.
    pub(crate) settings: Option<(NetworkSettings, Vec<String>)>,
    /// Other base configs.
    pub(crate) bases: Vec<(Role, String)>,
    /// Whether configs are made; without that only the change itself is.
    pub(crate) configs: bool,
    /// Whether the event of a regeneration is written even if it changed nothing, for a person asked for it.
    pub(crate) asked_for: bool,
}

/// What was done.
#[derive(Clone, Debug)]
pub(crate) struct Done {
    /// The change.
    pub(crate) plan: Plan,
    /// How many configs were made.
    pub(crate) made: u64,
    /// How many devices are approved.
    pub(crate) approved: u64,
}

/// How often it is tried outside of a transaction.
const TRIES: u32 = 4;
/// How many devices a refusal names.
const NAMED: usize = 10;

impl Ground {
    fn read(reader: &Reader<'_>) -> Result<Self, store::Error> {
        let mut bases = Vec::new();
        for role in Role::ALL {
            if let Some(base) = reader.base(*role)? {
                bases.push((*role, base));
            }
        }
        Ok(Self {
            revision: reader.revision()?,
            settings: reader.settings()?,
            bases,
            approved: reader.approved()?,
        })
    }
}

/// Makes what `plan` says of the present state of things, and all device configs with it; or nothing, and the refusal names the
/// devices that stand in the way.
pub(crate) async fn remake(
    store: &Store,
    author: impl Into<Author>,
    plan: impl Fn(&Ground) -> Result<Plan, Error> + Send + Sync + 'static,
) -> Result<Done, Error> {
    let (plan, author) = (Arc::new(plan), author.into());
    for _ in 0..TRIES {
        let ground = store.read(Lane::Admin, Ground::read).await?;
        let revision = ground.revision;
        let (planned, on) = (Arc::clone(&plan), ground);
        let prepared = tokio::task::spawn_blocking(move || prepare(&on, &*planned));
        let prepared = prepared
            .await
            .map_err(|err| Error::Internal(err.to_string()))??;
        let saved = store.write(Lane::Admin, author.clone(), move |writer| {
            if writer.revision()? == revision {
                save(writer, prepared).map(Some)
            } else {
                Ok::<_, Error>(None)
            }
        });
        if let Some(done) = saved.await? {
            return Ok(done);
        }
    }
    store
        .write(Lane::Admin, author, move |writer| {
            let ground = Ground::read(writer)?;
            save(writer, prepare(&ground, &*plan)?)
        })
        .await
}

/// A plan with the configs that follow from it.
struct Prepared {
    plan: Plan,
    configs: Vec<(Device, Role, String)>,
    approved: u64,
}

fn prepare(
    ground: &Ground,
    plan: &dyn Fn(&Ground) -> Result<Plan, Error>,
) -> Result<Prepared, Error> {
    let plan = plan(ground)?;
    let mut configs = Vec::new();
    if plan.configs && !ground.approved.is_empty() {
        let settings = plan
            .settings
            .as_ref()
            .map_or(&ground.settings, |(settings, _)| settings);
        let mut bases = Bases::default();
        for (role, base) in &ground.bases {
            if !plan.bases.iter().any(|(other, _)| other == role) {
                bases.put(generate::parse(*role, &base.text)?);
            }
        }
        for (role, text) in &plan.bases {
            bases.put(generate::parse(*role, text)?);
        }
        let mut broken = Vec::new();
        for approved in &ground.approved {
            match (generate::make(approved, settings, &bases), approved.role) {
                (Ok(config), Some(role)) => configs.push((approved.clone(), role, config)),
                (Ok(_), None) => {}
                (Err(err), _) => broken.push((approved, err)),
            }
        }
        if !broken.is_empty() {
            return Err(refusal(&broken, ground.approved.len()));
        }
    }
    Ok(Prepared {
        plan,
        configs,
        approved: ground.approved.len() as u64,
    })
}

fn save(writer: &Writer<'_>, prepared: Prepared) -> Result<Done, Error> {
    let Prepared {
        plan,
        configs,
        approved,
    } = prepared;
    if let Some((settings, fields)) = &plan.settings {
        let before = writer.settings()?;
        let strict = before.strict_boot_mode;
        writer.save_settings(settings)?;
        let (fields, changes) = (fields.clone(), audit::changes(&before, settings));
        writer.event_of(None, EventKind::SettingsChanged { fields }, &changes)?;
        if settings.strict_boot_mode != strict {
            let on = settings.strict_boot_mode;
            writer.event(None, EventKind::StrictModeSwitched { on })?;
        }
    }
    if !plan.bases.is_empty() {
        let (mut roles, mut changes) = (Vec::new(), Vec::new());
        for (role, text) in &plan.bases {
            let before = writer.base(*role)?.map(|base| print_of(&base.text));
            writer.save_base(*role, text)?;
            roles.push(*role);
            // The texts hold the cluster's secrets; a fingerprint tells which one it was.
            changes.push(FieldChange {
                field: role.to_string(),
                before: before.unwrap_or_else(|| "null".to_owned()),
                after: print_of(text),
            });
        }
        writer.event_of(None, EventKind::BaseImported { roles }, &changes)?;
    }
    let (mut made, mut changed) = (0, 0);
    for (device, role, config) in &configs {
        made += 1;
        changed += u64::from(writer.save_config(device, *role, config.as_bytes())?);
    }
    if changed > 0 || plan.asked_for {
        writer.event(None, EventKind::Regenerated { made, changed })?;
    }
    Ok(Done {
        plan,
        made,
        approved,
    })
}

/// How the audit log calls a text that it must not hold.
fn print_of(text: &str) -> String {
    format!("sha256 {}", auth::secret::fingerprint(text))
}

/// Names the devices whose configs could not be made, and why.
fn refusal(broken: &[(&Device, Error)], of: usize) -> Error {
    let mut named: Vec<String> = broken
        .iter()
        .take(NAMED)
        .map(|(broken, err)| format!("{}: {err}", device::called(broken)))
        .collect();
    if broken.len() > NAMED {
        named.push(format!("and {} more", broken.len() - NAMED));
    }
    let why = format!(
        "{} of {of} device configs could not be made, so nothing was changed: {}",
        broken.len(),
        named.join("; ")
    );
    Error::refused("devices_would_break", None, why, None)
}
