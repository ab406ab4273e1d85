// Manifests: what is read out of a good one, and that whatever is wrong, unknown or unsupported is refused by its path and line.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { AppError } from '@berth/kit/errors.ts';
import fc from 'fast-check';
import type { VolumeStore } from '../volumes/volume-store.ts';
import { infraRequest, memberRequest } from './container-requests.ts';
import { freshRecord } from './create-pod.ts';
import { parsePod } from './parse-pod.ts';
import type { PodPermissions } from './pod-spec.ts';
import { makeSubPaths } from './pod-volumes.ts';
import { readManifests } from './read-manifests.ts';

const nothing: PodPermissions = { hostPath: false, privileged: false };
const everything: PodPermissions = { hostPath: true, privileged: true };

const whole = `
apiVersion: v1
kind: Pod
metadata:
  name: shop
  creationTimestamp: null
  labels: { app: shop }
spec:
  hostname: till
  restartPolicy: OnFailure
  terminationGracePeriodSeconds: 5
  dnsConfig: { nameservers: [10.0.0.1], searches: [shop.test], options: [{ name: ndots, value: "2" }] }
  hostAliases: [{ ip: 10.0.0.9, hostnames: [db] }]
  securityContext: { runAsUser: 1000, runAsGroup: 1001, supplementalGroups: [7], runAsNonRoot: true }
  volumes:
    - { name: data, emptyDir: {} }
    - { name: fast, emptyDir: { medium: Memory, sizeLimit: 64Mi } }
  containers:
    - name: web
      image: shop:v1
      command: [serve, --port, $(PORT)]
      args: [$(MISSING), $$(PORT)]
      env: [{ name: PORT, value: "80" }, { name: URL, value: "http://localhost:$(PORT)" }]
      workingDir: /srv
      ports: [{ name: http, containerPort: 80, hostPort: 8080, hostIP: 127.0.0.1 }, { containerPort: 53, protocol: UDP }]
      resources: { limits: { cpu: 500m, memory: 128Mi, ephemeral-storage: 1G }, requests: { cpu: 0.25, memory: 64Mi } }
      volumeMounts: [{ name: data, mountPath: /data, readOnly: true, subPath: a/b }, { name: fast, mountPath: /fast/ }]
      securityContext:
        readOnlyRootFilesystem: true
        allowPrivilegeEscalation: false
        capabilities: { drop: [ALL], add: [NET_BIND_SERVICE] }
      readinessProbe: { httpGet: { port: http, path: /ok, httpHeaders: [{ name: Host, value: shop }] }, periodSeconds: 2 }
      lifecycle: { preStop: { exec: { command: [bye] } } }
  dnsPolicy: ClusterFirst
status: {}
`;

async function read(yaml: string, allowed = nothing) {
  return readManifests(yaml, 'pod.yaml', allowed);
}

async function recordOf(yaml: string, allowed = nothing) {
  const [first] = await read(yaml, allowed);
  const record = freshRecord(parsePod(first?.body, allowed), 'bridge');
  return Object.assign(record, { infraId: 'i', volumes: { data: 'vol-data', fast: 'vol-fast' }, id: 'p' });
}

