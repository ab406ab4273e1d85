import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plain } from './located.ts';
import { parseToml } from './parse-toml.ts';

const read = (text: string) => plain(parseToml('f', text));

test('every kind of value and of key', () => {
  const text = String.raw`
# comment
a = "x \t \u00e9 \"" # c
b.c = 'C:\x'
b."d e" = """
one \
   two ""three"""
l = '''
raw ''x'''
i = [1, +2_000, -3, 0xff, 0o17, 0b11, [], [ "n",
  # inside
]]
f = [1.5, -2e3, inf]
t = [true, false]
d = [1979-05-27T07:32:00Z, 1979-05-27 07:32:00.5, 1979-05-27, 07:32:00]
o = { p = 1, q.r = { s = "t" } }
[h]
x = 1
[h.k.m]
x = 2
[[arr]]
n = 1
[arr.sub]
n = 2
[[arr]]
`;
  assert.deepEqual(read(text), {
    a: 'x \t é "',
    b: { c: 'C:\\x', 'd e': 'one two ""three' },
    l: "raw ''x",
    i: [1, 2000, -3, 255, 15, 3, [], ['n']],
    f: [1.5, -2000, Number.POSITIVE_INFINITY],
    t: [true, false],
    d: ['1979-05-27T07:32:00Z', '1979-05-27 07:32:00.5', '1979-05-27', '07:32:00'],
    o: { p: 1, q: { r: { s: 't' } } },
    h: { x: 1, k: { m: { x: 2 } } },
    arr: [{ n: 1, sub: { n: 2 } }, {}],
  });
});

test('keys know their lines, behind strings and lists of several lines and any line end', () => {
  const table = parseToml('f', 'a = """\r\n\r\n"""\r\nb = [\r\n1,\r\n]\r\n\r\n[t]\r\nc = 1');
  const lines = [...table.entries].map(([key, { line }]) => [key, line]);
  assert.deepEqual(lines, [
    ['a', 1],
    ['b', 4],
    ['t', 8],
  ]);
});

test('a key named like a part of every object is only a key', () => {
  const value = read('[__proto__]\nx = 1\n[constructor]\ny = 2') as Record<string, unknown>;
  assert.deepEqual(Object.keys(value), ['__proto__', 'constructor']);
  assert.equal(({} as Record<string, unknown>)['x'], undefined);
});

test('what is no TOML is named with its line', () => {
  const cases: [string, string][] = [
    ['a = 1\na = 2', '2: "a" is there twice'],
    ['[t]\n[t]', '2: "t" is there twice'],
    ['a.b = 1\n[a]', '2: "a" is there twice'],
    ['a = {b = 1}\na.c = 2', '2: "a" is there twice'],
    ['a = []\n[[a]]', '2: "a" is there twice'],
    ['a = 01', '1: "01" is no value of TOML'],
    ['a = yes', '1: yes is no value: write "yes" in quotes'],
    ['a =', '1: a value is missing'],
    ['a = "x', '1: the string does not end on its line'],
    ['\na = """x', '2: the string that begins here has no closing """'],
    ['a = "\\q"', '1: "\\q" is no escape of TOML'],
    ['a = 1 b = 2', '1: expected the end of the line, found "b = 2"'],
    ['a 1', '1: expected "=", found "1"'],
    ['= 1', '1: expected a key, found "= 1"'],
    ['[a', '1: expected "]", found the end of the file'],
    ['a = [1 2]', '1: expected ",", found "2]"'],
    ['a\u0000 = 1', '1: there is a control character'],
    [`a = ${'['.repeat(100)}`, '1: values are nested too deep'],
  ];
  for (const [text, message] of cases)
    assert.throws(() => read(text), { message: `f line ${message}` }, text);
});
