import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseJson } from './parse-json.ts';

test('comments and a comma too many are let through, and the lines stay right', () => {
  const text =
    '// ours\n{\n  /* two\n  lines **/ "a": [1, 2, /* end */ ], // "b": 1\n  "c": "//x",\n}\n// last';
  const read = parseJson('app.json', text);
  assert.deepEqual(
    [...(read.kind === 'table' ? read.entries : [])].map(([name, { line }]) => [name, line]),
    [
      ['a', 4],
      ['c', 5],
    ],
  );
});

test('what is no JSON is named with its line', () => {
  const problem = (text: string) => {
    try {
      return parseJson('app.json', text).kind;
    } catch (error) {
      return (error as Error).message;
    }
  };
  assert.equal(problem('{\n  , }'), 'app.json line 2: expected a key in double quotes, found ", }"');
  assert.equal(problem('[1,,2]'), 'app.json line 1: expected a value, found ",2]"');
  assert.equal(
    problem('{ /* "a": 1 }'),
    'app.json line 1: expected a key in double quotes, found "/* "a": 1 }"',
  );
  assert.equal(problem('{"a": 1} x'), 'app.json line 1: expected the end of the file, found "x"');
});
