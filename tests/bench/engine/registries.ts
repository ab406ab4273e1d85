// The registry beside Debian's docker-registry: a layer of 200 MB in and out over loopback, and many small blobs. Used by run.ts.
// Each registry is a process of its own, so that the client that measures is no part of either.
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startCommand } from '@berth/kit/run-command.ts';
import { ask, freePort, sha256 } from '../../engine/registry-harness.ts';
import { isInstalled } from './engines.ts';
import type { Row } from './scenarios.ts';
import { timed } from './scenarios.ts';

const layerBytes = 200_000_000;
const smallBlobs = 200;
const readyLimitMs = 10_000; // a registry that does not come up must fail the run, not hang it

interface Registry {
  name: string;
  address: string;
  stop(): void;
}

export async function registryTransfers(work: string, rounds: number): Promise<Row[]> {
  const all = [await startOurs(work)];
  if (await isInstalled('docker-registry')) all.push(await startTheirs(work));
  const row = (what: string): Row => ({
    what,
    unit: 'ms',
    figures: new Map(all.map(({ name }) => [name, [] as number[]])),
  });
  const put = row('PUT of a layer of 200 MB to the registry');
  const first = row('the first GET of it');
  const again = row('GET again');
  const small = row(`${smallBlobs} blobs of 1 kB, eight at a time`);
  try {
    for (let round = 0; round < rounds; round++) {
      const layer = randomBytes(layerBytes);
      for (const { name, address } of all) {
        const path = `/v2/bench/blobs/${sha256(layer)}`;
        put.figures.get(name)?.push(await timed(() => pushBlob(address, layer)));
        first.figures.get(name)?.push(await timed(() => read(address, path)));
        again.figures.get(name)?.push(await timed(() => read(address, path)));
        small.figures.get(name)?.push(await timed(() => pushSmall(address)));
      }
    }
  } finally {
    for (const one of all) one.stop();
  }
  return [put, first, again, small];
}

async function pushBlob(address: string, body: Buffer): Promise<void> {
  const begun = await ask(address, 'POST', '/v2/bench/blobs/uploads/');
  const location = new URL(begun.headers.location ?? '', `http://${address}`);
  location.searchParams.set('digest', sha256(body));
  const { status, text } = await ask(address, 'PUT', `${location.pathname}${location.search}`, { body });
  if (status !== 201) throw new Error(`${address} answers ${status}: ${text}`);
}

async function pushSmall(address: string): Promise<void> {
  let left = smallBlobs;
  const worker = async () => {
    while (left-- > 0) await pushBlob(address, randomBytes(1000));
  };
  await Promise.all(Array.from({ length: 8 }, worker));
}

async function read(address: string, path: string): Promise<void> {
  const response = await fetch(`http://${address}${path}`);
  let size = 0;
  for await (const chunk of response.body ?? []) size += (chunk as Uint8Array).length;
  if (size !== layerBytes) throw new Error(`${address} gives ${size} bytes`);
}

async function startOurs(work: string): Promise<Registry> {
  const port = await freePort();
  const root = join(work, 'registry-ours');
  mkdirSync(root);
  const program = join(import.meta.dirname, 'registry-process.ts');
  return start('berth', [process.execPath, '--no-warnings', program, root, String(port)], port);
}

async function startTheirs(work: string): Promise<Registry> {
  const port = await freePort();
  const config = join(work, 'registry-theirs.json');
  const storage = { filesystem: { rootdirectory: join(work, 'registry-theirs') } };
  const http = { addr: `127.0.0.1:${port}` };
  writeFileSync(config, JSON.stringify({ version: 0.1, log: { level: 'error' }, storage, http }));
  return start('docker-registry', ['docker-registry', 'serve', config], port);
}

async function start(name: string, argv: [string, ...string[]], port: number): Promise<Registry> {
  const child = startCommand(argv, { stdio: 'ignore' });
  const address = `127.0.0.1:${port}`;
  const deadline = Date.now() + readyLimitMs;
  const answers = () =>
    ask(address, 'GET', '/v2/')
      .then(() => true)
      .catch(() => false);
  while (!(await answers())) {
    if (Date.now() > deadline) throw new Error(`${name} does not answer`);
    await sleep(50);
  }
  return { name, address, stop: () => child.kill('SIGTERM') };
}
