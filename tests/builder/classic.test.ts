// Classic buildpacks through the real engine: Heroku's contract, what is cached, what the image holds, and how each failure reads.
// The buildpacks are small ones of our own; real ones are tried by hand (builder/README.md).
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { BuildResult } from '@berth/contract/build.ts';
import { runCommandOk } from '@berth/kit/run-command.ts';
import { buildpackFiles, buildpackFolder } from './buildpacks.ts';
import type { FakeBuild } from './fake-controller.ts';
import { openWorkbench, type Workbench } from './workbench.ts';

const folder = mkdtempSync('/tmp/berth-buildpacks-');
const mirror = 'https://git.example.org/buildpacks/';
let bench: Workbench;

before(async () => {
  bench = await openWorkbench(
    { BERTH_BUILDPACK_FOLDERS: folder, BERTH_GIT_INSTEAD_OF: `${mirror}=file://${folder}/` },
    { name: 'bbcla' },
  );
});
after(async () => {
  await bench.close();
  rmSync(folder, { recursive: true, force: true });
});

function resultOf(build: FakeBuild): BuildResult {
  assert.equal(build.end?.status, 'succeeded', build.output + JSON.stringify(build.end));
  return build.end.result;
}

function failureOf(build: FakeBuild): { error: string; hint: string | undefined } {
  assert.equal(build.end?.status, 'failed', build.output + JSON.stringify(build.end));
  return { error: build.end.error, hint: build.end.hint };
}

const app = {
  ...buildpackFiles(['alpha', 'beta']),
  '.buildpacks': '# two of our own\r\n\r\n./buildpacks/alpha\r\n./buildpacks/beta\r\n',
  '.slugignore': 'ignored\n',
  ignored: 'x',
  'alpha.txt': 'x',
  'main.txt': 'one',
};
const vars = { GREETING: 'hello-from-a-config-var' };

test("two buildpacks of the tree: Heroku's contract, from detect to the release", async () => {
  const build = await bench.build(app, { app: 'two', vars });
  const result = resultOf(build);
  assert.equal(
    build.output.replace(/[0-9a-f]{12}/g, 'HEX').replace(/^-----> (Preparing|Installing) .*\n/gm, ''),
    `-----> Buildpacks: ./buildpacks/alpha, ./buildpacks/beta (.buildpacks)
       Buildpack ./buildpacks/alpha at content HEX
       Buildpack ./buildpacks/beta at content HEX
-----> Alpha app detected
-----> Alpha
       read from the buildpack's own folder, user app, heroku-24
       variable in the environment: none, in its file: ********
       GIT_ variables: 0; three arguments: 3; ignored: 0
       build 1 with this cache
 !     Alpha is old
       own export: none
-----> Beta app detected
-----> Beta finds what Alpha exported
       alpha runs
 !     the buildpack asks for the add-on "heroku-postgresql": attach one yourself
-----> Image HEX
`,
  );
  assert.equal(result.language, 'Alpha + Beta');
  assert.deepEqual(result.processTypes, {
    web: 'echo "$FROM_PROFILE $MODE"; exec python3 -m http.server',
    worker: '[[ a == a* ]] && alpha',
  });
  assert.deepEqual(result.details.slice(2), ['alpha_version 1.2.3']);
  assert.deepEqual(result.layers.map(({ name }) => name).slice(-5), [
    'runtime-libraries',
    'launcher',
    'runtime',
    'dependencies',
    'rest',
  ]);
});

test('what is started finds the environment that buildpacks left, and config vars win', async () => {
  const { image } = resultOf(await bench.build(app, { app: 'two', vars }));
  const started = async (command: string, env: string[] = []) => {
    const container = await bench.engine.createContainer({
      Image: image,
      Cmd: ['/bin/sh', '-c', command],
      Env: env,
      HostConfig: { NetworkMode: 'none' },
    });
    const attached = await bench.engine.attach(container);
    await bench.engine.startContainer(container);
    let output = '';
    for await (const { data } of attached.output()) output += data.toString('utf8');
    await bench.engine.removeContainer(container, { force: true });
    return output;
  };
  assert.equal(
    await started('echo "$FROM_PROFILE $MODE$ORDER $PWD $HOME"; id -un; [[ a == a* ]] && alpha'),
    'nobody from-beta beta /app /app\napp\nalpha runs\n',
  );
  assert.equal(await started('echo "$FROM_PROFILE $MODE"', ['GREETING=hi', 'MODE=mine']), 'hi mine\n');
  assert.equal(
    await started('ls -a /app /app/.heroku; cat /app/main.txt; ls /opt/berth/classic'),
    `/app:
.
..
.buildpacks
.heroku
.profile.d
.slugignore
alpha.txt
buildpacks
main.txt
node_modules
vendor

/app/.heroku:
.
..
alpha
onestart
`,
  );
  assert.equal(
    await started('grep -srl hello-from-a-config-var / --exclude-dir=proc --exclude-dir=sys; true'),
    '',
  );
});

