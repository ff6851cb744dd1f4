//! What time alone changes: an install that nothing proves in time has failed, a wipe that waits for a day is called off, a session or
//! token that has reached its end is over for good.

use std::sync::Arc;
use std::time::Duration;

use api::Gate;
use model::{Actor, Clock};
use store::{Error, Lane, Store};
use tokio_util::sync::CancellationToken;

/// How often it is looked; no deadline is shorter than a minute.
const LOOK: Duration = Duration::from_secs(15);

/// Looks for what is overdue, at once and then again and again, until it is told to stop. With `heard`, machines can report.
pub(crate) async fn watch(
    store: Store,
    clock: Arc<dyn Clock>,
    heard: bool,
    stop: CancellationToken,
) {
    let gate = Gate::new(store.clone(), Arc::clone(&clock));
    loop {
        if let Err(err) = gate.end_by_time().await {
            tracing::warn!(%err, "which sessions and tokens are over was not noted; it is tried again");
        }
        if let Err(err) = pass(&store, &*clock, heard).await {
            tracing::warn!(%err, "what is overdue was not noted; it is tried again");
        }
        if stop
            .run_until_cancelled(tokio::time::sleep(LOOK))
            .await
            .is_none()
        {
            return;
        }
    }
}

/// Notes what is overdue.
async fn pass(store: &Store, clock: &dyn Clock, heard: bool) -> Result<(), Error> {
    let now = clock.now();
    let (overdue, reports) = store
        .read(Lane::Admin, move |reader| {
            let reports = heard && reader.settings()?.reports;
            Ok((reader.overdue(now, reports)?, reports))
        })
        .await?;
    let mut noted = Ok(());
    for device in overdue {
        let write = store.write(Lane::Admin, Actor::System, move |writer| {
            writer.pass_deadlines(device, reports)
        });
        // One that cannot be written keeps no other from its deadline.
        noted = noted.and(write.await);
    }
    noted
}

#[cfg(test)]
mod tests {
    use model::{
        EphemeralVolume, EventKind, Install, InstallEvent, Inventory, ManualClock, StandingOrder,
        Timestamp, Wipe,
    };
    use store::{EventFilter, NewDevice};

    use super::*;

    #[tokio::test]
    async fn what_is_overdue_is_noted_once() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(Timestamp::from_micros(1_000_000)));
        let store = Store::open(
            &folder.path().join("x.db"),
            Arc::clone(&clock) as Arc<dyn Clock>,
        )
        .unwrap();
        let made = store.write(Lane::Admin, Actor::System, |writer| {
            for (last, reports) in [(1, true), (2, false), (3, true)] {
                let mut device = writer.insert_device(NewDevice {
                    mac: format!("52:54:00:00:00:0{last}").parse().unwrap(),
                    hostname: None,
                    ip_address: None,
                    role: None,
                    notes: String::new(),
                    labels: model::Labels::default(),
                    install_disk: None,
                    ephemeral: EphemeralVolume::default(),
                    inventory: Inventory::default(),
                    seen: false,
                })?;
                writer.install_event(&mut device, &InstallEvent::Released, reports)?;
            }
            let mut device = writer.device(model::DeviceId(3))?.unwrap();
            let told = device
                .life
                .give_wipe(Actor::System, writer.now(), StandingOrder::Menu);
            writer.live(&device, Some(told)).map(drop)
        });
        made.await.unwrap();

        let states = async || {
            let read = store.read(Lane::Admin, |reader| {
                let devices = reader.devices(&store::DeviceFilter::default())?;
                Ok(devices
                    .into_iter()
                    .map(|device| device.life)
                    .collect::<Vec<_>>())
            });
            read.await.unwrap()
        };
        let failed = |install: &Install| matches!(install, Install::Failed { .. });
        clock.advance(Duration::from_secs(1199));
        pass(&store, &*clock, true).await.unwrap();
        assert!(!states().await.iter().any(|life| failed(&life.install)));
        clock.advance(Duration::from_secs(1));
        pass(&store, &*clock, false).await.unwrap();
        assert!(!states().await.iter().any(|life| failed(&life.install)));
        pass(&store, &*clock, true).await.unwrap();
        let [told, mute, wiped] = &states().await[..] else {
            panic!("three devices");
        };
        assert!(failed(&told.install) && !failed(&mute.install) && failed(&wiped.install));
        assert!(matches!(wiped.wipe, Wipe::Ordered { .. }));
        clock.advance(Duration::from_secs(24 * 3600));
        pass(&store, &*clock, true).await.unwrap();
        pass(&store, &*clock, true).await.unwrap();
        assert_eq!(states().await[2].wipe, Wipe::None);
        let events = store.read(Lane::Admin, |reader| reader.events(&EventFilter::default()));
        let events: Vec<EventKind> = events.await.unwrap().into_iter().map(|e| e.what).collect();
        let count = |word: &str| events.iter().filter(|what| what.word() == word).count();
        assert_eq!((count("install_failed"), count("wipe_expired")), (2, 1));
    }

    #[tokio::test]
    async fn a_token_that_has_reached_its_end_is_over_for_good() {
        let folder = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(Timestamp::from_micros(1_000_000)));
        let store = Store::open(&folder.path().join("x.db"), Arc::clone(&clock)).unwrap();
        let made = store.write(Lane::Admin, Actor::System, |writer| {
            let end = Some(writer.now());
            let (name, print) = ("ci".parse().unwrap(), model::Sha256Digest([7; 32]));
            writer.insert_api_token(&name, model::Authority::Viewer, print, end, None)
        });
        assert_eq!(made.await.unwrap().ended_at, None);
        let stop = CancellationToken::new();
        let ended = async {
            loop {
                let read = store.read(Lane::Admin, |reader| reader.api_tokens());
                if read.await.unwrap()[0].ended_at.is_some() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            stop.cancel();
        };
        tokio::join!(watch(store.clone(), clock, false, stop.clone()), ended);
    }
}
