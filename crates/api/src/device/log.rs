//! The kernel log that a device sent.

use model::{BootId, KernelLineId};
use serde::Deserialize;
use store::Store;

use super::show::look;
use super::{DeviceRef, find};
use crate::{Error, types};

/// Which lines are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LogQuery {
    /// Of which boot; the last one with a log without it.
    #[param(value_type = Option<i64>)]
    pub(crate) boot: Option<BootId>,
    /// Only those after this line, the oldest first. Without it the newest are shown.
    #[param(value_type = Option<i64>)]
    pub(crate) after: Option<KernelLineId>,
    /// Shows so many at most.
    pub(crate) limit: u64,
}

impl Default for LogQuery {
    fn default() -> Self {
        Self {
            boot: None,
            after: None,
            limit: 500,
        }
    }
}

/// Lines of the kernel log of one boot of a device.
pub(crate) async fn kernel_log(
    store: &Store,
    who: DeviceRef,
    query: LogQuery,
) -> Result<types::KernelLog, Error> {
    look(store, move |reader| {
        let device = find(reader, &who)?.id;
        let logs = reader.kernel_logs(device)?;
        let boot = query.boot.or_else(|| logs.first().map(|log| log.boot));
        let lines = match boot {
            Some(boot) => reader.kernel_lines(device, boot, query.after, query.limit)?,
            None => Vec::new(),
        };
        Ok(types::KernelLog { boot, lines, logs })
    })
    .await
}
