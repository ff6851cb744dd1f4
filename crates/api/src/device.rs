//! Operations on devices.

mod add;
mod approve;
mod bulk;
mod config;
mod delete;
mod disk;
mod fields;
mod identity;
mod log;
mod order;
mod outlook;
mod reference;
mod reject;
mod release;
mod show;
mod shown;
mod suggest;
mod update;

use model::Device;

pub(crate) use add::{add, register};
pub(crate) use approve::{approve, wrongs};
pub(crate) use bulk::{MOST_AT_ONCE, bulk};
pub(crate) use config::{
    ExplainQuery, PreviewQuery, change_settings, diff, explain, preview, preview_shown, settings,
};
pub(crate) use delete::delete;
pub(crate) use identity::decide_identity;
pub(crate) use log::{LogQuery, kernel_log};
pub(crate) use order::{decline_wipe, give_order, vouch};
pub use reference::DeviceRef;
pub(crate) use reference::{find, number_of};
pub(crate) use reject::reject;
pub(crate) use release::renew_release;
pub(crate) use show::{ListQuery, SORTS, boots, config, export_config, look, page, show};
use shown::{find_expected, shown_again};
pub(crate) use shown::{shown, shown_all};
pub(crate) use suggest::{suggest, suggest_all};
pub(crate) use update::{MadeFrom, update};

/// How messages call a device.
pub(crate) fn called(device: &Device) -> String {
    match &device.hostname {
        Some(hostname) => format!("{hostname} ({})", device.mac),
        None => device.mac.to_string(),
    }
}
