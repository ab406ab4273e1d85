// What a user is told about an instance that cannot be reached or that ended: the whole sentence.
import assert from 'node:assert/strict';
import test from 'node:test';
import { AppError } from '@berth/kit/errors.ts';
import { explainExit } from './explain-exit.ts';
import { explainTimeout, judgeSockets } from './explain-silence.ts';
import { parseTcpTable } from './listening-sockets.ts';
import { startFailureOf } from './start-failure.ts';

const head =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';
const row = (local: string, state = '0A') =>
  `   0: ${local} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000  0 0 1\n`;

test('listening sockets are read from both tables, without connections and the resolver of the engine', () => {
  const v4 =
    head + row('0100007F:1388') + row('00000000:0BB8') + row('0100007F:C350', '01') + row('0B00007F:A0F1');
  assert.deepEqual(parseTcpTable(v4), [
    { address: '127.0.0.1', port: 5000 },
    { address: '0.0.0.0', port: 3000 },
  ]);
  const zeros = '0'.repeat(32);
  const v6 =
    head +
    row(`${zeros}:1388`) +
    row(`${'0'.repeat(24)}01000000:0050`) +
    row(`0000000000000000FFFF00000100007F:0051`);
  assert.deepEqual(parseTcpTable(v6), [
    { address: '::', port: 5000 },
    { address: '::1', port: 80 },
    { address: '127.0.0.1', port: 81 },
  ]);
});

test('a wrong address or port is called wrong after five seconds, and not before', () => {
  const local = [{ address: '127.0.0.1', port: 5000 }];
  assert.equal(judgeSockets(local, 5000, 4999), undefined);
  assert.deepEqual(judgeSockets(local, 5000, 5000), {
    fatal: 'wrong_port',
    message: 'listens on 127.0.0.1:5000; it must listen on 0.0.0.0:5000 (PORT)',
  });
  assert.deepEqual(judgeSockets([{ address: '::', port: 3000 }], 5000, 6000), {
    fatal: 'wrong_port',
    message: 'listens on [::]:3000; it must listen on 0.0.0.0:5000 (PORT)',
  });
});

test('a debugger on the loopback address and the right socket are never called wrong early', () => {
  assert.equal(judgeSockets([{ address: '127.0.0.1', port: 9229 }], 5000, 60_000), undefined);
  assert.equal(
    judgeSockets(
      [
        { address: '0.0.0.0', port: 3000 },
        { address: '::', port: 5000 },
      ],
      5000,
      60_000,
    ),
    undefined,
  );
  assert.equal(judgeSockets([], 5000, 60_000), undefined);
});

test('a boot that takes too long is explained by what listens', () => {
  assert.deepEqual(explainTimeout([], 5000, 60, undefined), {
    fatal: 'boot_timeout',
    message: 'does not listen on any port after 60 s; it must listen on 0.0.0.0:5000 (PORT)',
  });
  assert.equal(
    explainTimeout([{ address: '127.0.0.1', port: 9229 }], 5000, 60, undefined).fatal,
    'wrong_port',
  );
  assert.deepEqual(
    explainTimeout([{ address: '0.0.0.0', port: 5000 }], 5000, 60, 'GET /health answered 500'),
    {
      fatal: 'boot_timeout',
      message: 'did not become ready in 60 s: GET /health answered 500',
    },
  );
});

test('an exit is told by its cause', () => {
  const exit = (ExitCode: number, more = {}) =>
    explainExit({ ExitCode, OOMKilled: false, Error: '', ...more }, 512, false);
  assert.deepEqual(exit(1), { message: 'exited with code 1', fatal: null });
  assert.deepEqual(exit(137, { OOMKilled: true }), {
    message: 'was killed: out of memory (512 MB)',
    fatal: null,
  });
  assert.deepEqual(exit(139), { message: 'was killed by SIGSEGV', fatal: null });
  assert.equal(exit(127).fatal, 'command_not_found');
  assert.equal(explainExit({ ExitCode: 127, OOMKilled: false, Error: '' }, 512, true).fatal, null);
});

test('a refusal of the engine is sorted by what it says about the release', () => {
  assert.equal(startFailureOf(new AppError('unavailable', 'gone'), 'x'), undefined);
  assert.equal(startFailureOf(new AppError('not_found', 'No such image: x'), 'x')?.fatal, 'image_missing');
  for (const words of [
    'command "/x" not found: executable file not found in $PATH',
    'exec: "/no/such/program": no such file or directory',
    'exec: "/no/such/program": stat /no/such/program: no such file or directory: unknown',
    'exec: "/app": permission denied',
  ])
    assert.equal(startFailureOf(new AppError('bad_request', words), 'x')?.fatal, 'command_not_found', words);
  assert.equal(startFailureOf(new AppError('internal', 'no cgroup'), 'x')?.fatal, 'other');
});
