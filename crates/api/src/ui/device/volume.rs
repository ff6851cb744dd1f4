//! The operator's own volumes, as rows of the form: each field is called by the number of its row.

use serde::Serialize;
use serde_json::{Value, json};

use crate::types::{DeviceSettings, UserVolume};
use crate::ui::fields::{Choice, Fields};
use crate::ui::post::Post;

/// The most rows of a form: those of all volumes there may be, of as many that are taken away, and blank ones.
const ROWS: usize = 4 * DeviceSettings::VOLUMES;
/// The file systems that Talos makes.
const FILESYSTEMS: [&str; 3] = ["xfs", "ext4", "btrfs"];

/// What the fields of one row are called.
#[derive(Serialize)]
pub(super) struct Row {
    /// From 1.
    number: usize,
    /// Whether there is such a volume, which can be taken away.
    is_known: bool,
    name: String,
    disk_selector: String,
    min_size: String,
    max_size: String,
    grow: String,
    filesystem: String,
    gone: String,
}

impl Row {
    fn new(index: usize, is_known: bool) -> Self {
        let of = |field: &str| format!("volume-{index}-{field}");
        Self {
            number: index + 1,
            is_known,
            name: of("name"),
            disk_selector: of("disk_selector"),
            min_size: of("min_size"),
            max_size: of("max_size"),
            grow: of("grow"),
            filesystem: of("filesystem"),
            gone: of("gone"),
        }
    }

    fn names(&self) -> [&String; 7] {
        [
            &self.name,
            &self.disk_selector,
            &self.min_size,
            &self.max_size,
            &self.grow,
            &self.filesystem,
            &self.gone,
        ]
    }

    /// What is typed into it, in the words of the API; nothing if nothing is, or if the volume is taken away.
    fn read(&self, post: &Post) -> Option<Value> {
        let is_blank = self.names().iter().all(|name| post.text(name).is_empty());
        if is_blank || post.text(&self.gone) == "true" {
            return None;
        }
        let grow = match post.text(&self.grow) {
            "" => None,
            word => Some(word == "true"),
        };
        Some(json!({
            "name": post.text(&self.name),
            "disk_selector": post.text(&self.disk_selector),
            "min_size": post.or_null(&self.min_size),
            "max_size": post.or_null(&self.max_size),
            "grow": grow,
            "filesystem": post.or_null(&self.filesystem),
        }))
    }
}

/// The rows of the volumes there are, with what stands in them, and a blank one.
pub(super) fn rows(fields: &mut Fields, volumes: &[UserVolume]) -> Vec<Row> {
    let mut rows = Vec::new();
    for (index, volume) in volumes.iter().enumerate() {
        let row = Row::new(index, true);
        fields.set(&row.name, &volume.name);
        fields.set(&row.disk_selector, &volume.disk_selector);
        for (name, text) in [
            (&row.min_size, volume.min_size.clone()),
            (&row.max_size, volume.max_size.clone()),
            (&row.grow, volume.grow.map(|grow| grow.to_string())),
            (&row.filesystem, volume.filesystem.clone()),
        ] {
            fields.set(name, text.unwrap_or_default());
        }
        rows.push(row);
    }
    rows.push(Row::new(volumes.len(), false));
    make_room(fields, &mut rows, &Post::parse(b""));
    rows
}

/// Adds the rows that a form has beyond these, and a blank one behind them.
pub(super) fn make_room(fields: &mut Fields, rows: &mut Vec<Row>, post: &Post) {
    for row in typed(post).skip(rows.len()) {
        rows.push(row);
    }
    let is_filled = |row: &Row| row.names().iter().any(|name| !post.text(name).is_empty());
    if rows.last().is_some_and(is_filled) {
        rows.push(Row::new(rows.len(), false));
    }
    for row in rows {
        fields.add(row.names().map(Clone::clone));
    }
}

/// The rows that a form has.
fn typed(post: &Post) -> impl Iterator<Item = Row> {
    let rows = (0..ROWS).map(|index| Row::new(index, false));
    rows.take_while(|row| post.get(&row.name).is_some())
}

/// What a form says, in the words of the API.
pub(super) fn read(post: &Post) -> Vec<Value> {
    typed(post).filter_map(|row| row.read(post)).collect()
}

/// The name of the form's field for one of the API's, such as `user_volumes[1].grow` or `user_volume_name`; that of all rows where
/// it cannot be told which row is meant.
pub(super) fn field(refused: &str, post: &Post) -> String {
    let filled: Vec<usize> = typed(post)
        .enumerate()
        .filter_map(|(index, row)| row.read(post).map(|_| index))
        .collect();
    let (place, field) = match refused.strip_prefix("user_volumes[") {
        Some(rest) => {
            let (place, field) = rest.split_once(']').unwrap_or((rest, ""));
            (place.parse().ok(), field.trim_start_matches('.'))
        }
        None => {
            let only = (filled.len() == 1).then_some(0_usize);
            (only, refused.strip_prefix("user_volume_").unwrap_or(""))
        }
    };
    let index = place.and_then(|place| filled.get(place));
    match index.filter(|_| !field.is_empty()) {
        Some(index) => format!("volume-{index}-{field}"),
        None => "user_volumes".to_owned(),
    }
}

/// The choices of a row: whether the volume grows, and its file system.
pub(super) fn choices() -> (Vec<Choice>, Vec<Choice>) {
    let grows = [
        ("", "as Talos does"),
        ("true", "yes, up to its most"),
        ("false", "no"),
    ];
    let mut filesystems = vec![Choice::new("", "Talos's default")];
    filesystems.extend(Choice::words(FILESYSTEMS));
    (
        grows.map(|(value, said)| Choice::new(value, said)).into(),
        filesystems,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_finds_its_row() {
        let post =
            Post::parse(b"volume-0-name=&volume-1-name=data&volume-2-name=more&volume-2-gone=true");
        assert_eq!(read(&post).len(), 1);
        for (refused, field_of_form) in [
            ("user_volume_name", "volume-1-name"),
            ("user_volumes[0].grow", "volume-1-grow"),
            ("user_volumes[1].grow", "user_volumes"),
            ("user_volumes", "user_volumes"),
        ] {
            assert_eq!(field(refused, &post), field_of_form, "{refused}");
        }
        let two = Post::parse(b"volume-0-name=a&volume-1-name=b");
        assert_eq!(field("user_volume_min_size", &two), "user_volumes");
    }

    #[test]
    fn every_volume_there_may_be_comes_back_and_one_more_is_not_lost() {
        let form = |count: usize| {
            let row = |index| format!("volume-{index}-name=v{index}");
            (0..count).map(row).collect::<Vec<_>>().join("&")
        };
        for count in [DeviceSettings::VOLUMES, DeviceSettings::VOLUMES + 1] {
            // The last row is blank.
            let text = format!("{}&volume-{count}-name=", form(count));
            assert_eq!(read(&Post::parse(text.as_bytes())).len(), count);
        }
    }

    #[test]
    fn a_blank_row_is_no_volume_and_a_row_without_a_name_is_one() {
        let post = Post::parse(b"volume-0-name=+&volume-1-name=&volume-1-min_size=1GiB");
        let read = read(&post);
        assert_eq!(read.len(), 1);
        assert_eq!(read[0]["name"], "");
        assert_eq!(read[0]["min_size"], "1GiB");
    }
}
