//! What the API does with the cluster, patches, and the configs made of both.

use bytes::Bytes;
use model::{PatchId, Role};
use reqwest::Method;
use serde_json::{Map, Value};

use super::{Client, ClientError};
use crate::DeviceRef;
use crate::types::{
    Cluster, ClusterAnswer, ClusterGenerated, ClusterPatch, ConfigDiff, ConfigOrigin,
    DeviceSettings, GenerateCluster, Patch, PatchChecked, PatchDone, RegenerateProgress, SavePatch,
    SecretsImport, SecretsImported,
};

/// No query.
const ALL: [(&str, &str); 0] = [];

impl Client {
    /// All that is there of the cluster, without a secret.
    pub async fn cluster(&self) -> Result<Cluster, ClientError> {
        self.get("/cluster", &ALL).await
    }

    /// The settings of the cluster.
    pub async fn cluster_settings(&self) -> Result<ClusterAnswer, ClientError> {
        self.get("/cluster/settings", &ALL).await
    }

    /// Changes settings of the cluster.
    pub async fn set_cluster(&self, patch: &ClusterPatch) -> Result<ClusterAnswer, ClientError> {
        self.put("/cluster/settings", patch).await
    }

    /// Makes base configs from the settings, and secrets if there are none.
    pub async fn generate_cluster(
        &self,
        asked: &GenerateCluster,
    ) -> Result<ClusterGenerated, ClientError> {
        self.post("/cluster/config/generate", asked).await
    }

    /// Takes a secrets bundle into use.
    pub async fn import_secrets(
        &self,
        import: &SecretsImport,
    ) -> Result<SecretsImported, ClientError> {
        self.post("/cluster/secrets", import).await
    }

    /// The text of `secrets.yaml`, or of a bundle that was replaced.
    pub async fn secrets(&self, backup: Option<i64>) -> Result<Bytes, ClientError> {
        let query: Vec<(&str, i64)> = backup.map(|id| ("backup", id)).into_iter().collect();
        self.file("/cluster/secrets", &query).await
    }

    /// The base config of a role. It holds secrets.
    pub async fn base(&self, role: Role) -> Result<Bytes, ClientError> {
        self.file::<(&str, &str)>(&format!("/cluster/base/{role}"), &[])
            .await
    }

    /// A `talosconfig` with a fresh certificate of an administrator.
    pub async fn talosconfig(&self) -> Result<Bytes, ClientError> {
        self.file::<(&str, &str)>("/cluster/talosconfig", &[]).await
    }

    /// Every patch without its text, in the order of application.
    pub async fn patches(&self) -> Result<Vec<Patch>, ClientError> {
        self.get("/patches", &ALL).await
    }

    /// One patch with its text.
    pub async fn patch(&self, id: PatchId) -> Result<Patch, ClientError> {
        self.get(&format!("/patches/{id}"), &ALL).await
    }

    /// Adds a patch, or gives that of the same name another text.
    pub async fn save_patch(&self, patch: &SavePatch) -> Result<PatchDone, ClientError> {
        self.post("/patches", patch).await
    }

    /// What a patch would change; nothing is saved.
    pub async fn check_patch(&self, patch: &SavePatch) -> Result<PatchChecked, ClientError> {
        self.post("/patches/check", patch).await
    }

    /// Deletes a patch.
    pub async fn delete_patch(&self, id: PatchId) -> Result<PatchDone, ClientError> {
        let path = format!("/patches/{id}");
        self.fetch(self.request(Method::DELETE, &path)).await
    }

    /// The config that a device would be served, also before it is approved; secrets masked unless they are asked for.
    pub async fn preview(&self, who: DeviceRef, secrets: bool) -> Result<Bytes, ClientError> {
        let path = format!("/devices/{who}/config/preview");
        self.file(&path, &[("secrets", secrets)]).await
    }

    /// What changes against the config that a device last received.
    pub async fn config_diff(&self, who: DeviceRef) -> Result<ConfigDiff, ClientError> {
        self.get(&format!("/devices/{who}/config/diff"), &ALL).await
    }

    /// Which layers made a value of a config what it is.
    pub async fn explain(
        &self,
        who: DeviceRef,
        path: &str,
    ) -> Result<Vec<ConfigOrigin>, ClientError> {
        self.get(&format!("/devices/{who}/config/explain"), &[("path", path)])
            .await
    }

    /// What the config of a device has beyond the fields of the device.
    pub async fn device_settings(&self, who: DeviceRef) -> Result<DeviceSettings, ClientError> {
        self.get(&format!("/devices/{who}/settings"), &ALL).await
    }

    /// Changes what the config of a device has beyond the fields of the device: an absent field stays, `null` clears.
    pub async fn set_device_settings(
        &self,
        who: DeviceRef,
        patch: &Map<String, Value>,
    ) -> Result<DeviceSettings, ClientError> {
        self.put(&format!("/devices/{who}/settings"), patch).await
    }

    /// How far the making of device configs is.
    pub async fn progress(&self) -> Result<RegenerateProgress, ClientError> {
        self.get("/devices/regenerate/progress", &ALL).await
    }

    async fn file<T: serde::Serialize>(
        &self,
        path: &str,
        query: &[T],
    ) -> Result<Bytes, ClientError> {
        let response = self
            .send(self.request(Method::GET, path).query(query))
            .await?;
        self.read(response).await
    }
}
