// The app that the builder bench builds: an Express app of 71 packages, a line that changes, and dependencies that are added one by one.
// Used by the contenders.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export type Case = 'cold' | 'no change' | 'one line' | 'one dependency';
export const cases: readonly Case[] = ['cold', 'no change', 'one line', 'one dependency'];

/** Where a contender's app is at: how often its line was changed, how many dependencies were added. */
export interface SampleState {
  line: number;
  added: number;
}

/** What the next build of a case builds; `cold` builds what is there. */
export function nextState({ line, added }: SampleState, what: Case): SampleState {
  if (what === 'one line') return { line: line + 1, added };
  if (what === 'one dependency') return { line, added: added + 1 };
  return { line, added };
}

const fixture = join(import.meta.dirname, '../../fixtures/apps/express');
const read = (name: string) => readFileSync(join(fixture, name), 'utf8');

interface Manifest {
  dependencies: Record<string, string>;
}
interface Lockfile {
  packages: Record<string, { dependencies?: Record<string, string> } & Record<string, unknown>>;
}

/** Small packages without dependencies of their own, that the app does not have. */
const more = [
  [
    'dotenv',
    '16.4.5',
    'ZmdL2rui+eB2YwhsWzjInR8LldtZHGDoQ1ugH85ppHKwpUHL7j7rN0Ti9NCnGiQbhaZ11FpR+7ao1dNsmduNUg==',
  ],
  [
    'uuid',
    '9.0.1',
    'b+1eJOlsR9K8HJpow9Ok3fiWOWSIcIzXodvv0rQjVoOVNpWMpxf1wZNpt4y9h10odCNrqnYp1OBzRktckBe3sA==',
  ],
  [
    'semver',
    '7.6.3',
    'oVekP1cKtI+CTDvHWYFUcMtsK/00wmAEfyqKfNdARm8u1wNVhSgaX7A8d4UuIlUI5e84iEwOhs7ZPYRmzU9U6A==',
  ],
  [
    'commander',
    '12.1.0',
    'Vw8qHK3bZM9y/P10u3Vib8o/DdkvA2OtPtZvD871QKjy74Wj1WSKFILMPRPSdUSx5RFK1arlJzEtA4PkFgnbuA==',
  ],
  [
    'slugify',
    '1.6.6',
    'h+z7HKHYXj6wJU+AnS/+IH8Uh9fdcX1Lrhg1/VMdf9PwoBQXFcXiAdsy2tSK0P6gKwJLXp02r90ahUCqHk9rrw==',
  ],
  [
    'kleur',
    '4.1.5',
    'o+NO+8WrRiQEE4/7nwRJhN1HWpVmJm511pBHUxPLtp0BUISzlBplORYSmTclCnJvQq2tKu/sgl3xVpkc7ZWuQQ==',
  ],
  [
    'nanoid',
    '3.3.7',
    'eSRppjcPIatRIMC1U6UngP8XFcz8MQWGQdt1MTBQ7NaAmvXDfvNxbvWV3x2y6CdEUciCSsDHDQZbhYaB8QEo2g==',
  ],
  [
    'dayjs',
    '1.11.13',
    'oaMBel6gjolK862uaPQOVTA7q3TZhuSvuMQAAglQDOWYO9A91IrAOUJEyKVlqJlHE0vq5p5UXxzdPfMH/x6xNg==',
  ],
] as const;
export const maxAdded = more.length;

/** npm writes into a lockfile where each package lies; the fixture's leaves it out, and npm then asks for each. */
let registry = '';
export function lockTo(url: string): void {
  registry = url.replace(/\/*$/, '/');
}

export function sampleFiles({ line, added }: SampleState): Record<string, string> {
  const manifest = JSON.parse(read('package.json')) as Manifest;
  const lockfile = JSON.parse(read('package-lock.json')) as Lockfile;
  for (const [name, version, digest] of more.slice(0, added)) {
    manifest.dependencies[name] = version;
    lockfile.packages[`node_modules/${name}`] = { version, integrity: `sha512-${digest}` };
  }
  for (const [folder, locked] of Object.entries(lockfile.packages)) {
    const name = folder.slice(folder.lastIndexOf('node_modules/') + 'node_modules/'.length);
    const file = `${name.replace(/^@.*\//, '')}-${String(locked['version'])}.tgz`;
    if (folder !== '' && registry !== '') locked['resolved'] = `${registry}${name}/-/${file}`;
  }
  const root = lockfile.packages[''];
  if (root) root.dependencies = manifest.dependencies;
  return {
    'package.json': JSON.stringify(manifest, null, 2),
    'package-lock.json': JSON.stringify(lockfile, null, 2),
    'server.js': `${read('server.js')}// ${line}\n`,
  };
}
