// Our stand-ins for official images of Docker Hub, by the names that the sources table may write (`berth:node`), and which images each is for.
// Names only: what they are is in stand-ins.ts.
export const standInKinds = ['debian', 'build', 'node', 'python', 'golang', 'rust', 'nginx'] as const;
export type StandInKind = (typeof standInKinds)[number];

const kindOfImage: Readonly<Record<string, StandInKind>> = {
  debian: 'debian',
  ubuntu: 'debian',
  'buildpack-deps': 'build',
  gcc: 'build',
  node: 'node',
  python: 'python',
  golang: 'golang',
  rust: 'rust',
  nginx: 'nginx',
};

export function isStandInKind(name: string): name is StandInKind {
  return standInKinds.some((kind) => kind === name);
}

export function standInFor(official: string): StandInKind | undefined {
  return Object.hasOwn(kindOfImage, official) ? kindOfImage[official] : undefined;
}
