// The reference client as a peer: one process, told what to do by its arguments, answering with one line of JSON.
//
//   reference.mjs hello URL             operator connection, then stays
//   reference.mjs idle URL              operator and node connection, then stays
//   reference.mjs dial URL COUNT        microseconds from start to hello, one connection after the other
//   reference.mjs rpc URL IN_FLIGHT COUNT
import { createHash, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { GatewayClient } from '@openclaw/gateway-client';

const WARM_UP = 0.1;
const [mode, url, ...counts] = process.argv.slice(2);

const keys = generateKeyPairSync('ed25519', {
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
});
const raw = (pem) => createPublicKey(pem).export({ type: 'spki', format: 'der' }).subarray(-32);
const deviceIdentity = {
  deviceId: createHash('sha256').update(raw(keys.publicKey)).digest('hex'),
  privateKeyPem: keys.privateKey,
  publicKeyPem: keys.publicKey,
};
const hostDeps = {
  signDevicePayload: (pem, payload) => sign(null, Buffer.from(payload), pem).toString('base64url'),
  publicKeyRawBase64UrlFromPem: (pem) => raw(pem).toString('base64url'),
};
const operator = { clientName: 'openclaw-linux', mode: 'ui', role: 'operator', scopes: ['operator.read', 'operator.write'], caps: ['tool-events', 'approvals'] };
const node = { clientName: 'node-host', mode: 'node', role: 'node', scopes: [], caps: ['system'], commands: ['system.notify', 'system.which'] };

function open(as) {
  return new Promise((resolve, reject) => {
    const client = new GatewayClient({
      ...as,
      url,
      deviceToken: `device-token-of-${as.role}`,
      clientVersion: '0.1.0',
      platform: 'linux',
      deviceFamily: 'Linux',
      minProtocol: 4,
      maxProtocol: 4,
      deviceIdentity,
      hostDeps,
      onHelloOk: () => resolve(client),
      onConnectError: reject,
    });
    client.start();
  });
}

const micros = () => Number(process.hrtime.bigint()) / 1000;
const say = (value) => console.log(JSON.stringify(value));

async function dial(count) {
  const took = [];
  for (let i = -Math.ceil(count * WARM_UP); i < count; i++) {
    const from = micros();
    const client = await open(operator);
    const now = micros();
    if (i >= 0) took.push(now - from);
    await client.stopAndWait();
  }
  say({ micros: took });
}

async function rpc(inFlight, count) {
  const client = await open(operator);
  const run = async (total) => {
    const took = [];
    let started = 0;
    const lane = async () => {
      while (started < total) {
        started++;
        const from = micros();
        await client.request('health', {});
        took.push(micros() - from);
      }
    };
    await Promise.all(Array.from({ length: inFlight }, lane));
    return took;
  };
  await run(Math.ceil(count * WARM_UP));
  const cpu = process.cpuUsage();
  const from = micros();
  const took = await run(count);
  const elapsed = micros() - from;
  const { user, system } = process.cpuUsage(cpu);
  say({ micros: took, elapsedMicros: elapsed, cpuMicros: user + system });
  await client.stopAndWait();
}

switch (mode) {
  case 'hello':
    await open(operator);
    break;
  case 'idle':
    await Promise.all([open(operator), open(node)]);
    break;
  case 'dial':
    await dial(Number(counts[0]));
    break;
  case 'rpc':
    await rpc(Number(counts[0]), Number(counts[1]));
    break;
  default:
    throw new Error(`unknown mode ${mode}`);
}
