// Apps with a Dockerfile through the real engine: where RUN gets things from, what stands in for images of Docker Hub, and what is refused.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { BuildResult } from '@berth/contract/build.ts';
import type { FakeBuild } from './fake-controller.ts';
import { openWorkbench, type Workbench } from './workbench.ts';

let bench: Workbench;

before(async () => {
  bench = await openWorkbench({}, { name: 'bbdf' });
});
after(() => bench?.close());

function resultOf(build: FakeBuild): BuildResult {
  assert.equal(build.end?.status, 'succeeded', build.output + JSON.stringify(build.end));
  return build.end.result;
}

function failureOf(build: FakeBuild): { error: string; hint: string | undefined } {
  assert.equal(build.end?.status, 'failed', build.output + JSON.stringify(build.end));
  return { error: build.end.error, hint: build.end.hint };
}

const nodeApp = {
  'package.json': '{"dependencies":{"is-odd":"3.0.1"}}',
  'server.js': `const isOdd = require('is-odd');
require('node:http').createServer((request, response) => response.end(String(isOdd(3)) + process.getuid())).listen(process.env.PORT);`,
};

test('node:24-slim without Docker Hub is our own Node; RUN reaches the registry as the machine does, and nothing of that is in the image', async () => {
  const Dockerfile = `FROM docker.io/library/node:24-slim
WORKDIR /home/node/app
COPY --chown=node:node package.json ./
RUN env > /tmp/environment; npm install --no-package-lock && yarn --version && node --version
COPY . .
USER node
CMD ["node", "server.js"]
`;
  const build = await bench.build({ ...nodeApp, Dockerfile });
  const result = resultOf(build);
  assert.match(
    build.output,
    / ! {5}Docker Hub cannot be reached: Node\.js 24\.\d+\.\d+ on Debian 13 stands in for docker\.io\/library\/node:24-slim\n/,
  );
  assert.match(build.output, /added \d+ packages/);
  const { env, images } = {
    env: (await bench.runIn(result.image, 'cat /tmp/environment; ls /run')).output,
    images: await bench.engine.listImages(),
  };
  assert.match(env, /^SSL_CERT_FILE=\/run\/berth\/ca-certificates\.crt$/m);
  assert.doesNotMatch((await bench.runIn(result.image, 'env; ls -A /run')).output, /CERT|berth/);
  assert.ok(images.every(({ RepoTags }) => !(RepoTags ?? []).some((tag) => tag.includes('node'))));
  const names = result.steps.map(({ name }) => name);
  assert.ok(
    names.some((name) => name.startsWith('RUN env')),
    names.join(),
  );
  assert.ok(result.steps.every(({ cached }) => !cached));
  assert.deepEqual(
    result.layers.filter(({ name }) => !name.startsWith('base')).map(({ name }) => name.split(' ')[0]),
    ['WORKDIR', 'COPY', 'RUN', 'COPY'],
  );
  const served = await bench.serve(build);
  assert.equal((await served.get('/')).body, 'true1000');
  await served.stop();

  const again = resultOf(await bench.build({ ...nodeApp, Dockerfile, 'more.txt': 'x' }));
  assert.deepEqual(
    again.steps.map(({ cached }) => cached),
    [true, true, true, false],
  );
});

test('a binary from scratch is run without a shell, and a Procfile that needs one is refused', async () => {
  const files = {
    'hello.c': 'int main(void) { return 0; }\n',
    Dockerfile: `FROM buildpack-deps:trixie AS made
COPY hello.c /
RUN cc -static -o /hello /hello.c
FROM scratch
COPY --from=made /hello /hello
VOLUME /data
EXPOSE 9000 8125/udp 8080
HEALTHCHECK CMD ["/hello"]
CMD ["/hello"]
`,
  };
  const build = await bench.build(files, { app: 'scratch' });
  const result = resultOf(build);
  assert.equal(result.port, 8080);
  assert.deepEqual(result.warnings, [
    'Docker Hub cannot be reached: Debian 13 with compilers stands in for buildpack-deps:trixie',
    'VOLUME /data keeps nothing: what is written there goes with the instance',
    'HEALTHCHECK does not decide here: an instance is healthy when its port answers; [processes.web.health] in berth.toml says more',
  ]);
  assert.equal(result.layers.length, 1);
  assert.deepEqual(
    failureOf(await bench.build({ ...files, Procfile: 'web: /hello there\n' }, { app: 'scratch' })),
    {
      error: 'the command of "web" needs /bin/sh, which the image does not have',
      hint: 'name the command in the Dockerfile (CMD ["/app"]) and leave it out of the Procfile, or begin with an image that has a shell',
    },
  );
});

test('stage, arguments and secrets of berth.toml: a secret is nowhere but in its step, an argument from a config var is asked for by name', async () => {
  const files = {
    'berth.toml':
      '[build]\ntarget = "app"\nsecrets = ["TOKEN"]\nargs = { WORD = "plain", LEVEL = "$LEVEL" }\n',
    Dockerfile: `ARG WORD=none
FROM berth/stack:13-tools AS app
ARG WORD
ARG LEVEL
ARG OTHER=unset
RUN --mount=type=secret,id=TOKEN wc -c < /run/secrets/TOKEN > /size; echo "$WORD $LEVEL $OTHER" > /word; cat /run/secrets/TOKEN
CMD ["cat", "/word"]
FROM no-such-image:1
`,
  };
  const TOKEN = 'a-secret-of-the-build';
  const vars = { TOKEN, LEVEL: 'high', OTHER: 'config' };
  const build = await bench.build(files, { app: 'secret', vars });
  const { image } = resultOf(build);
  assert.equal((await bench.runIn(image, 'cat /word /size')).output, 'plain high unset\n21\n');
  assert.ok(!build.output.includes(TOKEN));
  assert.ok(!JSON.stringify(await bench.engine.inspectImage(image)).includes(TOKEN));
  assert.equal(
    (await bench.runIn(image, `grep -srl '${TOKEN}' /run /tmp /etc /root /size /word; true`)).output,
    '',
  );
  const raised = resultOf(await bench.build(files, { app: 'secret', vars: { ...vars, LEVEL: 'low' } }));
  assert.equal((await bench.runIn(raised.image, 'cat /word')).output, 'plain low unset\n');
  assert.deepEqual(failureOf(await bench.build(files, { app: 'secret', vars: { TOKEN } })), {
    error: 'the config var for the build argument "LEVEL" is not set: LEVEL',
    hint: 'berth config:set LEVEL=…',
  });
});

test('what has no stand-in is refused with a sentence', async () => {
  const fail = async (from: string) =>
    failureOf(await bench.build({ Dockerfile: `FROM ${from}\nCMD ["x"]\n` }, { app: 'refused' }));
  assert.deepEqual(await fail('node:24-alpine'), {
    error: 'there is no Alpine for "FROM node:24-alpine": Docker Hub cannot be reached',
    hint: 'write "FROM node:24-slim" and apt-get instead of apk, or ask the operator for a mirror of Docker Hub',
  });
  assert.match((await fail('alpine')).hint ?? '', /FROM debian:13-slim/);
  assert.match((await fail('node:3-slim')).error, /^there is no Node "3" \(FROM node:3-slim\)$/);
  assert.match((await fail('mongo:7')).error, /no such host|name resolution|cannot be reached/);
});
