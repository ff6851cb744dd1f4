//! `ktizo device approve`.

use std::io::Write as _;
use std::net::Ipv4Addr;

use api::types::{ApproveDevice, BulkAction, BulkDevices, Device};
use api::{Client, ClientError, DeviceQuery, DeviceRef, Version};
use model::{ApprovalStatus, Hostname, MacAddr, Role};
use serde_json::{Map, Value};

use super::label::{LabelChange, changed};
use super::look::Look;
use super::set::Volume;
use super::show;
use crate::cli::output::{or_dash, say};
use crate::cli::value::{address, one_of, selector};
use crate::cli::{Failure, Output, confirmed};

#[derive(Debug, clap::Args)]
pub(super) struct Approve {
    /// Its name, its MAC address in any spelling, or its number; several are let in with what is suggested, after a look at it, all or none
    #[arg(required_unless_present = "all_pending", value_name = "DEVICE")]
    devices: Vec<DeviceRef>,
    /// Let in every machine that waits, with what is suggested, after a look at it; all or none
    #[arg(long, conflicts_with = "devices")]
    all_pending: bool,
    /// Its name as a node
    #[arg(long)]
    hostname: Option<Hostname>,
    /// Its address as a node
    #[arg(long, value_parser = address)]
    address: Option<Ipv4Addr>,
    /// Its role as a node
    #[arg(long, value_parser = one_of::<Role>(Role::WORDS))]
    role: Option<Role>,
    /// Free text
    #[arg(long)]
    notes: Option<String>,
    /// A label, such as rack=r1; may be given more than once
    #[arg(long = "label", value_name = "KEY=VALUE")]
    labels: Vec<LabelChange>,
    /// What the disk to install on must be instead of its path: size, type, model, serial, wwid, uuid, modalias, bus_path, such as 'serial=S3Z9NX0M'
    #[arg(long, value_name = "FACT=TEXT,...", value_parser = selector, conflicts_with = "install_disk")]
    install_selector: Option<Value>,
    #[command(flatten)]
    volume: Volume,
    /// A load balancer or a virtual address answers at the cluster's endpoint, so that the first control plane need not
    #[arg(long)]
    endpoint_elsewhere: bool,
    /// Take the suggestions for what is not given without asking
    #[arg(long, short)]
    yes: bool,
}

/// The most machines of one request: those that boot wait while it is done.
const PORTION: usize = 250;

impl Approve {
    pub(super) async fn run(self, client: &Client, output: Output) -> Result<(), Failure> {
        if let [device] = self.devices.as_slice() {
            let device = device.clone();
            return self.one(client, output, device).await;
        }
        // What is of one machine alone, such as its disk, must not be passed over where it is not.
        let only_role = ApproveDevice {
            role: self.role,
            ..ApproveDevice::default()
        };
        if self.body() != only_role || !self.labels.is_empty() {
            let why = "several machines are let in with what is suggested; give names, addresses and disks one by one, here or with `ktizo device set`";
            return Err(Failure::Usage(why.to_owned()));
        }
        let devices: Vec<String> = if self.all_pending {
            let query = DeviceQuery {
                status: Some(ApprovalStatus::Pending),
                ..DeviceQuery::default()
            };
            let waiting = client.devices(&query).await?;
            waiting.iter().map(|device| device.id.to_string()).collect()
        } else {
            self.devices.iter().map(ToString::to_string).collect()
        };
        if devices.is_empty() {
            return say("No machine waits for approval.");
        }
        self.many(client, output, &devices).await
    }

    fn body(&self) -> ApproveDevice {
        ApproveDevice {
            hostname: self.hostname.clone(),
            ip_address: self.address,
            role: self.role,
            notes: self.notes.clone(),
            install_disk: self.volume.install_disk.clone(),
            ephemeral_min_size: self.volume.ephemeral_min_size.clone(),
            ephemeral_max_size: self.volume.ephemeral_max_size.clone(),
            ephemeral_disk_selector: self.volume.ephemeral_disk_selector.clone(),
            // They are changed on what is there, which takes a look.
            labels: None,
            settings: self
                .install_selector
                .clone()
                .map(|it| Map::from_iter([("install_selector".to_owned(), it)])),
            endpoint_elsewhere: self.endpoint_elsewhere,
        }
    }

