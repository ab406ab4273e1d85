// Driver options of a volume (`docker volume create -o …`): a folder of the host shown as a volume, or memory. Pure.
// What this engine does not mount (network file systems, disks) is refused when the volume is made, not when it is used.
import { AppError } from '@berth/kit/errors.ts';
import { parseSize } from '../containers/parse-size.ts';

/** Where a volume's files are. */
export type VolumeBacking =
  | { kind: 'folder' }
  | { kind: 'bind'; device: string; readonly: boolean; recursive: boolean }
  | { kind: 'tmpfs'; readonly: boolean; noexec: boolean; options: Record<string, string> };

export function parseVolumeOptions(options: Record<string, string>): VolumeBacking {
  for (const name of Object.keys(options)) {
    if (!['type', 'device', 'o'].includes(name))
      throw new AppError('bad_request', `invalid option: "${name}"`, { hint: 'use type, device and o' });
  }
  const { type = '', device = '', o = '' } = options;
  const flags = o.split(',').filter((flag) => flag !== '');
  if (type === '' && device === '' && flags.length === 0) return { kind: 'folder' };
  if (type === 'tmpfs') return { kind: 'tmpfs', ...parseTmpfsFlags(flags) };
  const isBind = flags.includes('bind') || flags.includes('rbind');
  if (isBind && ['none', 'bind', ''].includes(type)) return parseBindFlags(device, flags);
  if (device === '') throw new AppError('bad_request', 'missing required option: "device"');
  throw new AppError('unsupported', `volumes of type "${type || 'none'}" are not supported by this engine`, {
    hint: 'use type=none,o=bind,device=/path for a folder that the host has mounted, or type=tmpfs',
  });
}

function parseBindFlags(device: string, flags: string[]): VolumeBacking {
  if (!device.startsWith('/') || device.includes('/../') || device.endsWith('/..'))
    throw new AppError('bad_request', `volume device "${device}" is not an absolute path`, {
      hint: 'write device=/path',
    });
  const unknown = flags.find((flag) => !['bind', 'rbind', 'ro', 'rw'].includes(flag));
  if (unknown !== undefined)
    throw new AppError('unsupported', `volume option "${unknown}" is not supported for a bind`);
  return { kind: 'bind', device, readonly: flags.includes('ro'), recursive: flags.includes('rbind') };
}

const tmpfsFlags = ['rw', 'ro', 'nosuid', 'nodev', 'noexec']; // nosuid and nodev hold for every volume anyway

function parseTmpfsFlags(flags: string[]) {
  const options: Record<string, string> = {};
  for (const flag of flags) {
    const [name = '', value = ''] = flag.split('=');
    if (tmpfsFlags.includes(flag)) continue;
    if (name === 'size') options['size'] = String(parseSize(value, 'tmpfs size'));
    else if (name === 'mode' && /^[0-7]{3,4}$/.test(value)) options['mode'] = value;
    else if (['uid', 'gid', 'nr_inodes'].includes(name) && /^\d{1,9}$/.test(value)) options[name] = value;
    else throw new AppError('unsupported', `volume option "${flag}" is not supported for a tmpfs`);
  }
  return { readonly: flags.includes('ro'), noexec: flags.includes('noexec'), options };
}
