//! From a pasted code or a typed token to a stored gateway.

use super::{App, Vault};
use crate::{
    command::{Access, Done, SetupText},
    effect::{Effect, NewSecret},
    gateway::Gateway,
    ids::{CommandId, GatewayId},
    input::{StoredCredentials, VaultTrouble},
    problem::Problem,
    record::{GatewayRecord, Origin},
    time::Now,
};
use gateway_protocol::{Endpoint, Scopes, SetupCode};

impl App {
    pub(super) fn pair(
        &mut self,
        id: Option<CommandId>,
        text: &SetupText,
        access: Access,
        approve_node: bool,
        origin: Origin,
        now: Now,
    ) -> Vec<Effect> {
        let code = match self.check(text, now) {
            Ok(code) => code,
            Err(problem) => {
                return id
                    .map(|id| Effect::Answer(id, Err(problem)))
                    .into_iter()
                    .collect();
            }
        };
        let consent = approve_node.then(|| self.about.node_commands.clone());
        if let Some(gateway) = self.resume(&code, consent.as_ref()) {
            let answer = id.map(|id| Effect::Answer(id, Ok(Done::Accepted { gateway })));
            let save = Effect::SaveRegistry(self.registry());
            return answer.into_iter().chain([save]).collect();
        }
        let gateway = self.find_or_add(code.endpoint(), origin, now);
        let mut effects = vec![];
        let (gateways, world) = self.parts(now);
        if let Some(found) = gateways.iter_mut().find(|found| *found.id() == gateway) {
            effects.extend(found.reset(None, &world));
            found.begin_setup(&code, access, consent);
        }
        effects.extend(self.save(gateway, id, NewSecret::Bootstrap(code.bootstrap_token)));
        effects
    }

    pub(super) fn check(&self, text: &SetupText, now: Now) -> Result<SetupCode, Problem> {
        self.need_vault()?;
        let code =
            SetupCode::parse(text.text()).map_err(|error| Problem::setup_code_invalid(&error))?;
        let fingerprint = code.bootstrap_token.fingerprint();
        let known = |gateway: &Gateway| gateway.record.used_codes.contains(&fingerprint);
        if self.gateways.iter().any(known) {
            return Err(Problem::setup_code_used());
        }
        if code.is_expired(now.wall.0) {
            return Err(Problem::setup_code_expired());
        }
        Ok(code)
    }

    /// The gateway that this very code is still being redeemed for.
    pub(super) fn resume(
        &mut self,
        code: &SetupCode,
        consent: Option<&Vec<String>>,
    ) -> Option<GatewayId> {
        let fingerprint = code.bootstrap_token.fingerprint();
        let resumed = |gateway: &mut Gateway| {
            let resumes = gateway.resumes(&fingerprint, consent.cloned());
            resumes.then(|| gateway.id().clone())
        };
        self.gateways.iter_mut().find_map(resumed)
    }

    pub(super) fn connect(
        &mut self,
        id: CommandId,
        url: &str,
        token: gateway_protocol::SharedToken,
        approve_node: bool,
        now: Now,
    ) -> Vec<Effect> {
        let endpoint = match self
            .need_vault()
            .and_then(|()| Endpoint::parse_typed(url).map_err(Problem::address_refused))
        {
            Ok(endpoint) => endpoint,
            Err(problem) => return vec![Effect::Answer(id, Err(problem))],
        };
        let gateway = self.find_or_add(&endpoint, Origin::Paired, now);
        let consent = approve_node.then(|| self.about.node_commands.clone());
        let mut effects = vec![];
        let (gateways, world) = self.parts(now);
        if let Some(found) = gateways.iter_mut().find(|found| *found.id() == gateway) {
            effects.extend(found.reset(None, &world));
            found.begin_shared(consent);
        }
        effects.extend(self.save(gateway, Some(id), NewSecret::Shared(token)));
        effects
    }

    /// Nothing is begun that could not be kept.
    pub(super) fn need_vault(&self) -> Result<(), Problem> {
        match self.vault {
            Vault::Open => Ok(()),
            Vault::Opening | Vault::Failed(VaultTrouble::Locked) => {
                Err(Problem::secret_store_locked())
            }
            Vault::Failed(VaultTrouble::Unavailable) => Err(Problem::secret_store_unavailable()),
            Vault::Failed(VaultTrouble::Failed) => Err(Problem::secret_store_failed()),
        }
    }

    pub(super) fn find_or_add(
        &mut self,
        endpoint: &Endpoint,
        origin: Origin,
        now: Now,
    ) -> GatewayId {
        if let Some(found) = self
            .gateways
            .iter_mut()
            .find(|found| found.record.endpoint.is_same_place(endpoint))
        {
            return found.id().clone();
        }
        let id = GatewayId::from_random(now.random);
        let name = match origin {
            Origin::Local => "Local gateway".to_owned(),
            Origin::Paired => format!("{}:{}", endpoint.host(), endpoint.port()),
        };
        let record = GatewayRecord {
            id: id.clone(),
            name,
            endpoint: endpoint.clone(),
            fallbacks: vec![],
            pin: None,
            device_id: None,
            origin,
            roles: vec![],
            consent: vec![],
            setup: None,
            used_codes: vec![],
            asked: Scopes::none(),
            rejected: vec![],
            granted_before: None,
        };
        let world = self.parts(now).1;
        let gateway = Gateway::new(record, StoredCredentials::default(), &world);
        self.gateways.push(gateway);
        self.primary.get_or_insert_with(|| id.clone());
        id
    }

    pub(super) fn save(
        &mut self,
        gateway: GatewayId,
        id: Option<CommandId>,
        secret: NewSecret,
    ) -> Vec<Effect> {
        let mut effects = vec![];
        if let Some(id) = id
            && let Some(older) = self.asked.insert(gateway.clone(), id)
        {
            let done = Done::Accepted {
                gateway: gateway.clone(),
            };
            effects.push(Effect::Answer(older, Ok(done)));
        }
        effects.push(Effect::SaveGateway {
            gateway,
            registry: self.registry(),
            secret,
        });
        effects
    }

    pub(super) fn gateway_not_saved(
        &mut self,
        id: &GatewayId,
        trouble: VaultTrouble,
        now: Now,
    ) -> Vec<Effect> {
        let problem = match trouble {
            VaultTrouble::Unavailable => Problem::secret_store_unavailable(),
            VaultTrouble::Locked => Problem::secret_store_locked(),
            VaultTrouble::Failed => Problem::record_not_saved(),
        };
        let mut effects = self.answer(id, Err(problem));
        if let Some(gateway) = self.gateways.iter_mut().find(|gateway| gateway.id() == id) {
            gateway.not_saved();
        }
        // a gateway that was never stored leaves nothing behind
        if let Some(index) = self
            .gateways
            .iter()
            .position(|gateway| gateway.id() == id && gateway.record.device_id.is_none())
        {
            let mut gateway = self.gateways.remove(index);
            effects.extend(gateway.shut(&self.parts(now).1));
            self.primary = self
                .primary
                .take()
                .filter(|primary| primary != id)
                .or_else(|| self.first());
        }
        effects
    }

    pub(super) fn answer(
        &mut self,
        gateway: &GatewayId,
        result: Result<Done, Problem>,
    ) -> Vec<Effect> {
        self.asked
            .remove(gateway)
            .map(|id| Effect::Answer(id, result))
            .into_iter()
            .collect()
    }
}
