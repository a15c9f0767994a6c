import { emit } from '@tauri-apps/api/event';
import { clearMocks, mockIPC } from '@tauri-apps/api/mocks';
import { cleanup, fireEvent, render, screen, waitFor, within } from '@testing-library/svelte';
import { afterEach, expect, test, vi } from 'vitest';
import App from './App.svelte';
import type { Answer } from './bindings/Answer';
import type { Snapshot } from './bindings/Snapshot';
import { approvalNeeded, gateway, role, snapshot, unreachable } from './samples';

/** Calls of the `send` command, in order. */
let sent: unknown[] = [];

afterEach(async () => {
  vi.useRealTimers();
  cleanup();
  // Unlistening is still under way right after unmounting.
  await new Promise((resolve) => setTimeout(resolve));
  clearMocks();
  sent = [];
});

/** Shows the page to which the window process gives `latest`; commands get `answer`. */
async function open(latest: Snapshot | null, answer: Answer = { done: { type: 'done' } }) {
  mockIPC(
    (command, payload) => {
      if (command === 'snapshot') return latest;
      if (command !== 'send') throw new Error(`no such command: ${command}`);
      sent.push(payload);
      return answer;
    },
    { shouldMockEvents: true },
  );
  render(App);
  if (latest !== null) await screen.findByRole('heading', { level: 1 });
}

function headline(): string | null {
  return screen.getByRole('heading', { level: 1 }).textContent;
}

test('without a snapshot it waits for the companion', async () => {
  await open(null);
  expect(screen.getByText('Waiting for the companion')).toBeTruthy();
});

test('without a gateway it tells how to pair', async () => {
  await open(snapshot());
  expect(headline()).toBe('No gateway yet');
  expect(screen.getByText('openclaw qr')).toBeTruthy();
  expect(screen.getByText('claw-companion pair -')).toBeTruthy();
});

test('while the local gateway is set up it shows how far that is, and no pairing steps', async () => {
  const localGateway = { state: 'initializing' as const, detail: 'Installing the gateway: 214 MB' };
  await open(snapshot({ overall: 'connecting', localGateway }));
  expect(screen.getByText('Installing the gateway: 214 MB')).toBeTruthy();
  expect(screen.getByRole('progressbar')).toBeTruthy();
  expect(screen.queryByText('claw-companion pair -')).toBeNull();
});

test('a ready gateway shows its place, version, roles and usable commands', async () => {
  await open(snapshot({ overall: 'ready', gateways: [gateway()] }));
  expect(headline()).toBe('Ready');
  const card = within(screen.getByRole('article', { name: 'Home server' }));
  expect(card.getByText('wss://gateway.example.org')).toBeTruthy();
  expect(card.getByText('OpenClaw 2026.9.6')).toBeTruthy();
  expect(card.getAllByText('Ready')).toHaveLength(2);
  expect(card.getByText('2 commands usable')).toBeTruthy();
  expect(screen.queryByRole('button')).toBeNull();
});

test('waiting for approval shows since when, why, and the command to copy', async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.parse('2026-11-23T12:00:00Z') });
  const writeText = vi.spyOn(navigator.clipboard, 'writeText').mockResolvedValue();
  const node = role({ state: 'waiting_for_approval', problem: approvalNeeded, requestId: 'req-7' });
  await open(snapshot({ overall: 'needs_you', gateways: [gateway({ overall: 'needs_you', node })] }));
  expect(headline()).toBe('Needs you');
  expect(screen.getByText(/^Waiting for approval since .*2026/)).toBeTruthy();
  expect(screen.getByText('Approve this computer at the gateway')).toBeTruthy();
  expect(screen.getByText("On the gateway's computer run:")).toBeTruthy();
  await fireEvent.click(screen.getByRole('button', { name: 'Copy the command openclaw devices approve req-7' }));
  expect(writeText).toHaveBeenCalledWith('openclaw devices approve req-7');
  expect(await screen.findByText('Copied')).toBeTruthy();
});

