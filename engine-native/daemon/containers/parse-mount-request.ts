// Reads one entry of HostConfig.Mounts (`docker run --mount`). Pure. A key we cannot honour is refused, never ignored.
import { AppError } from '@berth/kit/errors.ts';
import type { JsonFields } from '../json-fields.ts';
import type { MountRequest } from './container-config.ts';

const types = ['bind', 'volume', 'tmpfs'] as const;

export function parseMountRequest(mount: JsonFields): MountRequest {
  const given = mount.text('Type') ?? '';
  const type = types.find((known) => known === given);
  if (type === undefined)
    throw new AppError(
      ['image', 'npipe', 'cluster'].includes(given) ? 'unsupported' : 'bad_request',
      `invalid mount config for type "${given}": mount type unknown`,
      { hint: 'use volume, bind or tmpfs' },
    );
  const request: MountRequest = {
    Type: type,
    Source: mount.text('Source') ?? '',
    Target: mount.text('Target') ?? '',
    ReadOnly: mount.flag('ReadOnly') ?? false,
    ...bindOptions(mount, type),
    ...volumeOptions(mount, type),
    ...tmpfsOptions(mount, type),
  };
  checkSource(request);
  return request;
}

function checkSource({ Type, Source, Target, ReadOnly }: MountRequest): void {
  if (!Target.startsWith('/')) throw invalid(Type, `mount path "${Target}" must be absolute`);
  if (Type === 'bind' && Source === '') throw invalid(Type, 'field Source must not be empty');
  if (Type === 'bind' && !Source.startsWith('/'))
    throw invalid(Type, `mount path "${Source}" must be absolute`);
  if (Type === 'tmpfs' && Source !== '') throw invalid(Type, 'field Source must not be specified');
  if (Type === 'volume' && Source === '' && ReadOnly)
    throw invalid(Type, 'must not set ReadOnly mode when using anonymous volumes');
}

function bindOptions(mount: JsonFields, type: string): Pick<MountRequest, 'BindOptions'> {
  const options = mount.object('BindOptions');
  if (!options) return {};
  if (type !== 'bind') throw invalid(type, 'field BindOptions must not be specified');
  if (options.flag('ReadOnlyForceRecursive') === true && mount.flag('ReadOnly') !== true)
    throw invalid(type, 'mount source must be read-only for ReadOnlyForceRecursive');
  if (options.flag('ReadOnlyNonRecursive') === true)
    throw new AppError('unsupported', 'bind option "ReadOnlyNonRecursive" is not supported by this engine', {
      hint: 'a read-only bind is read-only with everything mounted below it',
    });
  return {
    BindOptions: {
      Propagation: options.text('Propagation') ?? '',
      NonRecursive: options.flag('NonRecursive') ?? false,
      CreateMountpoint: options.flag('CreateMountpoint') ?? false,
    },
  };
}

function volumeOptions(mount: JsonFields, type: string): Pick<MountRequest, 'VolumeOptions'> {
  const options = mount.object('VolumeOptions');
  if (!options) return {};
  if (type !== 'volume') throw invalid(type, 'field VolumeOptions must not be specified');
  const driver = options.object('DriverConfig');
  return {
    VolumeOptions: {
      NoCopy: options.flag('NoCopy') ?? false,
      Labels: options.map('Labels') ?? {},
      Subpath: options.text('Subpath') ?? '',
      DriverConfig: { Name: driver?.text('Name') ?? '', Options: driver?.map('Options') ?? {} },
    },
  };
}

function tmpfsOptions(mount: JsonFields, type: string): Pick<MountRequest, 'TmpfsOptions'> {
  const options = mount.object('TmpfsOptions');
  if (!options) return {};
  if (type !== 'tmpfs') throw invalid(type, 'field TmpfsOptions must not be specified');
  const size = options.integer('SizeBytes') ?? 0;
  const mode = options.integer('Mode');
  if (size < 0) throw invalid(type, 'SizeBytes must not be negative');
  if (mode !== undefined && (mode < 0 || mode > 0o7777)) throw invalid(type, 'Mode is out of range');
  if (options.isGiven('Options'))
    throw new AppError('unsupported', 'tmpfs field "Options" is not supported', { hint: 'use --tmpfs' });
  return { TmpfsOptions: { SizeBytes: size, ...(mode === undefined ? {} : { Mode: mode }) } };
}

/** Docker's own opening, which scripts look for. */
export function invalid(type: string, reason: string): AppError {
  return new AppError('bad_request', `invalid mount config for type "${type}": ${reason}`);
}
