// What the platform itself put below the app: language runtimes, servers, and the tools that only built it. Their versions are those that the build
// told its user ("Node.js 24.21.0 (engines.node)"). Pure; called by attest-build.ts.
import type { BuildResult } from '@berth/contract/build.ts';
import type { Component, Inventory } from './inventory.ts';
import { genericPurl, mavenPurl, npmPurl } from './purl.ts';

interface Known {
  name: string;
  /** Only made the app and is not in its image. */
  isTool?: boolean;
  purl?: (version: string) => string;
}

const known: Readonly<Record<string, Known>> = {
  'Node.js': { name: 'node' },
  Bun: { name: 'bun' },
  Deno: { name: 'deno' },
  Python: { name: 'python' },
  Ruby: { name: 'ruby' },
  PHP: { name: 'php' },
  OpenJDK: { name: 'openjdk' },
  Tomcat: { name: 'tomcat', purl: (version) => mavenPurl('org.apache.tomcat', 'tomcat', version) },
  npm: { name: 'npm', isTool: true, purl: (version) => npmPurl('npm', version) },
  pnpm: { name: 'pnpm', isTool: true, purl: (version) => npmPurl('pnpm', version) },
  yarn: { name: 'yarn', isTool: true, purl: (version) => npmPurl('yarn', version) },
  Go: { name: 'go', isTool: true },
  Rust: { name: 'rust', isTool: true },
  Maven: {
    name: 'maven',
    isTool: true,
    purl: (version) => mavenPurl('org.apache.maven', 'apache-maven', version),
  },
  Gradle: { name: 'gradle', isTool: true },
};

export function addRuntimes(
  { details, detected, layers }: Pick<BuildResult, 'details' | 'detected' | 'layers'>,
  platformNode: { version: string },
  into: Inventory,
): void {
  const found = details.flatMap((detail): Component[] => {
    const [, name = '', version = ''] = /^(\S+) (\d[\w.+-]*)/.exec(detail) ?? [];
    const what = Object.hasOwn(known, name) ? known[name] : undefined;
    return what ? [componentOf(what, version)] : [];
  });
  // A static site's server runs on the platform's own Node, which nobody chose.
  const isServed =
    detected.driver.split('+').includes('static') && layers.some(({ name }) => /(^|-)runtime/.test(name));
  if (isServed && !found.some(({ name }) => name === 'node'))
    found.push(componentOf({ name: 'node' }, platformNode.version));
  for (const component of found) {
    const ref = into.add(component);
    if (component.scope === undefined) into.direct.add(ref);
  }
}

function componentOf({ name, isTool, purl }: Known, version: string): Component {
  return {
    type: isTool === true ? 'application' : 'platform',
    name,
    version,
    purl: purl?.(version) ?? genericPurl(name, version),
    ...(isTool === true ? { scope: 'excluded' } : {}),
  };
}
