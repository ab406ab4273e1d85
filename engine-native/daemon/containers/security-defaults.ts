// What an ordinary container may do: capabilities, hidden paths, sysctls. Only facts; build-spec.ts applies them.
import { AppError } from '@berth/kit/errors.ts';

/** Podman's list: Docker's without MKNOD, NET_RAW and AUDIT_WRITE (ping works through ping_group_range). */
export const defaultCapabilities = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_NET_BIND_SERVICE',
  'CAP_SETFCAP',
  'CAP_SETGID',
  'CAP_SETPCAP',
  'CAP_SETUID',
  'CAP_SYS_CHROOT',
];

export const allCapabilities = (
  'AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND BPF CHECKPOINT_RESTORE CHOWN DAC_OVERRIDE DAC_READ_SEARCH ' +
  'FOWNER FSETID IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE MKNOD NET_ADMIN ' +
  'NET_BIND_SERVICE NET_BROADCAST NET_RAW PERFMON SETFCAP SETGID SETPCAP SETUID SYSLOG SYS_ADMIN SYS_BOOT ' +
  'SYS_CHROOT SYS_MODULE SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG WAKE_ALARM'
)
  .split(' ')
  .map((name) => `CAP_${name}`);

export const maskedPaths = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/sys/devices/virtual/powercap',
  '/sys/firmware',
];

export const readonlyPaths = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

/** The capability set of a create request, as Docker computes it: ALL in CapAdd or CapDrop first, single names after. */
export function capabilitySet(capAdd: string[], capDrop: string[], privileged: boolean): string[] {
  if (privileged) return allCapabilities;
  const add = capAdd.map((raw) => capabilityName(raw, 'CapAdd'));
  const drop = capDrop.map((raw) => capabilityName(raw, 'CapDrop'));
  if (add.includes('ALL')) return allCapabilities.filter((name) => !drop.includes(name));
  if (drop.includes('ALL')) return [...new Set(add)].sort();
  const kept = defaultCapabilities.filter((name) => !drop.includes(name));
  return [...new Set([...kept, ...add])].sort();
}

function capabilityName(raw: string, field: 'CapAdd' | 'CapDrop'): string {
  const upper = raw.toUpperCase();
  if (upper === 'ALL' || upper === 'CAP_ALL') return 'ALL';
  const name = upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
  if (!allCapabilities.includes(name))
    throw new AppError('bad_request', `invalid ${field}: unknown capability: "${name}"`);
  return name;
}

const ipcSysctl =
  /^(kernel\.(msgmax|msgmnb|msgmni|sem|shmall|shmmax|shmmni|shm_rmid_forced)|fs\.mqueue\.[a-z_]+)$/;

/** Refuses a sysctl that is not the container's own: the host's would change. */
export function checkSysctl(name: string, shares: { hostNetwork: boolean; hostIpc: boolean }): void {
  const isOwn = (name.startsWith('net.') && !shares.hostNetwork) || (ipcSysctl.test(name) && !shares.hostIpc);
  if (!isOwn)
    throw new AppError('bad_request', `sysctl "${name}" is not separate for this container`, {
      hint: 'only net.*, kernel.msg*, kernel.shm*, kernel.sem and fs.mqueue.* of namespaces of its own can be set',
    });
}
