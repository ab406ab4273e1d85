// A push from the pusher's side: lines live and in order, the verdict, and what stays behind.
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError } from '@berth/kit/errors.ts';
import { goodRelease } from './fake-controller.ts';
import { ReceiverFixture, until } from './receiver-fixture.ts';

let fixture: ReceiverFixture;
before(async () => {
  fixture = await ReceiverFixture.start();
});
after(async () => {
  await fixture.close();
});
beforeEach(async () => {
  // The receiver tells how the last test's pushes landed after their pushers have their answer: nobody could tell it of a push that is forgotten here.
  await fixture.leftovers();
  fixture.controller.pushes.length = 0;
  fixture.controller.script = goodRelease;
  fixture.controller.startPush = async () => {};
});

function remoteLines(text: string): string[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('remote: '))
    .map((line) => line.slice('remote: '.length).trimEnd())
    .filter((line) => line !== '');
}

test('a push prints the build live and in order, and ends with the release, its URL and the time', async () => {
  const project = await fixture.project('live');
  fixture.controller.script = async (_push, out) => {
    for (let seq = 1; seq <= 4; seq++) {
      out.line(seq, `-----> Step ${seq}: größer, 構築`);
      await sleep(150);
    }
    out.line(5, '-----> Released v1');
    out.line(6, '       http://hello.localhost:8080');
    out.end(true, { release: 1 });
  };
  const pushed = await fixture.git(['push', fixture.url(), 'main'], project);
  assert.equal(pushed.code, 0, pushed.text);
  const lines = remoteLines(pushed.text);
  assert.deepEqual(lines.slice(0, -1), [
    '-----> Step 1: größer, 構築',
    '-----> Step 2: größer, 構築',
    '-----> Step 3: größer, 構築',
    '-----> Step 4: größer, 構築',
    '-----> Released v1',
    '       http://hello.localhost:8080',
  ]);
  assert.match(lines.at(-1) ?? '', /^ {7}live in \d+\.\d\ds$/);
  const at = (step: number) => pushed.pieces.find(({ text }) => text.includes(`Step ${step}`))?.ms ?? 0;
  assert.ok(at(3) - at(1) > 200, 'the lines came one by one');
  const head = (await fixture.git(['rev-parse', 'HEAD'], project)).text.trim();
  assert.equal(await fixture.ref(), head);
  const [push] = fixture.controller.pushes;
  await until(() => push?.landed.length === 1, 'the controller hears that the push landed');
  assert.deepEqual(push?.landed, [true]);
  assert.equal(push?.body.newOid, head);
  assert.equal(push?.body.treeOid, (await fixture.git(['rev-parse', 'HEAD^{tree}'], project)).text.trim());
  assert.equal(push?.body.repository, fixture.repository);
  assert.deepEqual(await fixture.leftovers(), []);
});

test('a failed build rejects the push, says why, and leaves the ref and the repository as they were', async () => {
  const project = await fixture.project('failing', { 'a.txt': 'first' });
  assert.equal((await fixture.git(['push', '-f', fixture.url(), 'main'], project)).code, 0);
  const before = await fixture.ref();
  const second = await fixture.commit(project, { 'a.txt': 'second' });
  fixture.controller.script = async (push, out) => {
    assert.match(push.body.objectDirectories[0] ?? '', /tmp_objdir|incoming/);
    out.line(1, '-----> Building');
    out.end(false, {
      message: 'the build failed: npm run build exited with 1',
      hint: 'run it on your machine',
    });
  };
  const pushed = await fixture.git(['push', fixture.url(), 'main'], project);
  assert.notEqual(pushed.code, 0);
  assert.deepEqual(remoteLines(pushed.text), [
    '-----> Building',
    ' !     the build failed: npm run build exited with 1',
    ' !     run it on your machine',
  ]);
  assert.match(pushed.text, /\[remote rejected\] main -> main \(pre-receive hook declined\)/);
  assert.equal(await fixture.ref(), before);
  const kept = await fixture.git(['--git-dir', fixture.repository, 'cat-file', '-e', second]);
  assert.notEqual(kept.code, 0, 'the rejected commit is not kept');
  await until(() => fixture.controller.pushes[1]?.landed.length === 1, 'landed');
  assert.deepEqual(fixture.controller.pushes[1]?.landed, [false]);
  assert.deepEqual(await fixture.leftovers(), []);
});

