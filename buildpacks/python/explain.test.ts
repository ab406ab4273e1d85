import assert from 'node:assert/strict';
import { test } from 'node:test';
import { explainCollectStatic, explainInstall, explainStandalone, needsCompilers } from './explain.ts';
import type { Installer } from './installer.ts';

const requirements: Installer = {
  kind: 'requirements',
  shown: 'requirements.txt',
  files: ['requirements.txt'],
  requirements: 'requirements.txt',
  texts: new Map([['requirements.txt', '# web\nflask==3\ngunicorn = 27\n--foo bar\n']]),
  names: new Set(),
  fromTree: false,
  fromSource: false,
  pinned: true,
  warnings: [],
};
const explain = (output: string) => explainInstall(requirements, '3.13.5')(output)?.message;

test("uv's messages become one line", () => {
  const unsolved = 'error: No solution found when resolving dependencies\n  cause: ';
  for (const [output, message] of [
    [
      `${unsolved}Because no-such was not found in the package registry and you require no-such==1.0, we can conclude that your requirements are unsatisfiable.`,
      'the package "no-such" does not exist on PyPI',
    ],
    [
      `${unsolved}Because there is no version of flask==99.0 and you require flask==99.0, we can conclude that your requirements are unsatisfiable.`,
      'PyPI has no version for "flask==99.0"',
    ],
    [
      `${unsolved}Because only flask<=3.1.3 is available and you require flask>=99.0, we can conclude that your requirements are unsatisfiable.`,
      'PyPI has no version for "flask>=99.0"',
    ],
    [
      `${unsolved}Because pandas==2.3.3 depends on numpy>=1.26.0 and you require pandas==2.3.3, we can conclude that you require numpy>=1.26.0.`,
      'the requirements contradict each other: pandas==2.3.3 depends on numpy>=1.26.0 and you require pandas==2.3.3',
    ],
    [
      "error: Couldn't parse requirement in `requirements.txt` at position 16\n  cause: no such comparison operator",
      'line 3 of requirements.txt is no requirement: "gunicorn = 27"',
    ],
    [
      "error: Unexpected '-', expected '-c', '-e', '-r' or the start of a requirement: requirements.txt:4:1",
      'line 4 of requirements.txt is no requirement: "--foo bar"',
    ],
    [
      "error: Git operation failed\n  cause: failed\n fatal: unable to access 'https://user:word@git.example.org/x/': Could not resolve host: git.example.org",
      'the git repository "https://git.example.org/x/" cannot be fetched: Could not resolve host: git.example.org',
    ],
    [
      'error: Failed to build `psycopg2==2.9.10`\n  Error: pg_config executable not found.',
      'the package "psycopg2" has no wheel for this Python and did not build',
    ],
    [
      'error: Failed to build `x==1`\n  x.c:1:10: fatal error: y.h: No such file or directory',
      'the package "x" has no wheel for this Python and did not build (no "y.h")',
    ],
    ['something else', undefined],
  ] as const)
    assert.equal(explain(output), message);
});

test('only a build or git is tried again with compilers', () => {
  assert.equal(needsCompilers('   Building numpy==1.19.0\nerror: Failed to build `numpy==1.19.0`\n'), true);
  assert.equal(needsCompilers('  cause: Failed to build `numpy==1.19.0`\n'), true);
  assert.equal(needsCompilers('  cause: Git executable not found. Ensure that Git is installed'), true);
  assert.equal(
    needsCompilers('  cause: Because x==2 has no usable wheels and building from source is disabled'),
    true,
  );
  assert.equal(
    needsCompilers(
      "error: Distribution `x==2 @ y` can't be installed because it is marked as `--no-build` but",
    ),
    true,
  );
  assert.equal(needsCompilers('error: No solution found when resolving dependencies'), false);
});

test('a pyproject.toml that uv cannot read is named with its line and the reason', () => {
  const output = [
    'error: Failed to parse: pyproject.toml',
    '  cause: TOML parse error at line 1, column 1',
    '           |',
    '         1 | [project]',
    '           | ^^^^^^^^^',
    '         `pyproject.toml` is using the `[project]` table, but the required `project.name` field is not set',
    '',
  ].join('\n');
  assert.deepEqual(explainInstall(requirements, '3.13.5')(output), {
    message:
      'pyproject.toml line 1: "pyproject.toml" is using the "[project]" table, but the required "project.name" field is not set',
    hint: 'correct pyproject.toml and push again',
  });
});

test('collectstatic names the setting that is missing', () => {
  const explained = explainCollectStatic(
    'Traceback (most recent call last):\n  File "manage.py", line 9\n    raise KeyError(key)\nKeyError: \'SECRET_KEY\'\n',
  );
  assert.deepEqual(explained, {
    message: "collectstatic failed: KeyError: 'SECRET_KEY'",
    hint: 'set the config var SECRET_KEY, or DISABLE_COLLECTSTATIC=1 to go without',
  });
});

test('a mirror of standalone builds that lacks a version, or has another one, is named', () => {
  const explained = explainStandalone('3.12.4');
  assert.equal(
    explained('  cause: HTTP status client error (404 File not found) for url (x)')?.message,
    'Python 3.12.4 is not in the mirror of standalone builds',
  );
  assert.equal(
    explained('  cause: Checksum mismatch\n  Expected:\n  ca07\n  Computed:\n  9ce2')?.message,
    "the mirror's Python 3.12.4 is not the build whose checksum is known",
  );
});
