//! What a machine gets if a template of the operator's fails with its values.

use super::*;

/// A template that is good for sample values, and fails for every machine here.
const FAILS: &str = "#!ipxe\n{% if server == \"10.0.0.2\" %}{{ nosuch }}{% endif %}exit 1\n";

/// A house whose operator has templates of these names that fail.
async fn with_failing(names: &[&str]) -> House {
    let own: Vec<_> = names
        .iter()
        .map(|name| ((*name).to_owned(), FAILS.to_owned()))
        .collect();
    let mut house = equipped().await;
    house.office.scripts = Arc::new(Scripts::new(&own).unwrap());
    house
}

#[tokio::test]
async fn a_rejected_machine_reaches_its_disk_by_the_built_in_template() {
    let house = with_failing(&["leave.ipxe"]).await;
    house
        .change(|writer, device| {
            let mut device = device.clone();
            device.approval = Approval::Rejected {
                by: writer.actor().clone(),
                at: writer.now(),
            };
            writer.update_device(&device).map(drop)
        })
        .await;
    let script = house.script(PEER).await;
    assert!(script.ends_with("exit 1\n"), "{script}");
    assert!(script.contains("sanboot"), "{script}");
    house.change(|_, _| Ok(())).await;
    let id = house.device.id;
    let store = &house.office.store;
    let boots = store.read(Lane::Boot, move |reader| reader.boots(id, 1));
    let stages = boots.await.unwrap().swap_remove(0).stages;
    let told: Vec<String> = stages.into_iter().map(|stage| stage.detail).collect();
    assert!(
        told.iter()
            .any(|detail| detail.contains("by the built-in template")
                && detail.contains("leave.ipxe:2:")),
        "{told:?}"
    );
}

#[tokio::test]
async fn every_script_has_its_built_in_template_to_fall_back_on() {
    let names = [
        "identify.ipxe",
        "install.ipxe",
        "autoexec.ipxe",
        "boot.ipxe",
    ];
    let failing = with_failing(&names[..2]).await;
    let ask = ScriptAsk {
        mac: failing.device.mac,
        site: site(PEER),
        facts: None,
        held_since: None,
        choice: None,
    };
    let first = failing.office.script(ask).await;
    assert!(first.contains("/boot/52-54-00-00-00-01?facts=1"), "{first}");
    let install = failing.script(PEER).await;
    assert!(install.contains("talos.config="), "{install}");
}