test('another branch is kept and the pusher told what deploys; a tag and a push option as well', async () => {
  const project = await fixture.project('branches');
  await fixture.git(['tag', 'v1.0'], project);
  const pushed = await fixture.git(['push', '-o', 'fast', fixture.url(), 'main:feature', 'v1.0'], project);
  assert.equal(pushed.code, 0, pushed.text);
  assert.deepEqual(remoteLines(pushed.text), [
    ' !     The only push option here is "no-cache"; others were ignored.',
    ' !     Pushed to "feature". Only "main" deploys: git push berth feature:main',
    ' !     Pushed the tag "v1.0". Only "main" deploys: git push berth v1.0^{commit}:main',
  ]);
  assert.equal(fixture.controller.pushes.length, 0);
  assert.notEqual(await fixture.ref('refs/heads/feature'), '');
  const deleted = await fixture.git(['push', fixture.url(), ':feature', ':v1.0'], project);
  assert.equal(deleted.code, 0, deleted.text);
  assert.equal(await fixture.ref('refs/heads/feature'), '');
});

test('the push option "no-cache" reaches the controller, whatever stands beside it', async () => {
  const project = await fixture.project('options');
  const options = ['-o', 'no-cache', '-o', 'x=$(touch /tmp/never)'];
  const pushed = await fixture.git(['push', '-f', ...options, fixture.url(), 'main'], project);
  assert.equal(pushed.code, 0, pushed.text);
  assert.match(pushed.text, /The only push option here is "no-cache"; others were ignored/);
  assert.equal(fixture.controller.pushes.at(-1)?.body.noCache, true);
  await fixture.commit(project, { 'a.txt': 'next' });
  assert.equal((await fixture.git(['push', fixture.url(), 'main'], project)).code, 0);
  assert.equal(fixture.controller.pushes.at(-1)?.body.noCache, false);
});

test('the deploy branch cannot be deleted but can be rewritten with --force', async () => {
  const project = await fixture.project('force');
  assert.equal((await fixture.git(['push', '-f', fixture.url(), 'main'], project)).code, 0);
  const deleted = await fixture.git(['push', fixture.url(), ':main'], project);
  assert.notEqual(deleted.code, 0);
  assert.match(deleted.text, /"main" deploys and cannot be deleted/);
  await fixture.git(['commit', '-q', '--amend', '-m', 'rewritten'], project);
  assert.notEqual((await fixture.git(['push', fixture.url(), 'main'], project)).code, 0);
  assert.equal((await fixture.git(['push', '-f', fixture.url(), 'main'], project)).code, 0);
});

test('a push from a depth-1 clone is accepted, and what is deployed can be cloned', async () => {
  const project = await fixture.project('deep', { 'a.txt': '1' });
  await fixture.commit(project, { 'a.txt': '2' });
  const shallow = `${fixture.folder}/shallow`;
  assert.equal((await fixture.git(['clone', '-q', '--depth', '1', `file://${project}`, shallow])).code, 0);
  const pushed = await fixture.git(['push', '-f', fixture.url('other'), 'main'], shallow);
  assert.equal(pushed.code, 0, pushed.text);
  for (const version of ['0', '2']) {
    const copy = `${fixture.folder}/copy-${version}`;
    const cloned = await fixture.git([
      '-c',
      `protocol.version=${version}`,
      'clone',
      '-q',
      fixture.url('other'),
      copy,
    ]);
    assert.equal(cloned.code, 0, cloned.text);
    assert.equal(
      (await fixture.git(['rev-parse', 'HEAD'], copy)).text,
      (await fixture.git(['rev-parse', 'HEAD'], project)).text,
    );
  }
});

