// Every instruction of a Dockerfile, built through the docker CLI and looked at from inside: config, variables, stages, mounts.
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: a Dockerfile writes its variables so
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { BuildBench } from './build-harness.ts';

let bench: BuildBench;

before(async () => {
  bench = await BuildBench.start('bld2');
});

after(async () => {
  await bench.engine.close();
});

const built = (...args: Parameters<BuildBench['built']>) => bench.built(...args);
const refused = (...args: Parameters<BuildBench['refused']>) => bench.refused(...args);

describe('config', () => {
  test('every instruction that changes an image is in its config', async () => {
    await built(
      'config',
      `FROM base
MAINTAINER Ann <ann@example.org>
ARG P=80
ENV A=1 B="x y" C=$P
LABEL one=1 "two words"="a b"
EXPOSE $P 53/udp 8000-8002
VOLUME ["/data", "/more"]
VOLUME /third
USER app:web
WORKDIR /srv
WORKDIR sub
STOPSIGNAL SIGUSR1
SHELL ["/bin/sh", "-ec"]
HEALTHCHECK --interval=5s --retries=2 CMD test -f /ok
ONBUILD RUN echo hi
CMD echo "$A"
ENTRYPOINT ["/bin/sh"]
`,
      {},
      ['--label', 'three=$A'],
    );
    const { Config } = await bench.inspect('config');
    assert.deepEqual(Config['Env'], ['PATH=/bin', 'A=1', 'B=x y', 'C=80']);
    assert.deepEqual(Config['Labels'], { one: '1', 'two words': 'a b', three: '$A' });
    assert.deepEqual(Object.keys(Config['ExposedPorts'] as object).sort(), [
      '53/udp',
      '80/tcp',
      '8000/tcp',
      '8001/tcp',
      '8002/tcp',
    ]);
    assert.deepEqual(Object.keys(Config['Volumes'] as object).sort(), ['/data', '/more', '/third']);
    assert.deepEqual(
      [Config['User'], Config['WorkingDir'], Config['StopSignal']],
      ['app:web', '/srv/sub', 'SIGUSR1'],
    );
    assert.deepEqual(Config['Shell'], ['/bin/sh', '-ec']);
    assert.deepEqual(Config['Healthcheck'], {
      Test: ['CMD', '/bin/sh', '-ec', 'test -f /ok'],
      Interval: 5e9,
      Retries: 2,
    });
    assert.deepEqual(Config['OnBuild'], ['RUN echo hi']);
    assert.deepEqual([Config['Cmd'], Config['Entrypoint']], [['/bin/sh', '-ec', 'echo "$A"'], ['/bin/sh']]);
  });

  test('an ENTRYPOINT takes away the command of the base, not one of its own stage', async () => {
    await built('entry', 'FROM base\nENTRYPOINT ["/bin/cat"]\n');
    assert.equal((await bench.inspect('entry')).Config['Cmd'], null);
    await built('entry', 'FROM base\nCMD ["a"]\nENTRYPOINT ["/bin/cat"]\n');
    assert.deepEqual((await bench.inspect('entry')).Config['Cmd'], ['a']);
  });

  test('HEALTHCHECK NONE switches the check of the base off', async () => {
    await built('healthy', 'FROM base\nHEALTHCHECK CMD true\n');
    await built('unwatched', 'FROM healthy\nHEALTHCHECK NONE\n');
    assert.deepEqual((await bench.inspect('unwatched')).Config['Healthcheck'], { Test: ['NONE'] });
  });

  test('an image of nothing but config stands on scratch', async () => {
    await built('nothing', 'FROM scratch\nLABEL a=b\n');
    assert.deepEqual((await bench.inspect('nothing')).Config['Labels'], { a: 'b' });
  });

  test('triggers run in the child, once, and are not handed on', async () => {
    await built('parent', 'FROM base\nONBUILD COPY f /f\nONBUILD RUN <<EOF\ncat /f > /g\nEOF\n');
    const out = await built('child', 'FROM parent\n', { f: 'from the child\n' });
    assert.match(out, /# Executing 2 build triggers/);
    assert.equal(await bench.sh('child', 'cat /g'), 'from the child\n');
    assert.deepEqual((await bench.inspect('child')).Config['OnBuild'] ?? [], []);
  });
});

describe('variables', () => {
  test('global, stage and build arguments each have their scope, and ENV beats ARG', async () => {
    const dockerfile = `ARG WHICH=base
ARG SHARED=global
FROM $WHICH
ARG SHARED
ARG OWN=default
ARG LATE
ENV OWN_ENV=env
ARG OWN_ENV=arg
RUN echo "$SHARED $OWN $LATE $OWN_ENV $NEVER" > /seen
FROM base
RUN echo "[$SHARED]" > /other
COPY --from=0 /seen /seen
`;
    const out = await built('scopes', dockerfile, {}, [
      '--build-arg',
      'LATE=late',
      '--build-arg',
      'UNUSED=1',
    ]);
    assert.equal(await bench.sh('scopes', 'cat /seen /other'), 'global default late env \n[]\n');
    assert.match(out, /\[Warning\] One or more build-args \[UNUSED\] were not consumed/);
  });

  test('a stage sees the arguments of the stage it is built on', async () => {
    await built('inherit', 'FROM base AS a\nARG X=1\nFROM a\nRUN echo "x=$X" > /x\n');
    assert.equal(await bench.sh('inherit', 'cat /x'), 'x=1\n');
  });

  test('the platform is known to those who ask', async () => {
    await built(
      'platform',
      'FROM base\nARG TARGETPLATFORM\nARG TARGETARCH\nRUN echo $TARGETPLATFORM $TARGETARCH > /p\n',
    );
    const arch = process.arch === 'x64' ? 'amd64' : process.arch;
    assert.equal(await bench.sh('platform', 'cat /p'), `linux/${arch} ${arch}\n`);
  });

  test('a proxy reaches RUN without a declaration, and neither history nor cache key', async () => {
    const dockerfile = 'FROM base\nRUN echo "p=$http_proxy" > /p\n';
    await built('proxy', dockerfile, {}, ['--build-arg', 'http_proxy=http://user:secret@proxy:1']);
    assert.equal(await bench.sh('proxy', 'cat /p'), 'p=http://user:secret@proxy:1\n');
    assert.doesNotMatch((await bench.docker(['history', '--no-trunc', 'proxy'])).out, /secret/);
    assert.match(await built('proxy', dockerfile), /Using cache/);
  });
});

describe('RUN', () => {
  test('exec form, SHELL, USER, WORKDIR and ENV are those of the stage', async () => {
    await built(
      'runs',
      `FROM base
ENV E=env
WORKDIR /w
RUN ["/bin/sh", "-c", "echo exec $0 > exec", "zero"]
RUN chmod 777 /w
USER app
SHELL ["/bin/sh", "-xc"]
RUN id -u > who; pwd >> who; echo $E >> who
`,
    );
    assert.equal(await bench.sh('runs', 'cat exec who'), 'exec zero\n1000\n/w\nenv\n');
  });

  test('bind mounts show context, stages and images; what is written there is thrown away', async () => {
    const files = { 'data/f': 'context\n' };
    const dockerfile = `FROM base AS other
RUN mkdir /o && echo stage > /o/f
FROM base
RUN --mount=target=/ctx,source=data --mount=from=other,source=/o/f,target=/one,rw \\
  cat /ctx/f /one > /seen && echo x > /one && ! echo x 2>/dev/null > /ctx/f
RUN --mount=type=bind,source=data,target=/ctx,rw echo changed > /ctx/f && cat /ctx/f >> /seen
COPY data/f /after
`;
    await built('binds', dockerfile, files);
    assert.equal(
      await bench.sh('binds', 'cat /seen /after; ls -d /ctx /one 2>&1'),
      "context\nstage\nchanged\ncontext\nls: cannot access '/ctx': No such file or directory\nls: cannot access '/one': No such file or directory\n",
    );
  });

  test('a cache mount lives from build to build and is in no image', async () => {
    const dockerfile = (n: number) =>
      `FROM base\nRUN --mount=type=cache,target=/c,uid=1000,mode=0700 echo ${n} >> /c/log; cat /c/log > /n; stat -c "%u %a" /c >> /n\n`;
    await built('cached', dockerfile(1));
    await built('cached', dockerfile(2));
    assert.equal(
      await bench.sh('cached', 'cat /n; ls -d /c 2>&1'),
      "1\n2\n1000 700\nls: cannot access '/c': No such file or directory\n",
    );
  });

  test('a tmpfs mount is empty and gone', async () => {
    await built(
      'tmpfs',
      'FROM base\nRUN --mount=type=tmpfs,target=/t,size=1m echo x > /t/f && grep " /t " /proc/mounts > /m\n',
    );
    assert.match(
      await bench.sh('tmpfs', 'cat /m; ls /t 2>&1'),
      /^tmpfs \/t tmpfs .*size=1024k[\s\S]*cannot access '\/t'/,
    );
  });

  test('a secret is a file for one step and nowhere afterwards', async () => {
    const dockerfile =
      'FROM base\nUSER app\nRUN --mount=type=secret,id=token,uid=1000 cat /run/secrets/token | wc -c\nRUN --mount=type=secret,id=nope ls /run/secrets 2>&1 || true\n';
    const headers = {
      'X-Berth-Build-Secrets': Buffer.from(
        JSON.stringify({ token: Buffer.from('hush-hush-4711').toString('base64') }),
      ).toString('base64'),
    };
    const { status, text } = await bench.post({ t: 'secret' }, bench.dockerfileTar(dockerfile), headers);
    assert.equal(status, 200);
    assert.match(text, /"stream":"14\\n"/);
    assert.match(text, /Successfully built/);
    const image = await bench.docker(['save', 'secret']);
    assert.doesNotMatch(image.out, /hush-hush-4711/);
    const found = spawnSync('grep', ['-rlF', 'hush-hush-4711', bench.engine.root, bench.engine.run]);
    assert.deepEqual([found.status, found.stdout.toString()], [1, '']);
  });

  test('a required secret that was not given, and ssh, are said', async () => {
    assert.match(
      await refused('FROM base\nRUN --mount=type=secret,id=x,required true\n'),
      /secret "x" is required/,
    );
    assert.match(await refused('FROM base\nRUN --mount=type=ssh true\n'), /type=ssh is not supported/);
    assert.match(
      await refused('FROM base\nRUN --mount=type=bind,target=/x,colour=red true\n'),
      /unexpected key "colour"/,
    );
  });

  test('--network=none has no network, host needs leave', async () => {
    await built(
      'lonely',
      'FROM base\nRUN --network=none ls /sys/class/net > /n\nRUN ls /sys/class/net > /d\n',
    );
    assert.equal(await bench.sh('lonely', 'cat /n; cat /d'), 'lo\neth0\nlo\n');
    assert.match(await refused('FROM base\nRUN --network=host true\n'), /--network=host is not allowed/);
  });

  test('limits of the build are those of its steps', async () => {
    const out = await built(
      'limits',
      'FROM base\nRUN ulimit -n; grep -c . /etc/hosts; grep far /etc/hosts\n',
      {},
      ['--ulimit', 'nofile=123:123', '--add-host', 'far:10.9.8.7', '--memory', '64m'],
    );
    assert.match(out, /\n123\n/);
    assert.match(out, /10\.9\.8\.7\s+far/);
  });

  test('files that a step removes or replaces are gone in the image', async () => {
    await built(
      'whiteouts',
      'FROM base\nRUN mkdir /d && echo 1 > /d/a && echo 2 > /d/b\nRUN rm /d/a && rm -r /var && mkdir /var && echo 3 > /var/c\nCOPY f /d/\n',
      { f: 'f\n' },
    );
    assert.equal(await bench.sh('whiteouts', 'ls /d /var'), '/d:\nb\nf\n\n/var:\nc\n');
  });
});

describe('stages', () => {
  test('--target builds no more than it needs', async () => {
    const dockerfile =
      'FROM base AS a\nRUN echo a > /a\nFROM base AS broken\nRUN exit 1\nFROM a AS c\nCOPY --from=a /a /b\n';
    const out = await built('target', dockerfile, {}, ['--target', 'c']);
    assert.match(out, /Step 4\/4/);
    assert.doesNotMatch(out, /broken/);
    await built('target', dockerfile, {}, ['--target', 'A']);
    assert.match(await refused(dockerfile, {}, ['--target', 'nope']), /failed to reach build target nope/);
  });

  test('independent stages run at once, and are told one after another', async () => {
    const slow = (name: string) =>
      `FROM base AS ${name}\nRUN echo begin-${name}; sleep 1; echo end-${name}; date=1\n`;
    const started = performance.now();
    const out = await built(
      'parallel',
      `${slow('a')}${slow('b')}${slow('c')}FROM base\nCOPY --from=a /etc/passwd /a\nCOPY --from=b /etc/passwd /b\nCOPY --from=c /etc/passwd /c\n`,
    );
    assert.ok(
      performance.now() - started < 2_600,
      `three seconds of sleep took ${performance.now() - started} ms`,
    );
    const order = [...out.matchAll(/(?:begin|end)-[abc]/g)]
      .map(([word]) => word)
      .filter((word, index, all) => all.indexOf(word) === index);
    assert.deepEqual(
      order.filter((word) => word.startsWith('begin')),
      ['begin-a', 'begin-b', 'begin-c'],
    );
    assert.match(out, /begin-a\nend-a\n[\s\S]*begin-b\nend-b\n[\s\S]*begin-c\nend-c\n/);
  });

  test('what an image is called elsewhere and is not here is pulled, or said to be missing', async () => {
    const err = await refused('FROM 127.0.0.1:1/not/there:v1\n');
    assert.match(err, /127\.0\.0\.1:1/);
  });

  test('what the engine cannot honour is refused', async () => {
    assert.match(await refused('FROM base\n', {}, ['--squash']), /squash|experimental/);
    const { status, text } = await bench.post({ remote: 'https://example.org/r.git' }, Buffer.alloc(1024));
    assert.deepEqual([status, /remote.* of a build is not supported/.test(text)], [501, true]);
    assert.match(await refused('FROM base\nADD git@github.com:a/b.git /x\n'), /git repository/);
  });
});

test('nothing of a build is left: no context, no copy, no secret', () => {
  const layers = readdirSync(join(bench.engine.root, 'layers'));
  assert.deepEqual(
    layers.filter((name) => name.startsWith('.tmp-')),
    [],
  );
  assert.deepEqual(readdirSync(join(bench.engine.run, 'build')), []);
});
