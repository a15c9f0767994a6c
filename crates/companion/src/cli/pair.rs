//! `pair` and `connect`.

use super::{
    arguments::{AccessName, ConnectArgs, FollowArgs, PairArgs},
    console::Console,
    failure::{Exit, Failure},
    follow::{Goal, follow},
    now, show,
    typed::Typed,
};
use companion_core::{Done, Problem, Timestamp, snapshot::GatewayView};
use companion_store::DataDir;
use control_endpoint::Client;
use gateway_protocol::{Endpoint, HostClass, SetupCode};
use serde_json::{Value, json};
use std::time::Duration;

/// Without `--wait`: how long the gateway may take to let both roles in.
const HELLO_TIME: Duration = Duration::from_secs(60);

pub(super) async fn pair(
    args: &PairArgs,
    dir: &DataDir,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let text = match (&args.code, &args.file) {
        (Some(code), _) if code.text() == "-" => console.secret("setup code")?,
        (Some(code), _) => code.clone(),
        (None, Some(file)) => Typed::read_file(file)?,
        (None, None) => return Err(Failure::usage("There is no setup code.")),
    };
    let code =
        SetupCode::parse(text.text()).map_err(|error| Problem::setup_code_invalid(&error))?;
    let mut client = Client::connect(dir).await?;
    console.tell(&preview(&code, args.access, now()));
    tell_commands(&args.follow, console);
    if !args.yes {
        console.confirm()?;
    }
    let wish = json!({
        "code": text.text(),
        "access": args.access.as_str(),
        "approveNode": args.follow.approve_node,
    });
    let answer = client.call("pair", wish).await?;
    finish(&mut client, answer, &args.follow, console).await
}

pub(super) async fn connect(
    args: &ConnectArgs,
    dir: &DataDir,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let token = console.secret("gateway's token")?;
    if token.text().is_empty() {
        return Err(Failure::token_missing());
    }
    let mut client = Client::connect(dir).await?;
    tell_commands(&args.follow, console);
    let wish = json!({
        "url": args.url,
        "token": token.text(),
        "approveNode": args.follow.approve_node,
    });
    let answer = client.call("connect", wish).await?;
    finish(&mut client, answer, &args.follow, console).await
}

async fn finish(
    client: &mut Client,
    answer: Value,
    args: &FollowArgs,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let Ok(Done::Accepted { gateway }) = serde_json::from_value(answer) else {
        return Err(Failure::answer_unreadable());
    };
    let goal = Goal {
        gateway,
        ready: args.wait.is_some(),
        limit: args
            .wait
            .map_or(HELLO_TIME, |seconds| Duration::from_secs(seconds.into())),
        approve_node: args.approve_node,
    };
    let mut said = String::new();
    let quiet = console.json();
    let followed = follow(client, &goal, |gateway| {
        let line = show::roles(gateway);
        if !quiet && line != said {
            console.tell(&line);
            said = line;
        }
    });
    let gateway = followed.await?;
    if quiet {
        console.print(&outcome(&gateway));
    } else {
        console.say(&show::paired(&gateway));
    }
    Ok(Exit::Done)
}

/// What `--json` prints when the roles are in.
fn outcome(gateway: &GatewayView) -> Value {
    json!({
        "gateway": gateway.id,
        "name": gateway.name,
        "operator": gateway.operator.state,
        "node": gateway.node.role.state,
        "nodeSurface": show::node_surface(gateway),
    })
}

fn tell_commands(args: &FollowArgs, console: &mut Console<'_>) {
    if args.approve_node {
        console.tell("Agents of this gateway may then use these commands of this computer:");
        for command in node_commands::commands() {
            console.tell(&format!("  {:<16}{}", command.name, command.description));
        }
    }
}

/// What a setup code would do, for the person who is asked.
fn preview(code: &SetupCode, access: AccessName, now: Timestamp) -> String {
    let endpoint = code.endpoint();
    let mut lines = vec![
        format!("Setup code for {}", place(endpoint)),
        format!("  connection  {}", protection(code)),
        format!("  expires     {}", expiry(code, now)),
        format!("  access      {}", access_words(access)),
    ];
    let others: Vec<_> = code.endpoints.iter().skip(1).map(place).collect();
    if !others.is_empty() {
        lines.insert(1, format!("  also at     {}", others.join(", ")));
    }
    lines.join("\n")
}

fn place(endpoint: &Endpoint) -> String {
    match endpoint.host() {
        host if host.contains(':') => format!("[{host}]:{}", endpoint.port()),
        host => format!("{host}:{}", endpoint.port()),
    }
}

fn protection(code: &SetupCode) -> &'static str {
    let endpoint = code.endpoint();
    match (endpoint.is_encrypted(), endpoint.host_class()) {
        (true, _) if code.tls_fingerprint.is_some() => {
            "encrypted, with the certificate that the code names"
        }
        (true, _) => "encrypted",
        (false, HostClass::Loopback) => "not encrypted, but it stays on this computer",
        (false, HostClass::Private | HostClass::Public) => {
            "NOT encrypted: others in this network can read it"
        }
    }
}

fn expiry(code: &SetupCode, now: Timestamp) -> String {
    match code.expires_at_ms {
        None => "not stated".to_owned(),
        Some(end) if end <= now.0 => "it has expired".to_owned(),
        Some(end) => format!("in {}", show::span(end - now.0)),
    }
}

fn access_words(access: AccessName) -> &'static str {
    match access {
        AccessName::Full => {
            "may include full control of the gateway (for less: --access limited or node)"
        }
        AccessName::Limited => "chat and node, without administration",
        AccessName::Node => "node only: offers commands, controls nothing",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway_protocol::BootstrapToken;

    #[test]
    fn the_person_sees_where_a_code_leads_and_how_it_is_protected() {
        let shown = preview(
            &code(&["wss://gw.example", "wss://b.example"]),
            AccessName::Full,
            Timestamp(1_000),
        );
        assert_eq!(
            shown,
            "Setup code for gw.example:443\n  \
               also at     b.example:443\n  \
               connection  encrypted\n  \
               expires     in 8 min\n  \
               access      may include full control of the gateway (for less: --access limited or node)"
        );
        let now = Timestamp(500_000);
        let open = preview(&code(&["ws://192.168.1.5:18789"]), AccessName::Node, now);
        assert!(
            open.contains("NOT encrypted") && open.contains("it has expired"),
            "{open}"
        );
        assert!(!open.contains("full control"), "{open}");
        let here = preview(&code(&["ws://[::1]:18789"]), AccessName::Limited, now);
        assert!(
            here.contains("[::1]:18789") && here.contains("stays on this computer"),
            "{here}"
        );
    }

    fn code(addresses: &[&str]) -> SetupCode {
        let parsed = addresses
            .iter()
            .map(|address| Endpoint::parse(address).unwrap());
        SetupCode {
            endpoints: parsed.collect(),
            bootstrap_token: BootstrapToken::new("b"),
            expires_at_ms: Some(500_000),
            tls_fingerprint: None,
        }
    }
}
