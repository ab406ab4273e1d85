import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildSources } from './sources.ts';

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
    buildSources(machine, (path) => path === '/etc/company.pem'),
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
    },
  );
});

test('an address with a login in it stays out, and without a bundle nothing is bound', () => {
  assert.deepEqual(
    buildSources({ HTTPS_PROXY: 'http://user:word@proxy:3128' }, () => false),
    { env: {}, binds: [] },
  );
});
