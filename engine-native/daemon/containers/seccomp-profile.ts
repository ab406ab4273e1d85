// Docker's seccomp profile (names with conditions on capabilities, architecture and kernel) as the OCI runtime spec's linux.seccomp, which
// knows no conditions. Pure. Used where a container brings a profile of its own.
import { AppError } from '@berth/kit/errors.ts';
import { JsonFields } from '../json-fields.ts';

export interface SeccompHost {
  /** As Docker writes it: amd64, arm64. */
  architecture: string;
  /** 6.18.44-… */
  kernel: string;
  capabilities: readonly string[];
}

const ownArchitecture: Record<string, string> = { amd64: 'SCMP_ARCH_X86_64', arm64: 'SCMP_ARCH_AARCH64' };

export function ociSeccomp(text: string, host: SeccompHost): object {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw new AppError('bad_request', 'the seccomp profile is not JSON');
  }
  const profile = new JsonFields(parsed, 'seccomp profile');
  const defaultErrnoRet = profile.integer('defaultErrnoRet');
  return {
    defaultAction: profile.text('defaultAction') ?? '',
    ...(defaultErrnoRet === undefined ? {} : { defaultErrnoRet }),
    architectures: architecturesOf(profile, host),
    ...(profile.texts('flags') ? { flags: profile.texts('flags') } : {}),
    ...(profile.text('listenerPath') ? { listenerPath: profile.text('listenerPath') } : {}),
    syscalls: profile
      .objects('syscalls')
      .filter((entry) => applies(entry, host))
      .map(ruleOf),
  };
}

function architecturesOf(profile: JsonFields, host: SeccompHost): string[] {
  const given = profile.texts('architectures') ?? [];
  const map = profile.objects('archMap');
  if (given.length > 0 && map.length > 0)
    throw new AppError(
      'bad_request',
      `'architectures' and 'archMap' were specified in the seccomp profile, use either 'architectures' or 'archMap'`,
    );
  const own = ownArchitecture[host.architecture];
  const entry = map.find((candidate) => candidate.text('architecture') === own);
  return entry ? [own ?? '', ...(entry.texts('subArchitectures') ?? [])] : given;
}

function applies(entry: JsonFields, host: SeccompHost): boolean {
  const excludes = entry.object('excludes');
  const includes = entry.object('includes');
  if (excludes?.texts('arches')?.includes(host.architecture)) return false;
  if (excludes?.texts('caps')?.some((cap) => host.capabilities.includes(cap))) return false;
  const minExcluded = excludes?.text('minKernel');
  if (minExcluded && isKernelAtLeast(host.kernel, minExcluded)) return false;
  const arches = includes?.texts('arches') ?? [];
  if (arches.length > 0 && !arches.includes(host.architecture)) return false;
  if (includes?.texts('caps')?.some((cap) => !host.capabilities.includes(cap))) return false;
  const minKernel = includes?.text('minKernel');
  return !minKernel || isKernelAtLeast(host.kernel, minKernel);
}

function isKernelAtLeast(kernel: string, wanted: string): boolean {
  const [haveMajor = 0, haveMinor = 0] = kernel.split(/[.-]/).map(Number);
  const [major = 0, minor = 0] = wanted.split('.').map(Number);
  return haveMajor > major || (haveMajor === major && haveMinor >= minor);
}

function ruleOf(entry: JsonFields): object {
  const name = entry.text('name');
  const names = entry.texts('names') ?? [];
  const errnoRet = entry.integer('errnoRet');
  const args = entry.objects('args').map((arg) => ({
    index: arg.integer('index') ?? 0,
    value: arg.integer('value') ?? 0,
    valueTwo: arg.integer('valueTwo') ?? 0,
    op: arg.text('op') ?? '',
  }));
  return {
    names: name ? [...names, name] : names,
    action: entry.text('action') ?? '',
    ...(errnoRet === undefined ? {} : { errnoRet }),
    ...(args.length > 0 ? { args } : {}),
  };
}
