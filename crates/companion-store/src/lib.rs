//! Settings, gateway registry and secrets on disk and in the keyring of the system.
//!
//! Everything here blocks: call it on a thread of its own. May touch the data folder and the keyring; must not know
//! connections, snapshots or who asks. The keyring is reached by `keyring-core` and its stores, the parts that `keyring`
//! itself is made of, because the facade keeps its first store (or first failure) for the life of the process.

mod data_dir;
mod error;
mod lock;
#[cfg_attr(target_os = "linux", path = "platform/linux.rs")]
#[cfg_attr(target_os = "macos", path = "platform/macos.rs")]
#[cfg_attr(target_os = "windows", path = "platform/windows.rs")]
mod platform;
mod private;
mod registry;
mod secrets;
mod settings;
mod vault;
mod versioned;

pub use data_dir::DataDir;
pub use error::Error;
pub use lock::{InstanceLock, take_lock};
pub use private::{read_private, write_private};
pub use registry::RegistryFile;
pub use secrets::{Secrets, StoredToken};
pub use settings::{Settings, SettingsFile};
pub use vault::{
    SecretKey, SecretKind, Vault, VaultError, file::file_vault, keyring::keyring_vault,
    memory::memory_vault,
};
