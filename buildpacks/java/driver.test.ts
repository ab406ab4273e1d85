import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readManifest } from '@berth/builder/manifest/read-manifest.ts';
import type { BuildPlan, PlanContext, RunLayer } from '@berth/builder/plan/plan.ts';
import { treeOfFiles } from '@berth/tests/builder/tree-of-files.ts';
import { javaDriver } from './driver.ts';

const asked: string[] = [];
const lists: Record<string, string[]> = {
  'openjdk-debian': ['17.0.20', '21.0.12.1', '21.0.13.1', '25.0.5.1'],
  'maven-apache-maven': ['3.6.3', '3.8.8', '3.9.9', '3.9.16'],
  'maven-tomcat': ['8.5.100', '9.0.117', '10.1.55', '10.1.59', '11.0.24'],
};
const context: PlanContext = {
  platformNode: { version: '24.21.0', npmVersion: '11.19.1' },
  arch: 'x64',
  vars: {},
  listVersions: async ({ name }) => {
    asked.push(name);
    return lists[name] ?? [];
  },
};
const planOf = (files: Record<string, string>, vars: Record<string, string> = {}): Promise<BuildPlan> =>
  readManifest(treeOfFiles(files)).then((manifest) =>
    javaDriver.plan(treeOfFiles(files), {
      ...context,
      vars,
      manifest,
      isPart: manifest.processTypes['web'] !== undefined,
    }),
  );
const pom = (inner = '') => `<project><modelVersion>4.0.0</modelVersion>${inner}</project>`;
const level = (version: string) =>
  `<properties><maven.compiler.release>${version}</maven.compiler.release></properties>`;
const shape = (plan: BuildPlan) =>
  plan.layers.map((layer) => `${layer.id}${layer.inImage ? '' : ' (not in the image)'}`);
const run = (plan: BuildPlan, id: string) => plan.layers.find((layer) => layer.id === id) as RunLayer;

test('a Maven project without a word more: the whole shape, and nothing asked of a registry', async () => {
  asked.length = 0;
  const plan = await planOf({ 'pom.xml': pom() });
  assert.deepEqual(shape(plan), [
    'jdk (not in the image)',
    'tool-sources (not in the image)',
    'tools (not in the image)',
    'runtime',
    'launcher',
    'maven (not in the image)',
    'source',
    'output (not in the image)',
    'dependencies',
    'app',
  ]);
  assert.deepEqual(plan.defaultProcessTypes, { web: 'start-java-app' });
  assert.deepEqual(plan.env, { JAVA_HOME: '/opt/berth/java', SERVER_PORT: '5000' });
  assert.deepEqual(plan.path, ['/opt/berth/java/bin', '/opt/berth/java-bin']);
  assert.deepEqual(plan.details, [
    'OpenJDK 21 (the platform\'s; ask for another in system.properties: "java.runtime.version=25")',
    'Maven 3.9.16 (the platform\'s; ask for another in .mvn/wrapper or by "maven.version" in system.properties)',
  ]);
  assert.deepEqual(plan.warnings, []);
  assert.deepEqual(asked, []);
});

test('the step that builds, whole', async () => {
  const { script, explain, ...step } = run(await planOf({ 'pom.xml': pom() }), 'output');
  assert.equal(typeof explain, 'function');
  assert.match(script, /\$\{MAVEN_CUSTOM_OPTS:--DskipTests\} \$\{MAVEN_CUSTOM_GOALS:-package\}\n$/);
  assert.deepEqual(step, {
    kind: 'run',
    id: 'output',
    inImage: false,
    title: 'Building with Maven',
    step: 'build',
    on: ['jdk', 'tools', 'maven', 'source'],
    key: ['maven', '3.9.16'],
    scope: 'app',
    files: [],
    stack: 'run',
    user: 'app',
    env: { JAVA_HOME: '/opt/berth/jdk', MAVEN_ARGS: '-B -Dmaven.repo.local=/cache/m2', MAVEN_QUIET: '-ntp' },
    path: ['/opt/berth/jdk/bin', '/opt/berth/maven/bin'],
    vars: 'all',
    varsLeftOut: ['JAVA_OPTS', 'CATALINA_OPTS', 'TOMCAT_VERSION', 'SERVER_PORT', 'JAVA_TOOL_OPTIONS'],
    caches: { m2: '/cache/m2' },
    keep: '/app',
    leaveOut: ['.gradle', '.m2'],
    quiet: false,
  });
});

