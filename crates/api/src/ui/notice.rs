//! What a page says in passing once a form is done.

use axum::http::header::{HeaderValue, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};

/// Goes to a page after a form was done; the page says it in the words of [`notice()`].
pub(super) fn done(page: &str, said: &str) -> Response {
    let mut headers = HeaderMap::new();
    let to = format!("{page}?said={said}");
    if let Ok(to) = HeaderValue::from_str(&to) {
        headers.insert(LOCATION, to);
    }
    (StatusCode::SEE_OTHER, headers).into_response()
}

/// The sentence for what was just done; the address only carries its word, so that nobody can put words of their own on the page.
pub(super) fn notice(said: &str) -> Option<&'static str> {
    Some(match said {
        "added" => "The device was added. It waits for approval.",
        "approved" => "Approved. A machine that waits goes on by itself.",
        "approved-but-gone" => {
            "Approved, but for those that were deleted meanwhile. Machines that wait go on by themselves."
        }
        "gone" => "What was chosen is not there any more. Nothing was changed.",
        "rejected" => "The device was rejected.",
        "deleted" => "The device was deleted.",
        "saved" => "Saved.",
        "unchanged" => "Nothing was changed.",
        "ordered" => "The boot order was given; it holds at the next network boot.",
        "wipe-ordered" => {
            "The wipe is ordered. The next network boot wipes the disk, once; the order ends after a day, and with any change of the device but its notes and labels."
        }
        "wipe-declined" => "The wipe is called off; nothing is wiped.",
        "identity-decided" => "Taken down: who the device is, is decided.",
        "renewed" => "The machine may fetch its config with the token it has.",
        "vouched" => "Taken down as your word.",
        "imported" => "The base configs are in use, and the device configs were made anew.",
        "cluster-made" => {
            "The cluster's secrets and base configs are made. Approve the first control plane next, and keep a copy of the secrets."
        }
        "generated" => {
            "The base configs were made from the settings, and the device configs with them."
        }
        "secrets-imported" => "The secrets are in use; the ones before are kept as a backup.",
        "patch-saved" => "The patch was saved, and the configs it is for were made anew.",
        "patch-deleted" => "The patch was deleted, and the configs it was for were made anew.",
        "regenerated" => "All device configs were made anew.",
        "strict-on" => {
            "Saved. Strict boot mode is on: a machine that nobody approved waits, and its disks are left alone."
        }
        "strict-off" => {
            "Saved. Strict boot mode is off: a machine that nobody approved boots its disk, or Talos without a config if no disk boots."
        }
        "asset-imported" => "The file was imported.",
        "asset-removed" => "The file was removed.",
        "user-added" => "The user was added.",
        "user-deleted" => "The user was deleted.",
        "password-changed" => "Your password is changed, and your other sessions have ended.",
        "token-revoked" => "The token was revoked.",
        _ => return None,
    })
}
