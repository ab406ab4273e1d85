// The settings of `berth up` and the names of everything that follows from them: instance id, folders, sockets, URLs.
// The only file of the supervisor that reads the environment; every other one is given a Platform.
import { createHash } from 'node:crypto';
import { mkdirSync, realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { integer, readConfig, text } from '@berth/kit/config.ts';

const repository = fileURLToPath(new URL('../..', import.meta.url));

/** Where Node keeps compiled code. Root has a place of its own: its files in a user's clone could not be removed by the user. */
export const compileCache =
  process.getuid?.() === 0 ? '/var/cache/berth/compiled' : join(repository, 'node_modules/.cache/berth');

const settings = {
  BERTH_HTTP_PORT: integer('the port on which apps are served', 1, 65535, 8080),
  BERTH_HTTP_HOST: text('the address on which apps are served', '127.0.0.1'),
  BERTH_API_PORT: integer('the port of the API and of git', 1, 65535, 7070),
  BERTH_DOMAIN: text('apps are served below this domain', 'localhost'),
  BERTH_DATA: text('the folder of everything that survives', '/var/lib/berth'),
  DATABASE_URL: text('a PostgreSQL to use instead of an own one', ''),
  REDIS_URL: text('a Redis to use instead of an own one', ''),
  BERTH_PARTS: text('the folder that holds the parts, as the repository does', repository),
};

/** One platform on this machine: two with different data folders run side by side. */
export interface Platform {
  /** Six hex digits that follow from the data folder; they name everything of this platform outside it. */
  id: string;
  engineName: string;
  dataDir: string;
  runDir: string;
  logDir: string;
  partsDir: string;
  domain: string;
  httpHost: string;
  httpPort: number;
  apiPort: number;
  /** Empty when the platform runs its own. */
  databaseUrl: string;
  redisUrl: string;
  supervisorSocket: string;
  engineSocket: string;
  apiUrl: string;
}

export function readPlatform(): Platform {
  const values = readConfig(settings);
  const wanted = resolve(values.BERTH_DATA);
  const dataDir = realpathIfThere(wanted);
  const id = createHash('sha256').update(dataDir).digest('hex').slice(0, 6);
  const runDir = `/run/berth-${id}`;
  return {
    id,
    engineName: `b${id}`,
    dataDir,
    runDir,
    logDir: join(dataDir, 'log'),
    partsDir: resolve(values.BERTH_PARTS),
    domain: values.BERTH_DOMAIN,
    httpHost: values.BERTH_HTTP_HOST,
    httpPort: values.BERTH_HTTP_PORT,
    apiPort: values.BERTH_API_PORT,
    databaseUrl: values.DATABASE_URL,
    redisUrl: values.REDIS_URL,
    supervisorSocket: join(runDir, 'supervisor.sock'),
    engineSocket: join(runDir, 'engine.sock'),
    apiUrl: `http://127.0.0.1:${values.BERTH_API_PORT}`,
  };
}

/** The data folder is named by its real path, so that a symlink to it is the same platform. Root makes it here if it can. */
function realpathIfThere(path: string): string {
  try {
    if (process.getuid?.() === 0) mkdirSync(path, { recursive: true, mode: 0o711 });
    return realpathSync(path);
  } catch {
    return path; // preflight says what is wrong with it
  }
}

/** The variables of the caller that the parts may need: how to reach the network, and nothing else. */
const passedOn = [
  'PATH',
  'HOME',
  'LANG',
  'TZ',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'http_proxy',
  'https_proxy',
  'no_proxy',
  'NODE_EXTRA_CA_CERTS',
  'SSL_CERT_FILE',
  'GIT_SSL_CAINFO',
];

/** The caller's environment, cut down to what a part may see, plus BERTH_* settings of single parts. */
export function passedEnvironment(): Record<string, string> {
  const passed: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    const isWanted =
      passedOn.includes(name) || name.startsWith('BERTH_') || /^(npm_config_|yarn_)/i.test(name);
    if (isWanted && value !== undefined) passed[name] = value;
  }
  return passed;
}

/** The whole environment, for the commands a user starts through us (the demo's git and CLI). */
export function callerEnvironment(): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) if (value !== undefined) env[name] = value;
  return { NODE_COMPILE_CACHE: compileCache, ...env };
}

/** Whose login is kept: the homes of this user and of the one who called sudo. */
export function callerHomes(): { home: string; sudoUser: string | undefined } {
  return { home: process.env['HOME'] ?? homedir(), sudoUser: process.env['SUDO_USER'] };
}