test('what a Procfile names is in the image as the build left it; one with a release phase alone keeps the default', async () => {
  const own = await planOf({ 'pom.xml': pom(), Procfile: 'web: java $JAVA_OPTS -jar target/*.jar' });
  assert.deepEqual(shape(own).slice(-2), ['source', 'output']);
  const release = await planOf({ 'pom.xml': pom(), Procfile: 'release: java -cp target/classes Migrate' });
  assert.deepEqual(shape(release).slice(-4), ['source', 'output', 'dependencies', 'app']);
});

test('the JDK: who asks for one gets it, else the nearest that the source level allows', async () => {
  const jdk = async (files: Record<string, string>) =>
    (await planOf({ 'pom.xml': pom(level('21')), ...files })).details[0];
  assert.equal(await jdk({}), 'OpenJDK 21 (for Java 21: maven.compiler.release in pom.xml)');
  assert.equal(
    await jdk({ 'system.properties': 'java.runtime.version=25\n' }),
    'OpenJDK 25 (system.properties)',
  );
  assert.equal(await jdk({ '.java-version': '17\n' }), 'OpenJDK 17 (.java-version)');
  assert.equal(await jdk({ '.sdkmanrc': '# sdk env\njava=25.0.5.1-tem\n' }), 'OpenJDK 25 (.sdkmanrc)');
  assert.equal(
    await jdk({ '.tool-versions': 'nodejs 24\njava temurin-21.0.13.1+2\n' }),
    'OpenJDK 21 (.tool-versions)',
  );
  assert.equal(
    await jdk({ 'pom.xml': pom(level('22')) }),
    'OpenJDK 25 (for Java 22: maven.compiler.release in pom.xml)',
  );
  const older = pom('<properties><java.version>1.8</java.version></properties>');
  assert.equal(await jdk({ 'pom.xml': older }), 'OpenJDK 17 (for Java 8: java.version in pom.xml)');
  const plugin = `<properties><v>25</v></properties><build><plugins><plugin><artifactId>maven-compiler-plugin</artifactId>
    <configuration><release>\${v}</release></configuration></plugin></plugins></build>`;
  assert.equal(
    await jdk({ 'pom.xml': pom(plugin) }),
    'OpenJDK 25 (for Java 25: maven-compiler-plugin in pom.xml)',
  );
});

test('a patch that is out of date is replaced and said; what cannot be had is refused with the nearest', async () => {
  const old = await planOf({ 'pom.xml': pom(), 'system.properties': 'java.runtime.version=21.0.2' });
  assert.deepEqual(old.warnings, [
    'OpenJDK 21.0.2 (system.properties) is out of date: 21.0.13.1 of the same line takes its place',
  ]);
  const refused = (wish: string, message: string, hint: string) =>
    assert.rejects(planOf({ 'pom.xml': pom(), 'system.properties': `java.runtime.version = ${wish}` }), {
      message,
      hint,
    });
  await refused('1.8', 'there is no OpenJDK "1.8" (system.properties)', 'nearest: 17, 21, 25');
  await refused('11', 'there is no OpenJDK "11" (system.properties)', 'nearest: 17, 21, 25');
  await refused('21.0.99', 'there is no OpenJDK "21.0.99" (system.properties)', 'nearest: 21.0.13.1');
  await refused(
    'newest',
    '"newest" in system.properties is not a Java version',
    'write its first number, for example "21"',
  );
  await assert.rejects(planOf({ 'pom.xml': pom(level('26')) }), {
    message: 'there is no OpenJDK "26" (maven.compiler.release in pom.xml)',
    hint: 'nearest: 25, 21, 17',
  });
});

