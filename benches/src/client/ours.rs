//! The companion's own gateway client.

use std::{cell::Cell, time::Instant};

use anyhow::{Context as _, Result};
use futures_util::future::try_join_all;
use gateway_client::{Connected, Dial, Limits, Link, SeenNonces, connect};
use gateway_protocol::{
    Auth, ClientId, ClientInfo, ClientMode, Connect, DeviceIdentity, DeviceToken, Endpoint,
    IdentitySeed, Role, Scope, Scopes, SignatureVersion,
};
use serde_json::{Value, json};

use super::{Calls, Dials, Stopwatch, Task, micros_since, say, stay, warm_up};

pub(super) async fn run(task: Task) -> Result<()> {
    let device = Device::new()?;
    match task {
        Task::Hello { url } => {
            let _operator = device.open(&url, Role::Operator).await?;
            stay().await
        }
        Task::Idle { url } => {
            let _operator = device.open(&url, Role::Operator).await?;
            let _node = device.open(&url, Role::Node).await?;
            stay().await
        }
        Task::Dial { url, count } => {
            let mut micros = Vec::with_capacity(count);
            for number in 0..warm_up(count) + count {
                let from = Instant::now();
                let mut connected = device.open(&url, Role::Operator).await?;
                if number >= warm_up(count) {
                    micros.push(micros_since(from));
                }
                connected.link.close();
                while connected.incoming.next().await.is_some() {}
            }
            say(&Dials { micros })
        }
        Task::Rpc {
            url,
            in_flight,
            count,
        } => {
            let connected = device.open(&url, Role::Operator).await?;
            calls(&connected.link, in_flight, warm_up(count)).await?;
            say(&calls(&connected.link, in_flight, count).await?)
        }
    }
}

async fn calls(link: &Link, in_flight: usize, count: usize) -> Result<Calls> {
    let watch = Stopwatch::start()?;
    let left = Cell::new(count);
    let lanes = (0..in_flight).map(|_| lane(link, &left));
    let micros = try_join_all(lanes).await?.concat();
    watch.stop(micros)
}

/// One call after the other, until none is left.
async fn lane(link: &Link, left: &Cell<usize>) -> Result<Vec<f64>> {
    let mut micros = Vec::new();
    while let Some(fewer) = left.get().checked_sub(1) {
        left.set(fewer);
        let from = Instant::now();
        let payload = link.request("health", json!({})).await?;
        // the peers parse the whole answer
        let _parsed: Value = serde_json::from_str(payload.get())?;
        micros.push(micros_since(from));
    }
    Ok(micros)
}

struct Device {
    identity: DeviceIdentity,
    nonces: SeenNonces,
}

impl Device {
    fn new() -> Result<Self> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).context("random bytes")?;
        Ok(Self {
            identity: DeviceIdentity::from_seed(&IdentitySeed::new(seed)),
            nonces: SeenNonces::new(),
        })
    }

    async fn open(&self, url: &str, role: Role) -> Result<Connected> {
        let endpoint = Endpoint::parse(url)?;
        let limits = Limits::for_host(endpoint.host_class());
        let dial = Dial {
            endpoint,
            pin: None,
            identity: self.identity.clone(),
            connect: connect_of(role),
            signature: SignatureVersion::V3,
            limits,
            nonces: self.nonces.clone(),
        };
        Ok(connect(dial).await?)
    }
}

fn connect_of(role: Role) -> Connect {
    let (id, mode, scopes) = match role {
        Role::Operator => {
            let scopes = [Scope::Read, Scope::Write].into_iter().collect();
            (ClientId::OpenclawLinux, ClientMode::Ui, scopes)
        }
        Role::Node => (ClientId::NodeHost, ClientMode::Node, Scopes::none()),
    };
    Connect {
        client: ClientInfo {
            id,
            mode,
            version: "0.1.0".to_owned(),
            platform: "linux".to_owned(),
            device_family: "Linux".to_owned(),
            display_name: None,
            instance_id: None,
        },
        role,
        scopes,
        caps: Vec::new(),
        commands: Vec::new(),
        auth: Auth::Device(DeviceToken::new(format!("device-token-of-{role}"))),
        user_agent: None,
    }
}
