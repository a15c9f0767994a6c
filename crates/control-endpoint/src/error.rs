use std::io;

/// Why the endpoint could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The token or `control.json` could not be stored.
    #[error(transparent)]
    Store(#[from] companion_store::Error),
    /// No port of 127.0.0.1 can be opened.
    #[error("no port of 127.0.0.1 can be opened")]
    Listen(#[source] io::Error),
    /// The system's source of random numbers failed.
    #[error("this system gives no secure random numbers")]
    NoRandomness(#[source] getrandom::Error),
    /// The program is ending.
    #[error("the program is ending")]
    Ending,
}
