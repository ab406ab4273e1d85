// What a user wrote about mounts, as mount points: `-v` strings, `--tmpfs` options, `--mount` entries, `--volumes-from`. Pure.
// Must never touch the disk: plan-mounts.ts puts the results together, and who calls that makes folders and volumes.
import { posix } from 'node:path';
import { AppError } from '@berth/kit/errors.ts';
import { checkVolumeName } from '../volumes/volume-name.ts';
import type { MountRequest } from './container-config.ts';
import type { MountPoint, Propagation, TmpfsSettings } from './mount-point.ts';
import { invalid } from './parse-mount-request.ts';
import { parseSize } from './parse-size.ts';

const propagations = ['rprivate', 'private', 'rslave', 'slave', 'rshared', 'shared'] as const;
const consistencies = ['consistent', 'cached', 'delegated', 'default'];

const plain: Omit<MountPoint, 'type' | 'target'> = {
  readonly: false,
  mode: '',
  source: '',
  volume: '',
  subpath: '',
  noCopy: false,
  named: false,
  propagation: '',
  recursive: true,
  idmap: true,
};

/** `source:target[:options]`; a source that is no absolute path names a volume. `noidmap` is ours: it shows a file's real owners inside a user namespace. */
export function parseBind(raw: string): MountPoint {
  const [source = '', target = '', options = '', ...rest] = raw.split(':');
  if (rest.length > 0 || source === '' || target === '')
    throw new AppError('bad_request', `invalid volume specification: '${raw}'`, {
      hint: 'write /source:/target[:ro] or name:/target[:ro]',
    });
  const isBind = source.startsWith('/');
  const given = parseOptions(raw, options, isBind);
  const base = { ...plain, target: cleanTarget(target, raw), mode: options, readonly: given.has('ro') };
  if (!isBind)
    return {
      ...base,
      type: 'volume',
      volume: checkVolumeName(source),
      named: true,
      noCopy: given.has('nocopy'),
    };
  const propagation = propagations.find((name) => given.has(name)) ?? 'rprivate';
  return {
    ...base,
    type: 'bind',
    source: posix.normalize(source),
    propagation,
    idmap: !given.has('noidmap'),
  };
}

function parseOptions(raw: string, options: string, isBind: boolean): Set<string> {
  const known = isBind ? ['noidmap', ...propagations] : ['nocopy'];
  const given = options === '' ? [] : options.split(',');
  const unknown = given.find(
    (option) => !['ro', 'rw', 'z', 'Z', ...consistencies, ...known].includes(option),
  );
  const several = (names: readonly string[]) => given.filter((option) => names.includes(option)).length > 1;
  if (unknown !== undefined || several(['ro', 'rw']) || several(propagations) || several(consistencies))
    throw new AppError('bad_request', `invalid mode: ${options} (in "${raw}")`);
  return new Set(given);
}

/** Absolute and clean, or Docker's refusal. */
export function cleanTarget(target: string, raw: string): string {
  if (!target.startsWith('/'))
    throw new AppError('bad_request', `invalid volume specification: '${raw}': mount path must be absolute`);
  const clean = posix.normalize(target).replace(/(?<=.)\/+$/, '');
  if (clean === '/')
    throw new AppError('bad_request', `invalid volume specification: '${raw}': destination can't be '/'`);
  return clean;
}

/** `-v /path` and the image's VOLUME: a volume without a name. */
export function anonymousVolume(target: string): MountPoint {
  return { ...plain, type: 'volume', target: cleanTarget(target, target) };
}

export function parseMount(request: MountRequest): MountPoint {
  const { Type, Source, Target, ReadOnly, BindOptions, VolumeOptions, TmpfsOptions } = request;
  const base = { ...plain, target: cleanTarget(Target, Target), readonly: ReadOnly };
  if (Type === 'tmpfs') {
    const tmpfs = { ...tmpfsDefaults, size: TmpfsOptions?.SizeBytes ?? 0, mode: octal(TmpfsOptions?.Mode) };
    return { ...base, type: 'tmpfs', tmpfs };
  }
  if (Type === 'volume') {
    return {
      ...base,
      type: 'volume',
      volume: Source === '' ? '' : checkVolumeName(Source),
      named: Source !== '',
      noCopy: VolumeOptions?.NoCopy ?? false,
      subpath: checkSubpath(VolumeOptions?.Subpath ?? ''),
    };
  }
  return {
    ...base,
    type: 'bind',
    source: posix.normalize(Source),
    propagation: checkPropagation(BindOptions?.Propagation ?? ''),
    recursive: !(BindOptions?.NonRecursive ?? false),
  };
}

function checkPropagation(given: string): Propagation {
  if (given === '') return 'rprivate';
  const known = propagations.find((name) => name === given);
  if (known === undefined) throw invalid('bind', `invalid propagation mode: ${given}`);
  return known;
}

/** The shim resolves it inside the volume and refuses what leads out; this only says so at once. */
function checkSubpath(subpath: string): string {
  if (subpath.startsWith('/') || subpath.split('/').includes('..'))
    throw invalid('volume', `subpath must be a relative path within the volume`);
  return subpath;
}

const tmpfsDefaults: TmpfsSettings = {
  size: 0,
  mode: 1777,
  exec: false,
  suid: false,
  dev: false,
  uid: 0,
  gid: 0,
};

/** One entry of HostConfig.Tmpfs: Docker's own defaults are rw,noexec,nosuid,nodev. */
export function parseTmpfs(target: string, options: string): MountPoint {
  const tmpfs = { ...tmpfsDefaults };
  let readonly = false;
  for (const option of options === '' ? [] : options.split(',')) {
    const [name = '', value = ''] = option.split('=');
    const flag = /^(no)?(exec|suid|dev)$/.exec(option);
    if (flag) tmpfs[flag[2] as 'exec' | 'suid' | 'dev'] = flag[1] === undefined;
    else if (option === 'ro' || option === 'rw') readonly = option === 'ro';
    else if (name === 'size') tmpfs.size = parseSize(value, 'tmpfs size');
    else if (name === 'mode' && /^[0-7]{3,4}$/.test(value)) tmpfs.mode = Number(value);
    else if ((name === 'uid' || name === 'gid') && /^\d{1,9}$/.test(value)) tmpfs[name] = Number(value);
    else throw new AppError('bad_request', `invalid tmpfs option "${option}"`);
  }
  return { ...plain, type: 'tmpfs', target: cleanTarget(target, target), mode: options, readonly, tmpfs };
}

/** The spec writes modes in decimal digits that read as octal, as everybody writes them: 0o1777 is 1777. */
function octal(mode: number | undefined): number {
  return Number((mode ?? 0o1777).toString(8));
}

/** `container[:ro|rw]`: the container's name and whether its mounts are to be read-only. */
export function parseVolumesFrom(raw: string): { container: string; readonly: boolean | undefined } {
  const [container = '', mode = '', ...rest] = raw.split(':');
  if (container === '' || rest.length > 0)
    throw new AppError('bad_request', `malformed volumes-from specification: "${raw}"`);
  const options = mode === '' ? [] : mode.split(',');
  if (options.some((option) => !['ro', 'rw', 'z', 'Z'].includes(option)))
    throw new AppError('bad_request', `invalid mode: ${mode} (in volumes-from "${raw}")`);
  const access = options.find((option) => option === 'ro' || option === 'rw');
  return { container, readonly: access === undefined ? undefined : access === 'ro' };
}
