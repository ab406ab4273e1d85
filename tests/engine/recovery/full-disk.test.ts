// A disk without a byte left: whatever would write is refused with the reason, everything else works, the engine comes up on it, also after a
// reboot, and when there is room again nothing is missing and nothing half-written is left.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { eventually, TestEngine } from '../engine-harness.ts';

let engine: TestEngine;

before(async () => {
  engine = new TestEngine('brf1');
  mkdirSync(engine.root, { recursive: true });
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m,mode=711', 'tmpfs', engine.root]);
  await engine.startDaemon();
  await engine.makeImage();
});

after(async () => {
  try {
    await engine.removeAll();
  } finally {
    await engine.stopDaemon('SIGTERM');
    execFileSync('umount', [engine.root]);
  }
  await engine.checkClean();
});

async function docker(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await engine.docker(args);
  assert.equal(code, 0, `docker ${args.join(' ')}: ${stderr}${engine.log}`);
  return stdout.trim();
}

async function refused(...args: string[]): Promise<void> {
  const { code, stderr } = await engine.docker(args);
  assert.notEqual(code, 0, `docker ${args.join(' ')} is refused`);
  assert.match(stderr, /no space left/i);
}

const filler = () => join(engine.root, 'filler');

function fill(): void {
  assert.throws(() => writeFileSync(filler(), Buffer.alloc(40_000_000)), /ENOSPC/);
}

function names(dir: string): string[] {
  return readdirSync(dir, { recursive: true, encoding: 'utf8' });
}

test('what would write is refused with the reason, and the rest works', async () => {
  const sleeper = ['guest', '/guest', 'sleep', '60000'];
  await docker('run', '-d', '--name', 'runs', '-p', '127.0.0.1::7000', 'guest', '/net', 'echo', '7000');
  await docker('run', '-d', '--name', 'ends', ...sleeper);
  await docker('create', '--name', 'waits', '--label', 'berth.userns=app', ...sleeper);
  fill();
  await refused('create', '--name', 'more', ...sleeper);
  await refused('create', '--name', 'more', '--label', 'berth.userns=other', ...sleeper);
  await refused('network', 'create', 'more');
  await refused('volume', 'create', 'more');
  await refused('commit', 'runs', 'more');
  await refused('start', 'waits');
  assert.equal(await docker('exec', 'runs', '/guest', 'say', 'here'), 'here');
  assert.equal(await docker('logs', 'runs'), 'listening');
  await docker('stop', '-t', '0', 'ends');
  assert.equal(await docker('inspect', '-f', '{{.State.Status}} {{.State.ExitCode}}', 'ends'), 'exited 137');
  assert.equal(await docker('network', 'ls', '-q', '-f', 'name=more'), '');
  assert.equal(await docker('volume', 'ls', '-q'), '');
  assert.equal(await docker('ps', '-aq', '-f', 'name=more'), '');
});

test('the engine comes up on it, also when the machine was down meanwhile, and containers can be removed to make room', async () => {
  await engine.stopDaemon('SIGKILL');
  await engine.startDaemon();
  assert.equal(await docker('exec', 'runs', '/guest', 'say', 'still'), 'still');
  await engine.stopDaemon('SIGKILL');
  const bootId = join(engine.root, 'boot-id');
  rmSync(filler());
  writeFileSync(bootId, 'an earlier boot');
  fill();
  await engine.startDaemon();
  assert.equal(await docker('exec', 'runs', '/guest', 'say', 'still'), 'still');
  await docker('rm', 'ends');
});

test('when there is room again everything works, and nothing half-written is left', async () => {
  rmSync(filler());
  await docker('start', 'waits');
  await docker('network', 'create', 'more');
  await docker('volume', 'create', 'more');
  await docker('run', '--name', 'more', '--network', 'more', '-v', 'more:/v', 'guest', '/guest', 'id');
  await docker('commit', 'more', 'more');
  await docker('rm', '-f', 'runs', 'waits', 'more');
  await docker('network', 'rm', 'more');
  await eventually('nothing is left', async () => names(join(engine.root, 'containers')).length === 0);
  assert.deepEqual(
    names(engine.root).filter((name) => /\.tmp|\.dead/.test(name)),
    [],
  );
});
