// Java apps through the real engine: a jar, a WAR in Tomcat, Spring Boot, and what fails. Everything comes from Maven Central and Debian's mirror.
// One app for all, because Maven's cache is the app's.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { BuildResult } from '@berth/contract/build.ts';
import type { FakeBuild } from './fake-controller.ts';
import { fixture } from './fixture.ts';
import { type Files, openWorkbench, type Workbench } from './workbench.ts';

let bench: Workbench;
const app = 'java';

before(async () => {
  bench = await openWorkbench({}, { name: 'bbja' });
});
after(() => bench.close());

function resultOf(build: FakeBuild): BuildResult {
  assert.equal(build.end?.status, 'succeeded', build.output + JSON.stringify(build.end));
  return build.end.result;
}

/** The digests of the image's layers by their names. */
function layersOf(build: FakeBuild): Record<string, string> {
  return Object.fromEntries((resultOf(build).layers ?? []).map(({ name, diffId }) => [name, diffId]));
}

function changedLayers(before: FakeBuild, now: FakeBuild): string[] {
  const [old, young] = [layersOf(before), layersOf(now)];
  assert.deepEqual(Object.keys(old), Object.keys(young));
  return Object.keys(young).filter((name) => young[name] !== old[name]);
}

function failureOf(build: FakeBuild): string {
  assert.equal(build.end?.status, 'failed', build.output);
  return `${build.end.error}; ${build.end.hint ?? ''}`;
}

const edited = (files: Files, path: string, from: string, to: string): Files => {
  const text = String(files[path]);
  assert.ok(text.includes(from));
  return { ...files, [path]: text.replace(from, to) };
};

test('a jar is built with Maven, runs on a linked runtime within its memory, and the same source gives the same jar', async () => {
  const files = fixture('java-jar');
  const first = await bench.build(files, { app });
  const result = resultOf(first);
  assert.equal(result.language, 'Java');
  assert.deepEqual(result.processTypes, { web: 'start-java-app' });
  const served = await bench.serve(first);
  const heap = Number(/^hello from Java 21, heap (\d+) MB\n$/.exec((await served.get('/')).body)?.[1]);
  // 60 % of 512 MB, less what a collector keeps for itself.
  assert.ok(heap > 250 && heap < 320, `${heap} MB`);
  await served.stop();
  const seen = await bench.runIn(
    result.image,
    'ls /app /opt/berth; java -version 2>&1 | head -1; echo $JAVA_HOME; sed -n 2p /var/lib/dpkg/status.d/openjdk*',
  );
  assert.match(
    seen.output,
    /^\/app:\npom\.xml\nsrc\n\n\/opt\/berth:\njava\njava-app\njava-bin\nopenjdk version "21\.[\d.]+".*\n\/opt\/berth\/java\nPackage: openjdk-21-jre-headless\n$/,
  );

  const noted = await bench.build({ ...files, 'README.md': 'a note\n' }, { app });
  assert.match(noted.output, /^-----> Building with Maven$/m);
  assert.deepEqual(changedLayers(first, noted), ['source']);
});

test('a WAR runs in Tomcat, and either is replaced without the other', async () => {
  const files = fixture('java-war');
  const first = await bench.build(files, { app });
  assert.match(first.output, /^ {7}Tomcat 10\.1\.\d+ \(for jakarta\.servlet-api 6\.0\.0\)$/m);
  const served = await bench.serve(first);
  assert.match((await served.get('/')).body, /a page of the WAR/);
  const answer = await served.get('/hello', { 'x-forwarded-proto': 'https' });
  assert.match(answer.body, /^Hello from Apache Tomcat\/10\.1\.\d+ over https$/m);
  const missing = await served.get('/manager/html');
  assert.equal(missing.status, 404);
  assert.doesNotMatch(missing.body, /Tomcat/);
  assert.match(served.output(), /"GET \/hello HTTP\/1\.1" 200 /);
  assert.doesNotMatch(served.output(), /SEVERE|WARNING/);
  await served.stop();

  const otherTomcat = await bench.build(files, { app, vars: { TOMCAT_VERSION: '10.1.55' } });
  assert.deepEqual(changedLayers(first, otherTomcat), ['runtime-tomcat']);
  assert.doesNotMatch(otherTomcat.output, /Building with Maven/);

  const otherApp = await bench.build(
    edited(files, 'src/main/java/hello/Hello.java', 'hello from', 'greetings from'),
    { app },
  );
  assert.deepEqual(changedLayers(first, otherApp), ['source', 'app']);

  const wrong = await bench.build(files, { app, vars: { TOMCAT_VERSION: '9' } });
  assert.equal(
    failureOf(wrong),
    'the WAR is written for jakarta.servlet, the chosen Tomcat runs javax.servlet; set the config var TOMCAT_VERSION to 10.1 or 11',
  );
});

test('Tomcat listens on PORT and ends at SIGTERM', async () => {
  const { image } = resultOf(await bench.build(fixture('java-war'), { app }));
  const ended = await bench.runIn(
    image,
    `/opt/berth/tomcat/bin/catalina.sh run 2> /tmp/log & until curl -sf localhost:6123/ > /tmp/page; do kill -0 $! || exit 1; sleep 0.1; done
     kill $!; wait $!; echo "ended with $?"; grep -c 'Stopping service' /tmp/log; id -un`,
    { PORT: '6123' },
  );
  assert.match(ended.output, /ended with 143\n1\napp\n$/);
});

test("Spring Boot's jar is taken apart: a changed line leaves the libraries' layer as it is", async () => {
  const files = fixture('java-spring');
  const first = await bench.build(files, { app });
  const served = await bench.serve(first, { PORT: '5000' });
  assert.equal((await served.get('/')).body, 'hello from Spring\n');
  await served.stop();
  const next = await bench.build(
    edited(files, 'src/main/java/hello/Application.java', 'hello from', 'greetings from'),
    { app },
  );
  assert.deepEqual(changedLayers(first, next), ['source', 'app']);
  const sizes = Object.fromEntries(
    (resultOf(next).layers ?? []).map(({ name, sizeBytes }) => [name, sizeBytes]),
  );
  assert.ok(
    (sizes['dependencies'] ?? 0) > 10_000_000 && (sizes['app'] ?? 0) < 1_000_000,
    JSON.stringify(sizes),
  );
});

test('what fails says where, and what to do', async () => {
  const files = fixture('java-jar');
  const main = 'src/main/java/hello/Main.java';
  assert.equal(
    failureOf(await bench.build(edited(files, main, 'server.start();', 'server.begin();'), { app })),
    `"${main}" does not compile: line 20: cannot find symbol; the compiler's messages are above`,
  );
  const dependency =
    '<dependency><groupId>org.example</groupId><artifactId>nothing</artifactId><version>1.0</version></dependency>';
  assert.match(
    failureOf(
      await bench.build(
        edited(files, 'pom.xml', '<build>', `<dependencies>${dependency}</dependencies><build>`),
        { app },
      ),
    ),
    /^the dependency "org\.example:nothing:1\.0" does not exist in the repositories; check its name and version in pom\.xml/,
  );
  assert.match(
    failureOf(await bench.build(edited(files, 'pom.xml', '<mainClass>hello.Main</mainClass>', ''), { app })),
    /^no main manifest attribute: target\/hello-1\.0\.jar is not runnable; name the mainClass in the manifest/,
  );
  assert.equal(
    failureOf(await bench.build({ ...files, 'system.properties': 'java.runtime.version=11\n' }, { app })),
    'there is no OpenJDK "11" (system.properties); nearest: 17, 21, 25',
  );
});
