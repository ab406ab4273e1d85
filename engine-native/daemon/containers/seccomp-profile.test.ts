// Docker's conditions of a seccomp profile, decided for one host.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ociSeccomp } from './seccomp-profile.ts';

const host = { architecture: 'amd64', kernel: '6.1.0-18', capabilities: ['CAP_CHOWN'] };

test('conditions on capabilities, architecture and kernel are decided here', () => {
  const allow = (name: string, more: object) => ({ names: [name], action: 'SCMP_ACT_ALLOW', ...more });
  const profile = {
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: 1,
    archMap: [
      { architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86'] },
      { architecture: 'SCMP_ARCH_AARCH64', subArchitectures: ['SCMP_ARCH_ARM'] },
    ],
    syscalls: [
      allow('read', {}),
      allow('chown', { includes: { caps: ['CAP_CHOWN'] } }),
      allow('reboot', { includes: { caps: ['CAP_SYS_BOOT'] } }),
      allow('clone', { excludes: { caps: ['CAP_CHOWN'] } }),
      allow('arch_prctl', { includes: { arches: ['amd64'] } }),
      allow('arm_sync', { includes: { arches: ['arm64'] } }),
      allow('ptrace', { includes: { minKernel: '4.8' } }),
      allow('later', { includes: { minKernel: '6.2' } }),
      { name: 'personality', action: 'SCMP_ACT_ALLOW', args: [{ index: 0, value: 8, op: 'SCMP_CMP_EQ' }] },
    ],
  };
  const result = ociSeccomp(JSON.stringify(profile), host) as {
    architectures: string[];
    syscalls: { names: string[]; args?: object[] }[];
  };
  assert.deepEqual(result.architectures, ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86']);
  assert.deepEqual(
    result.syscalls.map(({ names }) => names[0]),
    ['read', 'chown', 'arch_prctl', 'ptrace', 'personality'],
  );
  assert.deepEqual(result.syscalls.at(-1)?.args, [{ index: 0, value: 8, valueTwo: 0, op: 'SCMP_CMP_EQ' }]);
});

test('a profile that says two things, or nothing that can be read, is refused', () => {
  const both = { defaultAction: 'SCMP_ACT_ALLOW', architectures: ['SCMP_ARCH_X86'], archMap: [{}] };
  assert.throws(() => ociSeccomp(JSON.stringify(both), host), /use either/);
  assert.throws(() => ociSeccomp('{', host), /not JSON/);
  assert.throws(() => ociSeccomp('{"defaultAction":7}', host), /must be a string/);
});
