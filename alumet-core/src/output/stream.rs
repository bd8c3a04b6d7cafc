use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;
use crate::pipeline::Records;

/// Takes encoded batches from the spool and sends them on as they are, at its own pace.
///
/// What it has not acknowledged comes again, in this run or in the next one.
#[async_trait]
pub trait StreamOutput: Send + 'static {
    /// Works until [`Records::next`] gives `None` and everything is acknowledged, or until `stop` is cancelled, which
    /// says that the time is over.
    ///
    /// # Errors
    /// See [`Failure`]. Unless it asks for the end, it is run again after a pause, and everything that is not
    /// acknowledged is given again.
    async fn run(&mut self, records: &mut Records, stop: CancellationToken) -> Result<(), Failure>;
}
