// One virtual machine: QEMU with direct kernel boot, a disk that is thrown away, and a shell in it over ssh. Used by run.ts.
// Must never outlive its runner unless asked to, and never write to the image.
import type { ChildProcess } from 'node:child_process';
import { openSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { runCommand, runCommandOk, startCommand } from '@berth/kit/run-command.ts';
import { settings } from './config.ts';
import type { GuestImage } from './make-image.ts';

/** A boot takes 10 s with KVM and some minutes without; a kernel that panics never answers. */
const bootLimitMs = 10 * 60_000;
const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' };

export class Machine {
  readonly #image: GuestImage;
  readonly #dir: string;
  readonly port: number;
  #qemu: ChildProcess | undefined;

  private constructor(image: GuestImage, dir: string, port: number) {
    this.#image = image;
    this.#dir = dir;
    this.port = port;
  }

  /** `second`: a disk with label `berth`, which nobody mounts by itself. */
  static async boot(image: GuestImage, dir: string, second?: string): Promise<Machine> {
    const machine = new Machine(image, dir, await freePort());
    const disk = join(dir, 'disk.qcow2');
    await runCommandOk(['qemu-img', 'create', '-q', '-f', 'qcow2', '-b', image.disk, '-F', 'raw', disk], {
      env,
    });
    const log = openSync(join(dir, 'console.log'), 'a');
    const argv: [string, ...string[]] = [
      'nice',
      '-n',
      '15',
      settings.qemu,
      ...machine.#options(disk, second),
    ];
    machine.#qemu = startCommand(argv, { env, stdio: ['ignore', log, log], detached: true });
    await machine.#waitForShell('');
    return machine;
  }

  #options(disk: string, second: string | undefined): string[] {
    const { cpus, memoryMb, accelerator } = settings;
    // An emulated Nehalem: the guest's Node needs no newer one, and newer ones cost more to emulate.
    const processor = accelerator === 'kvm' ? '-accel kvm -cpu host' : '-accel tcg,thread=multi -cpu Nehalem';
    const words = [
      `${processor} -smp ${cpus} -m ${memoryMb} -display none -serial stdio -device virtio-rng-pci`,
      `-netdev user,id=net,hostfwd=tcp:127.0.0.1:${this.port}-:22 -device virtio-net-pci,netdev=net`,
    ].flatMap((line) => line.split(' '));
    const files = ['-kernel', this.#image.kernel, '-initrd', this.#image.initrd];
    const disks = ['-drive', `file=${disk},if=virtio,cache=unsafe`];
    if (second !== undefined) disks.push('-drive', `file=${second},if=virtio,snapshot=on,format=raw`);
    return [
      ...words,
      ...files,
      ...disks,
      '-append',
      'root=LABEL=root rw console=ttyS0 quiet panic=-1 no5lvl mitigations=off',
    ];
  }

  /** The argv of a shell command in the guest. */
  ssh(user: string, command: string): [string, ...string[]] {
    const options = ['-i', this.#image.key, '-p', String(this.port), '-o', 'LogLevel=ERROR'];
    const trust = [
      '-o',
      'StrictHostKeyChecking=no',
      '-o',
      'UserKnownHostsFile=/dev/null',
      '-o',
      'ConnectTimeout=10',
    ];
    return ['ssh', ...options, ...trust, `${user}@127.0.0.1`, command];
  }

  /** Runs a command with the caller's output; its exit code, 255 when the connection broke. */
  show(user: string, command: string): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const child = startCommand(this.ssh(user, command), { env, stdio: ['ignore', 'inherit', 'inherit'] });
    child.on('error', reject);
    child.on('exit', (code) => resolve(code ?? 1));
    return promise;
  }

  /** A step of the set-up: its failure is ours. */
  async mustRun(user: string, command: string): Promise<void> {
    await runCommandOk(this.ssh(user, command), { env });
  }

  /** A clone of a bundle of the repository, as a user would make one. */
  async clone(bundle: Buffer): Promise<void> {
    const command = 'cat > b.bundle && git clone -q -b main b.bundle berth && rm b.bundle';
    await runCommandOk(this.ssh('dev', command), { env, input: bundle, timeoutMs: 120_000 });
  }

  async reboot(): Promise<void> {
    const before = await this.#bootId();
    await runCommand(this.ssh('root', 'systemctl reboot'), { env });
    await this.#waitForShell(before);
  }

  async #bootId(): Promise<string> {
    const result = await runCommand(this.ssh('root', 'cat /proc/sys/kernel/random/boot_id'), { env });
    return result.exitCode === 0 ? result.stdout.toString('utf8').trim() : '';
  }

  async #waitForShell(previousBoot: string): Promise<void> {
    for (const deadline = Date.now() + bootLimitMs; Date.now() < deadline; await sleep(500)) {
      if (this.#qemu?.exitCode !== null)
        throw new Error(`QEMU ended; its console is in "${join(this.#dir, 'console.log')}"`);
      const boot = await this.#bootId();
      if (boot !== '' && boot !== previousBoot) return;
    }
    throw new Error(`the guest does not answer; its console is in "${join(this.#dir, 'console.log')}"`);
  }

  /** Leaves the machine to the caller, who ends it by this pid. */
  leave(): number {
    this.#qemu?.unref();
    return this.#qemu?.pid ?? 0;
  }

  async end(): Promise<void> {
    const qemu = this.#qemu;
    if (!qemu || qemu.exitCode !== null) return;
    const ended = new Promise((done) => qemu.once('exit', done));
    qemu.kill('SIGKILL');
    await ended;
    rmSync(join(this.#dir, 'disk.qcow2'), { force: true });
  }
}

function freePort(): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const server = createServer();
  server.once('error', reject);
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
  });
  return promise;
}
