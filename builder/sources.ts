// The sources table: what builds inherit from the machine so that package managers reach their registries through its mirrors, proxies and CA.
// Called once at start. Must never pass a value that carries a login (URLs with a user are left out).
import { existsSync } from 'node:fs';

export interface BuildSources {
  env: Record<string, string>;
  /** Docker binds. */
  binds: string[];
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
  fileExists: (path: string) => boolean = existsSync,
): BuildSources {
  const env: Record<string, string> = {};
  for (const name of passedOn) {
    const value = machineEnv[name];
    if (value && !/\/\/[^/@]*@/.test(value)) env[name] = value;
  }
  const candidates = [...bundleVariables.map((name) => machineEnv[name]), bundleInContainer];
  const bundle = candidates.find((path) => path && fileExists(path));
  if (bundle === undefined) return { env, binds: [] };
  for (const name of bundleReaders) env[name] = bundleInContainer;
  return { env, binds: [`${bundle}:${bundleInContainer}:ro`] };
}
