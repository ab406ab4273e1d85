// Makes the guest's disk, once: Debian 13 with systemd, its cloud kernel, sshd, git and node, as a small server has them.
// Called by run.ts; the cache folder then holds two disks, vmlinuz, initrd.img and the key that opens the guest.
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { runCommandOk } from '@berth/kit/run-command.ts';
import { networkVariables, ownAuthorities, settings } from './config.ts';

const packages = [
  ...['systemd', 'systemd-sysv', 'systemd-resolved', 'dbus', 'udev', 'kmod', 'linux-image-cloud-amd64'],
  ...['openssh-server', 'sudo', 'iproute2', 'procps', 'ca-certificates', 'git', 'nodejs', 'npm'],
];
/** What the bootstrap would install, and the docker CLI: a disk with them saves an emulated machine some ten minutes. */
const preparedWith = [
  ...['gcc', 'make', 'musl-tools', 'libc6-dev', 'linux-libc-dev', 'nftables', 'docker-cli', 'curl'],
  ...['redis-server', 'mmdebstrap', 'debian-archive-keyring'],
];
/** Longer than a slow mirror takes for some 300 MB; a mirror that hangs must not hold the run for ever. */
const bootstrapLimitMs = 30 * 60_000;
const env = {
  PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C.UTF-8',
  DEBIAN_FRONTEND: 'noninteractive',
  ...networkVariables(),
};

export interface GuestImage {
  disk: string;
  kernel: string;
  initrd: string;
  key: string;
}

/** The image of the cache folder, made now if it is not there; `prepared`: the disk that has the packages of the tests. */
export async function ensureImage(prepared: boolean): Promise<GuestImage> {
  const dir = settings.cacheDir;
  const file = (name: string) => join(dir, name);
  const fresh = file('disk.raw');
  const image = { kernel: file('vmlinuz'), initrd: file('initrd.img'), key: file('key') };
  const chosen = { ...image, disk: prepared ? file('prepared.raw') : fresh };
  if (existsSync(chosen.disk)) return chosen;
  mkdirSync(dir, { recursive: true });
  const root = file('root');
  if (!existsSync(image.key)) await run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', image.key]);
  if (!existsSync(join(root, 'boot'))) await bootstrap(root);
  await configure(root, readFileSync(`${image.key}.pub`, 'utf8'));
  takeOut(root, 'vmlinuz-', image.kernel);
  takeOut(root, 'initrd.img-', image.initrd);
  await makeDisk(fresh, 'root', '16G', root);
  await installInto(root);
  await makeDisk(file('prepared.raw'), 'root', '16G', root);
  rmSync(root, { recursive: true, force: true });
  return chosen;
}

/** A file system in a sparse file, with a folder's content. */
export async function makeDisk(path: string, label: string, size: string, content: string): Promise<void> {
  rmSync(`${path}.part`, { force: true });
  await run(['mke2fs', '-q', '-t', 'ext4', '-L', label, '-d', content, `${path}.part`, size]);
  renameSync(`${path}.part`, path);
}

async function installInto(root: string): Promise<void> {
  const policy = join(root, 'usr/sbin/policy-rc.d'); // nothing is started in the chroot, which shares our processes
  writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  const resolv = join(root, 'run/systemd/resolve/stub-resolv.conf'); // where the guest's /etc/resolv.conf points
  mkdirSync(dirname(resolv), { recursive: true });
  writeFileSync(resolv, readFileSync('/etc/resolv.conf'));
  const apt = ['chroot', root, 'apt-get', '-q'];
  await run([...apt, 'update']);
  await run([...apt, 'install', '-y', '--no-install-recommends', ...preparedWith]);
  await run(['chroot', root, 'systemctl', 'disable', 'redis-server']);
  rmSync(policy);
}

async function bootstrap(root: string): Promise<void> {
  const options = ['--variant=minbase', '--mode=root', '--aptopt=APT::Install-Recommends "false"'];
  const part = `${root}.part`;
  rmSync(part, { recursive: true, force: true });
  await run(['mmdebstrap', ...options, `--include=${packages.join(',')}`, 'trixie', part, settings.mirror]);
  renameSync(part, root);
}

/** A server with one network card, a user with sudo, and this machine's way to the network. */
async function configure(root: string, publicKey: string): Promise<void> {
  const put = (path: string, text: string, mode = 0o644) => {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), text, { mode });
  };
  put('etc/hostname', 'berth-vm\n');
  put('etc/hosts', '127.0.0.1 localhost\n127.0.1.1 berth-vm\n::1 localhost\n');
  put('etc/fstab', 'LABEL=root / ext4 defaults 0 1\n');
  put('etc/systemd/network/10-wired.network', '[Match]\nName=en*\n[Network]\nDHCP=ipv4\n');
  put('etc/sudoers.d/dev', 'dev ALL=(ALL) NOPASSWD: ALL\n', 0o440);
  const variables = Object.entries(networkVariables());
  put('etc/environment', variables.map(([name, value]) => `${name}=${value}\n`).join(''));
  for (const { name, text } of ownAuthorities()) put(`usr/local/share/ca-certificates/${name}`, text);
  const inside = (argv: string[]) => run(['chroot', root, ...argv]);
  if (!existsSync(join(root, 'home/dev'))) await inside(['useradd', '-m', '-s', '/bin/bash', 'dev']);
  for (const home of ['root', 'home/dev']) put(`${home}/.ssh/authorized_keys`, publicKey, 0o600);
  chmodSync(join(root, 'home/dev'), 0o755);
  await inside(['chown', '-R', 'dev:dev', '/home/dev']);
  await inside(['update-ca-certificates']);
  await inside(['systemctl', 'enable', 'systemd-networkd', 'systemd-resolved', 'ssh']);
}

function takeOut(root: string, prefix: string, target: string): void {
  const name = readdirSync(join(root, 'boot')).find((entry) => entry.startsWith(prefix));
  if (!name) throw new Error(`the guest has no /boot/${prefix}*; remove "${root}" and start again`);
  writeFileSync(target, readFileSync(join(root, 'boot', name)));
}

async function run(argv: string[]): Promise<void> {
  const [program = '', ...args] = argv;
  await runCommandOk([program, ...args], { env, timeoutMs: bootstrapLimitMs });
}
