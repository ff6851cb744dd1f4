//! A look at what would be done with many machines, before it is done with these very machines.

use std::io::Write as _;

use api::Client;
use api::types::{BulkAnswer, BulkDevices};

use crate::cli::{Failure, confirmed};

/// What a person sees of many machines, and how it is asked.
pub(super) struct Look<T, Q> {
    /// The preview, as a table.
    pub(super) table: T,
    /// The question about so many machines.
    pub(super) question: Q,
    /// Whether the answer is yes already.
    pub(super) yes: bool,
    /// What did not happen where the answer is no, such as `nothing was deleted`.
    pub(super) otherwise: String,
}

impl<T, Q> Look<T, Q>
where
    T: Fn(&BulkAnswer) -> String,
    Q: Fn(usize) -> String,
{
    /// Shows what would be done, asks, and has just that done with the machines that were shown, whatever has their names by then; nothing
    /// where one of them is another by then.
    pub(super) async fn then_do(
        self,
        client: &Client,
        mut asked: BulkDevices,
    ) -> Result<BulkAnswer, Failure> {
        asked.preview = true;
        let preview = client.bulk(&asked).await?;
        writeln!(std::io::stderr(), "{}", (self.table)(&preview))?;
        if preview.refused > 0 {
            return Err(Failure::Invalid(format!(
                "some stand in the way, so nothing is done with any of these ({}); leave those out, or see to them first",
                self.otherwise
            )));
        }
        let question = (self.question)(preview.devices.len());
        confirmed(&question, self.yes, &self.otherwise)?;
        asked.preview = false;
        let seen = preview.devices.iter().map(|row| row.version.clone());
        asked.seen = Some(seen.collect());
        asked.devices = preview
            .devices
            .iter()
            .map(|row| row.id.to_string())
            .collect();
        Ok(client.bulk(&asked).await?)
    }
}
