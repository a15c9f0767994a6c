use gateway_protocol::ClientId;

pub(crate) const OPERATOR: ClientId = ClientId::OpenclawLinux;
pub(crate) const PLATFORM: &str = "linux";
pub(crate) const FAMILY: &str = "Linux";
