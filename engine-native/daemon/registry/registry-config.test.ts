import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readConfig } from '@berth/kit/config.ts';
import { registryConfig, registrySettings } from './registry-config.ts';

const read = (env: Record<string, string>) => registryConfig(readConfig(registrySettings, env));

test('without an address there is no registry', () => {
  assert.equal(read({}), undefined);
  assert.equal(read({ BERTH_ENGINE_REGISTRY_ANONYMOUS: 'pull' }), undefined);
});

test('an address alone gives the careful registry', () => {
  assert.deepEqual(read({ BERTH_ENGINE_REGISTRY: '127.0.0.1:5000' }), {
    host: '127.0.0.1',
    port: 5000,
    anonymous: 'none',
    cert: undefined,
    key: undefined,
    isInsecureAllowed: false,
    publicUrl: undefined,
    proxied: [],
  });
  assert.equal(read({ BERTH_ENGINE_REGISTRY: '[::1]:5000' })?.host, '::1');
});

test('proxied registries are prefixes with hosts', () => {
  const env = {
    BERTH_ENGINE_REGISTRY: 'localhost:1',
    BERTH_ENGINE_REGISTRY_PROXY: 'hub=docker.io, own=10.0.0.1:5000',
  };
  assert.deepEqual(read(env)?.proxied, [
    { prefix: 'hub', host: 'docker.io' },
    { prefix: 'own', host: '10.0.0.1:5000' },
  ]);
});

test('what is wrong is named', () => {
  const wrong = {
    BERTH_ENGINE_REGISTRY: ['5000', 'host', 'host:70000', '::1:5000', 'a:b:1'],
    BERTH_ENGINE_REGISTRY_ANONYMOUS: ['push', 'ALL'],
    BERTH_ENGINE_REGISTRY_PLAIN: ['1', 'true'],
    BERTH_ENGINE_REGISTRY_PROXY: [
      'docker.io',
      'Hub=docker.io',
      'a/b=docker.io',
      'hub=https://docker.io',
      'hub=a b',
    ],
    BERTH_ENGINE_REGISTRY_URL: ['registry.example.com', 'ftp://x', 'https://x/path', 'https://x"y'],
  };
  for (const [name, values] of Object.entries(wrong))
    for (const value of values)
      assert.throws(() => read({ [name]: value }), new RegExp(`${name} must be`), value);
});
