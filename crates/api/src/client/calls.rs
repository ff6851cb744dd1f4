//! One method for each thing the API does.

use bytes::Bytes;
use futures_util::Stream;
use model::{
    Actor, ApprovalStatus, Arch, AssetName, BootId, EventId, KernelLineId, LabelFilter, PersonName,
    Role, TalosVersion, Timestamp, TokenId,
};
use reqwest::Method;
use serde::Serialize;

use super::{Client, ClientError};
use crate::types::{
    ApiToken, ApproveDevice, Asset, AssetCommit, AssetImported, BaseImport, BaseImported, Boot,
    BulkAnswer, BulkDevices, DecideIdentity, Device, DevicePatch, Event, GiveOrder, KernelLog,
    NetworkAnswer, NetworkPatch, NewDevice, NewToken, NewUser, OwnPassword, Proof, Regenerated,
    ScriptPreview, SetUpLink, Status, Suggestions, TokenShown, Upload, User, UserPatch, Vouch,
    Whoami,
};
use crate::{DeviceRef, Version};

/// Which devices a list shows.
#[derive(Clone, Debug, Default, Serialize)]
pub struct DeviceQuery {
    /// Only those with this status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<ApprovalStatus>,
    /// Only those with this role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Only those with this processor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arch: Option<Arch>,
    /// Only those with this label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<LabelFilter>,
    /// Only those that need a person.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub needs_person: bool,
    /// Only those that have this text somewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub q: Option<String>,
    /// By which field they are ordered; with `-` before it, the other way round.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sort: Option<String>,
    /// Leaves out so many at the beginning.
    pub skip: u64,
    /// Shows so many at most; all without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
}

/// Which events a list shows, newest first.
#[derive(Clone, Debug, Default, Serialize)]
pub struct EventQuery {
    /// Only those before this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<EventId>,
    /// Only those after this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<EventId>,
    /// Only those of this device, by number, MAC or host name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Only those of this kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Only those of this actor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<Actor>,
    /// Only those at or after this moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Only those before this moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Shows so many at most; 100 without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
}

/// Which lines of a kernel log are shown.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct LogQuery {
    /// Of which boot; the last one with a log without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot: Option<BootId>,
    /// Only those after this line; without it the newest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<KernelLineId>,
    /// Shows so many at most.
    pub limit: u64,
}

/// An answer that is read piece by piece.
#[derive(Debug)]
pub struct Download {
    response: reqwest::Response,
    place: String,
}

impl Download {
    /// The next piece; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        let next = self.response.chunk().await;
        next.map_err(|err| ClientError::unreachable(&self.place, &err))
    }
}

/// No query.
const ALL: [(&str, &str); 0] = [];

impl Client {
    /// The devices of a list.
    pub async fn devices(&self, query: &DeviceQuery) -> Result<Vec<Device>, ClientError> {
        self.get("/devices", query).await
    }

    /// One device.
    pub async fn device(&self, who: DeviceRef) -> Result<Device, ClientError> {
        self.get(&format!("/devices/{who}"), &ALL).await
    }

    /// Adds a device by hand.
    pub async fn add_device(&self, new: &NewDevice) -> Result<Device, ClientError> {
        self.post("/devices", new).await
    }

    /// Registers a device, or leaves it as it is if it is known.
    pub async fn register_device(&self, new: &NewDevice) -> Result<Device, ClientError> {
        self.post("/devices/register", new).await
    }

    /// Changes fields of a device.
    pub async fn update_device(
        &self,
        who: DeviceRef,
        patch: &DevicePatch,
    ) -> Result<Device, ClientError> {
        self.put(&format!("/devices/{who}"), patch).await
    }

    /// Changes fields of a device if it is still this version.
    pub async fn update_device_of(
        &self,
        who: DeviceRef,
        patch: &DevicePatch,
        version: &Version,
    ) -> Result<Device, ClientError> {
        let request = self
            .request(Method::PUT, &format!("/devices/{who}"))
            .header(reqwest::header::IF_MATCH, version.to_string())
            .json(patch);
        self.fetch(request).await
    }

    /// Lets a device in.
    pub async fn approve_device(
        &self,
        who: DeviceRef,
        with: &ApproveDevice,
    ) -> Result<Device, ClientError> {
        self.post(&format!("/devices/{who}/approve"), with).await
    }

