// --security-opt, as Docker's clients send it, and what it means for a container's spec. Pure. An option that is not understood is refused:
// who asks for a wall must not get a container without it.
import { AppError } from '@berth/kit/errors.ts';
import type { HostConfig } from './container-config.ts';

export interface SecurityOptions {
  noNewPrivileges: boolean;
  seccomp: 'default' | 'unconfined';
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
      options.seccomp = seccompOf(value);
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

function seccompOf(value: string): SecurityOptions['seccomp'] {
  if (value === 'unconfined') return 'unconfined';
  if (value === 'builtin' || value === 'default') return 'default';
  throw new AppError('unsupported', 'a seccomp profile of your own is not supported by this engine', {
    hint: 'use seccomp=builtin or seccomp=unconfined',
  });
}
