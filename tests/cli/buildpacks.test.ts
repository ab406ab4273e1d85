// buildpacks:* and stack:* against a fake API: what is sent, what is printed, what is refused here already.
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { AppError } from '@berth/kit/errors.ts';
import { CliFixture } from './cli-fixture.ts';

let fixture: CliFixture;
let list: string[];
const put = () => fixture.api.asked.findLast(({ method }) => method === 'PUT')?.body;
const berth = (...words: string[]) => fixture.berth([...words, '-a', 'hello']);

before(async () => {
  fixture = await CliFixture.start();
  await fixture.login();
});
after(() => fixture.close());
beforeEach(() => {
  list = ['node', 'python'];
  fixture.api.asked.length = 0;
  fixture.api.routes.clear();
  fixture.api.routes.set('GET /v1/apps/hello/buildpacks', () => ({ buildpacks: list }));
  fixture.api.routes.set('PUT /v1/apps/hello/buildpacks', ({ body }) => ({
    buildpacks: (body as { buildpacks: string[] }).buildpacks,
  }));
});

test('the list is numbered, and JSON with --json', async () => {
  assert.equal((await berth('buildpacks')).stdout, '  1. node\n  2. python\n');
  assert.deepEqual(JSON.parse((await berth('buildpacks', '--json')).stdout), ['node', 'python']);
  list = [];
  assert.match((await berth('buildpacks')).stdout, /^No buildpacks are set/);
});

test('add appends or takes a place, and says what is set now and when it counts', async () => {
  const ran = await berth('buildpacks:add', 'ruby');
  assert.equal(
    ran.stdout,
    'hello is built with\n  1. node\n  2. python\n  3. ruby\nThis takes effect with the next push: git push berth main\n',
  );
  assert.deepEqual(put(), { buildpacks: ['node', 'python', 'ruby'], replaces: ['node', 'python'] });
  await berth('buildpacks', 'add', '-i', '1', 'https://example.org/apt.git#v1');
  assert.deepEqual(put(), {
    buildpacks: ['https://example.org/apt.git#v1', 'node', 'python'],
    replaces: ['node', 'python'],
  });
  const outside = await berth('buildpacks:add', '--index', '9', 'go');
  assert.deepEqual([outside.code, outside.stdout], [2, '']);
  assert.match(outside.stderr, /there is no place 9 in the list\n ! {5}places go from 1 to 3/);
});

test('set replaces all or one, remove takes a name or a place, clear leaves none', async () => {
  await berth('buildpacks:set', 'go', 'node');
  assert.deepEqual(put(), { buildpacks: ['go', 'node'], replaces: ['node', 'python'] });
  await berth('buildpacks:set', 'go', '-i', '2');
  assert.deepEqual(put(), { buildpacks: ['node', 'go'], replaces: ['node', 'python'] });
  await berth('buildpacks:remove', 'node');
  assert.deepEqual(put(), { buildpacks: ['python'], replaces: ['node', 'python'] });
  await berth('buildpacks:remove', '-i', '2');
  assert.deepEqual(put(), { buildpacks: ['node'], replaces: ['node', 'python'] });
  const ran = await berth('buildpacks:clear');
  assert.deepEqual(put(), { buildpacks: [], replaces: ['node', 'python'] });
  assert.match(ran.stdout, /^No buildpacks are set on hello/);
});

test('what is not in the list cannot be removed, and the nearest is named', async () => {
  const ran = await berth('buildpacks:remove', 'pyton');
  assert.equal(ran.code, 4);
  assert.match(ran.stderr, /"pyton" is not among the buildpacks of the app\n ! {5}did you mean "python"\?/);
  assert.equal((await berth('buildpacks:remove')).code, 2);
  assert.equal((await berth('buildpacks:remove', 'node', '-i', '1')).code, 2);
  assert.equal(put(), undefined);
});

test('what the platform refuses is shown with its hint', async () => {
  fixture.api.routes.set('PUT /v1/apps/hello/buildpacks', () => {
    throw new AppError('invalid', '"nodjs" is no buildpack', { hint: 'did you mean "nodejs"?' });
  });
  const ran = await berth('buildpacks:add', 'nodjs');
  assert.deepEqual(
    [ran.code, ran.stderr],
    [2, ' !     "nodjs" is no buildpack\n !     did you mean "nodejs"?\n'],
  );
});

test('the stack is shown among those there are; "default" goes back', async () => {
  const show = (stack: string | null) => ({ stack, default: 'debian-13', available: ['debian-13'] });
  fixture.api.routes.set('GET /v1/apps/hello/stack', () => show('cnb:heroku/builder:24'));
  fixture.api.routes.set('PUT /v1/apps/hello/stack', ({ body }) =>
    show((body as { stack: string | null }).stack),
  );
  assert.equal((await berth('stack')).stdout, '  debian-13 (default)\n* cnb:heroku/builder:24\n');
  const set = await berth('stack:set', 'cnb:heroku/builder:24');
  assert.equal(
    set.stdout,
    'hello is built on cnb:heroku/builder:24\nThis takes effect with the next push: git push berth main\n',
  );
  assert.match((await berth('stack', 'set', 'default')).stdout, /^hello is built on debian-13 \(default\)/);
  assert.deepEqual(put(), { stack: null });
});
