/**
 * A bundle for berth-runtime with a state folder of its own: the guest program as its root, and a config.json that a test changes.
 * Used by oci-runtime.test.ts. `close` deletes every container and fails when one of them left a control group behind.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { nativeDir } from './config.ts';
import { GuestRoot } from './shim-root.ts';

export const runtimeBinary = join(nativeDir, 'berth-runtime');
const limitMs = 20_000; // a runtime that hangs must fail its test, not the whole run

export interface Result {
  code: number;
  stdout: string;
  stderr: string;
}

/** What a test may change of config.json. */
export interface Config {
  ociVersion: string;
  annotations?: Record<string, string>;
  process: {
    terminal: boolean;
    user: { uid: number; gid: number; additionalGids?: number[] };
    args: string[];
    env: string[];
    cwd: string;
    capabilities: Record<string, string[]>;
    noNewPrivileges: boolean;
    rlimits?: object[];
  };
  root: { path: string; readonly: boolean };
  hostname: string;
  mounts: { destination: string; type: string; source?: string; options?: string[] }[];
  hooks?: Record<string, object[]>;
  linux: {
    cgroupsPath: string;
    namespaces: { type: string; path?: string }[];
    maskedPaths: string[];
    readonlyPaths: string[];
    resources?: object;
    seccomp?: object;
    devices?: object[];
    sysctl?: Record<string, string>;
    intelRdt?: object;
    uidMappings?: object[];
    gidMappings?: object[];
  };
}

export interface State {
  id: string;
  status: string;
  pid: number;
  annotations?: Record<string, string>;
}

const safe = ['nosuid', 'noexec', 'nodev'];

/** What `runc spec` writes, for the guest. */
function makeConfig(root: string, id: string, steps: string[]): Config {
  const capabilities = ['CAP_CHOWN', 'CAP_SETUID', 'CAP_SETGID', 'CAP_KILL'];
  return {
    ociVersion: '1.0.2',
    process: {
      terminal: false,
      user: { uid: 0, gid: 0 },
      args: ['/guest', ...steps],
      env: ['PATH=/bin', 'GREETING=hello'],
      cwd: '/',
      capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
      noNewPrivileges: true,
    },
    root: { path: root, readonly: false },
    hostname: 'bundle',
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc', options: safe },
      { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=755', 'size=64k'] },
      {
        destination: '/dev/pts',
        type: 'devpts',
        options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
      },
      { destination: '/sys', type: 'sysfs', source: 'sysfs', options: [...safe, 'ro'] },
      {
        destination: '/sys/fs/cgroup',
        type: 'cgroup',
        source: 'cgroup',
        options: [...safe, 'relatime', 'ro'],
      },
    ],
    linux: {
      cgroupsPath: `/${id}`,
      namespaces: ['pid', 'network', 'ipc', 'uts', 'mount'].map((type) => ({ type })),
      maskedPaths: ['/proc/kcore', '/sys/firmware'],
      readonlyPaths: ['/proc/sys'],
    },
  };
}

export class Bundle {
  readonly dir = mkdtempSync(join(tmpdir(), 'oci-bundle-'));
  readonly guest = new GuestRoot();
  readonly id: string;
  config: Config;

  constructor(...steps: string[]) {
    this.id = `oci-test-${this.dir.slice(-6)}`;
    this.config = makeConfig(this.guest.path, this.id, steps);
    mkdirSync(join(this.dir, 'bundle'));
    chmodSync(this.guest.path, 0o755); // for users other than root
  }

  path(name: string): string {
    return join(this.dir, name);
  }

  read(name: string): string {
    return existsSync(this.path(name)) ? readFileSync(this.path(name), 'utf8') : '';
  }

  /** One command of the runtime. `create` and `run` get the bundle as it is now. */
  run(command: string, ...args: string[]): Result {
    writeFileSync(join(this.dir, 'bundle/config.json'), JSON.stringify(this.config));
    const bundle = command === 'create' || command === 'run' ? ['--bundle', join(this.dir, 'bundle')] : [];
    const output = join(this.dir, 'output');
    const shell = 'exec "$0" "$@" >"$OUTPUT" 2>"$OUTPUT.err" </dev/null';
    const words = [
      '-c',
      shell,
      runtimeBinary,
      '--root',
      join(this.dir, 'state'),
      command,
      ...bundle,
      ...args,
    ];
    const done = spawnSync('/bin/sh', words, {
      env: { PATH: '/usr/bin:/bin', OUTPUT: output },
      timeout: limitMs,
    });
    return { code: done.status ?? -1, stdout: this.read('output'), stderr: this.read('output.err') };
  }

  /** The same, which must succeed. */
  must(command: string, ...args: string[]): string {
    const { code, stdout, stderr } = this.run(command, ...args);
    assert.equal(code, 0, `${command}: ${stderr}`);
    return stdout;
  }

  state(): State {
    return JSON.parse(this.must('state', this.id)) as State;
  }

  async until(status: string): Promise<void> {
    for (const deadline = Date.now() + 5000; ; await sleep(5)) {
      const now = this.state().status;
      if (now === status) return;
      assert.ok(Date.now() < deadline, `still ${now}, not ${status}`);
    }
  }

  cgroupsLeft(): string[] {
    return readdirSync('/sys/fs/cgroup')
      .map((name) => join('/sys/fs/cgroup', name, this.id))
      .concat(join('/sys/fs/cgroup', this.id))
      .filter((path) => existsSync(path));
  }

  close(): void {
    for (const id of existsSync(this.path('state')) ? readdirSync(this.path('state')) : [])
      execFileSync(runtimeBinary, ['--root', this.path('state'), 'delete', '--force', id], {
        timeout: limitMs,
      });
    this.guest.remove();
    rmSync(this.dir, { recursive: true, force: true });
    assert.deepEqual(this.cgroupsLeft(), []);
  }
}
