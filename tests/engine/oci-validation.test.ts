/**
 * The OCI runtime-tools' validation programs against berth-runtime: the list in engine-native/runtime/oci/CONFORMANCE.md is what
 * fails, and nothing else does. They come as a Go module: a few are built and run always, where go and its module proxy are there;
 * all 58 (two minutes) with BERTH_TEST_OCI_VALIDATION=all. They run in a mount namespace of their own: one of them mounts for good.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { runtimeBinary } from './oci-bundle.ts';
import { buildRuntime } from './shim-root.ts';

const wantsAll = process.env['BERTH_TEST_OCI_VALIDATION'] === 'all';
const few = [
  'default',
  'state',
  'linux_masked_paths',
  'linux_ns_path',
  'linux_seccomp',
  'mounts',
  'process_user',
];
const programLimitMs = 60_000;
const buildLimitMs = 120_000; // a module proxy that does not answer must not hang the run

const module = 'github.com/opencontainers/runtime-tools';
/** The module has no go.mod; these are the releases of its time where newer ones no longer fit. */
const goMod = `module ${module}

go 1.21

require (
	github.com/opencontainers/runtime-spec v1.0.2
	github.com/opencontainers/selinux v1.3.0
	github.com/mndrix/tap-go v0.0.0-20171203230836-629fa407e90b
	github.com/satori/go.uuid v1.2.0
)
`;

const pages = resolve(import.meta.dirname, '../../engine-native/runtime/oci/CONFORMANCE.md');

/** Names in the first column of the table of failures. */
function explained(): string[] {
  return [...readFileSync(pages, 'utf8').matchAll(/^\| `(\w+)` \|/gm)].map(([, name = '']) => name);
}

const dir = mkdtempSync(join(tmpdir(), 'oci-validation-'));

/** Builds the programs; why they are not to be had, or ''. */
function build(): string {
  const env = { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-mod=mod' };
  const go = (...args: string[]) =>
    execFileSync('go', args, { cwd: dir, timeout: buildLimitMs, env, stdio: 'pipe' });
  try {
    const { Dir } = JSON.parse(go('mod', 'download', '-json', `${module}@v0.9.0`).toString()) as {
      Dir: string;
    };
    execFileSync('cp', ['-r', `${Dir}/.`, dir]);
    execFileSync('chmod', ['-R', 'u+w', dir]);
    writeFileSync(join(dir, 'go.mod'), goMod);
    go('mod', 'tidy', '-e');
    const names = wantsAll ? ['...'] : few;
    go('build', '-o', join(dir, 'bin/'), ...names.map((name) => `./validation/${name}`));
    go('build', '-o', join(dir, 'runtimetest'), './cmd/runtimetest');
    return '';
  } catch (error) {
    rmSync(dir, { recursive: true, force: true });
    return `install go, and let it reach its module proxy, to run this: ${String(error).slice(0, 300)}`;
  }
}

const missing = build();

describe('the validation programs of the OCI runtime-tools', { skip: missing !== '' && missing }, () => {
  const runtime = join(dir, 'runtime');
  const state = join(dir, 'state');

  before(() => {
    buildRuntime();
    mkdirSync(join(dir, 'tmp'));
    writeFileSync(runtime, `#!/bin/sh\nexec ${runtimeBinary} --root ${state} "$@"\n`, { mode: 0o755 });
  });

  after(() => {
    // A program that fails half-way leaves its container behind.
    const left = execFileSync(runtime, ['list', '--quiet']).toString().split('\n').filter(Boolean);
    for (const id of left) execFileSync(runtime, ['delete', '--force', id]);
    rmSync(dir, { recursive: true, force: true });
    // Nor does anybody remove the parents of the groups that the relative paths name.
    for (const root of readdirSync('/sys/fs/cgroup'))
      for (const parent of ['testdir/cgrouptest', 'testdir']) {
        const path = join('/sys/fs/cgroup', root, parent);
        if (existsSync(path)) rmdirSync(path);
      }
  });

  /** A program passes when it exits 0 and reports no "not ok". */
  function passes(name: string): boolean {
    const env = { ...process.env, RUNTIME: runtime, TMPDIR: join(dir, 'tmp') };
    const words = ['--mount', '--', join(dir, 'bin', name)];
    const done = spawnSync('unshare', words, { cwd: dir, timeout: programLimitMs, env });
    return done.status === 0 && !/^not ok/m.test(done.stdout.toString());
  }

  test('pass, but for those that are explained', () => {
    const failed = readdirSync(join(dir, 'bin')).filter((name) => !passes(name));
    assert.deepEqual(
      failed.filter((name) => !explained().includes(name)),
      [],
    );
  });
});
