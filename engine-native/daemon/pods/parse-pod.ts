// From a Kubernetes v1 Pod, as JSON, to a PodSpec. Called by POST /berth/pods, and by `play` before it sends anything. Pure.
// Must never drop a field in silence: what is unknown or cannot be honoured is refused, by its path.
import { isIP } from 'node:net';
import { AppError } from '@berth/kit/errors.ts';
import { ManifestFields, wrong } from './manifest-fields.ts';
import { type ContainerContext, parseContainer } from './parse-container.ts';
import { checkSeccomp } from './parse-security.ts';
import { parseVolumes } from './parse-volumes.ts';
import type { ContainerPlan, PodPermissions, PodSpec } from './pod-spec.ts';

const maxContainers = 32; // of a kind: a manifest must not fill the host by its length
const maxEntries = 64;
const dnsLabel = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const unsupportedSpec = {
  ephemeralContainers: 'use docker exec',
  imagePullSecrets: 'pull the image first, logged in',
  nodeName: 'the platform places pods',
  nodeSelector: 'the platform places pods',
  affinity: 'the platform places pods',
  tolerations: 'the platform places pods',
  topologySpreadConstraints: 'the platform places pods',
  schedulerName: 'the platform places pods',
  priority: 'leave it out',
  priorityClassName: 'leave it out',
  runtimeClassName: 'leave it out',
  serviceAccountName: 'there are no service accounts here',
  serviceAccount: 'there are no service accounts here',
  subdomain: 'use a network: its names are those of pods',
  activeDeadlineSeconds: 'leave it out',
  overhead: 'leave it out',
  readinessGates: 'use a readinessProbe',
  resources: 'give each container its own',
};

export function parsePod(manifest: unknown, allowed: PodPermissions): PodSpec {
  const fields = new ManifestFields(manifest, '');
  const [version, kind] = [fields.requiredText('apiVersion'), fields.requiredText('kind')];
  if (version !== 'v1' || kind !== 'Pod')
    throw new AppError('unsupported', `"kind" is "${kind}" of "${version}": only Pod of v1 can be run`, {
      hint: 'write apiVersion: v1 and kind: Pod',
    });
  const meta = fields.object('metadata');
  const spec = fields.object('spec');
  if (!meta || !spec) throw wrong(meta ? 'spec' : 'metadata', 'must be given');
  const status = fields.object('status'); // what kubectl --dry-run writes is empty
  status?.end();
  fields.end();
  const { name, labels, annotations } = parseMetadata(meta);
  const parsed = { name, labels, annotations, ...parseSpec(spec, name, allowed) };
  checkHostPorts(parsed);
  return parsed;
}

function parseMetadata(meta: ManifestFields): Pick<PodSpec, 'name' | 'labels' | 'annotations'> {
  const name = meta.requiredText('name');
  if (!dnsLabel.test(name))
    throw wrong('metadata.name', `is "${name.slice(0, 80)}"`, 'use a-z, 0-9 and dashes, 63 at most');
  const space = meta.text('namespace') ?? 'default';
  if (space !== 'default')
    throw new AppError('unsupported', `"metadata.namespace" is "${space}": this engine has no namespaces`, {
      hint: 'leave it out',
    });
  if (meta.has('creationTimestamp')) throw wrong('metadata.creationTimestamp', 'must not be given');
  const parsed = { name, labels: meta.map('labels'), annotations: meta.map('annotations') };
  meta.end();
  return parsed;
}

function parseSpec(
  spec: ManifestFields,
  podName: string,
  allowed: PodPermissions,
): Omit<PodSpec, 'name' | 'labels' | 'annotations'> {
  spec.refuse(unsupportedSpec);
  for (const name of ['hostNetwork', 'hostPID', 'hostIPC'])
    spec.onlyOff(name, 'a pod has namespaces of its own');
  spec.onlyOff('automountServiceAccountToken', 'there are no service accounts here');
  spec.onlyOff('enableServiceLinks', 'there are no services here');
  spec.onlyOff('setHostnameAsFQDN', 'leave it out');
  if (spec.flag('hostUsers') === true)
    throw new AppError('unsupported', '"spec.hostUsers" is not supported by this engine', {
      hint: 'a pod has users of its own',
    });
  const volumes = parseVolumes(spec.objects('volumes', maxEntries), allowed);
  const security = parsePodSecurity(spec.object('securityContext'));
  const sharesProcesses = spec.flag('shareProcessNamespace') ?? false;
  const context: ContainerContext = { volumes, allowed, sharesProcesses, ...security };
  const initContainers = spec
    .objects('initContainers', maxContainers)
    .map((each) => parseContainer(each, context, true));
  const containers = spec
    .objects('containers', maxContainers)
    .map((each) => parseContainer(each, context, false));
  if (containers.length === 0) throw wrong('spec.containers', 'must name at least one container');
  checkNames([...initContainers, ...containers]);
  const parsed = {
    hostname: parseHostname(spec, podName),
    restartPolicy: spec.word('restartPolicy', ['Always', 'OnFailure', 'Never'] as const) ?? 'Always',
    graceSeconds: spec.integer('terminationGracePeriodSeconds', 0, 86_400) ?? 30,
    sharesProcesses,
    dns: parseDns(spec),
    hostAliases: spec.objects('hostAliases', maxEntries).map(parseHostAlias),
    sysctls: security.sysctls,
    initContainers,
    containers,
    volumes,
  };
  spec.end();
  return parsed;
}

