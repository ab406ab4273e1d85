// Makes the mounts of one RUN ready on the host: which folder or file of ours each one shows. What a RUN writes never reaches the context
// or another stage: writable sources are copies. Secrets lie on tmpfs and go with the step.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { AppError } from '@berth/kit/errors.ts';
import type { StepPlace } from './build-run.ts';
import { encodeRecords, planCopy } from './copy-plan.ts';
import { findSources, type SourceTree } from './copy-sources.ts';
import type { RunMount } from './mount-options.ts';
import { findInTree } from './tree.ts';

export interface ReadyMounts {
  /** For HostConfig, in Docker's words. */
  Mounts: object[];
  Binds: string[];
  /** Files that must belong to ids of the container: known once it has its range. */
  secretFiles: { path: string; uid: number; gid: number }[];
  release: () => void;
}

export async function readyMounts(place: StepPlace, mounts: RunMount[]): Promise<ReadyMounts> {
  const releases: (() => void)[] = [];
  const ready: ReadyMounts = {
    Mounts: [],
    Binds: [],
    secretFiles: [],
    release: () => {
      for (const release of releases.splice(0)) release();
    },
  };
  try {
    for (const mount of mounts) {
      if (mount.type === 'tmpfs') ready.Mounts.push(tmpfsOf(mount));
      else if (mount.type === 'secret') addSecret(place, mount, ready, releases);
      else if (mount.type === 'cache') ready.Mounts.push(await cacheOf(place, mount, releases));
      else ready.Mounts.push(bindOf(await bindSource(place, mount), mount));
    }
    return ready;
  } catch (error) {
    ready.release();
    throw error;
  }
}

function tmpfsOf({ target, sizeBytes }: RunMount): object {
  return { Type: 'tmpfs', Target: target, TmpfsOptions: { SizeBytes: sizeBytes, Mode: 0o1777 } };
}

function bindOf(source: string, { target, isReadonly }: RunMount): object {
  return { Type: 'bind', Source: source, Target: target, ReadOnly: isReadonly };
}

async function cacheOf(place: StepPlace, mount: RunMount, releases: (() => void)[]): Promise<object> {
  const { run } = place;
  if (mount.source !== '' && mount.from === '')
    throw new AppError('bad_request', 'a cache mount with a source needs a from');
  const taken = await run.parts.cacheMounts.take(run.scope, mount, run.signal);
  releases.push(taken.release);
  if (taken.isNew && mount.from !== '') {
    const tree = await run.source(mount.from, place.stageIndex);
    await copyOut(place, tree, mount.source || '/', taken.dir);
  }
  return bindOf(taken.dir, mount);
}

function addSecret(place: StepPlace, mount: RunMount, ready: ReadyMounts, releases: (() => void)[]): void {
  const { run } = place;
  const value = run.secrets.get(mount.id);
  if (value === undefined) {
    if (!mount.isRequired) return;
    throw new AppError('bad_request', `secret "${mount.id.slice(0, 80)}" is required and was not given`);
  }
  const dir = join(run.parts.secretsDir, run.id);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const path = join(dir, `secret-${ready.secretFiles.length}-${releases.length}-${Date.now().toString(36)}`);
  writeFileSync(path, value, { mode: mount.mode ?? 0o400, flag: 'wx' });
  releases.push(() => rmSync(path, { force: true }));
  ready.secretFiles.push({ path, uid: mount.uid, gid: mount.gid });
  ready.Binds.push(`${path}:${mount.target}:ro,noidmap`);
}

async function bindSource(place: StepPlace, mount: RunMount): Promise<string> {
  const { run } = place;
  const source = mount.source || '/';
  if (mount.from !== '') {
    const tree = await run.source(mount.from, place.stageIndex);
    return copyOut(place, tree, source, run.scratchPath('bind'));
  }
  const context: SourceTree = { folders: [run.context.dir], label: '' };
  if (!mount.isReadonly) return copyOut(place, context, source, run.scratchPath('bind'));
  const found = await findInTree(run.parts.helper, context.folders, source, { depth: 0 });
  if (!found || !['file', 'folder'].includes(found.start.type))
    throw new AppError(
      'not_found',
      `--mount: "${source.slice(0, 200)}" is no file or folder of the build context`,
    );
  // The real path, in a tree that nobody writes to: no component is a link, now or later.
  return join(run.context.dir, found.path);
}

/** A copy of a path of a tree, owners kept, in a folder of its own. */
async function copyOut(place: StepPlace, tree: SourceTree, source: string, dir: string): Promise<string> {
  const { run } = place;
  const { helper } = run.parts;
  const sources = await findSources(helper, tree, source.replace(/[*?[\\]/g, '\\$&'));
  const isFolder = sources[0]?.listing.start.type === 'folder';
  const plan = planCopy(sources, {
    owner: undefined,
    mode: undefined,
    parents: false,
    exclude: [],
    destination: isFolder ? '/' : '/file',
    keyword: 'RUN --mount',
  });
  mkdirSync(dir, { recursive: true, mode: 0o755 });
  const work = run.scratchPath('work');
  mkdirSync(work, { mode: 0o700 });
  const records = encodeRecords(plan.records, isFolder ? '' : 'file');
  await helper.copyTree({ lower: [], upper: dir, work, source: tree.folders }, Readable.from(records));
  return isFolder ? dir : join(dir, 'file');
}
