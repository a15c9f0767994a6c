export const en = {
  overall: {
    ready: { title: 'Ready', detail: 'Everything is connected.' },
    connecting: { title: 'Connecting', detail: 'This takes a moment.' },
    needs_you: { title: 'Needs you', detail: 'Something below waits for you.' },
    trouble: { title: 'Having trouble', detail: 'It is tried again by itself.' },
    offline: { title: 'Offline', detail: 'You disconnected it.' },
    paused: { title: 'Paused', detail: 'Agents cannot use this computer until you resume.' },
    no_gateways: { title: 'No gateway yet', detail: 'Pair with one to begin.' },
  },
  waitingForCompanion: 'Waiting for the companion',
  role: {
    operator: { name: 'Operator', purpose: 'Chat, status and approvals' },
    node: { name: 'Node', purpose: 'Lets agents use this computer' },
  },
  state: {
    off: () => 'Off',
    connecting: () => 'Connecting',
    ready: () => 'Ready',
    waiting_for_approval: (since: string) => `Waiting for approval since ${since}`,
    retrying: () => 'Not connected',
    blocked: (since: string) => `Stopped since ${since}`,
  },
  retryIn: (seconds: number) => {
    if (seconds === 0) return 'Trying again now';
    return seconds < 60 ? `Trying again in ${seconds} s` : `Trying again in ${Math.ceil(seconds / 60)} min`;
  },
  request: (id: string) => `Request ${id}`,
  gateways: 'Gateways',
  gatewayVersion: (version: string) => `OpenClaw ${version}`,
  primary: 'Primary',
  local: 'On this computer',
  commands: {
    none: 'No commands offered',
    usable: (usable: number, declared: number) =>
      usable === declared ? `${count(declared, 'command')} usable` : `${usable} of ${count(declared, 'command')} usable`,
    states: { usable: 'usable', approved: 'approved, not connected', waiting: 'not approved' },
  },
  problem: {
    list: 'Problems',
    about: { operator: 'Operator', node: 'Node' },
  },
  copy: 'Copy',
  copied: 'Copied',
  copyLabel: (command: string) => `Copy the command ${command}`,
  reconnect: 'Reconnect',
  reconnecting: 'Reconnecting',
  reconnectLabel: (gateway: string) => `Reconnect ${gateway}`,
  localGateway: {
    title: 'Gateway on this computer',
    state: { initializing: 'Setting up', ready: 'Ready', restarting: 'Starting again', failed: 'Could not be started' },
  },
  pairing: {
    make: "On the gateway's computer, make a setup code:",
    paste: 'On this computer, run this and paste the code:',
    note: 'A setup code works for ten minutes and for one computer.',
  },
  secretStore: {
    keyring: 'Tokens in the system keyring',
    file: 'Tokens in a file only you can read',
    memory: 'Tokens forgotten on quit',
    unusable: {
      title: 'Tokens cannot be kept',
      keyring: "This system's keyring cannot be used now.",
      file: 'The file for tokens cannot be used now.',
      memory: 'There is no place for tokens now.',
    },
  },
};

/** Everything the page says by itself. Problems come with their own words. */
export type Text = typeof en;

function count(number: number, noun: string): string {
  return number === 1 ? `1 ${noun}` : `${number} ${noun}s`;
}