function parseHostname(spec: ManifestFields, podName: string): string {
  const hostname = spec.text('hostname') ?? podName;
  if (dnsLabel.test(hostname)) return hostname;
  throw wrong('spec.hostname', `is "${hostname.slice(0, 80)}"`, 'use a-z, 0-9 and dashes, 63 at most');
}

interface PodSecurity {
  user: string;
  group: string;
  groups: string[];
  mustNotBeRoot: boolean;
  sysctls: Record<string, string>;
}

function parsePodSecurity(fields: ManifestFields | undefined): PodSecurity {
  if (!fields) return { user: '', group: '', groups: [], mustNotBeRoot: false, sysctls: {} };
  fields.refuse({
    fsGroup: 'an emptyDir can be written by every user of the pod',
    fsGroupChangePolicy: 'leave it out',
    seLinuxOptions: 'leave it out',
    appArmorProfile: 'leave it out',
    windowsOptions: 'leave it out',
    supplementalGroupsPolicy: 'leave it out',
  });
  checkSeccomp(fields);
  const groups = fields.integers('supplementalGroups', 0, 65_535).map(String);
  const sysctls = fields.objects('sysctls', maxEntries).map((each): [string, string] => {
    const pair: [string, string] = [each.requiredText('name'), each.requiredText('value')];
    each.end();
    return pair;
  });
  const parsed = {
    user: String(fields.integer('runAsUser', 0, 65_535) ?? ''),
    group: String(fields.integer('runAsGroup', 0, 65_535) ?? ''),
    groups,
    mustNotBeRoot: fields.flag('runAsNonRoot') ?? false,
    sysctls: Object.fromEntries(sysctls),
  };
  fields.end();
  return parsed;
}

function parseDns(spec: ManifestFields): PodSpec['dns'] {
  const policy = spec.word('dnsPolicy', ['ClusterFirst', 'Default', 'None'] as const) ?? 'ClusterFirst';
  const config = spec.object('dnsConfig');
  const servers = config?.texts('nameservers') ?? [];
  if (policy === 'None' && servers.length === 0)
    throw wrong('spec.dnsConfig.nameservers', 'must be given with dnsPolicy None');
  for (const server of servers)
    if (isIP(server) === 0)
      throw wrong('spec.dnsConfig.nameservers', `names "${server.slice(0, 80)}", which is no address`);
  const options = (config?.objects('options', maxEntries) ?? []).map((each) => {
    const [name, value] = [each.requiredText('name'), each.text('value')];
    each.end();
    return value === undefined ? name : `${name}:${value}`;
  });
  const search = config?.texts('searches') ?? [];
  for (const word of [...options, ...search])
    if (!/^[\w.:-]{1,253}$/.test(word)) throw wrong('spec.dnsConfig', `holds "${word.slice(0, 80)}"`);
  config?.end();
  return { servers, search, options };
}

function parseHostAlias(fields: ManifestFields): { ip: string; names: string[] } {
  const ip = fields.requiredText('ip');
  const names = fields.texts('hostnames') ?? [];
  if (isIP(ip) === 0) throw wrong(fields.at('ip'), `is "${ip.slice(0, 80)}", which is no address`);
  for (const name of names)
    if (!/^[\w.-]{1,253}$/.test(name)) throw wrong(fields.at('hostnames'), `holds "${name.slice(0, 80)}"`);
  fields.end();
  return { ip, names };
}

function checkNames(containers: ContainerPlan[]): void {
  const names = new Set<string>();
  for (const { name } of containers) {
    if (name === 'infra')
      throw wrong(
        'spec.containers',
        'holds the name "infra", which is that of the pod itself',
        'choose another',
      );
    if (names.has(name)) throw wrong('spec.containers', `holds the name "${name}" twice`);
    names.add(name);
  }
}

function checkHostPorts({ containers }: PodSpec): void {
  const taken = new Set<string>();
  for (const { hostPort, protocol, hostIp } of containers.flatMap(({ ports }) => ports)) {
    if (hostPort === 0) continue;
    const key = `${protocol} ${hostIp} ${hostPort}`;
    if (taken.has(key))
      throw wrong('spec.containers', `publish port ${hostPort}/${protocol} of the host twice`);
    taken.add(key);
  }
}
