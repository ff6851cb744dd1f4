//! The files of a cluster that hold its secrets, besides `secrets.yaml`: base configs and `talosconfig`.

use configgen::{ClientRole, TalosConfigInput};
use model::{Author, Clock, Device, EventKind, Role};
use store::{Lane, Reader, SecretsRow, Store};

use super::secrets::only_persons;
use super::{UNNAMED, bundle_of, name};
use crate::sources::Sources;
use crate::{Error, device, generate};

/// What the folder `base/` holds beside the base configs.
#[derive(Clone, Debug)]
pub struct ClusterFiles {
    /// The secrets in use.
    pub secrets: Option<SecretsRow>,
    /// Those that were replaced, the oldest first.
    pub replaced: Vec<SecretsRow>,
    /// What `talosconfig` says besides its certificate.
    pub talosconfig: TalosConfigInput,
}

impl ClusterFiles {
    /// Reads them as they are.
    ///
    /// # Errors
    /// The store does not answer, or is damaged.
    pub fn read(reader: &Reader<'_>) -> Result<Self, Error> {
        let name = name(&Sources::read(reader)?);
        Ok(Self {
            secrets: reader.secrets()?,
            replaced: reader.replaced_secrets()?,
            talosconfig: client_of(name, &reader.approved()?),
        })
    }

    /// A `talosconfig` with a fresh certificate; `None` without secrets.
    ///
    /// # Errors
    /// The secrets cannot sign.
    pub fn make_talosconfig(
        &self,
        now: model::Timestamp,
    ) -> Result<Option<configgen::Secret>, Error> {
        let Some(row) = &self.secrets else {
            return Ok(None);
        };
        configgen::talosconfig(&bundle_of(row)?, &self.talosconfig, now)
            .map(Some)
            .map_err(generate::refused)
    }
}

/// An administrator who talks to the approved control planes.
fn client_of(name: Option<String>, approved: &[Device]) -> TalosConfigInput {
    let control_planes: Vec<String> = approved
        .iter()
        .filter(|device| device.role == Some(Role::Controlplane))
        .filter_map(|device| device.ip_address)
        .map(|address| address.to_string())
        .collect();
    TalosConfigInput {
        cluster_name: name.unwrap_or_else(|| UNNAMED.to_owned()),
        endpoints: control_planes.clone(),
        nodes: control_planes,
        role: ClientRole::Admin,
    }
}

/// A `talosconfig` with a fresh certificate. Only for a person, and written down.
pub(crate) async fn talosconfig(
    store: &Store,
    clock: &dyn Clock,
    author: Author,
) -> Result<String, Error> {
    only_persons(&author.actor)?;
    let files = device::look(store, ClusterFiles::read).await?;
    let made = files.make_talosconfig(clock.now())?;
    let made = made.ok_or_else(|| Error::NotFound {
        what: "secrets bundle:",
        name: "a talosconfig is made from one, and none was made or imported yet".to_owned(),
    })?;
    exported(store, author, "talosconfig".to_owned()).await?;
    Ok(made.expose().to_owned())
}

/// The base config of a role. Only for a person, and written down.
pub(crate) async fn export_base(
    store: &Store,
    author: Author,
    role: Role,
) -> Result<String, Error> {
    only_persons(&author.actor)?;
    let base = store
        .read(Lane::Admin, move |reader| reader.base(role))
        .await?;
    let base = base.ok_or_else(|| Error::NotFound {
        what: "base config for",
        name: role.to_string(),
    })?;
    exported(store, author, format!("{role}.yaml")).await?;
    Ok(base.text)
}

async fn exported(store: &Store, author: Author, file: String) -> Result<(), Error> {
    store
        .write(Lane::Admin, author, move |writer| {
            writer.event(None, EventKind::SecretsExported { file })?;
            Ok(())
        })
        .await
}
