import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatStatus } from './show-status.ts';

test('status shows what runs, for how long, and the last words of what does not', () => {
  const part = { pid: null, restarts: 0, since: 0, lastExit: null, lastLines: [] };
  const text = formatStatus(
    {
      state: 'starting',
      pid: 1,
      appsUrl: 'http://NAME.localhost:8080',
      apiUrl: 'http://127.0.0.1:7070',
      dataDir: '/var/lib/berth',
      parts: [
        { ...part, name: 'postgres', state: 'ready', pid: 4711, since: -3_600_000 },
        {
          ...part,
          name: 'router',
          state: 'crash-loop',
          restarts: 4,
          lastExit: 'exit code 1',
          lastLines: ['it hurts'],
        },
      ],
    },
    5000,
  );
  assert.equal(
    text,
    [
      'platform  starting',
      'apps      http://NAME.localhost:8080',
      'API       http://127.0.0.1:7070',
      'data      /var/lib/berth',
      '',
      'postgres       ready          4711  for 1 h',
      'router         crash-loop        -  for 5 s, restarted 4 times (last: exit code 1)',
      '    it hurts',
      '',
    ].join('\n'),
  );
});
