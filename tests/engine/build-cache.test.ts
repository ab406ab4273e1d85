// The layer cache: what is taken again, and each thing that must prevent it (CVE-2024-24557 was a key that left things out).
import assert from 'node:assert/strict';
import { rmSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { BuildBench } from './build-harness.ts';

let bench: BuildBench;

before(async () => {
  bench = await BuildBench.start('bld4');
});

after(async () => {
  await bench.engine.close();
});

const built = (...args: Parameters<BuildBench['built']>) => bench.built(...args);

/** Did the last step come from the cache? */
function isLastCached(out: string): boolean {
  return /Using cache\n ---> [0-9a-f]{12}\nSuccessfully built/.test(out);
}

describe('a step is taken from the cache', () => {
  test('when nothing differs, and gives the very same image', async () => {
    const dockerfile =
      'FROM base\nARG A=1\nWORKDIR /w\nCOPY . .\nRUN date +%N > /n 2>/dev/null || echo $A > /n\nCMD x\n';
    await built('same', dockerfile, { f: '1' });
    const { Id } = await bench.inspect('same');
    const out = await built('same', dockerfile, { f: '1' });
    assert.equal(out.match(/Using cache/g)?.length, 5);
    assert.equal((await bench.inspect('same')).Id, Id);
  });

  test('whatever the times of the files are', async () => {
    const dir = await bench.context({ Dockerfile: 'FROM base\nCOPY f /f\n', f: '1' });
    await bench.docker(['build', dir]);
    utimesSync(join(dir, 'f'), 1, 1);
    assert.ok(isLastCached((await bench.docker(['build', dir])).out));
    rmSync(dir, { recursive: true });
  });

  test('after the daemon was started anew', async () => {
    const dockerfile = 'FROM base\nRUN echo kept > /k\n';
    await built('kept', dockerfile);
    await bench.engine.stopDaemon('SIGKILL');
    await bench.engine.startDaemon();
    assert.ok(isLastCached(await built('kept', dockerfile)));
  });

  test('for COPY --link on another base too', async () => {
    await built('linked', 'FROM base\nCOPY --link f /l/f\n', { f: 'link' });
    const out = await built('linked', 'FROM base\nRUN echo other > /o\nCOPY --link f /l/f\n', { f: 'link' });
    assert.ok(isLastCached(out));
    assert.equal(await bench.sh('linked', 'cat /l/f /o'), 'linkother\n');
  });

  test('a ten-step build from the cache takes well under a tenth of a second of the engine', async () => {
    const steps = Array.from({ length: 7 }, (_, index) => `RUN echo ${index} > /f${index}\n`).join('');
    const tar = bench.dockerfileTar(`FROM base\nENV A=1\nWORKDIR /w\n${steps}`);
    await bench.post({}, tar);
    const times: number[] = [];
    for (let round = 0; round < 5; round++) {
      const started = performance.now();
      const { text } = await bench.post({}, tar);
      times.push(performance.now() - started);
      assert.equal(text.match(/Using cache/g)?.length, 9);
    }
    assert.ok(Math.min(...times) < 100, `the fastest of five took ${Math.min(...times)} ms`);
  });
});

describe('a step is not taken from the cache', () => {
  /** Two Dockerfiles that differ in one thing before (or in) their last step. */
  async function differs(
    first: string,
    second: string,
    more: { args?: string[]; files?: Record<string, string> } = {},
  ) {
    const files = { f: 'same' };
    await built('differs', first, files);
    assert.ok(isLastCached(await built('differs', first, files)), 'the first alone is cached');
    const out = await built('differs', second, more.files ?? files, more.args ?? []);
    assert.ok(!isLastCached(out), out);
  }

  const last = 'RUN echo last > /last\n';

  test('when the command differs', () =>
    differs(`FROM base\n${last}`, 'FROM base\nRUN echo other > /last\n'));
  test('when it is said in the other form', () =>
    differs('FROM base\nRUN echo form\n', 'FROM base\nRUN ["echo", "form"]\n'));
  test('when an ENV before it differs', () =>
    differs(`FROM base\nENV A=1\n${last}`, `FROM base\nENV A=2\n${last}`));
  test('when a build argument in its scope differs', () => {
    const dockerfile = `FROM base\nARG V=1\n${last}`;
    return differs(dockerfile, dockerfile, { args: ['--build-arg', 'V=2'] });
  });
  test('when the default of an argument differs', () =>
    differs(`FROM base\nARG D=1\n${last}`, `FROM base\nARG D=2\n${last}`));
  test('when the user differs', () =>
    differs(
      `FROM base\nUSER 1\n${last.replace('/last', '/tmp/l')}`,
      `FROM base\nUSER 2\n${last.replace('/last', '/tmp/l')}`,
    ));
  test('when the working directory differs', () =>
    differs(`FROM base\nWORKDIR /tmp\n${last}`, `FROM base\nWORKDIR /root\n${last}`));
  test('when the shell differs', () =>
    differs(`FROM base\nSHELL ["/bin/sh", "-c"]\n${last}`, `FROM base\nSHELL ["/bin/sh", "-ec"]\n${last}`));
  test('CVE-2024-24557: when the health check before it differs', () =>
    differs(`FROM base\nHEALTHCHECK CMD a\n${last}`, `FROM base\nHEALTHCHECK CMD b\n${last}`));
  test('CVE-2024-24557: when a trigger before it differs', () =>
    differs(`FROM base\nONBUILD RUN a\n${last}`, `FROM base\nONBUILD RUN b\n${last}`));
  test('CVE-2024-24557: when the images differ, both being made from scratch', async () => {
    await built('scratch-a', 'FROM scratch\nCOPY f /x\nLABEL a=1\n', { f: 'one' });
    const out = await built('scratch-b', 'FROM scratch\nCOPY f /x\nLABEL a=1\n', { f: 'two' });
    assert.doesNotMatch(out, /Using cache/);
    assert.notEqual((await bench.inspect('scratch-a')).Id, (await bench.inspect('scratch-b')).Id);
  });
  test('when its base is another image of the same name', async () => {
    await built('moving', 'FROM base\nLABEL v=1\n');
    await built('on', `FROM moving\n${last}`);
    await built('moving', 'FROM base\nLABEL v=2\n');
    assert.ok(!isLastCached(await built('on', `FROM moving\n${last}`)));
  });
  test('when a copied file differs in content', () =>
    differs('FROM base\nCOPY f /\n', 'FROM base\nCOPY f /\n', { files: { f: 'changed' } }));
  test('when a copied file has another name', () =>
    differs('FROM base\nCOPY * /d/\n', 'FROM base\nCOPY * /d/\n', { files: { g: 'same' } }));
  test('when the destination differs', () => differs('FROM base\nCOPY f /a\n', 'FROM base\nCOPY f /b\n'));
  test('when owner or mode are to be others', async () => {
    await differs('FROM base\nCOPY f /a\n', 'FROM base\nCOPY --chown=1 f /a\n');
    await differs('FROM base\nCOPY f /a\n', 'FROM base\nCOPY --chmod=600 f /a\n');
  });
  test('when what it is copied from in another stage differs', () =>
    differs(
      'FROM base AS a\nRUN echo 1 > /x\nFROM base\nCOPY --from=a /x /x\n',
      'FROM base AS a\nRUN echo 2 > /x\nFROM base\nCOPY --from=a /x /x\n',
    ));
  test('when a mount differs in id, place, source or content', async () => {
    const run = (mount: string) => `FROM base\nRUN --mount=${mount} echo mounted\n`;
    await differs(run('type=cache,target=/c,id=a'), run('type=cache,target=/c,id=b'));
    await differs(run('type=cache,target=/c'), run('type=cache,target=/d'));
    await differs(run('type=secret,id=a'), run('type=secret,id=b'));
    await differs(run('target=/m,source=f'), run('target=/m,source=f'), { files: { f: 'changed' } });
    await differs(run('type=tmpfs,target=/t'), run('type=tmpfs,target=/t,size=5m'));
  });
  test('when the network differs', () =>
    differs('FROM base\nRUN echo n\n', 'FROM base\nRUN --network=none echo n\n'));
  test('when a here-document differs', () =>
    differs('FROM base\nRUN <<A\necho 1\nA\n', 'FROM base\nRUN <<A\necho 2\nA\n'));
  test('with --no-cache', () =>
    differs(`FROM base\n${last}`, `FROM base\n${last}`, { args: ['--no-cache'] }));
  test('for builds of another scope', async () => {
    const tar = bench.dockerfileTar('FROM base\nRUN echo scope\n');
    await bench.post({}, tar, { 'X-Berth-Build-Scope': 'app-a' });
    const again = await bench.post({}, tar, { 'X-Berth-Build-Scope': 'app-a' });
    assert.match(again.text, /Using cache/);
    const other = await bench.post({}, tar, { 'X-Berth-Build-Scope': 'app-b' });
    assert.doesNotMatch(other.text, /Using cache/);
  });
  test('when its layer is gone', async () => {
    const dockerfile = 'FROM base\nRUN echo gone-one > /g\n';
    await built('gone', dockerfile);
    await bench.docker(['rmi', 'gone']);
    assert.ok(!isLastCached(await built('gone', dockerfile)));
  });
  test('after docker builder prune', async () => {
    const dockerfile = 'FROM base\nRUN echo pruned > /p\n';
    await built('pruned', dockerfile);
    const { out, code } = await bench.docker(['builder', 'prune', '-f']);
    assert.equal(code, 0);
    assert.match(out, /Total reclaimed space/);
    assert.ok(!isLastCached(await built('pruned', dockerfile)));
  });
});
