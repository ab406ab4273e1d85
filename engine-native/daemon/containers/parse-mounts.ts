// Binds, mounts and tmpfs of a create request as mounts of a spec. Pure: who calls it creates missing bind sources.
import { AppError } from '@berth/kit/errors.ts';
import type { MountSpec } from '../runtime/container-spec.ts';
import type { HostConfig } from './container-config.ts';
import { parseSize } from './parse-size.ts';

const bindOptions = new Set([
  'ro',
  'rw',
  'z',
  'Z',
  'rprivate',
  'private',
  'rslave',
  'slave',
  'rshared',
  'shared',
  'consistent',
  'cached',
  'delegated',
  'nocopy',
  'noidmap',
]);

export interface Bind {
  source: string;
  target: string;
  readonly: boolean;
  idmap: boolean;
}

/** `source:target[:options]`. `noidmap` is ours: it shows a file's real owners inside a user namespace. */
export function parseBind(raw: string): Bind {
  const [source = '', target = '', options = '', ...rest] = raw.split(':');
  if (rest.length > 0 || !target.startsWith('/'))
    throw new AppError('bad_request', `bind "${raw}" is malformed`, { hint: 'write /source:/target[:ro]' });
  if (!source.startsWith('/'))
    throw new AppError('unsupported', `bind "${raw}" names a volume, which this engine does not have`, {
      hint: 'bind an absolute path',
    });
  const given = options === '' ? [] : options.split(',');
  const unknown = given.find((option) => !bindOptions.has(option));
  if (unknown !== undefined)
    throw new AppError('bad_request', `bind option "${unknown}" of "${raw}" does not exist`);
  return { source, target, readonly: given.includes('ro'), idmap: !given.includes('noidmap') };
}

export function bindMounts(hostConfig: HostConfig, userns: boolean): MountSpec[] {
  const binds = hostConfig.Binds.map(parseBind);
  const mounts = hostConfig.Mounts.filter(({ Type }) => Type === 'bind').map(
    ({ Source, Target, ReadOnly }): Bind => ({
      source: Source,
      target: Target,
      readonly: ReadOnly,
      idmap: true,
    }),
  );
  return [...binds, ...mounts].map(({ source, target, readonly, idmap }) => ({
    type: 'bind',
    source,
    target,
    readonly,
    idmap: idmap && userns,
  }));
}

export function tmpfsMounts(hostConfig: HostConfig): MountSpec[] {
  const short = Object.entries(hostConfig.Tmpfs).map(([target, options]) => parseTmpfs(target, options));
  const long = hostConfig.Mounts.filter(({ Type }) => Type === 'tmpfs').map(
    ({ Target, SizeBytes, Mode, ReadOnly }): MountSpec => ({
      type: 'tmpfs',
      target: Target,
      size: SizeBytes,
      mode: octalDigits(Mode),
      readonly: ReadOnly,
    }),
  );
  return [...short, ...long];
}

function parseTmpfs(target: string, options: string): MountSpec {
  if (!target.startsWith('/'))
    throw new AppError('bad_request', `tmpfs target "${target}" is not an absolute path`);
  const mount: MountSpec = { type: 'tmpfs', target, size: 0, mode: 1777, readonly: false };
  for (const option of options === '' ? [] : options.split(',')) {
    const [name = '', value = ''] = option.split('=');
    if (name === 'size') mount.size = parseSize(value, 'tmpfs size');
    else if (name === 'mode' && /^[0-7]{3,4}$/.test(value)) mount.mode = Number(value);
    else if (name === 'ro') mount.readonly = true;
    else if (!['rw', 'exec', 'noexec', 'suid', 'nosuid', 'dev', 'nodev'].includes(name))
      throw new AppError('bad_request', `tmpfs option "${option}" is not supported`);
  }
  return mount;
}

/** The spec writes modes in decimal digits that read as octal, as everybody writes them: 0o1777 is 1777. */
function octalDigits(mode: number): number {
  return Number(mode.toString(8));
}
