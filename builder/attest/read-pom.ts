// The dependencies that a pom.xml writes down itself, with the properties it has. Pure; nothing is fetched, no parent is read.
import { child, childrenOf, readXml } from '../../buildpacks/java/read-xml.ts';

export interface MavenDependency {
  group: string;
  artifact: string;
  /** Undefined: it stands in a parent or a bill of materials. */
  version: string | undefined;
  scope: string | undefined;
}

export function readMavenDependencies(text: string, file: string): MavenDependency[] {
  const pom = readXml(text, file);
  const properties = new Map(childrenOf(pom, 'properties').map(({ name, text: value }) => [name, value]));
  const version = child(pom, 'version')?.text ?? child(pom, 'parent', 'version')?.text;
  if (version !== undefined) properties.set('project.version', version);
  const resolved = (value: string | undefined) => {
    const once = value?.replace(/\$\{([^}]+)\}/g, (whole, name: string) => properties.get(name) ?? whole);
    return once === undefined || once === '' || once.includes('${') ? undefined : once;
  };
  const read = (...path: string[]) =>
    childrenOf(pom, ...path).flatMap((dependency) => {
      const [group, artifact] = [
        resolved(child(dependency, 'groupId')?.text),
        resolved(child(dependency, 'artifactId')?.text),
      ];
      if (group === undefined || artifact === undefined) return [];
      const { text: scope } = child(dependency, 'scope') ?? { text: undefined };
      return [{ group, artifact, version: resolved(child(dependency, 'version')?.text), scope }];
    });
  const managed = new Map(
    read('dependencyManagement', 'dependencies').map((one) => [`${one.group}:${one.artifact}`, one]),
  );
  return read('dependencies').map((one) => ({
    ...one,
    version: one.version ?? managed.get(`${one.group}:${one.artifact}`)?.version,
    scope: one.scope ?? managed.get(`${one.group}:${one.artifact}`)?.scope,
  }));
}
