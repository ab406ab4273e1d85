// OCI runtimes by hand, each on the same bundle: run /bin/true from start to end. Used by run.ts.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { runCommand, runCommandOk } from '@berth/kit/run-command.ts';
import { isInstalled } from './engines.ts';
import type { Row } from './scenarios.ts';

const ours = resolve(import.meta.dirname, '../../../engine-native/runtime/build/berth-runtime');

interface Runtime {
  name: string;
  argv: (bundle: string, state: string, id: string) => [string, ...string[]];
}

/** crun refuses a machine whose cgroup2 holds no controllers; a mount namespace without it is enough. */
const hideCgroup2 = 'umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"';

const runtimes: Runtime[] = [
  {
    name: 'berth-runtime',
    argv: (bundle, state, id) => [ours, '--root', state, 'run', '--bundle', bundle, id],
  },
  { name: 'runc', argv: (bundle, state, id) => ['runc', '--root', state, 'run', '--bundle', bundle, id] },
  {
    name: 'crun',
    argv: (bundle, state, id) => [
      'unshare',
      '--mount',
      'sh',
      '-c',
      hideCgroup2,
      'sh',
      'crun',
      '--root',
      state,
      'run',
      '--bundle',
      bundle,
      id,
    ],
  },
];

export async function ociRuntimes(work: string, rootfs: Buffer, rounds: number): Promise<Row | undefined> {
  if (!(await isInstalled('runc'))) return undefined;
  const bundle = join(work, 'bundle');
  mkdirSync(join(bundle, 'rootfs'), { recursive: true });
  await runCommandOk(['tar', '-x', '-C', join(bundle, 'rootfs')], { input: rootfs });
  await runCommandOk(['runc', 'spec', '--bundle', bundle]);
  const config = JSON.parse(readFileSync(join(bundle, 'config.json'), 'utf8')) as {
    process: Record<string, unknown>;
  };
  Object.assign(config.process, { terminal: false, args: ['/bin/true'] });
  writeFileSync(join(bundle, 'config.json'), JSON.stringify(config));
  const there: Runtime[] = [];
  for (const runtime of runtimes)
    if (
      existsSync(runtime.name === 'berth-runtime' ? ours : '/dev/null') &&
      (await works(runtime, bundle, work))
    )
      there.push(runtime);
  const figures = new Map(there.map(({ name }) => [name, [] as number[]]));
  for (let round = 0; round < rounds; round++) {
    for (const runtime of there) {
      const from = performance.now();
      await run(runtime, bundle, work, `bench-${round}`);
      figures.get(runtime.name)?.push(performance.now() - from);
    }
  }
  rmSync(bundle, { recursive: true });
  const note = 'crun with unshare and sh around it (about 3 ms)';
  return { what: '`run` of an OCI bundle by hand: /bin/true', unit: 'ms', figures, note };
}

async function run(runtime: Runtime, bundle: string, work: string, id: string): Promise<void> {
  await runCommandOk(runtime.argv(bundle, join(work, `state-${runtime.name}`), id));
}

async function works(runtime: Runtime, bundle: string, work: string): Promise<boolean> {
  const state = join(work, `state-${runtime.name}`);
  return (
    (await runCommand(runtime.argv(bundle, state, 'bench-first')).catch(() => undefined))?.exitCode === 0
  );
}