    /// Lets a device in if it is still this version.
    pub async fn approve_device_of(
        &self,
        who: DeviceRef,
        with: &ApproveDevice,
        version: &Version,
    ) -> Result<Device, ClientError> {
        let request = self
            .request(Method::POST, &format!("/devices/{who}/approve"))
            .header(reqwest::header::IF_MATCH, version.to_string())
            .json(with);
        self.fetch(request).await
    }

    /// Turns a device away.
    pub async fn reject_device(&self, who: DeviceRef) -> Result<Device, ClientError> {
        let path = format!("/devices/{who}/reject");
        self.fetch(self.request(Method::POST, &path)).await
    }

    /// Deletes a device.
    pub async fn delete_device(&self, who: DeviceRef) -> Result<(), ClientError> {
        let path = format!("/devices/{who}");
        self.send(self.request(Method::DELETE, &path)).await?;
        Ok(())
    }

    /// Gives a boot order, also the one the device has.
    pub async fn give_order(
        &self,
        who: DeviceRef,
        given: &GiveOrder,
    ) -> Result<Device, ClientError> {
        self.post(&format!("/devices/{who}/order"), given).await
    }

    /// Says no to a wipe that was asked for at the console or ordered.
    pub async fn decline_wipe(&self, who: DeviceRef) -> Result<Device, ClientError> {
        let path = format!("/devices/{who}/wipe");
        self.fetch(self.request(Method::DELETE, &path)).await
    }

    /// Vouches for an install or a wipe that no machine has proven.
    pub async fn vouch(&self, who: DeviceRef, proof: Proof) -> Result<Device, ClientError> {
        self.post(&format!("/devices/{who}/proof"), &Vouch { proof })
            .await
    }

    /// Says who a device is, or whether a card is its.
    pub async fn decide_identity(
        &self,
        who: DeviceRef,
        said: &DecideIdentity,
    ) -> Result<Device, ClientError> {
        self.post(&format!("/devices/{who}/identity"), said).await
    }

    /// Makes the token that a machine has for its config good for as long as a new one.
    pub async fn renew_release(&self, who: DeviceRef) -> Result<Device, ClientError> {
        let path = format!("/devices/{who}/config-release");
        self.fetch(self.request(Method::POST, &path)).await
    }

    /// What a device could be approved with.
    pub async fn suggestions(&self, who: DeviceRef) -> Result<Suggestions, ClientError> {
        self.get(&format!("/devices/{who}/approval-suggestions"), &ALL)
            .await
    }

    /// The last boots of a device, newest first.
    pub async fn boots(&self, who: DeviceRef, limit: u64) -> Result<Vec<Boot>, ClientError> {
        self.get(&format!("/devices/{who}/boots"), &[("limit", limit)])
            .await
    }

    /// The script that the next boot of a device would get, and why.
    pub async fn script(&self, who: DeviceRef) -> Result<ScriptPreview, ClientError> {
        self.get(&format!("/devices/{who}/script"), &ALL).await
    }

    /// Lines of the kernel log of a device.
    pub async fn kernel_log(
        &self,
        who: DeviceRef,
        query: &LogQuery,
    ) -> Result<KernelLog, ClientError> {
        self.get(&format!("/devices/{who}/kernel-log"), query).await
    }

    /// The config that is served to a device. It holds secrets.
    pub async fn config(&self, who: DeviceRef) -> Result<Bytes, ClientError> {
        let path = format!("/devices/{who}/config");
        let response = self.send(self.request(Method::GET, &path)).await?;
        self.read(response).await
    }

    /// Makes all device configs anew.
    pub async fn regenerate(&self) -> Result<Regenerated, ClientError> {
        self.fetch(self.request(Method::POST, "/devices/regenerate"))
            .await
    }

    /// The network settings.
    pub async fn network(&self) -> Result<NetworkAnswer, ClientError> {
        self.get("/network/settings", &ALL).await
    }

    /// Changes network settings.
    pub async fn set_network(&self, patch: &NetworkPatch) -> Result<NetworkAnswer, ClientError> {
        self.put("/network/settings", patch).await
    }

    /// Takes base configs into use.
    pub async fn import_base(&self, base: &BaseImport) -> Result<BaseImported, ClientError> {
        self.post("/cluster/base", base).await
    }

