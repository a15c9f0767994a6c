// Snapshots for tests.
import type { GatewayView } from './bindings/GatewayView';
import type { Problem } from './bindings/Problem';
import type { RoleView } from './bindings/RoleView';
import type { Snapshot } from './bindings/Snapshot';

const SINCE = '2026-11-20T15:50:37Z';

export function snapshot(changes: Partial<Snapshot> = {}): Snapshot {
  return {
    revision: 1,
    version: '0.1.0',
    pid: 4242,
    overall: 'no_gateways',
    problems: [],
    secretStore: { kind: 'keyring', usable: true },
    localGateway: null,
    gateways: [],
    ...changes,
  };
}

export function role(changes: Partial<RoleView> = {}): RoleView {
  return { state: 'ready', since: SINCE, problem: null, nextAttemptAt: null, requestId: null, scopes: [], ...changes };
}

export function gateway(changes: { operator?: RoleView; node?: RoleView } & Partial<Omit<GatewayView, 'operator' | 'node'>> = {}): GatewayView {
  const { operator = role(), node = role(), ...rest } = changes;
  const declared = ['system.notify', 'system.which'];
  const usable = node.state === 'ready' ? declared : [];
  return {
    id: 'gw-1',
    name: 'Home server',
    url: 'wss://gateway.example.org',
    primary: true,
    local: false,
    gatewayVersion: '2026.9.6',
    deviceId: null,
    overall: 'ready',
    problems: [],
    operator,
    node: { ...node, commands: { declared, approved: usable, usable, confirmed: true } },
    ...rest,
  };
}

export const unreachable: Problem = {
  code: 'gateway_unreachable',
  title: 'The gateway does not answer',
  detail: 'Nothing answers at gateway.example.org:443. It is tried again by itself.',
  remedy: { action: 'wait', text: 'Check that the gateway runs and that this computer can reach it.', command: null },
  severity: 'trouble',
};

export const approvalNeeded: Problem = {
  code: 'approval_needed',
  title: 'Approve this computer at the gateway',
  detail: 'The gateway asks a person before it lets this computer in. It goes on by itself then.',
  remedy: {
    action: 'approve_at_gateway',
    text: "On the gateway's computer run: openclaw devices approve req-7",
    command: 'openclaw devices approve req-7',
  },
  severity: 'needs_you',
};
