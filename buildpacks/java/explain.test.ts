import assert from 'node:assert/strict';
import { test } from 'node:test';
import { explainGradle, explainLayOut, explainMaven } from './explain.ts';

test("Maven's failures in one line each", () => {
  const cases: [string, string][] = [
    [
      '[INFO] BUILD FAILURE\n[ERROR] /app/src/main/java/hello/Main.java:[7,5] cannot find symbol\n  symbol: class Foo',
      '"src/main/java/hello/Main.java" does not compile: line 7: cannot find symbol',
    ],
    [
      '[ERROR] Failed to execute goal on project hello: Could not resolve dependencies for project hello:hello:jar:1.0\n[ERROR] dependency: org.example:nothing:jar:1.0 (compile)\n[ERROR] \tCould not find artifact org.example:nothing:jar:1.0 in central (https://repo.example.org)',
      'the dependency "org.example:nothing:1.0" does not exist in the repositories',
    ],
    [
      '[FATAL] Non-resolvable parent POM for hello:hello:1.0: The following artifacts could not be resolved: a:b:pom:9 (absent): Could not find artifact a:b:pom:9 in central',
      'the parent "a:b:9" of pom.xml does not exist in the repositories',
    ],
    [
      '[ERROR] Fatal error compiling: error: release version 25 not supported',
      'this JDK does not compile for Java 25',
    ],
    [
      '[ERROR] Tests run: 1\n[ERROR]   MainTest.fails:9 expected\n[ERROR] There are test failures.',
      'tests failed: MainTest.fails',
    ],
    [
      'javax.net.ssl.SSLHandshakeException: PKIX path building failed',
      "the repository's certificate is not trusted",
    ],
    [
      '[FATAL] Non-parseable POM /app/pom.xml: unexpected end tag (position: START_TAG seen) @ line 3',
      'pom.xml is not a valid pom: unexpected end tag (position: START_TAG seen)',
    ],
    ['[ERROR] Could not find the selected project in the reactor: web', 'there is no module "web"'],
    [
      "java.lang.NoSuchFieldError: Class com.sun.tools.javac.tree.JCTree$JCImport does not have member field 'qualid'",
      "the app's Lombok is too old for this JDK",
    ],
    [
      'Unknown host repo.example.org: Temporary failure',
      'the repository "repo.example.org" cannot be reached',
    ],
  ];
  for (const [output, message] of cases) assert.equal(explainMaven(output)?.message, message);
  assert.equal(explainMaven('nothing known'), undefined);
});

test("Gradle's failures in one line each", () => {
  const cases: [string, string][] = [
    [
      "/app/src/main/java/App.java:4: error: ';' expected",
      '"src/main/java/App.java" does not compile: line 4: \';\' expected',
    ],
    [
      '> Could not find org.example:nothing:1.0.',
      'the dependency "org.example:nothing:1.0" does not exist in the repositories',
    ],
    [
      "Plugin [id: 'com.example', version: '1.0'] was not found in any of the following sources",
      'the Gradle plugin "com.example:1.0" does not exist in the repositories',
    ],
  ];
  for (const [output, message] of cases) assert.equal(explainGradle(output)?.message, message);
});

test('the tool that lays an app out says message and hint itself', () => {
  assert.deepEqual(explainLayOut('x\nlay out: no jar | write one\n'), {
    message: 'no jar',
    hint: 'write one',
  });
});