test('a push that is superseded or must wait is told so in the words of the controller', async () => {
  const project = await fixture.project('superseded', { 'b.txt': 'x' });
  fixture.controller.startPush = async () => {
    throw new AppError('conflict', 'the branch has moved while the push waited', {
      hint: 'git pull, then push again',
    });
  };
  const pushed = await fixture.git(['push', '-f', fixture.url(), 'main'], project);
  assert.notEqual(pushed.code, 0);
  assert.deepEqual(remoteLines(pushed.text), [
    ' !     the branch has moved while the push waited',
    ' !     git pull, then push again',
  ]);
});

test('a push whose branch moved while it waited for another is refused before its release', async () => {
  const first = await fixture.project('first', { 'f.txt': '1' });
  assert.equal((await fixture.git(['push', '-f', fixture.url(), 'main'], first)).code, 0);
  const second = `${fixture.folder}/second`;
  await fixture.git(['clone', '-q', fixture.url(), second]);
  await fixture.commit(first, { 'f.txt': '2' });
  await fixture.commit(second, { 'f.txt': '3' });
  fixture.controller.pushes.length = 0;
  const held = Promise.withResolvers<'waited'>();
  let asked = 0;
  fixture.controller.startPush = () => (asked++ === 0 ? held.promise : Promise.resolve(undefined));
  const waiting = fixture.git(['push', fixture.url(), 'main'], second);
  await until(() => asked === 1, 'the first one waits');
  assert.equal((await fixture.git(['push', fixture.url(), 'main'], first)).code, 0);
  held.resolve('waited');
  const pushed = await waiting;
  assert.notEqual(pushed.code, 0);
  assert.match(pushed.text, /"main" has moved while this push waited for another/);
  assert.equal(asked, 2, 'it did not ask again: nothing was started that could have become live');
  await until(() => fixture.controller.pushes[0]?.landed.length === 1, 'the end of the other is told');
  assert.deepEqual(
    fixture.controller.pushes.map(({ landed }) => landed),
    [[true]],
  );
});

test('two pushes to one app at once both reach the controller, and both pushers read their own lines', async () => {
  const one = await fixture.project('one', { 'one.txt': '1' });
  const two = await fixture.project('two', { 'two.txt': '2' });
  fixture.controller.script = async (push, out) => {
    await until(() => fixture.controller.pushes.length === 2, 'the second push');
    out.line(1, `-----> ${push.id}`);
    if (push.id === 'p1') return out.end(false, { message: 'superseded by a newer push' });
    await sleep(50);
    out.end(true, { release: 2 });
  };
  const results = await Promise.all([
    fixture.git(['push', '-f', fixture.url(), 'main'], one),
    fixture.git(['push', '-f', fixture.url(), 'main'], two),
  ]);
  assert.deepEqual(results.map(({ code }) => code === 0).sort(), [false, true]);
  assert.match(results.find(({ code }) => code !== 0)?.text ?? '', /superseded by a newer push/);
  assert.match(results.find(({ code }) => code === 0)?.text ?? '', /-----> Released v2/);
});

test('a controller that restarts in the middle costs no line and prints none twice', async () => {
  const project = await fixture.project('restart', { 'c.txt': 'x' });
  let connections = 0;
  fixture.controller.script = async (_push, out, after) => {
    connections++;
    for (let seq = after + 1; seq <= 6; seq++) {
      if (connections === 1 && seq === 4) return out.cut();
      out.line(seq, `-----> line ${seq}`);
      await sleep(10);
    }
    out.end(true, { release: 3 });
  };
  const pushed = await fixture.git(['push', '-f', fixture.url(), 'main'], project);
  assert.equal(pushed.code, 0, pushed.text);
  const lines = remoteLines(pushed.text).filter((line) => line.includes('line'));
  assert.deepEqual(
    lines,
    [1, 2, 3, 4, 5, 6].map((seq) => `-----> line ${seq}`),
  );
  assert.equal(connections, 2);
});