test('the Maven that the wrapper names is fetched, not run, and checked by the digest that it names', async () => {
  const wrapper = (lines: string) =>
    planOf({ 'pom.xml': pom(), mvnw: '', '.mvn/wrapper/maven-wrapper.properties': lines });
  const url =
    'distributionUrl=https\\://repo.example.org/maven2/org/apache/maven/apache-maven/3.8.8/apache-maven-3.8.8-bin.zip';
  const sha = 'a'.repeat(64);
  const plan = await wrapper(`${url}\ndistributionSha256Sum=${sha}\n`);
  assert.equal(plan.details[1], 'Maven 3.8.8 (.mvn/wrapper/maven-wrapper.properties)');
  assert.deepEqual(run(plan, 'maven').key, ['3.8.8', sha]);
  await assert.rejects(wrapper(url.replaceAll('3.8.8', '3.8.99')), {
    message: 'there is no Maven "3.8.99" (.mvn/wrapper/maven-wrapper.properties)',
    hint: 'nearest: 3.8.8',
  });
  const other = await wrapper('distributionUrl=https://example.org/maven-mvnd-1.0.2-linux-amd64.zip');
  assert.deepEqual(other.warnings, [
    '.mvn/wrapper/maven-wrapper.properties names no Apache Maven: Maven 3.9.16 builds instead',
  ]);
});

test('a WAR runs in the Tomcat that speaks its servlet API', async () => {
  const war = (dependency = '', files: Record<string, string> = {}, vars: Record<string, string> = {}) =>
    planOf(
      { 'pom.xml': pom(`<packaging>war</packaging><dependencies>${dependency}</dependencies>`), ...files },
      vars,
    );
  const of = (group: string, artifact: string, version: string) =>
    `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version></dependency>`;
  const plan = await war(of('jakarta.servlet', 'jakarta.servlet-api', '6.0.0'));
  assert.equal(plan.details[2], 'Tomcat 10.1.59 (for jakarta.servlet-api 6.0.0)');
  assert.deepEqual(plan.defaultProcessTypes, { web: '/opt/berth/tomcat/bin/catalina.sh run' });
  assert.deepEqual(shape(plan).slice(6), [
    'runtime-tomcat',
    'runtime-tomcat-settings',
    'source',
    'output (not in the image)',
    'dependencies',
    'app',
  ]);
  const line = async (...parts: Parameters<typeof war>) => (await war(...parts)).details[2];
  assert.equal(
    await line(of('javax.servlet', 'javax.servlet-api', '4.0.1')),
    'Tomcat 9.0.117 (for javax.servlet-api 4.0.1)',
  );
  assert.equal(
    await line(of('jakarta.servlet', 'jakarta.servlet-api', '6.1.0')),
    'Tomcat 11.0.24 (for jakarta.servlet-api 6.1.0)',
  );
  assert.equal(await line(of('javax', 'javaee-web-api', '8.0')), 'Tomcat 9.0.117 (for javaee-web-api 8.0)');
  const web = 'src/main/webapp/WEB-INF/web.xml';
  assert.equal(
    await line('', { [web]: '<web-app xmlns="http://xmlns.jcp.org/xml/ns/javaee" version="4.0">' }),
    `Tomcat 9.0.117 (for ${web})`,
  );
  assert.equal(
    await line('', { 'src/main/java/A.java': 'package a;\nimport javax.servlet.http.HttpServlet;' }),
    'Tomcat 9.0.117 (for javax.servlet in src/main/java/A.java)',
  );
  assert.equal(
    await line('', {}, { TOMCAT_VERSION: '10.1' }),
    'Tomcat 10.1.59 (the config var TOMCAT_VERSION)',
  );
  await assert.rejects(war('', {}, { TOMCAT_VERSION: '12' }), {
    message: 'there is no Tomcat "12" (the config var TOMCAT_VERSION)',
    hint: 'nearest: 11.0.24, 10.1.59, 10.1.55, 9.0.117, 8.5.100',
  });
});

