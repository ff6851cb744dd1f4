//! What the config of one machine has beyond its fields, as arguments.

use serde_json::{Map, Value, json};

use crate::cli::value::{on_or_off, selector, text};

/// Settings of a machine's config. The empty text leaves them to the base config.
#[derive(Debug, Default, clap::Args)]
pub(super) struct ConfigSettings {
    /// What the disk to install on must be instead of its path: size, type, model, serial, wwid, uuid, modalias, bus_path, such as 'serial=S3Z9NX0M'
    #[arg(long, value_name = "FACT=TEXT,...", value_parser = selector)]
    install_selector: Option<Value>,
    /// The image that installs Talos
    #[arg(long, value_name = "IMAGE")]
    install_image: Option<String>,
    /// The id of an Image Factory schematic, which makes the installer
    #[arg(long, value_name = "ID")]
    schematic: Option<String>,
    /// Whether the install disk is zeroed first
    #[arg(long, value_name = "on|off", value_parser = wipe)]
    install_wipe: Option<Value>,
    /// Least size of the IMAGECACHE volume, such as 10GiB
    #[arg(long, value_name = "SIZE")]
    image_cache_min_size: Option<String>,
    /// Greatest size of the IMAGECACHE volume
    #[arg(long, value_name = "SIZE")]
    image_cache_max_size: Option<String>,
    /// Which disk the IMAGECACHE volume is on, as a CEL expression
    #[arg(long, value_name = "CEL")]
    image_cache_disk_selector: Option<String>,
    /// A volume mounted at /var/mnt/NAME, such as '{name: data, disk_selector: "!system_disk", min_size: 10GiB}'; all have to be given
    #[arg(long, value_name = "YAML", value_parser = volume)]
    user_volume: Vec<Value>,
    /// A kernel module with its parameters, such as 'bonding mode=1'; all have to be given
    #[arg(long, value_name = "MODULE")]
    kernel_module: Vec<String>,
}

impl ConfigSettings {
    /// The change as the API takes it; the volume's fields are told one by one, and all of them are sent.
    pub(super) fn patch(self, before: &Value) -> Map<String, Value> {
        let cache = [
            ("min_size", self.image_cache_min_size.map(text)),
            ("max_size", self.image_cache_max_size.map(text)),
            ("disk_selector", self.image_cache_disk_selector.map(text)),
        ];
        let cache = cache.iter().any(|(_, value)| value.is_some()).then(|| {
            let mut volume = before["image_cache"]
                .as_object()
                .cloned()
                .unwrap_or_default();
            for (field, value) in cache {
                if let Some(value) = value {
                    volume.insert(field.to_owned(), value);
                }
            }
            Value::from(volume)
        });
        let volumes: Vec<Value> = self
            .user_volume
            .iter()
            .filter(|volume| !volume.is_null())
            .cloned()
            .collect();
        let modules: Vec<Value> = self
            .kernel_module
            .iter()
            .filter_map(|module| {
                let mut words = module.split_whitespace();
                let name = words.next()?;
                Some(json!({"name": name, "parameters": words.collect::<Vec<_>>()}))
            })
            .collect();
        [
            ("install_selector", self.install_selector),
            ("install_image", self.install_image.map(text)),
            ("schematic", self.schematic.map(text)),
            ("install_wipe", self.install_wipe),
            ("image_cache", cache),
            (
                "user_volumes",
                (!self.user_volume.is_empty()).then(|| volumes.into()),
            ),
            (
                "kernel_modules",
                (!self.kernel_module.is_empty()).then(|| modules.into()),
            ),
        ]
        .into_iter()
        .filter_map(|(field, value)| value.map(|value| (field.to_owned(), value)))
        .collect()
    }
}

fn wipe(text: &str) -> Result<Value, String> {
    match text {
        "" => Ok(Value::Null),
        text => on_or_off(text).map(Value::from),
    }
}

fn volume(text: &str) -> Result<Value, String> {
    if text.is_empty() {
        return Ok(Value::Null);
    }
    serde_yaml::from_str(text).map_err(|err| err.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_become_settings() {
        let settings = ConfigSettings {
            install_selector: selector("serial=S1").ok(),
            install_image: Some(String::new()),
            image_cache_max_size: Some("20GiB".to_owned()),
            user_volume: vec![volume("{name: data, disk_selector: '!system_disk'}").unwrap()],
            kernel_module: vec!["bonding mode=1".to_owned()],
            ..ConfigSettings::default()
        };
        let before = json!({"image_cache": {"min_size": "10GiB"}});
        assert_eq!(
            Value::from(settings.patch(&before)),
            json!({
                "install_selector": {"serial": "S1"},
                "install_image": null,
                "image_cache": {"min_size": "10GiB", "max_size": "20GiB"},
                "user_volumes": [{"name": "data", "disk_selector": "!system_disk"}],
                "kernel_modules": [{"name": "bonding", "parameters": ["mode=1"]}],
            })
        );
        let cleared = ConfigSettings {
            kernel_module: vec![String::new()],
            ..ConfigSettings::default()
        };
        assert_eq!(
            Value::from(cleared.patch(&before)),
            json!({"kernel_modules": []})
        );
        assert!(ConfigSettings::default().patch(&before).is_empty());
    }
}
