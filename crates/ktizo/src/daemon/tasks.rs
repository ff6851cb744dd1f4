//! Tasks that are started, told to stop, and waited for together.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Tasks that are named, so that one that ends can be, and that are told to stop by one token.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    running: JoinSet<&'static str>,
    stop: CancellationToken,
}

impl Tasks {
    /// What tells them to stop.
    pub(super) fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Starts the task that is made of what tells it to stop.
    pub(super) fn start<F>(&mut self, name: &'static str, task: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.start_on(&Handle::current(), name, task);
    }

    /// Starts it on other threads than those of the caller.
    pub(super) fn start_on<F>(
        &mut self,
        runtime: &Handle,
        name: &'static str,
        task: impl FnOnce(CancellationToken) -> F,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let task = task(self.stop());
        let named = async move {
            task.await;
            name
        };
        self.running.spawn_on(named, runtime);
    }

    /// Waits until one of them ends, which none does before it is told to, and names it.
    pub(super) async fn first_end(&mut self) -> String {
        match self.running.join_next().await {
            Some(Ok(name)) => name.to_owned(),
            Some(Err(err)) => format!("a task ({err})"),
            None => std::future::pending().await,
        }
    }

    /// Tells them to stop and waits until all have ended, but no longer than `grace`; what is left then is cut off, and named in number.
    pub(super) async fn drain(mut self, grace: Duration) {
        self.stop.cancel();
        let all = async { while self.running.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, all).await.is_err() {
            tracing::warn!(
                "{} tasks did not end within {grace:?} and are cut off",
                self.running.len()
            );
            self.running.abort_all();
        }
    }
}
