// The Cloud Native lifecycle's programs for tests: compiled once a machine from its Go module, as images of builders cannot be pulled everywhere.
// Used by cnb.test.ts. Without Go there are none, and the tests that need them say so.
import { cpSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { runCommand, runCommandOk } from '@berth/kit/run-command.ts';

const version = '0.20.11';
const module = 'github.com/buildpacks/lifecycle';
const kept = process.env['BERTH_TEST_TOOLS'] ?? '/var/cache/berth/test-tools';
/** Downloading and compiling what the lifecycle is made of, on two busy cores. */
const compileLimitMs = 900_000;

export interface Lifecycle {
  version: string;
  /** With `lifecycle` and `launcher`. */
  folder: string;
}

/** Undefined when it is not here and cannot be made. */
export async function findLifecycle(): Promise<Lifecycle | undefined> {
  const arch = process.arch === 'arm64' ? 'arm64' : 'amd64';
  const folder = join(kept, `lifecycle-${version}-${arch}`);
  if (existsSync(folder)) return { version, folder };
  const go = [process.env['BERTH_TEST_GO'] ?? '', '/usr/local/go/bin/go', '/usr/bin/go'].find(existsSync);
  if (go === undefined) return undefined;
  mkdirSync(kept, { recursive: true });
  const work = mkdtempSync(join(kept, '.lifecycle-'));
  try {
    await compile(go, work);
    // Another test run may have been faster: its programs are the same.
    if (!existsSync(folder)) renameSync(join(work, 'bin'), folder);
  } finally {
    await runCommand(['chmod', '-R', 'u+w', work]); // Go makes its sources read-only
    rmSync(work, { recursive: true, force: true });
  }
  return { version, folder };
}

/** With the versions and checksums that the module itself carries. */
async function compile(go: string, work: string): Promise<void> {
  const env = {
    ...(process.env as Record<string, string>),
    GOPATH: join(work, 'go'),
    GOCACHE: join(work, 'cache'),
    GOFLAGS: '-buildvcs=false',
    CGO_ENABLED: '0',
  };
  const options = { env, cwd: work, timeoutMs: compileLimitMs };
  const { stdout } = await runCommandOk([go, 'mod', 'download', '-json', `${module}@v${version}`], options);
  const { Dir } = JSON.parse(stdout.toString()) as { Dir: string };
  const source = join(work, 'source');
  cpSync(Dir, source, { recursive: true });
  await runCommandOk(['chmod', '-R', 'u+w', source]);
  for (const program of ['lifecycle', 'launcher'])
    await runCommandOk(
      [
        ...([go, 'build', '-trimpath', '-p', '2'] as const),
        ...['-ldflags', `-s -w -X ${module}/cmd.Version=${version}`],
        ...['-o', join(work, 'bin', program), `./cmd/${program}`],
      ],
      { ...options, cwd: source },
    );
}
