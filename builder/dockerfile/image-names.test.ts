import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matchingImage, parseImageName, parseTag } from './image-names.ts';

test('all the ways to write an official image are one', () => {
  for (const text of [
    'node',
    'node:latest',
    'library/node',
    'docker.io/node',
    'index.docker.io/library/node:latest',
  ])
    assert.deepEqual(parseImageName(text), {
      repository: 'docker.io/library/node',
      tag: 'latest',
      official: 'node',
    });
  assert.equal(parseImageName(`node:24@sha256:${'0'.repeat(64)}`).tag, '24');
  assert.deepEqual(parseImageName('localhost:5000/node'), {
    repository: 'localhost:5000/node',
    tag: 'latest',
    official: undefined,
  });
  assert.equal(parseImageName('bitnami/node:24').repository, 'docker.io/bitnami/node');
});

test('the longest pattern that fits wins; a pattern without a tag means every tag', () => {
  const rules = [
    { pattern: 'node', image: 'a' },
    { pattern: 'docker.io/library/node:24*', image: 'b' },
    { pattern: 'ghcr.io/*', image: 'c' },
  ];
  const found = (name: string) => matchingImage(parseImageName(name), rules);
  assert.deepEqual(['node:22', 'node:24-slim', 'ghcr.io/a/b:1', 'nodered'].map(found), [
    'a',
    'b',
    'c',
    undefined,
  ]);
});

test('a tag is a version and words', () => {
  const { version, isSlim, isAlpine } = parseTag('24.1.0-bookworm-slim');
  assert.deepEqual([version, isSlim, isAlpine], ['24.1.0', true, false]);
  assert.deepEqual([parseTag('lts-alpine3.20').isAlpine, parseTag('lts').version], [true, '']);
});
