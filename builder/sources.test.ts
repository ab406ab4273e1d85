import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildSources, dockerfileSources } from './sources.ts';
import { emptyTable } from './sources-table.ts';

const bundle = '/etc/ssl/certs/ca-certificates.crt';

test("mirrors, proxies and the machine's CA bundle reach the build", () => {
  const machine = {
    NPM_CONFIG_REGISTRY: 'https://npm.example.org/',
    https_proxy: 'http://proxy:3128',
    PIP_INDEX_URL: 'https://pypi.example.org/simple',
    NODE_EXTRA_CA_CERTS: '/etc/company.pem',
    SECRET: 'x',
  };
  assert.deepEqual(
    buildSources(machine, emptyTable, (path) => path === '/etc/company.pem'),
    {
      env: {
        NPM_CONFIG_REGISTRY: 'https://npm.example.org/',
        https_proxy: 'http://proxy:3128',
        PIP_INDEX_URL: 'https://pypi.example.org/simple',
        NODE_EXTRA_CA_CERTS: bundle,
        SSL_CERT_FILE: bundle,
        CURL_CA_BUNDLE: bundle,
        GIT_SSL_CAINFO: bundle,
        PIP_CERT: bundle,
        REQUESTS_CA_BUNDLE: bundle,
        npm_config_cafile: bundle,
        YARN_HTTPS_CA_FILE_PATH: bundle,
        CARGO_HTTP_CAINFO: bundle,
      },
      binds: [`/etc/company.pem:${bundle}:ro`],
      bundle: '/etc/company.pem',
      gitEnv: {},
      from: [],
      standIns: 'unreachable',
    },
  );
});

test("a Dockerfile's steps find the bundle at a place of its own, and git its mirrors; the operator's table wins", () => {
  const table = {
    ...emptyTable,
    ca: '/etc/table.pem',
    env: { NPM_CONFIG_REGISTRY: 'https://table.example.org/' },
    git: { 'https://github.com/': 'https://git.example.org/' },
  };
  const sources = buildSources({ NPM_CONFIG_REGISTRY: 'https://machine.example.org/' }, table, () => true);
  const { env, binds } = dockerfileSources(sources);
  assert.equal(env['NPM_CONFIG_REGISTRY'], 'https://table.example.org/');
  assert.equal(env['SSL_CERT_FILE'], '/run/berth/ca-certificates.crt');
  assert.deepEqual(
    [env['GIT_CONFIG_COUNT'], env['GIT_CONFIG_KEY_0'], env['GIT_CONFIG_VALUE_0']],
    ['1', 'url.https://git.example.org/.insteadOf', 'https://github.com/'],
  );
  assert.deepEqual(binds, ['/etc/table.pem:/run/berth/ca-certificates.crt:ro']);
});

test('an address with a login in it stays out, and without a bundle nothing is bound', () => {
  assert.deepEqual(
    buildSources({ HTTPS_PROXY: 'http://user:word@proxy:3128' }, emptyTable, () => false),
    { env: {}, binds: [], bundle: undefined, gitEnv: {}, from: [], standIns: 'unreachable' },
  );
});
