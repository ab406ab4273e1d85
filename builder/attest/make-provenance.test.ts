import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BuildResult } from '@berth/contract/build.ts';
import { namesInDockerfile } from './base-images.ts';
import { makeProvenance, withoutPassword } from './make-provenance.ts';

const hex = (letter: string) => letter.repeat(64);
const commit = 'c'.repeat(40);

test('the statement: source, stack, buildpacks, base images, and no password of any of them', () => {
  const result: BuildResult = {
    key: 'k',
    image: `sha256:${hex('a')}`,
    language: 'Ruby',
    processTypes: { web: 'x --token secret' },
    port: 5000,
    user: 'app',
    reused: false,
    steps: [],
    warnings: [],
    detected: { driver: 'classic', label: 'https://me:secret@example.org/b', why: 'set on the app' },
    details: [`Buildpack https://me:secret@example.org/b?token=secret at commit ${commit}`],
    layers: [{ name: 'stack', diffId: `sha256:${hex('b')}`, sizeBytes: 1 }],
  };
  const text = makeProvenance({
    build: {
      id: 'b',
      number: 7,
      appId: 'id',
      appName: 'shop',
      commit,
      tree: 'd'.repeat(40),
      settings: { buildpacks: ['https://me:secret@example.org/b'], stack: null },
    },
    result,
    version: '0.1.0',
    startedAt: new Date(0),
    finishedAt: new Date(1500),
    baseImages: [{ name: 'alpine:3', digest: `sha256:${hex('e')}` }],
    rebasedFrom: undefined,
  });
  assert.doesNotMatch(text, /secret/);
  const detail = `Buildpack https://example.org/b at commit ${commit}`;
  assert.deepEqual(JSON.parse(text), {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ name: 'shop', digest: { sha256: hex('a') } }],
    predicateType: 'https://slsa.dev/provenance/v1',
    predicate: {
      buildDefinition: {
        buildType: 'urn:berth:build:classic:v1',
        externalParameters: {
          source: { uri: 'urn:berth:app:shop', commit },
          buildpacks: ['https://example.org/b'],
          stack: null,
          noCache: false,
        },
        internalParameters: {
          detected: { driver: 'classic', label: 'https://example.org/b', why: 'set on the app' },
          details: [detail],
        },
        resolvedDependencies: [
          { uri: 'urn:berth:app:shop', digest: { gitCommit: commit, gitTree: 'd'.repeat(40) } },
          { name: 'stack', digest: { sha256: hex('b') } },
          { uri: 'https://example.org/b', digest: { gitCommit: commit } },
          { uri: 'docker://alpine:3', digest: { sha256: hex('e') } },
        ],
      },
      runDetails: {
        builder: { id: 'urn:berth:builder', version: { berth: '0.1.0' } },
        metadata: {
          invocationId: 'urn:berth:app:id:build:7',
          startedOn: '1970-01-01T00:00:00.000Z',
          finishedOn: '1970-01-01T00:00:01.500Z',
        },
        byproducts: [{ name: 'layer stack', digest: { sha256: hex('b') } }],
      },
    },
  });
});

test('an address without what opens it', () => {
  assert.equal(withoutPassword('https://a:b@h/p?x=1#main'), 'https://h/p#main');
  assert.equal(withoutPassword('https://a:b@c@h/p@v1'), 'https://h/p@v1');
  assert.equal(withoutPassword('Node.js 24 (engines.node)'), 'Node.js 24 (engines.node)');
});

test("a Dockerfile's base images are not its own stages", () => {
  const dockerfile =
    '# FROM no\nARG V=3\nFROM --platform=linux/amd64 golang:1.25 AS Build\nFROM build AS test\nfrom alpine:$V\nFROM scratch\nCOPY --from=build /x /x\n';
  assert.deepEqual(namesInDockerfile(dockerfile), ['golang:1.25', 'alpine:$V']);
});
