//! iPXE scripts, rendered from the templates in `templates/pxe`.
//!
//! Every value a template writes is escaped for iPXE, so that nothing that comes from the network or from people can become a
//! command.

mod escape;
mod kernel;
mod place;
mod trial;

use std::net::Ipv4Addr;
use std::time::Duration;

use model::{MacAddr, Role};
use serde::Serialize;
use tera::{Context, Tera};

pub use kernel::{ConfigLink, TalosBoot, kernel_args};
pub use place::{Place, ReportPorts, boot_root};

/// The set of templates: the built-in ones, with an operator's own in their place where there are any.
#[derive(Debug)]
pub struct Scripts {
    tera: Tera,
    overridden: Vec<String>,
    /// The set without the operator's own, if there are any.
    built_in: Option<Box<Self>>,
}

/// A template that cannot be used, with its name, line and column, in one line.
#[derive(Debug, thiserror::Error)]
#[error("boot script template: {0}")]
pub struct ScriptError(String);

impl From<tera::Error> for ScriptError {
    fn from(err: tera::Error) -> Self {
        // Its text is a sentence, then the place behind an arrow, then the line as it is written.
        let text = err.to_string();
        let mut lines = text.lines();
        let what = lines.next().unwrap_or_default();
        let what = what.strip_prefix("error: ").unwrap_or(what);
        match lines.find_map(|line| line.trim_start().strip_prefix("--> ")) {
            Some(place) => Self(format!("{place}: {what}")),
            None => Self(text),
        }
    }
}

/// The built-in templates by file name.
const BUILT_IN: [(&str, &str); 13] = [
    (
        "autoexec.ipxe",
        include_str!("../../../templates/pxe/autoexec.ipxe"),
    ),
    (
        "boot.ipxe",
        include_str!("../../../templates/pxe/boot.ipxe"),
    ),
    (
        "choose.ipxe",
        include_str!("../../../templates/pxe/choose.ipxe"),
    ),
    (
        "hold.ipxe",
        include_str!("../../../templates/pxe/hold.ipxe"),
    ),
    (
        "identify.ipxe",
        include_str!("../../../templates/pxe/identify.ipxe"),
    ),
    (
        "install.ipxe",
        include_str!("../../../templates/pxe/install.ipxe"),
    ),
    (
        "leave.ipxe",
        include_str!("../../../templates/pxe/leave.ipxe"),
    ),
    (
        "menu.ipxe",
        include_str!("../../../templates/pxe/menu.ipxe"),
    ),
    (
        "open.ipxe",
        include_str!("../../../templates/pxe/open.ipxe"),
    ),
    (
        "run-talos.ipxe",
        include_str!("../../../templates/pxe/run-talos.ipxe"),
    ),
    (
        "to-disk.ipxe",
        include_str!("../../../templates/pxe/to-disk.ipxe"),
    ),
    (
        "trouble.ipxe",
        include_str!("../../../templates/pxe/trouble.ipxe"),
    ),
    (
        "wipe.ipxe",
        include_str!("../../../templates/pxe/wipe.ipxe"),
    ),
];

/// One line of the table script: a machine that may boot.
#[derive(Clone, Debug, Serialize)]
pub struct TableNode {
    /// Its boot MAC.
    pub mac: MacAddr,
    /// Its role.
    pub role: Role,
    /// Its address.
    pub ip: Ipv4Addr,
}

/// How a machine can be sent to its disk by its loader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskWays {
    /// Whether iPXE may start the disk itself under BIOS.
    pub sanboot_bios: bool,
    /// Whether iPXE may start the disk itself under UEFI: builds of 2025 and newer come back if the disk is empty.
    pub sanboot_uefi: bool,
}

/// What a menu is shown with.
#[derive(Clone, Debug)]
pub struct Menu {
    /// Its heading, behind `ktizo: `.
    pub title: String,
    /// How long it waits.
    pub timeout: Duration,
}

impl Scripts {
    /// Takes the built-in templates and an operator's own, as (file name, text). A name that is not built in, a text that is no
    /// template, and one that does not make a script of sample values, are errors.
    pub fn new(own: &[(String, String)]) -> Result<Self, ScriptError> {
        let mut tera = Tera::new();
        tera.autoescape_on([".ipxe"]);
        tera.set_escape_fn(escape::escape);
        let mut texts = BUILT_IN;
        for (name, text) in own {
            let Some(entry) = texts.iter_mut().find(|(built_in, _)| built_in == name) else {
                let known = BUILT_IN.map(|(name, _)| name).join(", ");
                return Err(ScriptError(format!(
                    "{name} replaces nothing; the templates are {known}"
                )));
            };
            entry.1 = text;
        }
        tera.add_raw_templates(texts)?;
        if own.is_empty() {
            return Ok(Self {
                tera,
                overridden: Vec::new(),
                built_in: None,
            });
        }
        let scripts = Self {
            tera,
            overridden: own.iter().map(|(name, _)| name.clone()).collect(),
            built_in: Some(Box::new(Self::new(&[])?)),
        };
        trial::try_all(&scripts)?;
        Ok(scripts)
    }

    /// What `make` makes with this set. Where that fails, what it makes with the built-in templates, and why: a machine does not miss
    /// its disk because a template of the operator's fails with its values.
    pub fn or_built_in<T, E>(
        &self,
        make: impl Fn(&Self) -> Result<T, E>,
    ) -> Result<(T, Option<E>), E> {
        match (make(self), &self.built_in) {
            (Ok(made), _) => Ok((made, None)),
            (Err(err), Some(built_in)) => Ok((make(built_in)?, Some(err))),
            (Err(err), None) => Err(err),
        }
    }

