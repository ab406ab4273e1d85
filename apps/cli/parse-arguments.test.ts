// Names, options and rest arguments from argv; and the words that are suggested for mistakes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { closest } from '@berth/kit/suggest.ts';
import { appOptions, type Command } from './command.ts';
import { parseScale } from './commands/ps-scale.ts';
import { findCommand, parseArguments } from './parse-arguments.ts';

const command = (more: Partial<Command> = {}): Command => ({
  summary: '',
  usage: 'X',
  example: '',
  options: { ...appOptions, 'no-tty': { type: 'boolean', about: '' } },
  positionals: [0, 100],
  run: async () => 0,
  ...more,
});

test('colon form, space form and aliases name the same command', () => {
  for (const argv of [
    ['config:set', 'A=1'],
    ['config', 'set', 'A=1'],
  ])
    assert.deepEqual(findCommand(argv), { name: 'config:set', rest: ['A=1'] });
  assert.deepEqual(findCommand(['config', '-a', 'x']), { name: 'config', rest: ['-a', 'x'] });
  assert.deepEqual(findCommand(['apps', 'create', 'x']), { name: 'create', rest: ['x'] });
  assert.deepEqual(findCommand([]), { name: 'help', rest: [] });
});

test('options of a program that is run stay its own', () => {
  const run = command({ passesRest: true });
  for (const [argv, args, app] of [
    [['-a', 'hello', 'ls', '-la', '-a'], ['ls', '-la', '-a'], 'hello'],
    [['--no-tty', '--', '-x', '--'], ['-x', '--'], undefined],
    [['--app=hello', 'ls'], ['ls'], 'hello'],
  ] as const) {
    const parsed = parseArguments('run', run, argv);
    assert.deepEqual(parsed.args, args);
    assert.equal(parsed.options['app'], app);
  }
});

test('too few, too many and unknown are usage errors', () => {
  const one = command({ positionals: [1, 1] });
  for (const argv of [[], ['a', 'b'], ['a', '--what'], ['a', '-a']])
    assert.throws(() => parseArguments('x', one, argv), { code: 'bad_request' });
});

test('near words are suggested, far ones are not', () => {
  const names = ['config:set', 'config:get', 'logs', 'releases'];
  assert.equal(closest('lgos', names), 'logs');
  assert.equal(closest('relases', names), 'releases');
  assert.equal(closest('banana', names), undefined);
});

test('scales are absolute or relative, with memory in M or G', () => {
  const entries = [{ processType: 'web', command: null, quantity: 2, memoryMb: 512 }];
  assert.deepEqual(parseScale('web=0', entries), { processType: 'web', quantity: 0 });
  assert.deepEqual(parseScale('web+3', entries), { processType: 'web', quantity: 5 });
  assert.deepEqual(parseScale('web-3', entries), { processType: 'web', quantity: 0 });
  assert.deepEqual(parseScale('my-worker=1:2G', entries), {
    processType: 'my-worker',
    quantity: 1,
    memoryMb: 2048,
  });
  for (const word of ['web', 'web=', 'web=x', '=2']) assert.throws(() => parseScale(word, entries));
});