test('another Tomcat changes the key of its own layer alone, and no step sees what only matters at run time', async () => {
  const files = { 'pom.xml': pom('<packaging>war</packaging>') };
  const [first, second] = [
    await planOf(files, { TOMCAT_VERSION: '10.1' }),
    await planOf(files, { TOMCAT_VERSION: '11' }),
  ];
  const keys = (plan: BuildPlan) =>
    plan.layers.flatMap((layer) => (layer.kind === 'run' ? [[layer.id, layer.key, layer.on]] : []));
  const differing = keys(first).filter(
    (key, index) => JSON.stringify(key) !== JSON.stringify(keys(second)[index]),
  );
  assert.deepEqual(
    differing.map(([id]) => id),
    ['runtime-tomcat'],
  );
});

test("Spring Boot's executable WAR starts itself, unless Tomcat is asked for", async () => {
  const files = {
    'pom.xml': pom(
      `<packaging>war</packaging><build><plugins><plugin><artifactId>spring-boot-maven-plugin</artifactId></plugin></plugins></build>`,
    ),
  };
  assert.deepEqual((await planOf(files)).defaultProcessTypes, { web: 'start-java-app' });
  const asked = await planOf(files, { TOMCAT_VERSION: '10.1.55' });
  assert.deepEqual(asked.defaultProcessTypes, { web: '/opt/berth/tomcat/bin/catalina.sh run' });
});

test('modules: their level and packaging count, wherever they lie', async () => {
  const plan = await planOf({
    'pom.xml': pom('<modules><module>core</module><module>web</module></modules>'),
    'core/pom.xml': pom(level('25')),
    'web/pom.xml': pom('<packaging>war</packaging>'),
  });
  assert.equal(plan.details[0], 'OpenJDK 25 (for Java 25: maven.compiler.release in core/pom.xml)');
  assert.match(plan.details[2] ?? '', /^Tomcat 10\.1\.59 /);
});

test('a jar or a WAR that was pushed as it is needs no build', async () => {
  assert.equal(await javaDriver.detect(treeOfFiles({ 'app.jar': '' })), 'Java');
  assert.equal(await javaDriver.detect(treeOfFiles({ 'a.jar': '', 'b.jar': '' })), undefined);
  const plan = await planOf({ 'app.war': '' });
  assert.deepEqual(shape(plan).slice(-3), ['source', 'dependencies', 'app']);
  assert.match(plan.details[1] ?? '', /^Tomcat 10\.1\.59 \(nothing names a servlet API/);
});

test('Gradle: the distribution of the wrapper, refused where it does not run on the JDK', async () => {
  const gradle = (version: string, build: string, files: Record<string, string> = {}) =>
    planOf({
      'build.gradle': build,
      'gradle/wrapper/gradle-wrapper.properties': `distributionUrl=https\\://services.gradle.org/distributions/gradle-${version}-bin.zip`,
      ...files,
    });
  const plan = await gradle(
    '8.10.2',
    "plugins { id 'java' }\njava { toolchain { languageVersion = JavaLanguageVersion.of(21) } }",
  );
  assert.deepEqual(plan.details, [
    'OpenJDK 21 (build.gradle)',
    'Gradle 8.10.2 (gradle/wrapper/gradle-wrapper.properties)',
  ]);
  assert.equal(run(plan, 'output').env['GRADLE_DEFAULT_TASK'], 'build -x check');
  const old = await gradle('7.6', "sourceCompatibility = '11'\ntask stage { dependsOn build }");
  assert.equal(old.details[0], 'OpenJDK 17 (for Java 11: the build file)');
  assert.equal(run(old, 'output').env['GRADLE_DEFAULT_TASK'], 'stage');
  await assert.rejects(gradle('7.6', '', { 'system.properties': 'java.runtime.version=21' }), {
    message: 'Gradle 7.6 does not run on Java 21 (system.properties)',
  });
  await assert.rejects(planOf({ 'build.gradle': '' }), { message: 'the app has no Gradle wrapper' });
});

test('a pom that is no XML is refused with its line, and nothing in it is expanded', async () => {
  await assert.rejects(planOf({ 'pom.xml': '<project>\n<a></b></project>' }), {
    message: 'pom.xml is not readable as XML (line 2)',
  });
  const bomb = '<!DOCTYPE p [<!ENTITY a "aaaa">]>\n<project>&a;</project>';
  await assert.rejects(planOf({ 'pom.xml': bomb }), { message: 'pom.xml is not readable as XML (line 1)' });
});