describe('a whole manifest', () => {
  test('becomes the create request of its infra container', async () => {
    assert.deepEqual(infraRequest(await recordOf(whole)), {
      Image: 'berth-pause',
      Entrypoint: ['/pause'],
      Hostname: 'till',
      Labels: { app: 'shop', 'berth.pod': 'shop', 'berth.pod.id': 'p', 'berth.pod.container': 'infra' },
      ExposedPorts: { '80/tcp': {}, '53/udp': {} },
      StopTimeout: 1,
      HostConfig: {
        NetworkMode: 'bridge',
        IpcMode: 'shareable',
        PortBindings: { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '8080' }] },
        ExtraHosts: ['db:10.0.0.9'],
        Dns: ['10.0.0.1'],
        DnsSearch: ['shop.test'],
        DnsOptions: ['ndots:2'],
        Sysctls: {},
        CapDrop: ['ALL'],
        LogConfig: { Type: 'none' },
        Mounts: [{ Type: 'volume', Source: 'vol-fast', Target: '/volumes/fast' }],
      },
      NetworkingConfig: { EndpointsConfig: { bridge: { Aliases: ['shop', 'till'] } } },
    });
  });

  test('and of its containers', async () => {
    const record = await recordOf(whole);
    const [web] = record.spec.containers;
    assert.ok(web);
    assert.deepEqual(memberRequest(record, web), {
      Image: 'shop:v1',
      Entrypoint: ['serve', '--port', '80'],
      Cmd: ['$(MISSING)', '$(PORT)'],
      Env: ['PORT=80', 'URL=http://localhost:80'],
      WorkingDir: '/srv',
      User: '1000:1001',
      Hostname: 'till',
      Labels: { app: 'shop', 'berth.pod': 'shop', 'berth.pod.id': 'p', 'berth.pod.container': 'web' },
      StopTimeout: 5,
      Healthcheck: { Test: ['NONE'] },
      HostConfig: {
        NetworkMode: 'container:i',
        IpcMode: 'container:i',
        UTSMode: 'container:i',
        Mounts: [
          {
            Type: 'volume',
            Source: 'vol-data',
            Target: '/data',
            ReadOnly: true,
            VolumeOptions: { NoCopy: true, Subpath: 'a/b' },
          },
          {
            Type: 'volume',
            Source: 'vol-fast',
            Target: '/fast',
            ReadOnly: false,
            VolumeOptions: { NoCopy: true },
          },
        ],
        NanoCpus: 500_000_000,
        CpuShares: 256,
        Memory: 134_217_728,
        MemoryReservation: 67_108_864,
        StorageOpt: { size: '1000000000' },
        ReadonlyRootfs: true,
        Privileged: false,
        CapAdd: ['NET_BIND_SERVICE'],
        CapDrop: ['ALL'],
        GroupAdd: ['7'],
        SecurityOpt: ['no-new-privileges=true'],
      },
    });
    assert.deepEqual(web.probes, {
      readiness: {
        action: { kind: 'http', port: 80, path: '/ok', isTls: false, headers: [['Host', 'shop']] },
        initialDelayMs: 0,
        periodMs: 2000,
        timeoutMs: 1000,
        successThreshold: 1,
        failureThreshold: 3,
      },
    });
  });

  test('several documents are several pods, and a name is there once', async () => {
    const other = whole.replace('name: shop', 'name: other');
    assert.deepEqual(
      (await read(`${whole}---${other}---\n`)).map(({ name }) => name),
      ['shop', 'other'],
    );
    await assert.rejects(read(`${whole}---${whole}`), /holds the pod "shop" more than once/);
  });
});

