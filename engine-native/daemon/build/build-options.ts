// What a build request asks for, read from the query of POST /build. Pure. What cannot be honoured is refused here, before anything is read.
import { AppError } from '@berth/kit/errors.ts';
import { isSet } from '../api/route.ts';
import { normaliseReference } from '../images/references.ts';
import { JsonFields } from '../json-fields.ts';

export interface BuildOptions {
  dockerfile: string;
  tags: string[];
  target: string;
  buildArgs: Record<string, string | undefined>;
  labels: Record<string, string>;
  platform: string;
  noCache: boolean;
  pull: boolean;
  quiet: boolean;
  /** `--rm=false`: containers of RUN stay, for a look at them. */
  keepContainers: boolean;
  cacheFrom: string[];
  /** For RUN: "" = the default network. */
  networkMode: string;
  /** HostConfig of RUN's containers, in Docker's words. */
  limits: Record<string, unknown>;
}

const refused: [name: string, isPlain: (value: string) => boolean, hint: string][] = [
  ['squash', isOff, 'write fewer RUN lines, or use several stages'],
  ['remote', (value) => value === '', 'send the context as a tar'],
  ['session', (value) => value === '', 'build with DOCKER_BUILDKIT=0'],
  ['outputs', (value) => value === '' || value === '[]', 'use docker save or docker cp'],
  ['isolation', (value) => value === '' || value === 'default', 'leave it out'],
  ['cgroupparent', (value) => value === '', 'leave it out: the engine has a parent of its own'],
];

export function parseBuildOptions(query: URLSearchParams): BuildOptions {
  for (const [name, isPlain, hint] of refused) {
    const value = query.get(name) ?? '';
    if (!isPlain(value))
      throw new AppError('unsupported', `"${name}" of a build is not supported by this engine`, { hint });
  }
  if (query.get('version') === '2')
    throw new AppError('unsupported', 'this engine builds without BuildKit', {
      hint: 'set DOCKER_BUILDKIT=0',
    });
  const tags = query.getAll('t').filter((tag) => tag !== '');
  return {
    dockerfile: query.get('dockerfile') || 'Dockerfile',
    tags: [...new Set(tags.map((tag) => normaliseReference(tag)))],
    target: query.get('target') ?? '',
    buildArgs: buildArgsOf(query),
    labels: jsonOf(query, 'labels').map('labels') ?? {},
    platform: query.get('platform') ?? '',
    noCache: isSet(query, 'nocache'),
    pull: isSet(query, 'pull'),
    quiet: isSet(query, 'q'),
    keepContainers: !isSet(query, 'rm', true) && !isSet(query, 'forcerm'),
    cacheFrom: jsonOf(query, 'cachefrom').texts('cachefrom') ?? [],
    networkMode: query.get('networkmode') ?? '',
    limits: limitsOf(query),
  };
}

function isOff(value: string): boolean {
  return ['', '0', 'false'].includes(value);
}

/** A build argument without a value (`--build-arg NAME`) comes as null. */
function buildArgsOf(query: URLSearchParams): BuildOptions['buildArgs'] {
  const raw = query.get('buildargs');
  if (raw === null || raw === '') return {};
  const fields = jsonOf(query, 'buildargs').object('buildargs');
  return Object.fromEntries((fields?.keys() ?? []).map((name) => [name, fields?.text(name)]));
}

function jsonOf(query: URLSearchParams, name: string): JsonFields {
  const raw = query.get(name);
  if (raw === null || raw === '' || raw === 'null') return new JsonFields({});
  try {
    return new JsonFields({ [name]: JSON.parse(raw) as unknown });
  } catch {
    throw new AppError('bad_request', `"${name}" is not JSON`);
  }
}

const numbers: Record<string, string> = {
  memory: 'Memory',
  memswap: 'MemorySwap',
  cpushares: 'CpuShares',
  cpuperiod: 'CpuPeriod',
  cpuquota: 'CpuQuota',
  shmsize: 'ShmSize',
};
const texts: Record<string, string> = { cpusetcpus: 'CpusetCpus', cpusetmems: 'CpusetMems' };

function limitsOf(query: URLSearchParams): Record<string, unknown> {
  const limits: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(numbers)) {
    const value = query.get(name);
    if (value === null || value === '' || value === '0') continue;
    if (!/^-?\d{1,15}$/.test(value)) throw new AppError('bad_request', `"${name}" must be a whole number`);
    limits[field] = Number(value);
  }
  for (const [name, field] of Object.entries(texts)) if (query.get(name)) limits[field] = query.get(name);
  const hosts = query
    .getAll('extrahosts')
    .flatMap((value) => value.split(','))
    .filter((value) => value !== '');
  if (hosts.length > 0) limits['ExtraHosts'] = hosts;
  const ulimits = jsonOf(query, 'ulimits').objects('ulimits');
  if (ulimits.length > 0) limits['Ulimits'] = ulimits.map((one) => one.raw());
  const security = jsonOf(query, 'securityopt').texts('securityopt') ?? [];
  if (security.length > 0) limits['SecurityOpt'] = security;
  return limits;
}