    async fn one(self, client: &Client, output: Output, device: DeviceRef) -> Result<(), Failure> {
        let mut body = self.body();
        let mut who = device;
        // Who gives all values has no need of a look; what was shown is what is let in.
        let mut shown = None;
        let is_asked = body.hostname.is_none() || body.ip_address.is_none() || body.role.is_none();
        if is_asked || !self.labels.is_empty() {
            let device = client.device(who.clone()).await?;
            // The very machine that is shown, whatever has its name by then. A card stays named, for who is let in by it has it.
            if matches!(who, DeviceRef::Name(_)) {
                who = DeviceRef::Id(device.id);
            }
            shown = Some((device.mac_address, Version::of_device(&device)));
            if !self.labels.is_empty() {
                body.labels = Some(changed(&device.labels, self.labels)?);
            }
            if is_asked {
                let suggested = client.suggestions(who.clone()).await?;
                body.hostname = body.hostname.or(suggested.hostname);
                body.ip_address = body.ip_address.or(suggested.ip_address);
                body.role = body.role.or(Some(suggested.role));
                if body.install_disk.is_none() && body.settings.is_none() {
                    writeln!(std::io::stderr(), "{}", suggested.disk_note)?;
                }
                let question = format!(
                    "Approve {} as {} {} with address {}?",
                    device.mac_address,
                    or_dash(body.role.as_ref()),
                    or_dash(body.hostname.as_ref()),
                    or_dash(body.ip_address.as_ref())
                );
                confirmed(&question, self.yes, "nothing was approved")?;
            }
        }
        let device = match shown {
            Some((mac, version)) => client
                .approve_device_of(who, &body, &version)
                .await
                .map_err(|err| changed_meanwhile(err, mac))?,
            None => client.approve_device(who, &body).await?,
        };
        output.print(&device, approved)?;
        // It is let in all the same, so that it is no failure where this cannot be told.
        if let (Output::Table, Ok(status)) = (output, client.status().await) {
            // Without these no machine gets further.
            for missing in status.missing {
                say(&format!("It cannot be installed yet: {missing}"))?;
            }
        }
        Ok(())
    }

    /// Lets many in, in portions that the server takes, each after a look at it.
    async fn many(
        self,
        client: &Client,
        output: Output,
        devices: &[String],
    ) -> Result<(), Failure> {
        let mut done = Vec::new();
        for portion in devices.chunks(PORTION) {
            let asked = BulkDevices {
                action: BulkAction::Approve,
                devices: portion.to_vec(),
                role: self.role,
                preview: true,
                seen: None,
            };
            let more = devices.len() - done.len();
            let question = |count: usize| match more - count {
                0 => format!("Approve these {count}?"),
                rest => format!("Approve these {count} ({rest} more follow)?"),
            };
            let look = Look {
                table: show::approvals,
                question,
                yes: self.yes,
                otherwise: "nothing was approved".to_owned(),
            };
            match look.then_do(client, asked).await {
                Ok(answer) => done.extend(answer.devices),
                Err(failure) => return Err(partly(failure, done.len(), more, portion.len())),
            }
        }
        output.print(&done, |done| match done.len() {
            1 => "1 machine is approved.".to_owned(),
            count => format!("{count} machines are approved."),
        })
    }
}

/// Says of a machine that changed since it was shown what to do.
fn changed_meanwhile(mut err: ClientError, mac: MacAddr) -> ClientError {
    if let ClientError::Refused { status: 412, body } = &mut err {
        body.message = format!(
            "{mac} was changed by somebody else after it was shown, so it was not approved"
        );
        body.hint = Some(format!(
            "look at it again with `ktizo device show {mac}`, then approve what is there"
        ));
    }
    err
}

/// Says how many were let in before it went wrong with the next `asked` of the `rest`.
fn partly(failure: Failure, before: usize, rest: usize, asked: usize) -> Failure {
    if before == 0 {
        return failure;
    }
    let again = "the same command goes on with those that still wait";
    let told = if failure.did_nothing() {
        format!("Approved before that: {before}. Not approved: {rest}; {again}.")
    } else {
        format!(
            "Approved before that: {before}. Of the other {rest} it is not known whether the next {asked} were approved: \
             `ktizo device list --status pending` shows those that were not, and {again}."
        )
    };
    Failure::Partly {
        failure: Box::new(failure),
        told,
    }
}

fn approved(device: &Device) -> String {
    format!(
        "{} is approved as {} {} with address {}. If it waits, it goes on now; else at its next network boot.",
        device.mac_address,
        or_dash(device.role.as_ref()),
        or_dash(device.hostname.as_ref()),
        or_dash(device.ip_address.as_ref())
    )
}

#[cfg(test)]
mod tests {
    use api::types::ErrorBody;

    use super::*;

    #[test]
    fn what_is_not_known_to_be_approved_is_not_called_so() {
        let refused = |status| {
            Failure::Remote(ClientError::Refused {
                status,
                body: ErrorBody {
                    code: "timeout".to_owned(),
                    message: "was not done in time".to_owned(),
                    field: None,
                    hint: None,
                },
            })
        };
        let told = |status, before| partly(refused(status), before, 10, 7).to_string();
        assert_eq!(told(504, 0), "was not done in time");
        let not = "Approved before that: 250. Not approved: 10;";
        assert!(told(412, 250).contains(not), "{}", told(412, 250));
        let open = "Of the other 10 it is not known whether the next 7 were approved";
        for said in [told(504, 250), told(500, 250)] {
            assert!(
                said.contains("Approved before that: 250.") && said.contains(open),
                "{said}"
            );
        }
    }
}
