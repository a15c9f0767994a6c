//! The gateway that the companion runs itself: how it stands, and being paired with it.

use super::{App, Vault};
use crate::{
    command::Access,
    effect::Effect,
    input::LocalGatewayReport,
    record::Origin,
    snapshot::{LocalGatewayState, LocalGatewayView},
    time::Now,
};

/// How many setup codes are made before something else has to change.
pub(super) const MAX_MINTS: u8 = 3;

impl App {
    pub(super) fn local_gateway(&mut self, report: LocalGatewayReport, now: Now) -> Vec<Effect> {
        let (state, detail) = match report {
            LocalGatewayReport::Working(detail) => (LocalGatewayState::Initializing, detail),
            LocalGatewayReport::Restarting => (
                LocalGatewayState::Restarting,
                "It ended and is started again.".to_owned(),
            ),
            LocalGatewayReport::Failed(reason) => (LocalGatewayState::Failed, reason),
            LocalGatewayReport::Ready => (LocalGatewayState::Ready, "Ready".to_owned()),
            LocalGatewayReport::NoSetupCode => {
                self.minting = false;
                return vec![];
            }
            LocalGatewayReport::SetupCode(code) => {
                self.minting = false;
                return self.pair(
                    None,
                    &code,
                    Access::Full,
                    self.about.approve_local_node,
                    Origin::Local,
                    now,
                );
            }
        };
        self.local = Some(LocalGatewayView { state, detail });
        self.minting &= state == LocalGatewayState::Ready;
        if state == LocalGatewayState::Ready {
            let (gateways, world) = self.parts(now);
            let own = gateways.iter_mut();
            for gateway in own.filter(|gateway| gateway.record.origin == Origin::Local) {
                gateway.nudge(&world);
            }
        }
        vec![]
    }

    /// The companion's own gateway stands, and nothing is there to sign in with: it makes a setup code.
    pub(super) fn mint(&mut self) -> Option<Effect> {
        let ready = self
            .local
            .as_ref()
            .is_some_and(|local| local.state == LocalGatewayState::Ready);
        let mut own = self
            .gateways
            .iter()
            .filter(|gateway| gateway.record.origin == Origin::Local);
        let (paired, pairing) = match own.next() {
            Some(gateway) => (gateway.is_paired(), gateway.record.setup.is_some()),
            None => (false, false),
        };
        if paired {
            self.mints_left = MAX_MINTS;
        }
        let wanted = ready && !paired && !pairing && !self.minting && self.vault == Vault::Open;
        if !wanted || self.mints_left == 0 {
            return None;
        }
        self.minting = true;
        self.mints_left -= 1;
        Some(Effect::MintSetupCode)
    }

    /// `run --approve-node` is the person's yes for the companion's own gateway, also in a later run.
    pub(super) fn consent_for_own_gateway(&mut self) -> Option<Effect> {
        let commands = self.about.node_commands.clone();
        let mut changed = false;
        let own = self.gateways.iter_mut();
        for gateway in own.filter(|gateway| gateway.record.origin == Origin::Local) {
            changed |= gateway.agree(commands.clone());
        }
        changed.then(|| Effect::SaveRegistry(self.registry()))
    }
}
