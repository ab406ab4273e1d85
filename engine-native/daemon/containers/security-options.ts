// --security-opt, as Docker's clients send it, and what it means for a container's spec. Pure. An option that is not understood is refused:
// who asks for a wall must not get a container without it.
import { AppError } from '@berth/kit/errors.ts';
import type { HostConfig } from './container-config.ts';

export interface SecurityOptions {
  noNewPrivileges: boolean;
  seccomp: 'default' | 'unconfined';
  /** Docker's profile JSON, as the client sent it. */
  profile?: string;
}

export function securityOptions(hostConfig: Pick<HostConfig, 'Privileged' | 'SecurityOpt'>): SecurityOptions {
  const options: SecurityOptions = {
    noNewPrivileges: !hostConfig.Privileged,
    seccomp: hostConfig.Privileged ? 'unconfined' : 'default',
  };
  for (const option of hostConfig.SecurityOpt) apply(option, options);
  return options;
}

function apply(option: string, options: SecurityOptions): void {
  const cut = option.search(/[=:]/);
  const [name, value] = cut < 0 ? [option, ''] : [option.slice(0, cut), option.slice(cut + 1)];
  switch (name) {
    case 'no-new-privileges':
      options.noNewPrivileges = booleanOf(option, value);
      return;
    case 'seccomp':
      applySeccomp(value, options);
      return;
    case 'apparmor':
      if (value === 'unconfined' || value === '') return;
      throw new AppError('unsupported', `AppArmor profile "${value}" cannot be loaded`, {
        hint: 'use apparmor=unconfined',
      });
    case 'label':
      if (value === 'disable') return;
      throw new AppError('unsupported', 'SELinux labels are not supported by this engine', {
        hint: 'use label=disable',
      });
    default:
      throw new AppError('bad_request', `invalid --security-opt 2: "${option.slice(0, 80)}"`, {
        hint: 'use no-new-privileges, seccomp, apparmor or label',
      });
  }
}

function booleanOf(option: string, value: string): boolean {
  if (['', 'true', '1'].includes(value)) return true;
  if (['false', '0'].includes(value)) return false;
  throw new AppError('bad_request', `invalid --security-opt: "${option}"`);
}

function applySeccomp(value: string, options: SecurityOptions): void {
  delete options.profile;
  options.seccomp = value === 'unconfined' ? 'unconfined' : 'default';
  if (['unconfined', 'builtin', 'default'].includes(value)) return;
  if (!value.trimStart().startsWith('{'))
    throw new AppError('bad_request', `seccomp profile "${value.slice(0, 80)}" is not JSON`, {
      hint: 'docker reads the file and sends its text',
    });
  options.profile = value;
}
