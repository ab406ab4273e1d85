import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRelease } from './release.ts';

test('process types, config vars and add-ons in the ways buildpacks print them', () => {
  assert.deepEqual(
    parseRelease(`---
# a comment
addons:
  - heroku-postgresql:hobby-dev
  - 'second'
config_vars:
  PATH: /app/bin:/usr/bin
  GREETING: "say \\"hi\\": # no comment"
  LANG: 'it''s'   # a comment
  PORT: 1
default_process_types:
  web: bin/start -p $PORT # not shown
  "worker": 'node worker.js'
  long: |
    one
    two
  Bad Name: x
other:
  web: no
`),
    {
      addons: ['heroku-postgresql:hobby-dev', 'second'],
      configVars: { PATH: '/app/bin:/usr/bin', GREETING: 'say "hi": # no comment', LANG: "it's" },
      processTypes: { web: 'bin/start -p $PORT', worker: 'node worker.js', long: 'one\ntwo' },
    },
  );
  const none = { addons: [], configVars: {}, processTypes: {} };
  assert.deepEqual(parseRelease('--- {}\n'), none);
  assert.deepEqual(parseRelease(''), none);
  assert.deepEqual(parseRelease('addons: []\ndefault_process_types: {}\n'), none);
  assert.deepEqual(
    parseRelease('default_process_types: {"web": "npm start", worker: node w.js}\naddons: [a, b]'),
    {
      addons: ['a', 'b'],
      configVars: {},
      processTypes: { web: 'npm start', worker: 'node w.js' },
    },
  );
  assert.deepEqual(
    parseRelease('---\ndefault_process_types:\n web:  python  -m http.server\n').processTypes,
    {
      web: 'python  -m http.server',
    },
  );
  assert.deepEqual(parseRelease(':default_process_types:\n  :web: a\n').processTypes, { web: 'a' });
});

test('what is no such YAML is nothing, and quickly', () => {
  const begun = performance.now();
  assert.deepEqual(parseRelease(`{[${'"'.repeat(40_000)}\n${'a: '.repeat(20_000)}`).processTypes, {});
  assert.ok(performance.now() - begun < 1000);
});
