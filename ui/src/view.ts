// What the snapshot means on screen. No markup, no clock.
import type { Command } from './bindings/Command';
import type { GatewayView } from './bindings/GatewayView';
import type { Overall } from './bindings/Overall';
import type { Problem } from './bindings/Problem';
import type { RoleState } from './bindings/RoleState';
import type { RoleView } from './bindings/RoleView';
import type { Severity } from './bindings/Severity';
import type { Snapshot } from './bindings/Snapshot';

/** What a connection is for. */
export type Role = 'operator' | 'node';

/** A shape with a colour; never colour alone. */
export type MarkKind = 'ready' | 'connecting' | 'needs_you' | 'trouble' | 'offline' | 'paused' | 'empty';

export function markOfOverall(overall: Overall): MarkKind {
  return overall === 'no_gateways' ? 'empty' : overall;
}

const MARK_OF_STATE: Record<RoleState, MarkKind> = {
  off: 'offline',
  connecting: 'connecting',
  ready: 'ready',
  waiting_for_approval: 'needs_you',
  retrying: 'trouble',
  blocked: 'needs_you',
};

export function markOfState(state: RoleState): MarkKind {
  return MARK_OF_STATE[state];
}

const MARK_OF_SEVERITY: Record<Severity, MarkKind | null> = { info: null, trouble: 'trouble', needs_you: 'needs_you' };

export function markOfSeverity(severity: Severity): MarkKind | null {
  return MARK_OF_SEVERITY[severity];
}

/** A problem on a gateway's card, with the role it is about; `null` when it is about both or the gateway itself. */
export interface ShownProblem {
  problem: Problem;
  role: Role | null;
  /** May the person make it try again at once? */
  canReconnect: boolean;
}

/** Every problem of a gateway, each once, even if both roles report it. */
export function problemsOf(gateway: GatewayView): ShownProblem[] {
  const shown = new Map<string, ShownProblem>();
  const add = (problem: Problem | null, role: Role | null, retrying: boolean) => {
    if (problem === null) return;
    const key = JSON.stringify([problem.code, problem.detail, problem.remedy]);
    const known = shown.get(key);
    const canReconnect = mayReconnect(problem, retrying);
    if (known === undefined) {
      shown.set(key, { problem, role, canReconnect });
    } else {
      if (known.role !== role) known.role = null;
      known.canReconnect ||= canReconnect;
    }
  };
  const { operator, node } = gateway;
  for (const problem of gateway.problems) add(problem, null, isRetrying(operator) || isRetrying(node));
  add(operator.problem, 'operator', isRetrying(operator));
  add(node.problem, 'node', isRetrying(node));
  return [...shown.values()];
}

/** A lock-out only grows when it is tried again early. */
function mayReconnect(problem: Problem, retrying: boolean): boolean {
  if (problem.remedy.action === 'reconnect') return true;
  return problem.remedy.action === 'wait' && retrying && problem.code !== 'rate_limited';
}

function isRetrying(role: RoleView): boolean {
  return role.state === 'retrying';
}

/** The pairing request that waits at the gateway, unless the problem's command names it anyway. */
export function requestBesides(role: RoleView): string | null {
  const { requestId, problem } = role;
  return requestId !== null && problem?.remedy.command?.includes(requestId) ? null : requestId;
}

/** Is any role waiting for a moment that is worth counting down to? */
export function hasCountdown(snapshot: Snapshot | null): boolean {
  return (snapshot?.gateways ?? []).some(({ operator, node }) =>
    [operator, node].some((role) => isRetrying(role) && role.nextAttemptAt !== null),
  );
}

/** Whole seconds from `now` (milliseconds since 1970) until `time`; 0 once it is past. */
export function secondsUntil(time: string, now: number): number {
  return Math.max(0, Math.ceil((Date.parse(time) - now) / 1000));
}

/** What to type into a terminal, if that helps with this problem. */
export function commandFor(problem: Problem, url: string | null): string | null {
  if (problem.remedy.command !== null) return problem.remedy.command;
  if (problem.remedy.action === 'paste_setup_code') return PAIR_COMMAND;
  if (problem.remedy.action === 'enter_token' && url !== null) return `claw-companion connect --url ${url} --token-stdin`;
  return null;
}

/** The remedy's sentence without the command that is shown below it anyway. */
export function remedyText(problem: Problem): string {
  const { text, command } = problem.remedy;
  return command !== null && text.endsWith(command) ? text.slice(0, -command.length).trimEnd() : text;
}

/** Reads a setup code from the terminal, so that it does not end up in the shell's history. */
export const PAIR_COMMAND = 'claw-companion pair -';

/** Makes a setup code on the gateway's computer. */
export const SETUP_CODE_COMMAND = 'openclaw qr';

export function reconnect(gateway: GatewayView): Command {
  return { type: 'reconnect', gateway: gateway.id, role: null };
}
