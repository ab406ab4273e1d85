// Logging in and out, and git pushing with the credentials that `berth create` set up.
import assert from 'node:assert/strict';
import { readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { app, CliFixture, launcher } from './cli-fixture.ts';

let fixture: CliFixture;
before(async () => {
  fixture = await CliFixture.start();
});
after(() => fixture.close());

test('without a login a command says how to log in and exits with 3', async () => {
  const ran = await fixture.berth(['whoami'], { env: { BERTH_SERVER: fixture.api.url } });
  assert.equal(ran.code, 3);
  assert.match(ran.stderr, /you are not logged in to http:.*\n ! {5}berth login --server http:/);
});

test('a wrong token is not kept', async () => {
  const ran = await fixture.berth(['login', '--server', fixture.api.url, '--token-stdin'], { input: 'bad' });
  assert.equal(ran.code, 3);
  await assert.rejects(stat(`${fixture.home}/.config/berth/credentials.json`));
});

test('a login is kept in files that only their owner reads, and used from then on', async () => {
  const ran = await fixture.login();
  assert.equal(ran.code, 0, ran.stderr);
  assert.equal(ran.stdout, `Logged in to ${fixture.api.url} as ada\n`);
  for (const name of ['credentials.json', 'git-credentials'])
    assert.equal((await stat(`${fixture.home}/.config/berth/${name}`)).mode & 0o777, 0o600);
  assert.equal((await fixture.berth(['whoami'])).stdout, 'ada\n');
  const kept: unknown = JSON.parse(await readFile(`${fixture.home}/.config/berth/credentials.json`, 'utf8'));
  assert.deepEqual(kept, {
    servers: { [fixture.api.url]: { token: 'good', user: 'ada' } },
    default: fixture.api.url,
  });
});

test('create makes the remote and the helper, and git then asks for nothing', async () => {
  await fixture.git(['init', '-q', '-b', 'main']);
  fixture.api.routes.set('POST /v1/apps', () => app);
  const ran = await fixture.berth(['create', 'hello']);
  assert.equal(ran.code, 0, ran.stderr);
  assert.match(
    ran.stdout,
    /Created hello: http:\/\/hello\.localhost:8080\ngit remote "berth" is set: git push berth main/,
  );
  assert.deepEqual(fixture.api.asked.at(-1)?.body, { name: 'hello' });
  assert.equal((await fixture.git(['remote', 'get-url', 'berth'])).stdout, `${fixture.api.url}/hello.git\n`);
  const filled = await fixture.program('git', ['credential', 'fill'], {
    input: `url=${fixture.api.url}/hello.git\n\n`,
  });
  assert.match(filled.stdout, /username=ada\npassword=good\n/);
  assert.ok(
    !(await readFile(`${fixture.work}/.git/config`, 'utf8')).includes('good'),
    'no token in the repository',
  );
});

test('the credential helper answers without starting Node, and in Node when it must', async () => {
  const host = new URL(fixture.api.url).host;
  const quick = await fixture.berth(['git-credential', 'get'], { input: `protocol=http\nhost=${host}\n\n` });
  assert.equal(quick.stdout, 'username=ada\npassword=good\n');
  const byEnv = await fixture.berth(['git-credential', 'get'], {
    input: `protocol=http\nhost=${host}\n\n`,
    env: { BERTH_TOKEN: 'other' },
  });
  assert.equal(byEnv.stdout, 'username=berth\npassword=other\n');
  const unknown = await fixture.berth(['git-credential', 'get'], {
    input: 'protocol=http\nhost=elsewhere:1\n\n',
  });
  assert.match(unknown.stderr, /not logged in to http:\/\/elsewhere:1/);
  assert.equal(unknown.stdout, 'quit=1\n');
  assert.equal((await fixture.berth(['git-credential', 'store'])).code, 0);
});

test('a login that another program wrote is used at once, not the one kept for git', async () => {
  const folder = `${fixture.home}/.config/berth`;
  const before = await readFile(`${folder}/credentials.json`, 'utf8');
  await writeFile(`${folder}/credentials.json`, before.replace('"good"', '"newer"'));
  await utimes(`${folder}/git-credentials`, 1, 1);
  const host = new URL(fixture.api.url).host;
  const ask = () => fixture.berth(['git-credential', 'get'], { input: `protocol=http\nhost=${host}\n\n` });
  assert.equal((await ask()).stdout, 'username=ada\npassword=newer\n');
  assert.match(await readFile(`${folder}/git-credentials`, 'utf8'), /:newer@/);
  assert.equal((await ask()).stdout, 'username=ada\npassword=newer\n');
  await fixture.berth(['git-credential', 'erase']);
  await assert.rejects(stat(`${folder}/git-credentials`));
  await writeFile(`${folder}/credentials.json`, before);
  assert.equal((await ask()).stdout, 'username=ada\npassword=good\n');
});

test('the launcher works through links and from a folder with spaces', async () => {
  const link = `${fixture.home}/a link`;
  await fixture.program('ln', ['-s', launcher, link]);
  await fixture.program('ln', ['-s', 'a link', `${fixture.home}/second`]);
  assert.equal((await fixture.program(`${fixture.home}/second`, ['whoami'])).stdout, 'ada\n');
});

test('a taken remote is named, with the way out', async () => {
  fixture.api.routes.set('POST /v1/apps', () => ({ ...app, name: 'second' }));
  const ran = await fixture.berth(['create', 'second']);
  assert.equal(ran.code, 5);
  assert.match(ran.stderr, /the git remote "berth" is taken by/);
});

test('a damaged credentials file is named', async () => {
  const path = `${fixture.home}/.config/berth/credentials.json`;
  const good = await readFile(path);
  await writeFile(path, '{"servers":');
  const ran = await fixture.berth(['whoami']);
  assert.match(ran.stderr, /credentials\.json" is not JSON\n ! {5}remove it and run "berth login"/);
  await writeFile(path, good);
});

test('logout forgets the token everywhere', async () => {
  assert.equal((await fixture.berth(['logout'])).code, 0);
  assert.equal(await readFile(`${fixture.home}/.config/berth/git-credentials`, 'utf8'), '');
  assert.equal((await fixture.berth(['logout', '--server', fixture.api.url])).code, 4);
});