    /// Every asset, the newest version first.
    pub async fn assets(&self) -> Result<Vec<Asset>, ClientError> {
        self.get("/assets", &ALL).await
    }

    /// Sends a file of `len` bytes, which is not in use before [`Self::import_assets`] names it.
    pub async fn upload(
        &self,
        content: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static,
        len: u64,
    ) -> Result<Upload, ClientError> {
        let request = self
            .request(Method::POST, "/assets/uploads")
            .header(reqwest::header::CONTENT_LENGTH, len)
            .body(reqwest::Body::wrap_stream(content));
        self.fetch(request).await
    }

    /// Takes uploads into use, all or none.
    pub async fn import_assets(&self, commit: &AssetCommit) -> Result<AssetImported, ClientError> {
        self.post("/assets", commit).await
    }

    /// Takes an asset out of use.
    pub async fn remove_asset(
        &self,
        version: &TalosVersion,
        name: AssetName,
    ) -> Result<(), ClientError> {
        let path = format!("/assets/{version}/{name}");
        self.send(self.request(Method::DELETE, &path)).await?;
        Ok(())
    }

    /// What happened.
    pub async fn events(&self, query: &EventQuery) -> Result<Vec<Event>, ClientError> {
        self.get("/events", query).await
    }

    /// What persons did.
    pub async fn audit(&self, query: &EventQuery) -> Result<Vec<Event>, ClientError> {
        self.get("/audit/logs", query).await
    }

    /// Approves, rejects, orders or deletes many devices: all or nothing.
    pub async fn bulk(&self, asked: &BulkDevices) -> Result<BulkAnswer, ClientError> {
        self.post("/devices/bulk", asked).await
    }

    /// Who asks, as the daemon sees it.
    pub async fn whoami(&self) -> Result<Whoami, ClientError> {
        self.get("/whoami", &ALL).await
    }

    /// Every user.
    pub async fn users(&self) -> Result<Vec<User>, ClientError> {
        self.get("/users", &ALL).await
    }

    /// Adds a user.
    pub async fn add_user(&self, new: &NewUser) -> Result<User, ClientError> {
        self.post("/users", new).await
    }

    /// Changes a user.
    pub async fn change_user(
        &self,
        name: &PersonName,
        patch: &UserPatch,
    ) -> Result<User, ClientError> {
        self.put(&format!("/users/{name}"), patch).await
    }

    /// One user.
    pub async fn user(&self, name: &PersonName) -> Result<User, ClientError> {
        self.get(&format!("/users/{name}"), &ALL).await
    }

    /// Changes the password of the account whose the caller is.
    pub async fn change_own_password(&self, asked: &OwnPassword) -> Result<(), ClientError> {
        let request = self.request(Method::PUT, "/users/me/password").json(asked);
        self.send(request).await?;
        Ok(())
    }

    /// Deletes a user.
    pub async fn delete_user(&self, name: &PersonName) -> Result<(), ClientError> {
        let path = format!("/users/{name}");
        self.send(self.request(Method::DELETE, &path)).await?;
        Ok(())
    }

    /// Every API token, without its secret.
    pub async fn tokens(&self) -> Result<Vec<ApiToken>, ClientError> {
        self.get("/tokens", &ALL).await
    }

    /// Makes an API token.
    pub async fn add_token(&self, new: &NewToken) -> Result<TokenShown, ClientError> {
        self.post("/tokens", new).await
    }

    /// Revokes an API token.
    pub async fn revoke_token(&self, id: TokenId) -> Result<(), ClientError> {
        let path = format!("/tokens/{id}");
        self.send(self.request(Method::DELETE, &path)).await?;
        Ok(())
    }

    /// Makes a one-time set-up link.
    pub async fn make_set_up_link(&self) -> Result<SetUpLink, ClientError> {
        self.fetch(self.request(Method::POST, "/set-up-link")).await
    }

    /// Takes a backup. It holds every secret.
    pub async fn backup(&self) -> Result<Download, ClientError> {
        let response = self.send(self.request(Method::GET, "/backup")).await?;
        let place = self.place.clone();
        Ok(Download { response, place })
    }

    /// How the daemon does.
    pub async fn status(&self) -> Result<Status, ClientError> {
        self.get("/status", &ALL).await
    }
}
