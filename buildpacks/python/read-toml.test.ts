import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readToml } from './read-toml.ts';

const plain = (text: string): unknown => JSON.parse(JSON.stringify(readToml(text, 'pyproject.toml')));

test('tables, arrays over lines, inline tables, dotted and quoted keys, comments', () => {
  const text = `# a project
[project]
name = "sample" # its name
version = '1.0'
dependencies = [
  "flask>=3", # web
  'gunicorn; sys_platform != "win32"',
]
optional-dependencies.docs = ["sphinx"]

[tool.poetry.dependencies]
python = "^3.12"
django = { version = "^5", extras = ["argon2"] }
"zope.interface" = "*"

[[tool.poetry.source]]
name = "one"
[[tool.poetry.source]]
name = "two"
[tool.x]
on = true
count = 1_000
text = """
first \\
  second"""
`;
  assert.deepEqual(plain(text), {
    project: {
      name: 'sample',
      version: '1.0',
      dependencies: ['flask>=3', 'gunicorn; sys_platform != "win32"'],
      'optional-dependencies': { docs: ['sphinx'] },
    },
    tool: {
      poetry: {
        dependencies: {
          python: '^3.12',
          django: { version: '^5', extras: ['argon2'] },
          'zope.interface': '*',
        },
        source: [{ name: 'one' }, { name: 'two' }],
      },
      x: { on: true, count: '1_000', text: 'first second' },
    },
  });
});

test('what is not TOML is refused with its line', () => {
  for (const [text, line] of [
    ['[project]\nname = \n', 2],
    ['[project\n', 1],
    ['a = "x\nb = 1\n', 1],
    ['a = [1, 2\n', 2],
    ['a = 1 b = 2\n', 1],
    [`a = ${'['.repeat(100)}`, 1],
  ] as const)
    assert.throws(() => plain(text), { message: `line ${line} of pyproject.toml is not valid TOML` }, text);
});

test('keys with a meaning in JavaScript are keys', () => {
  assert.equal(readToml('__proto__ = "x"\n[constructor]\na = "b"\n', 'Pipfile')['__proto__'], 'x');
  assert.equal(({} as Record<string, unknown>)['x'], undefined);
});
