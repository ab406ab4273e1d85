// What a plan needs to know of a Maven project: its poms, read from the tree. Used by facts.ts. Must never resolve anything outside the tree.
import { posix } from 'node:path';
import type { SourceTree } from '@berth/builder/source/source-tree.ts';
import { AppError } from '@berth/kit/errors.ts';
import { child, childrenOf, readXml, type XmlElement } from './read-xml.ts';

export interface Dependency {
  group: string;
  artifact: string;
  /** Undefined: managed elsewhere. */
  version: string | undefined;
}

export interface MavenProject {
  /** Paths of the poms of the tree that take part, the root's first. */
  poms: string[];
  /** Folders of modules that make a WAR; '' is the root. */
  wars: string[];
  dependencies: Dependency[];
  /** Names of plugins. */
  plugins: ReadonlySet<string>;
  /** The highest Java version that a module is compiled for, as written ("1.8", "21"), and where that stands. */
  level: { raw: string; from: string } | undefined;
}

const maxPoms = 300;
const maxPomBytes = 2 * 1024 * 1024;

export async function readMavenProject(tree: SourceTree): Promise<MavenProject> {
  const project: MavenProject = {
    poms: [],
    wars: [],
    dependencies: [],
    plugins: new Set(),
    level: undefined,
  };
  const plugins = new Set<string>();
  const waiting: { path: string; inherited: Record<string, string> }[] = [{ path: 'pom.xml', inherited: {} }];
  for (let next = waiting.shift(); next; next = waiting.shift()) {
    const { path, inherited } = next;
    const text = await tree.readText(path, maxPomBytes);
    if (text === undefined || project.poms.includes(path)) continue;
    if (project.poms.length >= maxPoms)
      throw new AppError('invalid', `the project has more than ${maxPoms} modules`);
    project.poms.push(path);
    const pom = readXml(text, path);
    const properties = { ...inherited, ...readProperties(pom) };
    const folder = posix.dirname(path) === '.' ? '' : posix.dirname(path);
    if (child(pom, 'packaging')?.text === 'war') project.wars.push(folder);
    project.dependencies.push(...readDependencies(pom, properties));
    for (const plugin of readPlugins(pom)) plugins.add(child(plugin, 'artifactId')?.text ?? '');
    project.level = higher(project.level, readLevel(pom, properties, path));
    for (const module of readModules(pom)) {
      const file = posix.normalize(posix.join(folder, resolve(module, properties)));
      waiting.push({ path: file.endsWith('.xml') ? file : `${file}/pom.xml`, inherited: properties });
    }
  }
  return { ...project, plugins };
}

function readProperties(pom: XmlElement): Record<string, string> {
  const own = childrenOf(pom, 'properties').map(({ name, text }) => [name, text] as const);
  const version = child(pom, 'version')?.text ?? child(pom, 'parent', 'version')?.text ?? '';
  return { 'project.version': version, ...Object.fromEntries(own) };
}

/** `${name}` by the poms' own properties; what they do not know stays as it is. Twice is enough for any pom that people write. */
function resolve(text: string, properties: Record<string, string>): string {
  const once = (value: string) =>
    value.replace(/\$\{([^}]+)\}/g, (whole, name: string) => properties[name] ?? whole);
  return once(once(text));
}

function readDependencies(pom: XmlElement, properties: Record<string, string>): Dependency[] {
  const managed = childrenOf(pom, 'dependencyManagement', 'dependencies');
  return [...managed, ...childrenOf(pom, 'dependencies')].map((dependency) => {
    const version = child(dependency, 'version')?.text;
    return {
      group: resolve(child(dependency, 'groupId')?.text ?? '', properties),
      artifact: resolve(child(dependency, 'artifactId')?.text ?? '', properties),
      version: version === undefined ? undefined : resolve(version, properties),
    };
  });
}

function readPlugins(pom: XmlElement): XmlElement[] {
  return [...childrenOf(pom, 'build', 'plugins'), ...childrenOf(pom, 'build', 'pluginManagement', 'plugins')];
}

function readModules(pom: XmlElement): string[] {
  const inProfiles = childrenOf(pom, 'profiles')
    .filter((profile) => child(profile, 'activation', 'activeByDefault')?.text === 'true')
    .flatMap((profile) => childrenOf(profile, 'modules'));
  return [...childrenOf(pom, 'modules'), ...inProfiles].map(({ text }) => text);
}

const levelProperties = [
  'maven.compiler.release',
  'maven.compiler.source',
  'maven.compiler.target',
  'java.version',
];

function readLevel(pom: XmlElement, properties: Record<string, string>, path: string): MavenProject['level'] {
  const compiler = readPlugins(pom).find(
    (plugin) => child(plugin, 'artifactId')?.text === 'maven-compiler-plugin',
  );
  for (const name of ['release', 'source', 'target']) {
    const raw = resolve(child(compiler, 'configuration', name)?.text ?? '', properties);
    if (/^\d/.test(raw)) return { raw, from: `maven-compiler-plugin in ${path}` };
  }
  for (const name of levelProperties) {
    const raw = resolve(properties[name] ?? '', properties);
    if (/^\d/.test(raw)) return { raw, from: `${name} in ${path}` };
  }
  return undefined;
}

function higher(a: MavenProject['level'], b: MavenProject['level']): MavenProject['level'] {
  if (!a || !b) return a ?? b;
  return majorOf(b.raw) > majorOf(a.raw) ? b : a;
}

/** 8 for "1.8", 21 for "21.0.2". */
export function majorOf(version: string): number {
  return Number(/^(?:1\.)?(\d+)/.exec(version)?.[1] ?? Number.NaN);
}
