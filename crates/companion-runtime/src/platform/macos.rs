use gateway_protocol::ClientId;

pub(crate) const OPERATOR: ClientId = ClientId::OpenclawMacos;
pub(crate) const PLATFORM: &str = "macos";
pub(crate) const FAMILY: &str = "Mac";
