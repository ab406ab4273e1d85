// Lists the versions of an npm package through the ordinary npm client in a container; a list on disk is good for a day.
// Used by plans that are asked for another Node than the platform's.
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EngineClient } from '@berth/clients/engine-client.ts';
import { AppError } from '@berth/kit/errors.ts';
import type { BuildLimits } from './config.ts';
import { baseImageConfig } from './image.ts';
import type { BuildSources } from './sources.ts';
import { discardContainer } from './steps/prepare-engine.ts';
import { runContainer } from './steps/run-container.ts';

const freshForMs = 24 * 60 * 60 * 1000;
const prefix = '/opt/berth/toolbox';
const packagePattern = /^[a-z0-9][a-z0-9._-]*$/;

export interface VersionLister {
  engine: EngineClient;
  dir: string;
  sources: BuildSources;
  limits: BuildLimits;
  arch: 'x64' | 'arm64';
  /** Stack and toolbox layers, bottom first. */
  layers: () => Promise<readonly string[]>;
  labels: Record<string, string>;
  signal: AbortSignal;
}

export async function listVersions(lister: VersionLister, packageName: string): Promise<string[]> {
  if (!packagePattern.test(packageName))
    throw new AppError('internal', `"${packageName}" is not a package name`);
  const file = join(lister.dir, `${packageName}.json`);
  const kept = readKept(file);
  if (kept && Date.now() - kept.at < freshForMs) return kept.versions;
  try {
    const versions = await askRegistry(lister, packageName);
    mkdirSync(lister.dir, { recursive: true });
    writeFileSync(file, JSON.stringify(versions));
    return versions;
  } catch (error) {
    if (lister.signal.aborted) throw error;
    // An old list is better than none while the registry is away.
    if (kept) return kept.versions;
    throw error;
  }
}

function readKept(file: string): { at: number; versions: string[] } | undefined {
  try {
    return { at: statSync(file).mtimeMs, versions: JSON.parse(readFileSync(file, 'utf8')) as string[] };
  } catch {
    return undefined;
  }
}

async function askRegistry(lister: VersionLister, packageName: string): Promise<string[]> {
  const { engine, sources, limits, arch, labels, signal } = lister;
  const image = await engine.makeImage({ config: baseImageConfig(arch), layers: await lister.layers() });
  let container: string | undefined;
  const lines: string[] = [];
  try {
    const end = await runContainer(
      engine,
      {
        image,
        script: 'npm view "$PACKAGE" versions --json 2>/tmp/errors || { cat /tmp/errors; exit 1; }',
        user: 'root',
        env: {
          ...sources.env,
          PACKAGE: packageName,
          PATH: `${prefix}/bin:/usr/bin:/bin`,
          HOME: '/tmp',
          npm_config_update_notifier: 'false',
        },
        binds: sources.binds,
        labels,
        userns: 'build-platform',
        workingDir: '/',
      },
      {
        limits,
        signal,
        onLine: (line) => lines.push(line),
        onBytes: () => {},
        onCreated: (id) => {
          container = id;
        },
      },
    );
    if (end.exitCode !== 0)
      throw new AppError('build_failed', 'the list of Node versions cannot be had from the registry', {
        detail: end.tail.slice(-1000),
        hint: 'check the network of the host and push again',
      });
    const parsed: unknown = JSON.parse(lines.join('\n'));
    return Array.isArray(parsed) ? parsed.filter((version) => typeof version === 'string') : [];
  } finally {
    await discardContainer(engine, container);
  }
}
