// A single program replaces its shell and so gets its own signals; whatever needs the shell keeps it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shellCommand } from './shell-command.ts';

test('one program, with its quotes, variables and redirections, replaces the shell', () => {
  const lines = [
    'node server.js',
    'node server.js --port $PORT',
    `node -p "'a b'"`,
    'npm start',
    './bin/web >> out.log',
  ];
  for (const line of lines)
    assert.deepEqual(shellCommand(` ${line} `), ['/bin/sh', '-c', `exec ${line}`], line);
});

test('what only a shell can do keeps its shell', () => {
  for (const line of [
    'a && b',
    'a; b',
    'a | b',
    'a &',
    '(a)',
    'A=1 node x',
    'cd web',
    'exec node x',
    'if true',
    'echo $(date)',
    'a\nb',
    'echo `date`',
    '. ./env',
    '',
  ])
    assert.deepEqual(shellCommand(line), ['/bin/sh', '-c', line.trim()], line);
});