/** What is put in for `image: shop:v1`, or behind another line; the line that is named; the message. */
const refused: [string, string, RegExp][] = [
  ['imagee: x', 'bad_request', /^pod\.yaml:21: "spec\.containers\[0\]\.imagee" is not a field of a pod/],
  ['Image: x', 'bad_request', /"spec\.containers\[0\]\.Image" is not a field of a pod/],
  ['tty: true', 'unsupported', /"spec\.containers\[0\]\.tty" is not supported by this engine/],
  ['envFrom: [{ secretRef: { name: x } }]', 'unsupported', /envFrom" is not supported/],
  ['volumeDevices: []', 'unsupported', /volumeDevices" is not supported/],
  ['livenessProbe: { grpc: { port: 1 } }', 'unsupported', /livenessProbe\.grpc" is not supported/],
  ['livenessProbe: {}', 'bad_request', /must hold one of exec, httpGet and tcpSocket/],
  [
    'livenessProbe: { tcpSocket: { port: nope } }',
    'bad_request',
    /livenessProbe\.tcpSocket\.port" must be a port/,
  ],
  [
    'livenessProbe: { tcpSocket: { port: 1, host: 169.254.169.254 } }',
    'unsupported',
    /tcpSocket\.host" is not supported/,
  ],
  [
    'livenessProbe: { httpGet: { port: 80, host: 10.0.0.1 } }',
    'unsupported',
    /httpGet\.host" is not supported/,
  ],
  [
    'livenessProbe: { httpGet: { port: 80, path: "/ HTTP/1.1\\r\\nX: y" } }',
    'bad_request',
    /must begin with "\/"/,
  ],
  [
    'livenessProbe: { exec: { command: [x] }, periodSeconds: 0 }',
    'bad_request',
    /periodSeconds" must be a whole number/,
  ],
  ['livenessProbe: { exec: { command: [] } }', 'bad_request', /command" must name a program/],
  ['imagePullPolicy: Sometimes', 'bad_request', /none of Always, IfNotPresent, Never/],
  ['restartPolicy: Always', 'bad_request', /restartPolicy" is not a field/],
];

/** The same for lines that replace another one of the manifest. */
const replaced: [string, string, string, RegExp][] = [
  ['kind: Pod', 'kind: Deployment', 'unsupported', /only Pod of v1 can be run/],
  ['  name: shop', '  name: ../../etc', 'bad_request', /pod\.yaml:5: "metadata\.name" is "\.\.\/\.\.\/etc"/],
  ['  name: shop', '  name: shop\n  namespace: prod', 'unsupported', /has no namespaces/],
  ['value: "80"', 'value: 80', 'bad_request', /env\[0\]\.value" must be a text/],
  [
    'value: "80"',
    'valueFrom: { secretKeyRef: { name: x, key: y } }',
    'unsupported',
    /env\[0\]\.valueFrom" is not supported/,
  ],
  ['value: "80"', 'value: "a\\0b"', 'bad_request', /holds a NUL character/],
  ['name: web', 'name: infra', 'bad_request', /which is that of the pod itself/],
  ['name: web', 'name: Web_1', 'bad_request', /containers\[0\]\.name" is "Web_1"/],
  ['subPath: a/b', 'subPath: ../b', 'bad_request', /must lie inside the volume/],
  ['mountPath: /data', 'mountPath: /', 'bad_request', /must be an absolute path/],
  ['mountPath: /data', 'mountPath: /fast', 'bad_request', /there twice/],
  ['name: data, mountPath', 'name: nope, mountPath', 'bad_request', /none of spec\.volumes/],
  ['emptyDir: {}', 'emptyDir: {}, hostPath: { path: / }', 'bad_request', /must be one of/],
  [
    'emptyDir: {}',
    'hostPath: { path: / }',
    'forbidden',
    /pod\.yaml:16: .*--allow-host-path|shows a folder of the host/,
  ],
  ['emptyDir: {}', 'secret: { secretName: x }', 'unsupported', /volumes\[0\]\.secret" is not supported/],
  [
    'emptyDir: {}',
    'persistentVolumeClaim: { claimName: x }',
    'unsupported',
    /persistentVolumeClaim" is not supported/,
  ],
  ['sizeLimit: 64Mi', 'sizeLimit: -1', 'bad_request', /which is no quantity/],
  ['sizeLimit: 64Mi', 'sizeLimit: 99999999E', 'bad_request', /more than any machine has/],
  ['cpu: 500m', 'cpu: 5x', 'bad_request', /limits\.cpu" is "5x", which is no quantity/],
  ['memory: 64Mi', 'memory: 1Gi', 'bad_request', /is more than the limit/],
  ['ephemeral-storage: 1G', 'nvidia.com/gpu: 1', 'unsupported', /gpu" is not supported/],
  ['containerPort: 80', 'containerPort: 65536', 'bad_request', /whole number from 1 to 65535/],
  [
    'containerPort: 53, protocol: UDP',
    'containerPort: 81, hostPort: 8080, hostIP: 127.0.0.1',
    'bad_request',
    /port 8080\/tcp of the host twice/,
  ],
  ['readOnlyRootFilesystem: true', 'privileged: true', 'forbidden', /gives the host away/],
  ['add: [NET_BIND_SERVICE]', 'add: [CAP_NET_ADMIN]', 'unsupported', /would have no effect/],
  ['hostname: till', 'hostNetwork: true', 'unsupported', /"spec\.hostNetwork" is not supported/],
  [
    'hostname: till',
    'nodeSelector: { a: b }',
    'unsupported',
    /the platform places pods|nodeSelector" is not/,
  ],
  ['hostname: till', 'hostname: "a b"', 'bad_request', /"spec\.hostname" is "a b"/],
  ['nameservers: [10.0.0.1]', 'nameservers: [evil.example]', 'bad_request', /which is no address/],
  ['ip: 10.0.0.9', 'ip: "10.0.0.9\\nroot"', 'bad_request', /which is no address/],
  [
    'hostname: till',
    'hostname: till\n  hostname: twice',
    'bad_request',
    /^pod\.yaml:\d+: map keys must be unique/,
  ],
  ['status: {}', 'status: { phase: Running }', 'bad_request', /"status\.phase" is not a field/],
];

describe('a manifest is refused', () => {
  for (const [line, code, message] of refused)
    test(line, () =>
      rejects(whole.replace('image: shop:v1', `image: shop:v1\n      ${line}`), code, message),
    );
  for (const [from, to, code, message] of replaced)
    test(to, () => {
      assert.ok(whole.includes(from));
      return rejects(whole.replace(from, to), code, message);
    });

  test('when it is no YAML, by its line', () =>
    rejects('apiVersion: v1\nkind: [Pod\n', 'bad_request', /^pod\.yaml:\d: /));
  test('when it is empty', () => rejects('---\n', 'bad_request', /holds no manifest/));
  test('when it is a list', () => rejects('- a\n', 'bad_request', /must be an object/));
  test('when it is a bomb of aliases', async () => {
    const levels = Array.from(
      { length: 12 },
      (_, n) =>
        `a${n}: &a${n} [${Array(9)
          .fill(n ? `*a${n - 1}` : 'x')
          .join()}]`,
    );
    await rejects(levels.join('\n'), 'bad_request', /alias/);
  });
  test('when it is endless', () => rejects('#'.repeat(2 ** 20 + 1), 'too_large', /longer than/));
});

async function rejects(yaml: string, code: string, message: RegExp): Promise<void> {
  await assert.rejects(read(yaml), (error: unknown) => {
    assert.ok(error instanceof AppError, String(error));
    assert.match(error.message, message);
    assert.equal(error.code, code);
    return true;
  });
}

test('what needs to be allowed is taken when it is', async () => {
  const yaml = whole
    .replace('emptyDir: {}', 'hostPath: { path: /srv/data/, type: Directory }')
    .replace('readOnlyRootFilesystem: true', 'privileged: true');
  const record = await recordOf(yaml, everything);
  assert.deepEqual(record.spec.volumes[0], {
    kind: 'host',
    name: 'data',
    path: '/srv/data',
    type: 'Directory',
  });
  assert.equal(record.spec.containers[0]?.security.privileged, true);
});

test('no JSON value brings the parser down', () => {
  const objects = fc.object({
    key: fc.constantFrom('spec', 'containers', 'name', 'image', 'env', 'ports', '__proto__', 'x'),
  });
  const pods = fc.record({
    apiVersion: fc.constant('v1'),
    kind: fc.constant('Pod'),
    metadata: fc.constant({ name: 'a' }),
    spec: fc.oneof(objects, fc.record({ containers: fc.array(objects, { minLength: 1 }) })),
  });
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), objects, pods), (value) => {
      try {
        parsePod(value, nothing);
      } catch (error) {
        assert.ok(error instanceof AppError, String(error));
      }
    }),
  );
});

test('the folder of a subPath is never made through a link that an earlier run left', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'pod-volumes-'));
  try {
    mkdirSync(join(dir, 'outside'));
    mkdirSync(join(dir, 'data'));
    symlinkSync('../outside', join(dir, 'data', 'a'));
    const volumes = { mountpoint: () => join(dir, 'data') } as unknown as VolumeStore;
    const record = await recordOf(whole);
    assert.throws(() => makeSubPaths(record, volumes), /leads through something that is no folder/);
    assert.deepEqual(readdirSync(join(dir, 'outside')), []);
    rmSync(join(dir, 'data', 'a'));
    makeSubPaths(record, volumes);
    assert.deepEqual(readdirSync(join(dir, 'data', 'a')), ['b']);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
