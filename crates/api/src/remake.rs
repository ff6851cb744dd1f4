//! Making device configs anew, together with the change that calls for it.
//!
//! With thousands of devices that takes seconds, and the store has one writer, which machines that boot wait for as well. So the
//! configs are made beforehand, on all processors, from a view of the store, and the transaction only saves them: if anything changed
//! in between, it is all done again, and in the end, if the store never rests, within the transaction.

mod plan;

use std::num::NonZero;
use std::sync::Arc;

use model::{Author, Device, Role};
use store::{Lane, Reader, SecretsRow, Store, Writer};

use crate::generate::Recipe;
use crate::progress::{Progress, Running};
use crate::sources::Sources;
use crate::{Error, device};

pub(crate) use plan::{PatchPlan, Plan, Remade};

/// What is there before a change.
#[derive(Clone, Debug)]
pub(crate) struct Ground {
    revision: i64,
    /// What device configs are made from.
    pub(crate) sources: Sources,
    /// The base configs as they came into use.
    pub(crate) bases: Vec<(Role, store::Base)>,
    /// The secrets in use.
    pub(crate) secrets: Option<SecretsRow>,
    /// The approved devices.
    pub(crate) approved: Vec<Device>,
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
    /// Whether other secrets were in use, which are kept as a backup.
    pub(crate) replaced_secrets: bool,
    /// What a person is to know of the change.
    pub(crate) notes: Vec<String>,
    /// What Talos would warn of in the configs of any device.
    pub(crate) warnings: Vec<String>,
}

/// How often it is tried outside of a transaction.
const TRIES: u32 = 4;
/// How many devices a refusal names.
const NAMED: usize = 10;

impl Ground {
    pub(crate) fn read(reader: &Reader<'_>) -> Result<Self, Error> {
        let mut bases = Vec::new();
        for role in Role::ALL {
            bases.extend(reader.base(*role)?.map(|base| (*role, base)));
        }
        Ok(Self {
            revision: reader.revision()?,
            sources: Sources::read(reader)?,
            bases,
            secrets: reader.secrets()?,
            approved: reader.approved()?,
        })
    }
}

/// Makes what `plan` says of the present state of things, and the device configs with it; or nothing, and the refusal names the
/// devices that stand in the way.
pub(crate) async fn remake(
    store: &Store,
    progress: &Progress,
    author: impl Into<Author>,
    plan: impl Fn(&Ground) -> Result<Plan, Error> + Send + Sync + 'static,
) -> Result<Done, Error> {
    let (plan, author) = (Arc::new(plan), author.into());
    for _ in 0..TRIES {
        let running = progress.begin();
        let ground = device::look(store, Ground::read).await?;
        let revision = ground.revision;
        let (planned, on) = (Arc::clone(&plan), ground);
        let prepared = tokio::task::spawn_blocking(move || {
            prepare(&on, &*planned, &running).map(|prepared| (prepared, running))
        });
        let (prepared, running) = prepared
            .await
            .map_err(|err| Error::Internal(err.to_string()))??;
        let saved = store.write(Lane::Admin, author.clone(), move |writer| {
            running.saving();
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
    let running = progress.begin();
    store
        .write(Lane::Admin, author, move |writer| {
            let ground = Ground::read(writer)?;
            save(writer, prepare(&ground, &*plan, &running)?)
        })
        .await
}

/// A plan with the configs that follow from it.
struct Prepared {
    plan: Plan,
    configs: Vec<(Device, Role, String)>,
    approved: u64,
    warnings: Vec<String>,
}

fn prepare(
    ground: &Ground,
    plan: &dyn Fn(&Ground) -> Result<Plan, Error>,
    running: &Running,
) -> Result<Prepared, Error> {
    let plan = plan(ground)?;
    let approved = ground.approved.len() as u64;
    let (mut configs, mut warnings) = (Vec::new(), Vec::new());
    if plan.configs != Remade::Nothing {
        let recipe = Recipe::of(plan.sources(&ground.sources)?)?;
        match &plan.configs {
            Remade::One(of) if !of.approval.is_approved() => recipe.try_device(of)?,
            Remade::One(of) => configs = make_all(&recipe, std::slice::from_ref(&**of), running)?,
            Remade::All => {
                configs = make_all(&recipe, &ground.approved, running)?;
                warnings = recipe.try_roles()?;
            }
            Remade::Nothing => {}
        }
    }
    Ok(Prepared {
        plan,
        configs,
        approved,
        warnings,
    })
}

/// Makes the configs of devices, or refuses as a whole and names those that stand in the way.
fn make_all(
    recipe: &Recipe,
    devices: &[Device],
    running: &Running,
) -> Result<Vec<(Device, Role, String)>, Error> {
    running.expect(devices.len() as u64);
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let share = devices.len().div_ceil(threads).max(1);
    let make = |device: &Device| {
        let made = recipe.make(device);
        running.step();
        made
    };
    let results: Vec<Result<String, Error>> = std::thread::scope(|scope| {
        let shares: Vec<_> = devices
            .chunks(share)
            .map(|share| scope.spawn(move || share.iter().map(make).collect::<Vec<_>>()))
            .collect();
        shares
            .into_iter()
            .flat_map(|share| match share.join() {
                Ok(made) => made,
                Err(panic) => std::panic::resume_unwind(panic),
            })
            .collect()
    });
    let (mut configs, mut broken) = (Vec::new(), Vec::new());
    for (device, result) in devices.iter().zip(results) {
        match (result, device.role) {
            (Ok(config), Some(role)) => configs.push((device.clone(), role, config)),
            (Ok(_), None) => {}
            (Err(err), _) => broken.push((device, err)),
        }
    }
    if broken.is_empty() {
        Ok(configs)
    } else {
        Err(refusal(&broken, devices.len()))
    }
}

fn save(writer: &Writer<'_>, prepared: Prepared) -> Result<Done, Error> {
    let Prepared {
        plan,
        configs,
        approved,
        warnings,
    } = prepared;
    let replaced_secrets = plan.secrets.is_some() && writer.secrets()?.is_some();
    plan.save(writer)?;
    let (mut made, mut changed) = (0, 0);
    for (device, role, config) in &configs {
        made += 1;
        changed += u64::from(writer.save_config(device, *role, config.as_bytes())?);
    }
    if changed > 0 || plan.asked_for {
        writer.event(None, model::EventKind::Regenerated { made, changed })?;
    }
    Ok(Done {
        notes: plan.notes.clone(),
        plan,
        made,
        approved,
        replaced_secrets,
        warnings,
    })
}

/// Names the devices whose configs could not be made, and why.
fn refusal(broken: &[(&Device, Error)], of: usize) -> Error {
    let mut reasons: Vec<(String, Vec<String>)> = Vec::new();
    for (device, err) in broken.iter().take(NAMED) {
        let (why, name) = (err.to_string(), device::called(device));
        match reasons.iter_mut().find(|(known, _)| *known == why) {
            Some((_, names)) => names.push(name),
            None => reasons.push((why, vec![name])),
        }
    }
    let mut named: Vec<String> = reasons
        .iter()
        .map(|(why, names)| format!("{}: {why}", names.join(", ")))
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
