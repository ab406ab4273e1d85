// Which process types the commands of a Go app stand for when it has no Procfile. Pure; used by driver.ts.
import type { Facts } from './facts.ts';

/** As the platform reads names of process types; `release` is a phase, and nobody meant a command of that name to run before each release. */
const processName = /^(?!release$)[a-z][a-z0-9_-]{0,30}$/;

/** `web` is the only command, or the one named so, or "server", or like the app, or "api". Every other command is a process type of its own name. */
export function processTypes({
  commands,
  appName,
}: Pick<Facts, 'commands' | 'appName'>): Record<string, string> {
  const names = commands.map(({ name }) => name);
  const web =
    names.length === 1 ? names[0] : ['web', 'server', appName, 'api'].find((name) => names.includes(name));
  const types: Record<string, string> = web === undefined ? {} : { web: `bin/${web}` };
  for (const name of names) if (name !== web && processName.test(name)) types[name] = `bin/${name}`;
  return types;
}
