// From a spec of a shim to the config.json of another OCI runtime, whole.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ContainerSpec } from '../runtime/container-spec.ts';
import { ociConfig } from './oci-config.ts';

const spec: ContainerSpec = {
  id: 'x',
  runDir: '/run/e/containers/x',
  stateDir: '/data/x',
  root: { lower: ['/l'], upper: '/data/x/upper', work: '/data/x/work', readonly: true },
  process: { args: ['a'], env: [], cwd: '/', user: '', tty: false, rows: 0, cols: 0, stdin: false },
  init: false,
  awaitAttach: false,
  hostname: 'box',
  domainname: '',
  userns: { base: 100_000, size: 65_536 },
  namespaces: { pid: null, ipc: null, uts: null, net: null },
  network: { mode: 'none' },
  ports: [],
  mounts: [
    { type: 'bind', source: '/src', target: '/dst', readonly: true, idmap: true, propagation: 'rslave' },
    { type: 'tmpfs', target: '/tmp', size: 1024, mode: 700, readonly: false, noexec: true, uid: 5 },
  ],
  shmSize: 4096,
  capabilities: [],
  noNewPrivileges: true,
  seccomp: 'default',
  privileged: false,
  maskedPaths: ['/proc/kcore'],
  readonlyPaths: ['/proc/sys'],
  devices: [{ path: '/dev/fuse', type: 'c', major: 10, minor: 229, access: 'rwm' }],
  deviceRules: [{ type: 'c', major: 5, minor: -1, access: 'r' }],
  sysctls: { 'net.core.somaxconn': '9' },
  rlimits: [],
  oomScoreAdj: 7,
  cgroup: 'berth-b1/x',
  resources: {
    memory: 1 << 20,
    memorySwap: 2 << 20,
    cpuQuota: 50_000,
    cpuPeriod: 100_000,
    cpuShares: 0,
    pids: 9,
  },
};

const fs = (destination: string, type: string, ...options: string[]) => ({
  destination,
  type,
  source: type,
  options,
});
const maps = [{ containerID: 0, hostID: 100_000, size: 65_536 }];

test('a container of its own becomes a whole config, with what the shim prepares named by its path', () => {
  assert.deepEqual(ociConfig(spec, '/run/e', { note: 'kept' }), {
    ociVersion: '1.0.2',
    root: { path: '/run/e/bundle/rootfs', readonly: true },
    hostname: 'box',
    process: { oomScoreAdj: 7 },
    mounts: [
      fs('/proc', 'proc', 'nosuid', 'noexec', 'nodev'),
      fs('/dev', 'tmpfs', 'nosuid', 'strictatime', 'mode=755', 'size=65536k'),
      fs('/dev/pts', 'devpts', 'nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'),
      fs('/dev/shm', 'tmpfs', 'nosuid', 'noexec', 'nodev', 'mode=1777', 'size=4096'),
      fs('/dev/mqueue', 'mqueue', 'nosuid', 'noexec', 'nodev'),
      fs('/sys', 'sysfs', 'nosuid', 'noexec', 'nodev', 'ro'),
      fs('/sys/fs/cgroup', 'cgroup', 'nosuid', 'noexec', 'nodev', 'relatime', 'ro'),
      { destination: '/dst', type: 'bind', source: '/run/e/mounts/0', options: ['rbind', 'rslave'] },
      fs('/tmp', 'tmpfs', 'nosuid', 'nodev', 'noexec', 'size=1024', 'mode=700', 'uid=5'),
    ],
    annotations: { note: 'kept' },
    linux: {
      namespaces: [
        { type: 'mount' },
        { type: 'pid' },
        { type: 'ipc' },
        { type: 'uts' },
        { type: 'network', path: '/run/e/ns/net' },
        { type: 'user', path: '/run/e/ns/user' },
        { type: 'cgroup' },
      ],
      uidMappings: maps,
      gidMappings: maps,
      cgroupsPath: '/berth-b1/x',
      resources: {
        memory: { limit: 1 << 20 },
        cpu: { quota: 50_000, period: 100_000 },
        pids: { limit: 9 },
        devices: [
          { allow: false, access: 'rwm' },
          { allow: true, type: 'c', major: 10, minor: 229, access: 'rwm' },
          { allow: true, type: 'c', major: 5, access: 'r' },
        ],
      },
      devices: [{ path: '/dev/fuse', type: 'c', major: 10, minor: 229, fileMode: 0o666, uid: 0, gid: 0 }],
      sysctl: { 'net.core.somaxconn': '9' },
      maskedPaths: ['/proc/kcore'],
      readonlyPaths: ['/proc/sys'],
    },
  });
});

interface Shown {
  hostname?: string;
  mounts: { destination: string; type: string; source: string }[];
  linux: { namespaces: { type: string; path?: string }[]; resources: { devices: object[] } };
}

test('namespaces of others are not made, and what only their owner may mount is the view of the shim', () => {
  const net = '/proc/9/ns/net';
  const shared = ociConfig(
    { ...spec, namespaces: { pid: 'host', ipc: 'host', uts: 'host', net } },
    '/r',
    {},
  ) as Shown;
  assert.deepEqual(
    shared.linux.namespaces.map(({ type }) => type),
    ['mount', 'user', 'cgroup'],
  );
  assert.equal('hostname' in shared, false);
  const sourceOf = (target: string) =>
    shared.mounts.find(({ destination }) => destination === target)?.source;
  assert.deepEqual(['/proc', '/sys', '/dev/mqueue'].map(sourceOf), ['/r/proc', '/r/sys', undefined]);
});

test('the host itself: no user namespace, every device', () => {
  const open = ociConfig({ ...spec, userns: null, privileged: true, cgroupns: 'host' }, '/r', {}) as Shown;
  assert.deepEqual(
    open.linux.namespaces.map(({ type }) => type),
    ['mount', 'pid', 'ipc', 'uts', 'network'],
  );
  assert.deepEqual(open.linux.resources.devices, [{ allow: true, access: 'rwm' }]);
  assert.equal('uidMappings' in open.linux, false);
});
