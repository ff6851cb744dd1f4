//! Letting a machine that is still trying have its config.

use model::{Author, EventKind};
use store::{Lane, Store};

use super::{DeviceRef, called, find_expected, shown_again};
use crate::version::IfMatch;
use crate::{Error, types};

/// Makes the token that the device's last boot script carried good for as long as a new one. A machine goes on asking with the one
/// it has, so that no other could help it.
pub(crate) async fn renew_release(
    store: &Store,
    author: Author,
    who: DeviceRef,
    expected: IfMatch,
) -> Result<types::Device, Error> {
    store
        .write(Lane::Admin, author, move |writer| {
            let device = find_expected(writer, &who, &expected)?;
            if !writer.renew_token(device.id)? {
                let why = format!(
                    "{} has no token to renew: none was given out since the last decision about it",
                    called(&device)
                );
                let hint = "boot it from the network; its boot script carries a new one";
                return Err(Error::refused("no_token", None, why, Some(hint)));
            }
            writer.event(Some(&device), EventKind::ConfigTokenRenewed)?;
            shown_again(writer, device.id)
        })
        .await
}
