// What the command line reads from the environment. The only file of the part that does.
export interface CliEnvironment {
  /** Overrides the server of the credentials file. */
  server: string | undefined;
  token: string | undefined;
  configFolder: string;
  /** Absolute path of the `berth` launcher, for git's credential helper. */
  launcher: string;
  color: boolean;
}

export function readEnvironment(env: Record<string, string | undefined> = process.env): CliEnvironment {
  const home = env['HOME'] ?? '/';
  const base = env['XDG_CONFIG_HOME'] || `${home}/.config`;
  return {
    server: env['BERTH_SERVER'] || undefined,
    token: env['BERTH_TOKEN'] || undefined,
    configFolder: `${base}/berth`,
    launcher: env['BERTH_LAUNCHER'] ?? 'berth',
    color: !env['NO_COLOR'] && env['TERM'] !== 'dumb' && process.stdout.isTTY === true,
  };
}

/** The environment of the programs we start (git). */
export function childEnvironment(): Record<string, string> {
  const own = new Set(['NODE_COMPILE_CACHE', 'BERTH_LAUNCHER', 'BERTH_TOKEN']);
  const entries = Object.entries(process.env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && !own.has(entry[0]),
  );
  return Object.fromEntries(entries);
}
