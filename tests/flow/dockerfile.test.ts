// An app with a Dockerfile: pushed, built by the engine, run as its author made it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Build } from '@berth/contract/build.ts';
import { makeApp, type TestApp } from '../helpers/app.ts';
import { startPlatform, type TestPlatform } from '../helpers/platform.ts';

let platform: TestPlatform;
let app: TestApp;

/** Perl is among the stack's tools: a server without a download. */
const server = `use IO::Socket::INET;
$SIG{TERM} = sub { exit 0 };
my $listener = IO::Socket::INET->new(LocalPort => $ENV{PORT}, Listen => 16, ReuseAddr => 1) or die $!;
open(my $file, '<', '/srv/word'); my $word = <$file>; chomp $word;
while (my $client = $listener->accept) {
  while (my $line = <$client>) { last if $line =~ /^\\r\\n$/ }
  my $body = "$word $ENV{FROM_ENV} $ENV{PORT} $< $ARGV[0] $ENV{GREETING}";
  print $client "HTTP/1.1 200 OK\\r\\nContent-Length: " . length($body) . "\\r\\nConnection: close\\r\\n\\r\\n$body";
  close $client;
}
`;

const dockerfile = `FROM berth/stack:13 AS made
RUN mkdir /out && echo built > /out/word
FROM berth/stack:13-tools
COPY --from=made /out /srv
COPY server.pl /srv/
ENV FROM_ENV=env
USER app
EXPOSE 8123
ENTRYPOINT ["/usr/bin/perl", "/srv/server.pl"]
CMD ["argument"]
`;

before(async () => {
  platform = await startPlatform();
  app = await makeApp(platform, 'boxed', { Dockerfile: dockerfile, 'server.pl': server });
});
after(() => platform?.down());

test('a push builds the Dockerfile live and serves the image with its own entrypoint, user and port', async () => {
  await app.berth('config:set', 'GREETING=hello');
  const pushed = await app.push();
  assert.equal(pushed.exitCode, 0, pushed.output);
  for (const line of [
    /-----> Dockerfile app detected/,
    /-----> Step 3\/11 : FROM berth\/stack:13-tools/,
    /-----> Image [0-9a-f]{12} \(port 8123\)/,
    /live in/,
  ])
    assert.match(pushed.output, line);
  const { status, body } = await app.get();
  assert.deepEqual([status, body], [200, 'built env 8123 1000 argument hello']);
});

test('a change builds from the cache what it does not touch', async () => {
  await app.commit({
    'server.pl': server.replace('200 OK', '200 Fine'),
    Dockerfile: dockerfile.replace('argument', 'changed'),
  });
  const pushed = await app.push();
  assert.equal(pushed.exitCode, 0, pushed.output);
  const answer = await app.until(({ body }) => body.includes('changed'));
  assert.equal(answer.status, 200);
});

test('a step that fails rejects the push with its command and code, and the old release serves', async () => {
  await app.commit({ Dockerfile: dockerfile.replace('RUN mkdir', 'RUN echo the reason >&2; exit 3; mkdir') });
  const pushed = await app.push();
  assert.notEqual(pushed.exitCode, 0);
  assert.match(pushed.output, /the reason/);
  assert.match(pushed.output, /returned a non-zero code: 3/);
  assert.match((await app.get()).body, /changed/);
});

test('a Dockerfile that is wrong is refused with its line', async () => {
  await app.commit({ Dockerfile: 'FROM berth/stack:13\nRNU true\n' });
  const pushed = await app.push();
  assert.notEqual(pushed.exitCode, 0);
  assert.match(
    pushed.output,
    /dockerfile parse error on line 2: unknown instruction: RNU \(did you mean RUN\?\)/,
  );
});

test('an image without a command is refused', async () => {
  await app.commit({ Dockerfile: 'FROM scratch\nLABEL a=b\n' });
  const pushed = await app.push();
  assert.notEqual(pushed.exitCode, 0);
  assert.match(pushed.output, /names no command/);
});

test('processes of a Procfile run in the image', async () => {
  await app.commit({
    Dockerfile: dockerfile.replace(/ENTRYPOINT.*\nCMD.*\n/, ''),
    Procfile: 'web: /usr/bin/perl /srv/server.pl procfile\n',
  });
  const pushed = await app.push();
  assert.equal(pushed.exitCode, 0, pushed.output);
  const answer = await app.until(({ body }) => body.includes('procfile'));
  assert.equal(answer.body, 'built env 8123 1000 procfile hello');
});

test('a buildpack that is set wins from the next push on, and the build tells why and of what it is', async () => {
  const set = await app.berth('buildpacks:set', 'static');
  assert.equal(set.exitCode, 0, set.stderr);
  assert.match(set.stdout, /1\. static\nThis takes effect with the next push/);
  await app.commit({ 'index.html': '<h1>a page</h1>', Procfile: '' });
  const pushed = await app.push();
  assert.equal(pushed.exitCode, 0, pushed.output);
  assert.match(pushed.output, /-----> Static site detected \(set on the app\)/);
  assert.match((await app.until(({ body }) => body.includes('page'))).body, /a page/);
  await app.commit({ 'more.html': '' });
  const anew = await app.push(['-o', 'no-cache', 'main']);
  assert.equal(anew.exitCode, 0, anew.output);
  assert.match(anew.output, /-----> Building without caches/);
  const build = await app.json<Build>('builds:info');
  assert.deepEqual(
    [build.detected?.why, build.noCache, build.trigger, build.settings.buildpacks, build.status],
    ['set on the app', true, 'push', ['static'], 'succeeded'],
  );
  assert.ok(build.release !== null && build.startedAt !== null);
  const names = build.layers.map(({ name }) => name);
  assert.ok(names.includes('source') && names.includes('runtime'), names.join());
  assert.ok(build.layers.every(({ sizeBytes }) => sizeBytes > 0));
  const refused = await app.berth('buildpacks:set', 'statc');
  assert.deepEqual([refused.exitCode, /did you mean "static"\?/.test(refused.stderr)], [2, true]);
});
