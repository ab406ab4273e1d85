// The peer: Debian's docker.io, warm. A change goes live by `docker build` and `docker run`, as a person without a platform does it.
// Starts a dockerd of its own in a folder of its own and stops it again; needs root and the package docker.io.
import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { runCommandOk } from '@berth/kit/run-command.ts';

export interface DockerPeer {
  /** Builds the folder and starts it at `port`, removing the container before it; resolves when both commands have returned. */
  buildAndRun(folder: string, port: number): Promise<void>;
  stop(): Promise<void>;
}

const dockerd = '/usr/sbin/dockerd';

/** `rootfs`: a tar of the same Debian that our stack is made from; `nodeBinary`: the same Node. */
export async function startDocker(
  work: string,
  rootfs: string,
  nodeBinary: string,
): Promise<DockerPeer | string> {
  if (!existsSync(dockerd)) return 'docker.io is not installed (apt install docker.io)';
  const before = await netfilterTables();
  const folder = join(work, 'docker');
  mkdirSync(folder, { recursive: true });
  const socket = join(folder, 'docker.sock');
  const daemon = spawn(
    dockerd,
    [
      '--data-root',
      join(folder, 'data'),
      '--exec-root',
      join(folder, 'exec'),
      '-H',
      `unix://${socket}`,
      '--pidfile',
      join(folder, 'pid'),
      '--log-level',
      'error',
      '--bip',
      '10.249.0.1/24',
    ],
    { stdio: 'ignore' },
  );
  const env = {
    PATH: process.env['PATH'] ?? '',
    DOCKER_HOST: `unix://${socket}`,
    DOCKER_BUILDKIT: '0',
    HOME: folder,
  };
  const docker = (...args: string[]) => runCommandOk(['docker', ...args], { env, timeoutMs: 300_000 });
  await untilAnswers(daemon, () => docker('version'));
  await docker('import', rootfs, 'debian:13');
  const base = join(folder, 'base');
  mkdirSync(base);
  cpSync(nodeBinary, join(base, 'node'));
  writeFileSync(join(base, 'Dockerfile'), 'FROM debian:13\nCOPY node /usr/local/bin/node\n');
  await docker('build', '-q', '-t', 'node:24', base);
  let running: string | undefined;
  return {
    buildAndRun: async (source, port) => {
      await docker('build', '-q', '-t', 'sample', source);
      if (running) await docker('rm', '-f', running);
      const { stdout } = await docker(
        'run',
        '-d',
        '-p',
        `127.0.0.1:${port}:5000`,
        '-e',
        'PORT=5000',
        'sample',
      );
      running = stdout.toString('utf8').trim();
    },
    stop: async () => {
      if (running) await docker('rm', '-f', running).catch(() => {});
      const ended = new Promise((done) => daemon.once('exit', done));
      daemon.kill('SIGTERM');
      await ended;
      await removeNetworkOf(before);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function untilAnswers(daemon: ChildProcess, ask: () => Promise<unknown>): Promise<void> {
  for (let i = 0; i < 100; i++) {
    if (daemon.exitCode !== null) throw new Error(`dockerd ended with code ${daemon.exitCode}`);
    try {
      await ask();
      return;
    } catch {
      await sleep(200);
    }
  }
  throw new Error('dockerd did not answer in 20 s');
}

async function netfilterTables(): Promise<Set<string>> {
  const { stdout } = await runCommandOk(['nft', 'list', 'tables']);
  return new Set(stdout.toString('utf8').trim().split('\n'));
}

/** dockerd leaves its bridge and its tables behind; a bench leaves nothing. */
async function removeNetworkOf(before: Set<string>): Promise<void> {
  await runCommandOk(['ip', 'link', 'delete', 'docker0']).catch(() => {});
  for (const line of await netfilterTables()) {
    const [, family, name] = line.split(' ');
    if (before.has(line) || !family || !name || name.startsWith('berth_')) continue;
    await runCommandOk(['nft', 'delete', 'table', family, name]);
  }
}