test('a pusher that leaves in the middle ends its push: nothing moves, the controller sees the follower go', async () => {
  const project = await fixture.project('leaving', { 'd.txt': 'x' });
  const before = await fixture.ref();
  let gone = false;
  fixture.controller.script = async (_push, out) => {
    out.line(1, '-----> Building');
    await until(() => out.gone, 'the follower goes');
    gone = true;
  };
  const { child, result } = fixture.startGit(['push', '-f', fixture.url(), 'main'], project);
  await until(() => fixture.controller.pushes.length === 1, 'the push starts');
  await sleep(100);
  process.kill(-(child.pid ?? 0), 'SIGKILL'); // git and its git-remote-http, as a terminal's Ctrl-C does
  await result;
  await until(() => gone, 'the receiver stops following');
  await until(() => fixture.controller.pushes[0]?.landed.length === 1, 'landed');
  assert.deepEqual(fixture.controller.pushes[0]?.landed, [false]);
  assert.equal(await fixture.ref(), before);
  assert.deepEqual(await fixture.leftovers(), []);
});

test('a receiver killed in the middle of a push refuses it, and tells its end at the next start', async () => {
  const project = await fixture.project('killed', { 'e.txt': 'x' });
  const before = await fixture.ref();
  fixture.controller.script = async (_push, out) => {
    out.line(1, '-----> Building');
    await until(() => out.gone, 'the receiver dies');
  };
  const { result } = fixture.startGit(['push', '-f', fixture.url(), 'main'], project);
  await until(() => fixture.controller.pushes.length === 1, 'the push starts');
  await sleep(100);
  await fixture.stopProcess('SIGKILL');
  assert.notEqual((await result).code, 0);
  await fixture.startProcess();
  await until(() => fixture.controller.pushes[0]?.landed.length === 1, 'landed after the restart');
  assert.deepEqual(fixture.controller.pushes[0]?.landed, [false]);
  assert.equal(await fixture.ref(), before);
  assert.deepEqual(await fixture.leftovers(), []);
});

test('a receiver that is told to stop in the middle of a push lets the pusher go', async () => {
  const project = await fixture.project('stopped', { 'g.txt': 'x' });
  fixture.controller.pushes.length = 0;
  fixture.controller.script = async (_push, out) => {
    out.line(1, '-----> Building');
    await until(() => out.gone, 'the receiver stops');
  };
  const { child, result } = fixture.startGit(['push', '-f', fixture.url(), 'main'], project);
  await until(() => fixture.controller.pushes.length === 1, 'the push starts');
  await sleep(300); // its first line is on the way: the answer has begun
  await fixture.stopProcess('SIGTERM');
  const stuck = setTimeout(() => process.kill(-(child.pid ?? 0), 'SIGKILL'), 10_000);
  const { text } = await result;
  clearTimeout(stuck);
  assert.match(text, /-----> Building/);
  assert.match(text, /fatal:|error:/, 'git itself says that it was cut off');
  await fixture.startProcess();
});

test('a push of 20 MB goes through without lying in the memory of the receiver', async () => {
  const noise = new Uint8Array(20 * 1024 * 1024);
  for (let at = 0; at < noise.length; at += 65_536) crypto.getRandomValues(noise.subarray(at, at + 65_536));
  const project = await fixture.project('large', { 'noise.bin': noise });
  const before = await fixture.memoryKb('VmRSS');
  const pushed = await fixture.git(['push', '-f', fixture.url(), 'main'], project);
  assert.equal(pushed.code, 0, pushed.text);
  const grown = (await fixture.memoryKb()) - before;
  assert.ok(grown < 40_000, `memory grew by ${grown} kB`);
});
