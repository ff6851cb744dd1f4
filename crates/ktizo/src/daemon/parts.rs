//! What the servers work with.

use std::sync::Arc;

use anyhow::Context as _;
use api::{AssetFolder, Gate, Pages};
use configgen::script::Scripts;
use model::Clock;
use store::{Lane, Store};

use crate::bound::Bound;
use crate::config::Config;
use crate::loaders::Loaders;
use crate::privilege::Privilege;
use crate::report::Report;
use crate::state::{StateDir, seed_settings};
use crate::templates;

/// What the servers work with, opened once their ports are bound.
pub(super) struct Parts {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) scripts: Arc<Scripts>,
    pub(super) pages: Pages,
    pub(super) state: StateDir,
    pub(super) store: Store,
    pub(super) assets: AssetFolder,
    pub(super) loaders: Arc<Loaders>,
    pub(super) report: Arc<Report>,
}

impl Parts {
    /// Opens the store and reads what lies in files.
    pub(super) async fn open(
        config: &Config,
        clock: Arc<dyn Clock>,
        scripts: Arc<Scripts>,
        bound: &Bound,
        state: StateDir,
        privilege: Privilege,
    ) -> anyhow::Result<Self> {
        let options = store::Options {
            undecided_devices: u64::from(config.never_approved_limit),
            takes_events: bound.events.is_some(),
            takes_kernel_logs: bound.kernel_log.is_some(),
            ..store::Options::default()
        };
        let store = Store::open_with(&state.database(), Arc::clone(&clock), options)?;
        seed_settings(&store, &bound.cards.first, bound.cards.gateway).await?;
        let imported = store.read(Lane::Admin, |reader| reader.assets()).await?;
        let assets = AssetFolder::open(state.assets(), &imported)
            .with_context(|| format!("open {}", state.assets().display()))?;
        let loaders = Arc::new(Loaders::read(
            config.loader_folders.clone(),
            config.loaders.clone(),
        ));
        let now = clock.now();
        let report = Report::new(config, bound, now, Arc::clone(&loaders), privilege);
        Ok(Self {
            pages: templates::pages(config.templates.as_deref())?,
            report: Arc::new(report),
            clock,
            scripts,
            state,
            store,
            assets,
            loaders,
        })
    }

    /// Who may come in.
    pub(super) fn gate(&self) -> Gate {
        Gate::new(self.store.clone(), Arc::clone(&self.clock))
    }
}
