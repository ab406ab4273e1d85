import assert from 'node:assert/strict';
import { test } from 'node:test';
import recipe from './debian-13/recipe.json' with { type: 'json' };
import { mirrorIn } from './debian-mirror.ts';
import { bootstrapPlan, stackKey } from './stack-recipe.ts';

test("the mirror is the machine's own, in either form", () => {
  assert.equal(
    mirrorIn('# c\ndeb [arch=amd64] http://mirror.example.org/debian/ bookworm main\n'),
    'http://mirror.example.org/debian',
  );
  assert.equal(
    mirrorIn('Types: deb\nURIs: https://mirror.example.org/debian\nSuites: trixie\n'),
    'https://mirror.example.org/debian',
  );
  assert.equal(mirrorIn('deb https://packages.example.org/apt stable main\n'), undefined);
  assert.equal(mirrorIn('# deb http://mirror.example.org/debian old main\n'), undefined);
});

test("the bootstrap names the recipe's packages, user and three archives", () => {
  const plan = bootstrapPlan(recipe, 'run', {
    arch: 'amd64',
    mirror: 'http://m.example.org/debian',
    keyring: '/k.gpg',
    target: '/t',
  });
  assert.equal(plan.argv[0], 'mmdebstrap');
  assert.ok(plan.argv.includes(`--include=${recipe.run.packages.join(',')}`));
  assert.ok(plan.argv.includes('--skip=output/dev'));
  assert.deepEqual(plan.argv.slice(-5), [
    'trixie',
    '/t',
    'deb [signed-by=/k.gpg] http://m.example.org/debian trixie main',
    'deb [signed-by=/k.gpg] http://m.example.org/debian trixie-updates main',
    'deb [signed-by=/k.gpg] http://m.example.org/debian-security trixie-security main',
  ]);
});

test('another recipe, variant or architecture is another stack, and a change of one variant leaves the other', () => {
  const run = stackKey(recipe, 'run', 'amd64');
  const more = { ...recipe, run: { ...recipe.run, packages: [...recipe.run.packages, 'git'] } };
  assert.notEqual(run, stackKey(recipe, 'run', 'arm64'));
  assert.notEqual(run, stackKey(recipe, 'build', 'amd64'));
  assert.notEqual(run, stackKey(more, 'run', 'amd64'));
  assert.equal(stackKey(recipe, 'build', 'amd64'), stackKey(more, 'build', 'amd64'));
});
