// Asks a registry which versions there are, through its ordinary client in a container; a list on disk is good for a day.
// Used by plans that are asked for another runtime than the one they would take by themselves.
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EngineClient } from '@berth/clients/engine-client.ts';
import { AppError } from '@berth/kit/errors.ts';
import type { BuildLimits } from './config.ts';
import { baseImageConfig } from './image.ts';
import type { VersionList } from './plan/plan.ts';
import type { BuildSources } from './sources.ts';
import { discardContainer } from './steps/prepare-engine.ts';
import { runContainer } from './steps/run-container.ts';

const freshForMs = 24 * 60 * 60 * 1000;
const prefix = '/opt/berth/toolbox';
const listNamePattern = /^[a-z0-9][a-z0-9._-]*$/;

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

export async function listVersions(lister: VersionLister, list: VersionList): Promise<string[]> {
  if (!listNamePattern.test(list.name))
    throw new AppError('internal', `"${list.name}" is not a name of a list of versions`);
  const file = join(lister.dir, `${list.name}.json`);
  const kept = readKept(file);
  if (kept && Date.now() - kept.at < freshForMs) return kept.versions;
  try {
    const versions = await askRegistry(lister, list);
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

async function askRegistry(lister: VersionLister, list: VersionList): Promise<string[]> {
  const { engine, sources, limits, arch, labels, signal } = lister;
  const image = await engine.makeImage({ config: baseImageConfig(arch), layers: await lister.layers() });
  let container: string | undefined;
  const lines: string[] = [];
  try {
    const end = await runContainer(
      engine,
      {
        image,
        script: list.script,
        user: 'root',
        env: {
          ...sources.env,
          ...list.env,
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
        // No config var is in there.
        mask: (text) => text,
        onLine: (line) => lines.push(line),
        onBytes: () => {},
        onCreated: (id) => {
          container = id;
        },
      },
    );
    if (end.exitCode !== 0)
      throw new AppError('build_failed', `the versions of ${list.of} cannot be had from the registry`, {
        detail: end.tail.slice(-1000),
        hint: 'check the network of the host and push again',
      });
    return list.parse(lines.join('\n'));
  } finally {
    await discardContainer(engine, container);
  }
}
