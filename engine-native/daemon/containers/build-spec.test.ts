// From a create body to the whole spec of a shim.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildSpec, type Surroundings } from './build-spec.ts';
import { type ContainerRecord, freshLife } from './container-config.ts';
import { mergeEnv, mergeImageConfig } from './merge-image-config.ts';
import { parseCreate } from './parse-create.ts';
import { planMounts } from './plan-mounts.ts';
import { defaultCapabilities, maskedPaths, readonlyPaths } from './security-defaults.ts';

const image = {
  User: 'app',
  Env: ['A=image', 'B=image'],
  Cmd: ['serve'],
  Entrypoint: ['/entry'],
  WorkingDir: '/app',
  Labels: { from: 'image' },
  StopSignal: 'SIGQUIT',
  ExposedPorts: {},
  Volumes: {},
  OnBuild: [],
  Shell: null,
  Healthcheck: null,
};

function recordOf(body: object): ContainerRecord {
  const { config, hostConfig } = parseCreate(body);
  return {
    id: 'ab'.repeat(32),
    name: 'web',
    created: '',
    imageId: '',
    imageRef: 'app',
    layers: [],
    config: mergeImageConfig(config, image),
    hostConfig,
    mounts: planMounts(config, hostConfig, () => []),
    usernsBase: 100_000,
    life: freshLife,
  };
}

const around: Surroundings = {
  runDir: '/run/e/containers/x',
  stateDir: '/data/containers/x',
  cgroup: 'berth-b1/x',
  layerDirs: ['/data/layers/base/diff', '/data/layers/app/diff'],
  network: { mode: 'none' },
  ports: [],
  joined: {},
  devices: [],
  hostHostname: 'machine',
  awaitAttach: false,
  etcDir: '/data/containers/x',
  tty: { rows: 0, cols: 0 },
  volumes: {},
};

test('an ordinary container gets the whole spec with safe defaults', () => {
  assert.deepEqual(buildSpec(recordOf({ Image: 'app', Env: ['B=mine'] }), around), {
    id: 'ab'.repeat(32),
    runDir: '/run/e/containers/x',
    stateDir: '/data/containers/x',
    root: {
      lower: ['/data/layers/app/diff', '/data/layers/base/diff'],
      upper: '/data/containers/x/upper',
      work: '/data/containers/x/work',
      readonly: false,
    },
    process: {
      args: ['/entry', 'serve'],
      env: [
        'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        'HOSTNAME=abababababab',
        'A=image',
        'B=mine',
      ],
      cwd: '/app',
      user: 'app',
      tty: false,
      rows: 0,
      cols: 0,
      stdin: false,
    },
    init: false,
    awaitAttach: false,
    hostname: 'abababababab',
    domainname: '',
    userns: { base: 100_000, size: 65_536 },
    namespaces: { pid: null, ipc: null, uts: null, net: null },
    network: { mode: 'none' },
    ports: [],
    mounts: ['hosts', 'hostname', 'resolv.conf'].map((name) => ({
      type: 'bind',
      source: `/data/containers/x/${name}`,
      target: `/etc/${name}`,
      readonly: false,
      idmap: true,
    })),
    shmSize: 67_108_864,
    capabilities: defaultCapabilities,
    noNewPrivileges: true,
    seccomp: 'default',
    privileged: false,
    maskedPaths,
    readonlyPaths,
    devices: [],
    sysctls: { 'net.ipv4.ping_group_range': '0 65535', 'net.ipv4.ip_unprivileged_port_start': '0' },
    rlimits: [{ type: 'nofile', soft: 65_536, hard: 65_536 }],
    oomScoreAdj: 0,
    cgroup: 'berth-b1/x',
    resources: { memory: 0, memorySwap: 0, cpuQuota: 0, cpuPeriod: 100_000, cpuShares: 0, pids: 4096 },
    log: { path: '/data/containers/x/log/current', maxSize: 10_485_760, maxFiles: 3 },
  });
});

