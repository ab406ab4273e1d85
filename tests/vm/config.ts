// What the machine of tests/vm takes from its caller: where its image is kept, its size, and the way to mirrors and registries.
// Nothing else in this folder reads process.env.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const settings = {
  cacheDir: process.env['BERTH_VM_CACHE'] ?? '/var/cache/berth/vm',
  /** QEMU 10 where it emulates: 7.2 (Debian 12) corrupts the flags register now and then, and the guest's kernel dies of it. */
  qemu: process.env['BERTH_VM_QEMU'] ?? 'qemu-system-x86_64',
  cpus: Number(process.env['BERTH_VM_CPUS'] ?? 2),
  memoryMb: Number(process.env['BERTH_VM_MEMORY_MB'] ?? 3072),
  /** `kvm` or `tcg`, QEMU's own emulation, some ten times slower. A /dev/kvm on a processor without either flag breaks in the boot. */
  accelerator:
    process.env['BERTH_VM_ACCEL'] ??
    (/\b(vmx|svm)\b/.test(readFileSync('/proc/cpuinfo', 'utf8')) ? 'kvm' : 'tcg'),
  mirror: process.env['BERTH_VM_MIRROR'] ?? 'http://deb.debian.org/debian',
};

/** The variables of an operator behind a proxy or a private CA, as they stand in /etc/environment of such a machine. */
export function networkVariables(): Record<string, string> {
  const names = [
    'http_proxy',
    'https_proxy',
    'no_proxy',
    'NODE_EXTRA_CA_CERTS',
    'SSL_CERT_FILE',
    'GIT_SSL_CAINFO',
  ];
  const all = [...names, ...names.slice(0, 3).map((name) => name.toUpperCase())];
  return Object.fromEntries(all.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])));
}

/** This machine's own certificate authorities, so that the guest trusts whom the machine trusts. */
export function ownAuthorities(): { name: string; text: string }[] {
  const folder = '/usr/local/share/ca-certificates';
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith('.crt'))
    .map((name) => ({ name, text: readFileSync(join(folder, name), 'utf8') }));
}