    /// The file names of the templates that an operator replaced.
    pub fn overridden(&self) -> &[String] {
        &self.overridden
    }

    /// The built-in templates as (file name, text), for an operator to start from.
    pub fn built_in() -> impl Iterator<Item = (&'static str, &'static str)> {
        BUILT_IN.into_iter()
    }

    /// The first script: says what the machine is and comes back.
    pub fn identify(&self, place: &Place) -> Result<String, ScriptError> {
        self.render("identify.ipxe", place.context())
    }

    /// Shows `lines` and asks again. `since` travels in the URL, in microseconds since 1970.
    pub fn hold(&self, place: &Place, lines: &[String], since: i64) -> Result<String, ScriptError> {
        let mut context = place.context();
        context.insert("lines", lines);
        context.insert("since", &since);
        self.render("hold.ipxe", context)
    }

    /// Shows `lines` and goes to the local disk.
    pub fn leave(
        &self,
        place: &Place,
        ways: DiskWays,
        lines: &[String],
    ) -> Result<String, ScriptError> {
        let mut context = place.context();
        context.insert("lines", lines);
        insert_ways(&mut context, ways);
        self.render("leave.ipxe", context)
    }

    /// Runs Talos, after a menu if there is one.
    pub fn install(
        &self,
        place: &Place,
        ways: DiskWays,
        menu: Option<&Menu>,
        lines: &[String],
        talos: &TalosBoot,
    ) -> Result<String, ScriptError> {
        let mut context = place.context();
        context.insert("lines", lines);
        insert_ways(&mut context, ways);
        insert_menu(&mut context, menu, "install");
        talos.insert(&mut context);
        self.render("install.ipxe", context)
    }

    /// Runs Talos to wipe the disk; `talos` is one that is [`TalosBoot::wiping`].
    pub fn wipe(
        &self,
        place: &Place,
        lines: &[String],
        talos: &TalosBoot,
    ) -> Result<String, ScriptError> {
        let mut context = place.context();
        context.insert("lines", lines);
        talos.insert(&mut context);
        self.render("wipe.ipxe", context)
    }

    /// Shows the menu that ends at the local disk. Without `talos`, `missing` says on the screen why there is nothing to install with.
    pub fn choose(
        &self,
        place: &Place,
        ways: DiskWays,
        menu: &Menu,
        lines: &[String],
        talos: Result<&TalosBoot, &str>,
    ) -> Result<String, ScriptError> {
        self.open_or_choose("choose.ipxe", place, ways, menu, lines, talos)
    }

    /// Tries the local disk, and runs Talos without a config if none boots.
    pub fn open(
        &self,
        place: &Place,
        ways: DiskWays,
        menu: &Menu,
        lines: &[String],
        talos: Result<&TalosBoot, &str>,
    ) -> Result<String, ScriptError> {
        self.open_or_choose("open.ipxe", place, ways, menu, lines, talos)
    }

    fn open_or_choose(
        &self,
        name: &str,
        place: &Place,
        ways: DiskWays,
        menu: &Menu,
        lines: &[String],
        talos: Result<&TalosBoot, &str>,
    ) -> Result<String, ScriptError> {
        let mut context = place.context();
        context.insert("lines", lines);
        insert_ways(&mut context, ways);
        insert_menu(&mut context, Some(menu), "local");
        match talos {
            Ok(talos) => talos.insert(&mut context),
            Err(missing) => {
                context.insert("kernel_url", &None::<&str>);
                context.insert("missing", missing);
            }
        }
        self.render(name, context)
    }

    /// Shows `lines`, and asks again after ten seconds. A machine that is `remote` asks by DHCP once more before that, for whoever is
    /// behind a router is known by it.
    pub fn trouble(
        &self,
        place: &Place,
        lines: &[String],
        remote: bool,
    ) -> Result<String, ScriptError> {
        let mut context = place.context();
        context.insert("lines", lines);
        context.insert("remote", &remote);
        self.render("trouble.ipxe", context)
    }

    /// The table of all approved machines.
    pub fn table(&self, base_url: &str, nodes: &[TableNode]) -> Result<String, ScriptError> {
        let mut context = Context::new();
        context.insert("base_url", base_url);
        context.insert("nodes", nodes);
        self.render("boot.ipxe", context)
    }

    /// What iPXE runs in place of its own start.
    pub fn autoexec(&self, base_url: &str) -> Result<String, ScriptError> {
        let mut context = Context::new();
        context.insert("base_url", base_url);
        self.render("autoexec.ipxe", context)
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "a context is made for one rendering and used up by it"
    )]
    fn render(&self, name: &str, context: Context) -> Result<String, ScriptError> {
        let script = self.tera.render(name, &context)?;
        // What does not begin so is no script to iPXE.
        match script.strip_prefix("#!ipxe") {
            Some(rest) if rest.starts_with(char::is_whitespace) => Ok(script),
            _ => Err(ScriptError(format!(
                "{name}: the first line of what it makes must be `#!ipxe`"
            ))),
        }
    }
}

fn insert_ways(context: &mut Context, ways: DiskWays) {
    context.insert("sanboot_bios", &ways.sanboot_bios);
    context.insert("sanboot_uefi", &ways.sanboot_uefi);
}

fn insert_menu(context: &mut Context, menu: Option<&Menu>, default: &str) {
    context.insert("default", default);
    context.insert("title", menu.map_or("", |menu| &menu.title));
    context.insert(
        "menu_ms",
        &menu.map(|menu| {
            u64::try_from(menu.timeout.as_millis())
                .unwrap_or(u64::MAX)
                .max(1)
        }),
    );
}

#[cfg(test)]
mod tests;
