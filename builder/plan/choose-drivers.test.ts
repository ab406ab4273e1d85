import assert from 'node:assert/strict';
import { test } from 'node:test';
import { driverNames } from '@berth/contract/buildpack-names.ts';
import { treeOfFiles } from '../../tests/builder/tree-of-files.ts';
import { type Choice, type ChoiceFacts, chooseDrivers } from './choose-drivers.ts';
import { drivers } from './drivers.ts';

const nothing: ChoiceFacts = { settings: { buildpacks: [], stack: null }, vars: {} };
const set = (...buildpacks: string[]): ChoiceFacts => ({
  ...nothing,
  settings: { buildpacks, stack: null },
});
const choose = (files: Record<string, string>, facts = nothing) => chooseDrivers(treeOfFiles(files), facts);
const short = ({ builder, detected: { driver, label, why } }: Choice) => [builder, driver, label, why];

const nodeApp = { 'package.json': '{}' };
const site = { 'public/index.html': '' };

test('every driver has a name that users can write', () => {
  for (const { name } of drivers) assert.ok(driverNames.includes(name), name);
});

test('detection names the file that it went by', async () => {
  assert.deepEqual(short(await choose(nodeApp)), ['drivers', 'node', 'Node.js', 'package.json at the root']);
  assert.deepEqual(short(await choose(site)), ['drivers', 'static', 'Static site', 'public/index.html']);
});

test('a Dockerfile at the root wins over detection, and loses against what was asked for', async () => {
  const both = { ...nodeApp, Dockerfile: 'FROM scratch' };
  assert.deepEqual(short(await choose(both)), [
    'dockerfile',
    'dockerfile',
    'Dockerfile',
    'Dockerfile at the root',
  ]);
  assert.deepEqual(short(await choose(both, set('node'))), ['drivers', 'node', 'Node.js', 'set on the app']);
  const manifest = { builder: 'buildpacks' };
  assert.equal((await choose(both, { ...nothing, manifest })).builder, 'drivers');
});

test('the first place that lists buildpacks wins: app, config var, berth.toml, .buildpacks, app.json', async () => {
  const tree = { ...nodeApp, ...site, '.buildpacks': '# ours\r\n\r\nheroku/nodejs\r\nstatic\r\n' };
  const why = async (facts: ChoiceFacts) => (await choose(tree, facts)).detected;
  assert.deepEqual(await why(nothing), {
    driver: 'node+static',
    label: 'Node.js + Static site',
    why: '.buildpacks',
  });
  const fromAppJson = { buildpacks: ['static'], buildpacksFrom: 'app.json' };
  assert.equal((await why({ ...nothing, manifest: fromAppJson })).why, '.buildpacks');
  assert.equal((await choose(site, { ...nothing, manifest: fromAppJson })).detected.why, 'app.json');
  const manifest = { buildpacks: ['static'] };
  assert.deepEqual(await why({ ...nothing, manifest }), {
    driver: 'static',
    label: 'Static site',
    why: 'berth.toml',
  });
  const vars = { BUILDPACK_URL: 'node' };
  assert.equal((await why({ ...nothing, manifest, vars })).why, 'the config var BUILDPACK_URL');
  assert.equal((await why({ ...set('static'), manifest, vars })).why, 'set on the app');
});

test('one entry that is not ours makes the whole list run as buildpacks of the field', async () => {
  const url = 'https://git.example.org/pack.git#v2';
  const choice = await choose(nodeApp, set('node', url));
  assert.deepEqual(choice.builder === 'classic' && choice.buildpacks, ['node', url]);
  assert.equal((await choose(nodeApp, set('./packs/mine'))).builder, 'classic');
  assert.equal((await choose(nodeApp, set('heroku-community/apt', 'node'))).builder, 'classic');
});

test('a Cloud Native builder wins over everything', async () => {
  const settings = { buildpacks: ['node'], stack: 'cnb:heroku/builder:24' };
  const choice = await choose(nodeApp, { ...nothing, settings });
  assert.equal(choice.builder === 'cnb' && choice.image, 'heroku/builder:24');
});

test('a Dockerfile elsewhere is named in berth.toml', async () => {
  const manifest = { dockerfile: 'deploy/Dockerfile' };
  const choice = await choose({ ...nodeApp, 'deploy/Dockerfile': '' }, { ...nothing, manifest });
  assert.equal(choice.builder === 'dockerfile' && choice.dockerfile, 'deploy/Dockerfile');
  await assert.rejects(choose(nodeApp, { ...nothing, manifest }), {
    message: '"deploy/Dockerfile" is not in the commit',
  });
});

test('each wrong entry is named with its place and what to write', async () => {
  const url = 'the setting of the app';
  for (const [entry, message, hint] of [
    ['nodjs', `${url}: "nodjs" is neither a known buildpack`, 'did you mean "nodejs"?'],
    ['git@github.com:a/b.git', `${url}: "git@github.com:a/b.git" needs a key`, ''],
    ['https://me:secret@example.org/x.git', '"https://…@example.org/x.git" has a login in it', ''],
    ['file:///etc', 'is not an https://', ''],
    ['ext::sh -c id', 'has a blank or a control character', ''],
    ['--upload-pack=x', 'is neither a known buildpack', ''],
    ['./../../etc', 'leads out of the tree', ''],
    ['github.com/heroku/x', 'lacks the scheme: https://github.com/heroku/x', ''],
  ] as const)
    await assert.rejects(choose(nodeApp, set(entry)), (error: Error & { hint?: string }) => {
      assert.ok(error.message.includes(message), error.message);
      assert.ok((error.hint ?? '').includes(hint), error.hint);
      return true;
    });
  await assert.rejects(choose(nodeApp, set('node', 'heroku/nodejs')), {
    message: 'the setting of the app lists "heroku/nodejs" twice',
  });
  await assert.rejects(choose({ 'a.txt': '' }, set('node')), {
    message: 'the buildpack "node" does not find its app in the commit',
    hint: 'it looks for package.json (Node.js); it comes from the setting of the app',
  });
});
