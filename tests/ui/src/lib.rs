//! What the tests of the built programs share: a desktop with the companion on it, and a gateway to pair with.
//!
//! May touch child processes and `/proc`. Panics when the test cannot go on, as `test-support` does.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on says why and stops"
)]

mod gateway;
mod processes;
mod scene;

pub use gateway::{COMMANDS, gateway};
pub use processes::{Process, processes_of};
pub use scene::{NAME, Scene, WINDOW, quiet_desktop};

use std::time::{Duration, Instant};

/// How long a person would wait for anything here.
pub const SOON: Duration = Duration::from_secs(15);

/// Waits until `look` finds something and gives it. Panics with what was seen last.
pub async fn eventually<T, S: std::fmt::Debug>(
    what: &str,
    mut look: impl FnMut() -> Result<T, S>,
) -> T {
    let limit = Instant::now() + SOON;
    loop {
        match look() {
            Ok(found) => return found,
            Err(seen) if Instant::now() > limit => panic!("not {what} in time: {seen:#?}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}
