// What can stand in a list of buildpacks, and in a stack setting. The controller checks what users set with it, the builder what trees say.
// Pure; a name that is known here and has no driver yet is refused by the builder.

/** Names of our own drivers, as users write them. */
export const driverNames: readonly string[] = [
  'node',
  'python',
  'ruby',
  'go',
  'java',
  'php',
  'rust',
  'static',
  'shell',
];

/** Names from elsewhere that stand for our own. */
const ownAliases: ReadonlyMap<string, string> = new Map([
  ['nodejs', 'node'],
  ['heroku/nodejs', 'node'],
  ['heroku/python', 'python'],
  ['heroku/ruby', 'ruby'],
  ['heroku/go', 'go'],
  ['heroku/java', 'java'],
  ['heroku/php', 'php'],
  ['heroku-community/static', 'static'],
  ['heroku-buildpack-static', 'static'],
  ...['nodejs', 'python', 'ruby', 'go', 'java', 'php'].map((name): [string, string] => [
    `heroku-buildpack-${name}`,
    name === 'nodejs' ? 'node' : name,
  ]),
]);

/** Heroku's other buildpacks by name: they run as they are, from their repositories. */
const classicNames: readonly string[] = [
  'heroku/clojure',
  'heroku/dotnet',
  'heroku/gradle',
  'heroku/jvm',
  'heroku/scala',
  'heroku-community/apt',
  'heroku-community/awscli',
  'heroku-community/cli',
  'heroku-community/inline',
  'heroku-community/locale',
  'heroku-community/multi-procfile',
  'heroku-community/nginx',
];

/** What a "did you mean" chooses from. */
export const buildpackNames: readonly string[] = [...driverNames, ...ownAliases.keys(), ...classicNames];

export const maxBuildpacks = 20;

/** driver: one of ours. classic: a buildpack of the field (a URL, a folder, a name of Heroku's), run as it is. wrong: `why` says what to write. */
export type Buildpack =
  | { kind: 'driver'; driver: string }
  | { kind: 'classic' }
  | { kind: 'wrong'; why: string };

/** What one entry of a list stands for. Never throws: the callers have errors of their own. */
export function readBuildpack(entry: string): Buildpack {
  const driver = driverNames.includes(entry) ? entry : ownAliases.get(entry);
  if (driver !== undefined) return { kind: 'driver', driver };
  if (entry.length > 500) return { kind: 'wrong', why: 'is longer than 500 characters' };
  // biome-ignore lint/suspicious/noControlCharactersInRegex: what must not be in a line of a list
  if (/[\x00-\x20\x7f]/.test(entry))
    return { kind: 'wrong', why: 'has a blank or a control character in it' };
  if (classicNames.includes(entry)) return { kind: 'classic' };
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(entry)) return readUrl(entry);
  if (/^(\.\/|\/)/.test(entry)) return readFolder(entry);
  if (/^[\w.-]+@[\w.-]+:/.test(entry))
    return { kind: 'wrong', why: 'needs a key that the platform does not have: use its https:// URL' };
  if (/^(github\.com|gitlab\.com|bitbucket\.org)\//.test(entry))
    return { kind: 'wrong', why: `lacks the scheme: https://${entry}` };
  return { kind: 'wrong', why: 'is neither a known buildpack, nor a URL, nor a folder (./buildpacks/mine)' };
}

function readUrl(entry: string): Buildpack {
  if (!/^(https?|git):/i.test(entry))
    return { kind: 'wrong', why: 'is not an https://, http:// or git:// URL' };
  if (!URL.canParse(entry)) return { kind: 'wrong', why: 'is not a URL' };
  const { hostname, pathname, username, password } = new URL(entry);
  if (username !== '' || password !== '')
    return { kind: 'wrong', why: 'has a login in it, which everybody who sees the app would see' };
  if (hostname === '' || pathname.length < 2) return { kind: 'wrong', why: 'names no repository or archive' };
  return { kind: 'classic' };
}

function readFolder(entry: string): Buildpack {
  if (entry.split('/').includes('..')) return { kind: 'wrong', why: 'leads out of the tree' };
  return { kind: 'classic' };
}

/** Stacks of our own, the default first. */
export const stackNames: readonly string[] = ['debian-13'];

/** A registry's reference: host and port, path, tag, digest. */
const imageReference =
  /^[a-z0-9][a-z0-9.-]*(:\d+)?(\/[a-z0-9]+([._-]+[a-z0-9]+)*)*(:[\w][\w.-]{0,127})?(@sha256:[0-9a-f]{64})?$/;

/** The image of a stack setting "cnb:IMAGE"; undefined when it is none. */
export function cnbImage(stack: string): string | undefined {
  if (!stack.startsWith('cnb:')) return undefined;
  const image = stack.slice(4);
  return image.length <= 500 && imageReference.test(image) ? image : undefined;
}
