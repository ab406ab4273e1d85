// One container of a manifest. Pure; called by parse-pod.ts for containers and initContainers.
import { isIP } from 'node:net';
import { posix } from 'node:path';
import { AppError } from '@berth/kit/errors.ts';
import { expandEnvironment, expandVariables } from './expand-variables.ts';
import { type ManifestFields, wrong } from './manifest-fields.ts';
import { parseExec, parseProbe } from './parse-probe.ts';
import { parseSecurity, type SecurityContext } from './parse-security.ts';
import type { ContainerLimits, ContainerPlan, MountPlan, PortPlan, VolumePlan } from './pod-spec.ts';
import { parseBytes, parseQuantity } from './quantity.ts';

export interface ContainerContext extends SecurityContext {
  volumes: VolumePlan[];
}

const maxEntries = 256;
const unsupported = {
  envFrom: 'write the variables under env',
  volumeDevices: 'use volumeMounts',
  stdin: 'use docker run -i',
  stdinOnce: 'use docker run -i',
  tty: 'use docker run -t',
  terminationMessagePath: 'read the logs',
  resizePolicy: 'use docker update',
};

export function parseContainer(
  fields: ManifestFields,
  context: ContainerContext,
  isInit: boolean,
): ContainerPlan {
  fields.refuse(unsupported);
  if (isInit)
    for (const name of ['livenessProbe', 'readinessProbe', 'startupProbe', 'lifecycle', 'restartPolicy'])
      fields.refuse({ [name]: 'an init container runs once, to its end' });
  fields.word('terminationMessagePolicy', ['File'] as const); // the default, which kubectl writes
  const name = fields.requiredText('name');
  if (!/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(name))
    throw wrong(fields.at('name'), `is "${name.slice(0, 80)}"`, 'use a-z, 0-9 and dashes, 63 at most');
  const variables = expandEnvironment(fields.objects('env', 4096).map(parseVariable));
  const expanded = (list: string[] | undefined) => list?.map((each) => expandVariables(each, variables));
  const [command, args] = [expanded(fields.texts('command')), expanded(fields.texts('args'))];
  const ports = fields.objects('ports', maxEntries).map(parsePort);
  const preStop = isInit ? undefined : parsePreStop(fields.object('lifecycle'));
  const plan: ContainerPlan = {
    name,
    image: fields.requiredText('image'),
    // Not Always for "latest", as a cluster has it: what was built here is here, and nowhere else.
    pull: fields.word('imagePullPolicy', ['Always', 'IfNotPresent', 'Never'] as const) ?? 'IfNotPresent',
    ...(command && command.length > 0 ? { command } : {}),
    ...(args && args.length > 0 ? { args } : {}),
    env: [...variables].map(([key, value]) => `${key}=${value}`),
    workingDir: fields.text('workingDir') ?? '',
    ports,
    limits: parseResources(fields.object('resources')),
    mounts: parseMounts(fields.objects('volumeMounts', maxEntries), context.volumes),
    security: parseSecurity(fields.object('securityContext'), context),
    probes: isInit ? {} : parseProbes(fields, ports),
    ...(preStop ? { preStop } : {}),
  };
  if (plan.workingDir !== '' && !plan.workingDir.startsWith('/'))
    throw wrong(fields.at('workingDir'), 'must be an absolute path');
  fields.end();
  return plan;
}

function parseVariable(fields: ManifestFields): { name: string; value: string } {
  fields.refuse({ valueFrom: "write the value itself; secrets are the platform's: use its config vars" });
  const name = fields.requiredText('name');
  if (/[=\s]/.test(name)) throw wrong(fields.at('name'), 'holds "=" or a blank');
  const value = fields.text('value') ?? '';
  fields.end();
  return { name, value };
}

function parsePort(fields: ManifestFields): PortPlan {
  const containerPort = fields.integer('containerPort', 1, 65_535);
  if (containerPort === undefined) throw wrong(fields.at('containerPort'), 'must be given');
  const hostIp = fields.text('hostIP') ?? '';
  if (hostIp !== '' && isIP(hostIp) === 0)
    throw wrong(fields.at('hostIP'), `is "${hostIp.slice(0, 80)}", which is no address`);
  const protocol = fields.word('protocol', ['TCP', 'UDP', 'SCTP'] as const) ?? 'TCP';
  const port: PortPlan = {
    name: fields.text('name') ?? '',
    containerPort,
    hostPort: fields.integer('hostPort', 1, 65_535) ?? 0,
    hostIp,
    protocol: protocol === 'TCP' ? 'tcp' : protocol === 'UDP' ? 'udp' : 'sctp',
  };
  fields.end();
  return port;
}

