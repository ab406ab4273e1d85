// A newer daemon takes over the shims of an older one. Shims live as long as their containers, so every word that they were ever asked must stay
// understood; recorded-shim.ts answers as those of the first release did.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { TestEngine } from '../engine-harness.ts';
import { RecordedShim, startedAt } from './recorded-shim.ts';

let engine: TestEngine;
let program: ChildProcess;
let shim: RecordedShim;
let address = '';

before(async () => {
  engine = await TestEngine.start('bru1');
  const id = await engine.client.createContainer({ Image: 'guest', Cmd: ['/guest', 'sleep', '1'] }, 'old');
  const network = JSON.parse((await docker('network', 'inspect', 'bridge')).stdout) as [
    { Id: string; IPAM: { Config: [{ Gateway: string }] } },
  ];
  const gateway = network[0].IPAM.Config[0].Gateway;
  address = gateway.replace(/\d+$/, '77');
  await engine.stopDaemon('SIGKILL');
  program = spawn('sleep', ['600']);
  const runDir = join(engine.run, 'containers', id);
  mkdirSync(runDir, { mode: 0o700 });
  const endpoint = {
    networkId: network[0].Id,
    networkName: 'bridge',
    address,
    prefix: 20,
    gateway,
    mac: '02:42:0a:ce:00:02',
  };
  const files = {
    'run.json': { startedAt, endpoint },
    'state.json': {
      id,
      pid: program.pid,
      shimPid: process.pid,
      startedAt,
      cgroup: `berth-${engine.name}/${id}`,
    },
  };
  for (const [name, content] of Object.entries(files))
    writeFileSync(join(runDir, name), JSON.stringify(content));
  const line = { log: 'first\n', stream: 'stdout', time: startedAt };
  writeFileSync(join(engine.root, 'containers', id, 'log/current'), `${JSON.stringify(line)}\n`);
  shim = await RecordedShim.listen(runDir, program.pid ?? 0);
  await engine.startDaemon();
});

after(async () => {
  shim.close();
  program.kill('SIGKILL');
  await engine.close();
});

const docker = (...args: string[]) => engine.docker(args);

test('it is adopted with its pid, its start, its address and its log', async () => {
  const { State, NetworkSettings } = await engine.client.inspectContainer('old');
  assert.deepEqual([State.Status, State.Pid, State.StartedAt], ['running', program.pid, startedAt]);
  assert.equal(NetworkSettings.IPAddress, address);
  assert.equal((await docker('logs', 'old')).stdout, 'first\n');
});

test('it is asked for an exec in the words it knows, and its answers give output and exit codes', async () => {
  const { code, stdout } = await docker('exec', '-e', 'A=B', 'old', '/guest', 'say', 'x');
  assert.deepEqual([code, stdout], [3, 'from an exec\n']);
  const [asked] = shim.requests('exec');
  assert.deepEqual(
    { ...asked, id: 0, process: { ...(asked?.['process'] as object), env: [] } },
    {
      id: 0,
      op: 'exec',
      process: {
        args: ['/guest', 'say', 'x'],
        env: [],
        cwd: '/',
        user: '',
        tty: false,
        rows: 0,
        cols: 0,
        stdin: false,
      },
      stdin: false,
      privileged: false,
      detach: false,
    },
  );
  const missing = await docker('exec', 'old', '/nothing');
  assert.equal(missing.code, 127);
  assert.match(missing.stderr, /not found/);
});

test('it is paused, measured and changed', async () => {
  assert.equal((await docker('pause', 'old')).code, 0);
  assert.equal((await docker('unpause', 'old')).code, 0);
  assert.match((await docker('stats', '--no-stream', 'old')).stdout, /220KiB/);
  assert.equal((await docker('update', '-m', '64m', '--memory-swap', '64m', 'old')).code, 0);
  const { resources } = shim.requests('update')[0] as unknown as { resources: { memory: number } };
  assert.equal(resources.memory, 67_108_864);
});

test('a daemon that is killed and started again adopts it again, and the end is told as the shim told it', async () => {
  await engine.stopDaemon('SIGKILL');
  await engine.startDaemon();
  assert.equal((await docker('kill', 'old')).code, 0);
  const [{ signal, all } = {}] = shim.requests('kill');
  assert.deepEqual([signal, all], [9, false]);
  const { State, Id } = await engine.client.inspectContainer('old');
  assert.deepEqual([State.Status, State.ExitCode], ['exited', 137]);
  assert.equal(State.FinishedAt, '2026-11-21T11:30:27.601447973Z');
  assert.equal(existsSync(join(engine.run, 'containers', Id)), false);
});
