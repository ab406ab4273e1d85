// docker build through the real CLI: the language, the output, the cache, stages, files and mounts, on a base of this machine's own programs.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { BuildBench } from './build-harness.ts';
import { FakeRegistry, makeImage } from './fake-registry.ts';

let bench: BuildBench;

before(async () => {
  bench = await BuildBench.start('bld1');
});

after(async () => {
  await bench.engine.close();
});

const built = (...args: Parameters<BuildBench['built']>) => bench.built(...args);
const refused = (...args: Parameters<BuildBench['refused']>) => bench.refused(...args);

/** Output without what differs from run to run. */
function shape(out: string): string {
  return out
    .replace(/^Sending build context.*?\r\r\n/, '')
    .replace(/\b[0-9a-f]{12}\b/g, '<id>')
    .trim();
}

describe('what docker build says', () => {
  test('steps, ids, the container of a RUN, the image and its tags, as Docker words them', async () => {
    const files = { Dockerfile: 'FROM base\nENV A=1\nRUN echo out; echo err >&2\nCMD ["sh"]\n' };
    const { code, out, err } = await bench.build(files, ['-t', 'said', '-t', 'said:two']);
    assert.equal(err, '');
    assert.equal(code, 0);
    assert.equal(
      shape(out).replace('err\nout', 'out\nerr'),
      `Step 1/4 : FROM base
 ---> <id>
Step 2/4 : ENV A=1
 ---> <id>
Step 3/4 : RUN echo out; echo err >&2
 ---> Running in <id>
out
err
Removing intermediate container <id>
 ---> <id>
Step 4/4 : CMD ["sh"]
 ---> <id>
Successfully built <id>
Successfully tagged said:latest
Successfully tagged said:two`,
    );
    const again = await bench.build(files, ['-t', 'said']);
    assert.equal(again.out.match(/Using cache/g)?.length, 3);
    const image = await bench.inspect('said');
    assert.equal((await bench.inspect('said:two')).Id, image.Id);
    assert.ok(out.includes(`Successfully built ${image.Id.slice(7, 19)}`));
  });

  test('-q prints the id alone and, when it fails, why; --iidfile writes the id', async () => {
    const files = { Dockerfile: 'FROM base\nLABEL q=1\n' };
    const { out } = await bench.build(files, ['-q', '-t', 'quiet']);
    const { Id } = await bench.inspect('quiet');
    assert.equal(out.trim(), Id);
    const idFile = join(bench.engine.dir, 'id');
    await bench.build(files, ['--iidfile', idFile]);
    assert.equal(readFileSync(idFile, 'utf8'), Id);
    const failed = await bench.build({ Dockerfile: 'FROM base\nRUN echo the reason; exit 5\n' }, ['-q']);
    assert.match(failed.out + failed.err, /the reason[\s\S]*returned a non-zero code: 5/);
  });

  test('a command that fails names itself and its code, and leaves no container', async () => {
    const { code, err } = await bench.build({ Dockerfile: 'FROM base\nRUN exit 7\n' });
    assert.equal(err, "The command '/bin/sh -c exit 7' returned a non-zero code: 7\n");
    assert.equal(code, 7);
    assert.equal((await bench.docker(['ps', '-aq'])).out, '');
  });

  test('what is wrong with the file is said with its line before anything is done', async () => {
    const { code, err } = await bench.build({ Dockerfile: 'FROM base\n\nRNU x\n' });
    assert.equal(code, 1);
    assert.match(err, /dockerfile parse error on line 3: unknown instruction: RNU \(did you mean RUN\?\)/);
  });
});

describe('images from elsewhere', () => {
  let registry: FakeRegistry;

  before(async () => {
    registry = await FakeRegistry.start();
  });

  after(() => {
    registry.close();
  });

  test('FROM, COPY --from and --pull ask the registry, with the login that is for it', async () => {
    registry.add('team/base', 'v1', makeImage([Buffer.from('one')]));
    registry.demandBasic();
    const config = join(bench.engine.dir, '.docker');
    mkdirSync(config, { recursive: true });
    const auth = Buffer.from('ann:builder-pass').toString('base64');
    writeFileSync(join(config, 'config.json'), JSON.stringify({ auths: { [registry.address]: { auth } } }));
    const name = `${registry.address}/team/base:v1`;
    const dockerfile = `FROM ${name}\nLABEL a=b\nFROM base\nCOPY --from=${name} /file0 /pulled\n`;
    const out = await built('pulled', dockerfile);
    assert.match(out, /Pulling from team\/base/);
    assert.equal(await bench.sh('pulled', 'cat /pulled'), 'one');
    registry.add('team/base', 'v1', makeImage([Buffer.from('two')]));
    assert.doesNotMatch(await built('pulled', dockerfile), /Pulling/);
    await built('pulled', `FROM ${name}\nLABEL a=c\n`, {}, ['--pull']);
    await built('pulled', dockerfile);
    assert.equal(await bench.sh('pulled', 'cat /pulled'), 'two');
    const withLogin = registry.seen.filter(({ headers }) => headers.authorization !== undefined);
    assert.ok(withLogin.every(({ headers }) => headers.authorization === `Basic ${auth}`));
    rmSync(config, { recursive: true });
    assert.match(await refused(`FROM ${registry.address}/team/other:v1\n`), /unauthorized|denied|login/i);
  });
});