function parseResources(fields: ManifestFields | undefined): ContainerLimits {
  const [limits, requests] = [fields?.object('limits'), fields?.object('requests')];
  fields?.refuse({ claims: 'leave it out' });
  fields?.end();
  const bytes = (from: ManifestFields | undefined, name: string) => {
    const given = from?.scalar(name);
    return given === undefined ? 0 : parseBytes(given, from?.at(name) ?? name);
  };
  const cpus = (from: ManifestFields | undefined) => {
    const given = from?.scalar('cpu');
    return given === undefined ? 0 : parseQuantity(given, from?.at('cpu') ?? 'cpu');
  };
  const parsed: ContainerLimits = {
    nanoCpus: Math.round(cpus(limits) * 1e9),
    memoryBytes: bytes(limits, 'memory'),
    diskBytes: bytes(limits, 'ephemeral-storage'),
    cpuShares: cpuShares(cpus(requests)),
    memoryReservationBytes: bytes(requests, 'memory'),
  };
  if (parsed.memoryBytes > 0 && parsed.memoryReservationBytes > parsed.memoryBytes)
    throw wrong(requests?.at('memory') ?? 'requests', 'is more than the limit');
  for (const each of [limits, requests]) {
    const other = each?.keys().find((key) => !['cpu', 'memory', 'ephemeral-storage'].includes(key));
    const isUnmet =
      other ?? (each === requests && each?.has('ephemeral-storage') ? 'ephemeral-storage' : undefined);
    if (each && isUnmet !== undefined)
      throw new AppError(
        'unsupported',
        `"${each.at(isUnmet.slice(0, 80))}" is not supported by this engine`,
        {
          hint: 'use cpu and memory, and ephemeral-storage as a limit',
        },
      );
  }
  return parsed;
}

/** 1024 a core, as the kernel counts; 2 is the least it knows. */
function cpuShares(cpus: number): number {
  return cpus === 0 ? 0 : Math.min(262_144, Math.max(2, Math.round(cpus * 1024)));
}

function parseMounts(list: ManifestFields[], volumes: VolumePlan[]): MountPlan[] {
  const targets = new Set<string>();
  return list.map((fields) => {
    fields.refuse({
      subPathExpr: 'use subPath',
      mountPropagation: 'leave it out',
      recursiveReadOnly: 'a read-only mount is read-only below, too',
    });
    const volume = fields.requiredText('name');
    if (!volumes.some(({ name }) => name === volume))
      throw wrong(fields.at('name'), `is "${volume.slice(0, 80)}", which is none of spec.volumes`);
    const target = posix.normalize(fields.requiredText('mountPath')).replace(/(?<=.)\/+$/, '');
    if (!target.startsWith('/') || target === '/' || target.includes(':'))
      throw wrong(fields.at('mountPath'), 'must be an absolute path without ":", and not "/"');
    if (targets.has(target)) throw wrong(fields.at('mountPath'), `is "${target}", which is there twice`);
    targets.add(target);
    const subPath = fields.text('subPath') ?? '';
    if (subPath.startsWith('/') || subPath.split('/').includes('..'))
      throw wrong(fields.at('subPath'), 'must lie inside the volume', 'write a relative path without ".."');
    const plan = {
      volume,
      target,
      subPath: posix.normalize(subPath).replace(/^\.$|\/+$/g, ''),
      readonly: fields.flag('readOnly') ?? false,
    };
    fields.end();
    return plan;
  });
}

function parsePreStop(lifecycle: ManifestFields | undefined): string[] | undefined {
  lifecycle?.refuse({ postStart: 'do it in an init container', stopSignal: "use the image's STOPSIGNAL" });
  const preStop = lifecycle?.object('preStop');
  preStop?.refuse({ httpGet: 'use exec', tcpSocket: 'use exec', sleep: 'use exec' });
  const exec = preStop?.object('exec');
  if (preStop && !exec) throw wrong(preStop.path, 'must hold exec');
  preStop?.end();
  lifecycle?.end();
  return exec && parseExec(exec);
}

function parseProbes(fields: ManifestFields, ports: PortPlan[]): ContainerPlan['probes'] {
  const startup = parseProbe(fields.object('startupProbe'), ports, true);
  const liveness = parseProbe(fields.object('livenessProbe'), ports, true);
  const readiness = parseProbe(fields.object('readinessProbe'), ports, false);
  return {
    ...(startup ? { startup } : {}),
    ...(liveness ? { liveness } : {}),
    ...(readiness ? { readiness } : {}),
  };
}
