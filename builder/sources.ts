// The sources table: what builds inherit from the machine so that package managers reach their registries through its mirrors, proxies and CA.
// The operator's table (sources-table.ts) wins over the machine's variables. Called once at start.
// Must never pass a value that carries a login (URLs with a user are left out).
import { existsSync } from 'node:fs';
import { emptyTable, type SourcesTable } from './sources-table.ts';

export interface BuildSources {
  env: Record<string, string>;
  /** Tells git its mirrors; for steps that may have GIT_ variables. */
  gitEnv: Record<string, string>;
  /** Docker binds. */
  binds: string[];
  /** The host's file that builds trust. */
  bundle: string | undefined;
  from: SourcesTable['from'];
  standIns: SourcesTable['standIns'];
}

/** Passed on as they are, when set. */
const passedOn = [
  'NPM_CONFIG_REGISTRY',
  'npm_config_registry',
  'YARN_NPM_REGISTRY_SERVER',
  'YARN_REGISTRY',
  'NODEJS_ORG_MIRROR',
  'GOPROXY',
  'GOSUMDB',
  'GONOSUMDB',
  'RUSTUP_DIST_SERVER',
  'CARGO_CRATES_IO_MIRROR',
  'PIP_INDEX_URL',
  'PIP_EXTRA_INDEX_URL',
  'UV_DEFAULT_INDEX',
  'UV_INDEX',
  'UV_PYTHON_INSTALL_MIRROR',
  'MAVEN_MIRROR_URL',
  'GRADLE_DISTRIBUTIONS_URL',
  'BUNDLE_MIRROR__ALL',
  'COMPOSER_MIRROR_URL',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'http_proxy',
  'https_proxy',
  'no_proxy',
] as const;

/** Where the machine may say that a private CA has to be trusted, the most specific first. */
const bundleVariables = ['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'CURL_CA_BUNDLE'] as const;
/** The stack keeps its bundle in the same place; the machine's own takes its place, so that builds trust whom the machine trusts. */
const bundleInContainer = '/etc/ssl/certs/ca-certificates.crt';
/** Variables that tools in the container look at. */
const bundleReaders = [
  'NODE_EXTRA_CA_CERTS',
  'SSL_CERT_FILE',
  'CURL_CA_BUNDLE',
  'GIT_SSL_CAINFO',
  'PIP_CERT',
  'REQUESTS_CA_BUNDLE',
  'npm_config_cafile',
  'YARN_HTTPS_CA_FILE_PATH',
  'CARGO_HTTP_CAINFO',
] as const;

export function buildSources(
  machineEnv: Readonly<Record<string, string | undefined>>,
  table: SourcesTable = emptyTable,
  fileExists: (path: string) => boolean = existsSync,
): BuildSources {
  const env: Record<string, string> = {};
  for (const name of passedOn) {
    const value = machineEnv[name];
    if (value && !/\/\/[^/@]*@/.test(value)) env[name] = value;
  }
  // npm reads both spellings, and either may be the machine's.
  if (table.env['NPM_CONFIG_REGISTRY'] !== undefined) delete env['npm_config_registry'];
  Object.assign(env, table.env);
  const candidates = [table.ca, ...bundleVariables.map((name) => machineEnv[name]), bundleInContainer];
  const bundle = candidates.find((path) => path && fileExists(path));
  const { from, standIns } = table;
  const rest = { gitEnv: gitEnv(table.git), bundle, from, standIns };
  if (bundle === undefined) return { env, binds: [], ...rest };
  for (const name of bundleReaders) env[name] = bundleInContainer;
  return { env, binds: [`${bundle}:${bundleInContainer}:ro`], ...rest };
}

/** The RUN steps of a Dockerfile find the bundle beside their system's own, which packages replace while they are installed. */
const bundleOfDockerfiles = '/run/berth/ca-certificates.crt';

/** Pure: what RUN is given. */
export function dockerfileSources({ env, gitEnv, bundle }: BuildSources): {
  env: Record<string, string>;
  binds: string[];
} {
  const moved = Object.entries({ ...env, ...gitEnv }).map(([name, value]): [string, string] => [
    name,
    value === bundleInContainer ? bundleOfDockerfiles : value,
  ]);
  return {
    env: Object.fromEntries(moved),
    binds: bundle === undefined ? [] : [`${bundle}:${bundleOfDockerfiles}:ro`],
  };
}

/** git's settings by environment, so that no file of an image is changed. */
function gitEnv(insteadOf: Readonly<Record<string, string>>): Record<string, string> {
  const mirrors = Object.entries(insteadOf);
  if (mirrors.length === 0) return {};
  const env: Record<string, string> = { GIT_CONFIG_COUNT: String(mirrors.length) };
  for (const [index, [from, to]] of mirrors.entries()) {
    env[`GIT_CONFIG_KEY_${index}`] = `url.${to}.insteadOf`;
    env[`GIT_CONFIG_VALUE_${index}`] = from;
  }
  return env;
}