test('limits, mounts and switches reach the spec', () => {
  const spec = buildSpec(
    recordOf({
      Image: 'app',
      Entrypoint: ['/bin/sh'],
      Tty: true,
      OpenStdin: true,
      HostConfig: {
        Memory: 1_000_000_000,
        NanoCpus: 1_500_000_000,
        PidsLimit: -1,
        Binds: ['/src:/dst:ro', '/etc/x:/x:noidmap'],
        Mounts: [{ Type: 'tmpfs', Target: '/cache', TmpfsOptions: { SizeBytes: 1024, Mode: 0o700 } }],
        Tmpfs: { '/tmp': 'size=64m,mode=1777' },
        CapDrop: ['ALL'],
        CapAdd: ['net_bind_service'],
        SecurityOpt: ['seccomp=unconfined', 'no-new-privileges:false'],
        ReadonlyRootfs: true,
        Ulimits: [{ Name: 'nofile', Soft: 10, Hard: 20 }],
        LogConfig: { Type: 'json-file', Config: { 'max-size': '1m', 'max-file': '2' } },
        Init: true,
      },
    }),
    around,
  );
  assert.deepEqual(spec.process.args, ['/bin/sh']);
  assert.ok(spec.process.env.includes('TERM=xterm'));
  assert.deepEqual(spec.resources, {
    memory: 1_000_000_000,
    memorySwap: 2_000_000_000,
    cpuQuota: 150_000,
    cpuPeriod: 100_000,
    cpuShares: 0,
    pids: -1,
  });
  assert.deepEqual(spec.mounts.slice(0, 4), [
    { type: 'bind', source: '/src', target: '/dst', readonly: true, idmap: true },
    { type: 'bind', source: '/etc/x', target: '/x', readonly: false, idmap: false },
    { type: 'tmpfs', target: '/cache', size: 1024, mode: 700, readonly: false, noexec: true },
    { type: 'tmpfs', target: '/tmp', size: 67_108_864, mode: 1777, readonly: false, noexec: true },
  ]);
  assert.deepEqual(spec.capabilities, ['CAP_NET_BIND_SERVICE']);
  assert.deepEqual([spec.noNewPrivileges, spec.seccomp, spec.init], [false, 'unconfined', true]);
  assert.deepEqual(spec.rlimits, [{ type: 'nofile', soft: 10, hard: 20 }]);
  assert.deepEqual(spec.log, { path: '/data/containers/x/log/current', maxSize: 1_048_576, maxFiles: 2 });
});

test('a container without a log leaves no path to write one to', () => {
  const spec = buildSpec(
    recordOf({ Image: 'app', HostConfig: { LogConfig: { Type: 'none', Config: {} } } }),
    around,
  );
  assert.equal('log' in spec, false);
});

test('what would weaken the host or cannot be done is refused by name', () => {
  const refused: [object, RegExp][] = [
    [{ Sysctls: { 'kernel.panic': '1' } }, /sysctl "kernel.panic"/],
    [{ CapAdd: ['FLY'] }, /unknown capability: "CAP_FLY"/],
    [{ SecurityOpt: ['seccomp=/profile.json'] }, /is not JSON/],
    [{ Binds: ['a/b:/data'] }, /invalid characters for a local volume name/],
    [{ PortBindings: { 'web/tcp': [] } }, /invalid port specification/],
    [{ Mounts: [{ Type: 'image', Target: '/x' }] }, /for type "image": mount type unknown/],
    [{ LogConfig: { Type: 'syslog' } }, /log driver "syslog"/],
    [{ RestartPolicy: { Name: 'sometimes' } }, /unknown policy 'sometimes'/],
    [{ Memory: 'much' }, /"HostConfig.Memory" must be a whole number/],
    [{ IpcMode: 'strange' }, /namespace mode "strange"/],
    [{ DeviceCgroupRules: ['d 1:1 rwm'] }, /invalid device cgroup rule/],
    [{ BlkioDeviceReadBps: [{ Path: '/dev/sda', Rate: 1 }] }, /BlkioDeviceReadBps/],
  ];
  for (const [hostConfig, message] of refused)
    assert.throws(() => buildSpec(recordOf({ Image: 'app', HostConfig: hostConfig }), around), message);
  assert.throws(
    () =>
      buildSpec(recordOf({ HostConfig: { Sysctls: { 'net.core.somaxconn': '9' } } }), {
        ...around,
        network: { mode: 'host' },
      }),
    /not separate/,
  );
});

test('a command replaces the image command, an entrypoint replaces both', () => {
  const command = (body: object) => recordOf(body).config;
  assert.deepEqual(command({ Cmd: ['x'] }).Entrypoint, ['/entry']);
  assert.deepEqual(command({ Entrypoint: ['/x'] }).Cmd, null);
  assert.deepEqual(command({ Entrypoint: [''], Cmd: ['y'] }).Entrypoint, null);
  assert.throws(() => command({ Entrypoint: [''] }), /no command specified/);
  assert.deepEqual(mergeEnv(['A=1', 'B=2'], ['A=3', 'B']), ['A=3']);
});