test('no change is no build; a changed line keeps the slices below it; the cache is there again', async () => {
  const before = resultOf(await bench.build(app, { app: 'two', vars }));
  assert.equal(before.reused, true);
  const build = await bench.build({ ...app, 'main.txt': 'two' }, { app: 'two', vars });
  const after = resultOf(build);
  assert.match(build.output, /build 2 with this cache/);
  const digests = ({ layers }: BuildResult) => layers.map(({ diffId }) => diffId);
  assert.deepEqual(digests(after).slice(0, -1), digests(before).slice(0, -1));
  assert.notEqual(digests(after).at(-1), digests(before).at(-1));
});

test('the cache of a build that fails is not kept', async () => {
  const build = await bench.build({ ...app, 'break-alpha': 'x' }, { app: 'two', vars });
  assert.match(build.output, /build 3 with this cache/);
  assert.deepEqual(failureOf(build), {
    error: 'the buildpack "./buildpacks/alpha" failed with exit code 7',
    hint: 'the reason is above',
  });
  const again = await bench.build({ ...app, 'main.txt': 'three' }, { app: 'two', vars });
  assert.match(again.output, /build 3 with this cache/);
});

test('a repository at a branch, pinned to its commit; a moved branch builds anew; a folder of the operator', async () => {
  const work = join(folder, 'work');
  const env = { PATH: '/usr/bin:/bin', HOME: '/nonexistent', GIT_CONFIG_GLOBAL: '/dev/null' };
  const git = async (...args: string[]) =>
    (
      await runCommandOk(['git', '-c', 'user.name=a', '-c', 'user.email=a@example.org', ...args], {
        env,
        cwd: work,
      })
    ).stdout
      .toString()
      .trim();
  cpSync(join(buildpackFolder, 'beta'), work, { recursive: true });
  await git('init', '-q', '-b', 'main');
  await git('add', '-A');
  await git('commit', '-qm', 'one');
  await git('checkout', '-qb', 'quiet');
  await runCommandOk(['sed', '-i', '/ALPHA_HOME/d', 'bin/compile'], { env, cwd: work });
  await git('commit', '-qam', 'two');
  const commit = await git('rev-parse', 'HEAD');
  await runCommandOk(['git', 'clone', '-q', '--bare', work, join(folder, 'beta.git')], { env, cwd: folder });
  const files = { 'main.txt': 'x' };
  const settings = { buildpacks: [`${mirror}beta.git#quiet`] };
  const first = await bench.build(files, { app: 'git', settings });
  assert.ok(resultOf(first).details.includes(`Buildpack ${mirror}beta.git#quiet at commit ${commit}`));
  assert.equal(resultOf(await bench.build(files, { app: 'git', settings })).reused, true);

  await git('commit', '-q', '--allow-empty', '-m', 'three');
  await git('push', '-q', join(folder, 'beta.git'), 'quiet');
  const moved = await bench.build(files, { app: 'git', settings });
  assert.equal(resultOf(moved).reused, false);
  const short = { buildpacks: [`${mirror}beta.git#${commit.slice(0, 8)}`] };
  const pinned = await bench.build(files, { app: 'git', settings: short });
  assert.ok(pinned.output.includes(`at commit ${commit}`), pinned.output);

  mkdirSync(join(folder, 'quiet'), { recursive: true });
  cpSync(join(work, 'bin'), join(folder, 'quiet/bin'), { recursive: true });
  const local = await bench.build(files, { app: 'git', settings: { buildpacks: [join(folder, 'quiet')] } });
  assert.equal(resultOf(local).language, 'Beta');
});

test('each way to fail says which buildpack, and what to do', async () => {
  const files = { ...buildpackFiles(['refuses', 'fails', 'nothing']), 'main.txt': 'x' };
  const fail = async (...buildpacks: string[]) =>
    failureOf(await bench.build(files, { app: 'fails', settings: { buildpacks } }));
  assert.deepEqual(await fail('./buildpacks/refuses'), {
    error: 'app not compatible with buildpack "./buildpacks/refuses"',
    hint: 'its bin/detect ended with exit code 1: add to the commit what it looks for, or take it out of the list',
  });
  assert.equal(
    (await fail('./buildpacks/fails')).error,
    'the buildpack "./buildpacks/fails" failed with exit code 3',
  );
  assert.equal(
    (await fail('./buildpacks/nothing')).error,
    '"./buildpacks/nothing" is not a buildpack: it has no bin/compile',
  );
  assert.equal(
    (await fail('./buildpacks/missing')).error,
    'the folder "buildpacks/missing" of a buildpack is not in the commit',
  );
  const away = await fail(`${mirror}nowhere.git`);
  assert.match(
    away.error,
    /^the buildpack "https:\/\/git\.example\.org\/buildpacks\/nowhere\.git" cannot be fetched: /,
  );
  assert.match(away.hint ?? '', /BERTH_GIT_INSTEAD_OF/);
  assert.equal((await fail('/etc')).error, '"/etc" is not a folder that buildpacks may come from');
});
