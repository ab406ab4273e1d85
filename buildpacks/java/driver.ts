// The Java driver: a Maven or Gradle project, or a jar or WAR that was pushed as it is → layers. Called by the builder. See README.md.
import type { BuildPlan, Driver, PlanContext, PlannedLayer, RunLayer } from '@berth/builder/plan/plan.ts';
import type { SourceTree } from '@berth/builder/source/source-tree.ts';
import { buildFiles, checkGradleRuns, gradleLayers, gradleStep, readGradleProject } from './gradle.ts';
import { chooseJdk, type JdkChoice } from './jdk-version.ts';
import { layOutSteps } from './lay-out.ts';
import { chooseMaven, mavenStep } from './maven.ts';
import { type Dependency, type MavenProject, readMavenProject } from './pom.ts';
import { javaHome, jdkLayers, mavenLayer, tomcatHome, tomcatLayers } from './runtime-layers.ts';
import { chooseTomcat, type TomcatChoice, tomcatWish } from './tomcat.ts';

export const javaDriver: Driver = {
  name: 'java',
  version: 1,
  detect: async (tree) => (kindOf(tree) === undefined ? undefined : 'Java'),
  plan,
};

type Kind = 'maven' | 'gradle' | 'jar' | 'war';

function kindOf(tree: SourceTree): Kind | undefined {
  if (tree.has('pom.xml')) return 'maven';
  if (buildFiles.some((file) => tree.has(file))) return 'gradle';
  const atRoot = [...tree.entries.keys()].filter((path) => /^[^/]+\.[jw]ar$/.test(path));
  return atRoot.length === 1 ? (atRoot[0]?.endsWith('.war') ? 'war' : 'jar') : undefined;
}

/** What differs between the ways to build. */
interface Project {
  jdk: JdkChoice;
  /** Layers that the build needs below it, and the build itself; none for what was pushed ready. */
  tools: PlannedLayer[];
  build: RunLayer | undefined;
  details: string[];
  warnings: string[];
  /** Runs in Tomcat. */
  isWar: boolean;
  /** Folders of modules that make WARs. */
  wars: string[];
  dependencies: Dependency[];
}

async function plan(tree: SourceTree, context: PlanContext): Promise<BuildPlan> {
  const project = await readProject(tree, context);
  const { jdk, build } = project;
  const commands = readCommands(context);
  const tomcat = project.isWar && !commands.start ? await chooseTomcat(tree, project, context) : undefined;
  const built: PlannedLayer[] = build === undefined ? [] : [{ ...build, inImage: commands.some }];
  const laidOut = commands.start
    ? undefined
    : layOutSteps({
        kind: tomcat ? 'war' : 'jar',
        api: tomcat?.api ?? 'jakarta',
        from: ['source', ...built.map(({ id }) => id)],
      });
  return {
    language: 'Java',
    details: [...describeJdk(jdk), ...project.details, ...describeTomcat(tomcat)],
    warnings: [...jdk.warnings, ...project.warnings],
    layers: [
      ...jdkLayers(jdk),
      ...project.tools,
      ...(tomcat ? tomcatLayers(tomcat.version) : []),
      ...orderedLayers(built, laidOut),
    ],
    defaultProcessTypes: { web: tomcat ? `${tomcatHome}/bin/catalina.sh run` : 'start-java-app' },
    // Debian's and Heroku's name for where Java is; Spring Boot's for its port, which a Procfile may not name.
    env: { JAVA_HOME: javaHome, SERVER_PORT: '5000' },
    path: [`${javaHome}/bin`, '/opt/berth/java-bin'],
    varsMatter: true,
  };
}

/** The source, what the build left, and that taken apart: libraries lie above the source here, because they come out of it. */
function orderedLayers(
  built: PlannedLayer[],
  laidOut: { dependencies: RunLayer; app: RunLayer } | undefined,
): PlannedLayer[] {
  const source: PlannedLayer = { kind: 'source', id: 'source', inImage: true, leaveOut: [] };
  if (!laidOut) return [source, ...built];
  return [source, ...built, laidOut.dependencies, laidOut.app];
}

async function readProject(tree: SourceTree, context: PlanContext): Promise<Project> {
  switch (kindOf(tree)) {
    case 'maven':
      return readMaven(tree, context);
    case 'gradle':
      return readGradle(tree, context);
    default:
      return {
        jdk: await chooseJdk(tree, undefined, context),
        tools: [],
        build: undefined,
        details: [],
        warnings: [],
        isWar: kindOf(tree) === 'war',
        wars: [],
        dependencies: [],
      };
  }
}

async function readMaven(tree: SourceTree, context: PlanContext): Promise<Project> {
  const project = await readMavenProject(tree);
  const [jdk, maven] = await Promise.all([
    chooseJdk(tree, project.level, context),
    chooseMaven(tree, context),
  ]);
  const from =
    maven.askedBy ??
    `the platform's; ask for another in .mvn/wrapper or by "maven.version" in system.properties`;
  return {
    jdk,
    tools: [mavenLayer(maven)],
    build: mavenStep(maven),
    details: [`Maven ${maven.version} (${from})`],
    warnings: maven.warnings,
    isWar: project.wars.length > 0 && !startsItself(project, context),
    wars: project.wars,
    dependencies: project.dependencies,
  };
}

/** Spring Boot's plugin makes a WAR that brings its own server; who sets TOMCAT_VERSION wants Tomcat. */
function startsItself(project: MavenProject, context: PlanContext): boolean {
  return project.plugins.has('spring-boot-maven-plugin') && tomcatWish(context) === undefined;
}

async function readGradle(tree: SourceTree, context: PlanContext): Promise<Project> {
  const gradle = await readGradleProject(tree);
  const jdk = await chooseJdk(tree, gradle.level, context);
  checkGradleRuns(gradle, jdk);
  return {
    jdk,
    tools: gradleLayers(gradle),
    build: gradleStep(gradle),
    details: [`Gradle ${gradle.version} (gradle/wrapper/gradle-wrapper.properties)`],
    warnings: [],
    isWar: gradle.isWar,
    wars: [''],
    dependencies: [],
  };
}

interface Commands {
  /** Something else than our default web process starts the app. */
  start: boolean;
  /** There are commands of the app's own, which name what lies in target or build: it is in the image then. */
  some: boolean;
}

function readCommands({ manifest, isPart }: PlanContext): Commands {
  const start = isPart === true || manifest?.keepsDefaults === false;
  const others =
    Object.keys(manifest?.processTypes ?? {}).length > 0 ||
    manifest?.releaseCommand !== undefined ||
    (manifest?.cron ?? []).length > 0 ||
    Object.keys(manifest?.postdeploy ?? {}).length > 0;
  return { start, some: start || others };
}

function describeJdk({ major, askedBy }: JdkChoice): string[] {
  const from = askedBy ?? `the platform's; ask for another in system.properties: "java.runtime.version=25"`;
  return [`OpenJDK ${major} (${from})`];
}

function describeTomcat(tomcat: TomcatChoice | undefined): string[] {
  return tomcat ? [`Tomcat ${tomcat.version} (${tomcat.askedBy})`] : [];
}
