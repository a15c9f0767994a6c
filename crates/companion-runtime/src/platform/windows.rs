use gateway_protocol::ClientId;

/// The gateway's list has no id for Windows; this one pairs silently on loopback and shows up in presence.
pub(crate) const OPERATOR: ClientId = ClientId::GatewayClient;
pub(crate) const PLATFORM: &str = "windows";
pub(crate) const FAMILY: &str = "Windows";
