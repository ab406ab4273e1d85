import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseProcfile } from './procfile.ts';

test('types in order, comments and empty lines skipped, any line end', () => {
  assert.deepEqual(
    parseProcfile('# c\r\nweb: node server.js -p $PORT\r\n\r\nworker_2 : a: b\rrelease:./migrate'),
    {
      web: 'node server.js -p $PORT',
      worker_2: 'a: b',
      release: './migrate',
    },
  );
  assert.deepEqual(parseProcfile('\n  \n'), {});
});

test('each mistake names its line', () => {
  const messages: [string, string][] = [
    ['web: a\nnonsense', 'Procfile line 2: expected "name: command", found "nonsense"'],
    ['Web: a', 'Procfile line 1: "Web" is not a name of a process type'],
    ['web:', 'Procfile line 1: "web" has no command'],
    ['web: a\n\nweb: b', 'Procfile line 3: "web" is there twice'],
    [`${'x'.repeat(80)}: a`, `Procfile line 1: "${'x'.repeat(60)}…" is not a name of a process type`],
  ];
  for (const [text, message] of messages) assert.throws(() => parseProcfile(text), { message });
});