test('a request without a command that names it is shown', async () => {
  const node = role({ state: 'waiting_for_approval', requestId: 'req-9' });
  await open(snapshot({ gateways: [gateway({ node })] }));
  expect(screen.getByText('Request req-9')).toBeTruthy();
});

test('retrying counts down, and the timer ends with it', async () => {
  const now = Date.parse('2026-11-20T16:00:00Z');
  vi.useFakeTimers({ toFake: ['Date', 'setInterval', 'clearInterval'], now });
  const retrying = role({ state: 'retrying', problem: unreachable, nextAttemptAt: '2026-11-20T16:00:12Z' });
  await open(snapshot({ overall: 'trouble', gateways: [gateway({ operator: retrying })] }));
  expect(screen.getByText('Trying again in 12 s')).toBeTruthy();
  vi.advanceTimersByTime(5000);
  expect(await screen.findByText('Trying again in 7 s')).toBeTruthy();
  vi.advanceTimersByTime(60_000);
  expect(await screen.findByText('Trying again now')).toBeTruthy();
  expect(vi.getTimerCount()).toBe(1);
  await emit('snapshot', snapshot({ revision: 2, overall: 'ready', gateways: [gateway()] }));
  await waitFor(() => expect(headline()).toBe('Ready'));
  expect(vi.getTimerCount()).toBe(0);
});

test('a problem of both roles is shown once', async () => {
  const retrying = role({ state: 'retrying', problem: unreachable });
  await open(snapshot({ overall: 'trouble', gateways: [gateway({ operator: retrying, node: retrying })] }));
  expect(screen.getAllByText('The gateway does not answer')).toHaveLength(1);
});

test('a newer snapshot replaces the shown one and an older one does not', async () => {
  await open(snapshot({ revision: 5, overall: 'ready', gateways: [gateway()] }));
  await emit('snapshot', snapshot({ revision: 6, overall: 'trouble', gateways: [gateway()] }));
  await waitFor(() => expect(headline()).toBe('Having trouble'));
  await emit('snapshot', snapshot({ revision: 4, overall: 'connecting', gateways: [gateway()] }));
  await emit('snapshot', snapshot({ revision: 6, overall: 'offline', gateways: [gateway()] }));
  await waitFor(() => expect(headline()).toBe('Offline'));
});

test('reconnect sends the command for this gateway and both roles', async () => {
  const operator = role({ state: 'retrying', problem: unreachable });
  await open(snapshot({ overall: 'trouble', gateways: [gateway({ operator })] }));
  await fireEvent.click(screen.getByRole('button', { name: 'Reconnect Home server' }));
  await waitFor(() => expect(sent).toEqual([{ command: { type: 'reconnect', gateway: 'gw-1', role: null } }]));
});

test('a refused command says why', async () => {
  const operator = role({ state: 'retrying', problem: unreachable });
  const quitting = {
    ...unreachable,
    title: 'The companion is ending',
    remedy: { ...unreachable.remedy, text: 'Start it again, then repeat the command.' },
  };
  await open(snapshot({ gateways: [gateway({ operator })] }), { problem: quitting });
  await fireEvent.click(screen.getByRole('button', { name: 'Reconnect Home server' }));
  const alert = await screen.findByRole('alert');
  expect(alert.textContent).toBe('The companion is ending. Start it again, then repeat the command.');
});

test('a lock-out offers no reconnect, for that would prolong it', async () => {
  const problem = { ...unreachable, code: 'rate_limited' as const };
  await open(snapshot({ gateways: [gateway({ operator: role({ state: 'retrying', problem }) })] }));
  expect(screen.queryByRole('button', { name: /Reconnect/ })).toBeNull();
});

test('a store that cannot be used is told even when no problem explains it', async () => {
  await open(snapshot({ secretStore: { kind: 'keyring', usable: false } }));
  expect(screen.getByText('Tokens cannot be kept')).toBeTruthy();
});

test('what a gateway calls itself is text, not markup', async () => {
  await open(snapshot({ gateways: [gateway({ name: '<img src=x onerror=alert(1)>' })] }));
  expect(screen.getByText('<img src=x onerror=alert(1)>')).toBeTruthy();
  expect(document.querySelector('img')).toBeNull();
});
