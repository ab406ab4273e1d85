// `npm run demo`: starts the platform, pushes the sample app with the real git and shows where it is served and what to do next.
// Started by bootstrap.mjs as root. The second run finds everything there and takes seconds.
import { cpSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { HttpClient } from '@berth/clients/http-client.ts';
import { AppError } from '@berth/kit/errors.ts';
import { runCommandOk, startCommand } from '@berth/kit/run-command.ts';
import { callerEnvironment, callerHomes, type Platform, readPlatform } from './config.ts';
import { showError } from './show-error.ts';
import { upDetached } from './up.ts';

const repository = join(import.meta.dirname, '../..');
const berth = join(repository, 'node_modules/.bin/berth');
const appName = 'hello';

async function demo(platform: Platform): Promise<void> {
  await upDetached(platform);
  const folder = join(platform.dataDir, 'demo', appName);
  const env = demoEnvironment(platform);
  await prepareSources(folder, env);
  await ensureApp(platform, folder, env);
  say('git push berth main');
  const pushed = await runInTerminal(['git', 'push', 'berth', 'main'], folder, env);
  if (pushed !== 0)
    throw new AppError('build_failed', 'the push failed', { hint: `try it by hand in "${folder}"` });
  await checkServed(platform);
  process.stdout.write(nextSteps(platform, folder));
}

/** The CLI must talk to this platform, whichever is the user's default. */
function demoEnvironment(platform: Platform): Record<string, string> {
  const author = { GIT_AUTHOR_NAME: 'Berth demo', GIT_AUTHOR_EMAIL: 'demo@localhost' };
  const committer = { GIT_COMMITTER_NAME: 'Berth demo', GIT_COMMITTER_EMAIL: 'demo@localhost' };
  const server = { BERTH_SERVER: platform.apiUrl, BERTH_TOKEN: adminToken(platform) };
  // Under sudo, git and the CLI run as root here and must leave nothing of root's in the user's home.
  const home = callerHomes().sudoUser === undefined ? {} : { HOME: '/root' };
  return { ...callerEnvironment(), ...author, ...committer, ...server, ...home, GIT_TERMINAL_PROMPT: '0' };
}

function adminToken(platform: Platform): string {
  return readFileSync(join(platform.dataDir, 'admin-token'), 'utf8').trim();
}

/** A git repository of the sample, outside the clone, so that a user may change and push it again. */
async function prepareSources(folder: string, env: Record<string, string>): Promise<void> {
  if (existsSync(join(folder, '.git/refs/heads/main'))) return;
  mkdirSync(folder, { recursive: true });
  cpSync(join(repository, 'infra/samples', appName), folder, { recursive: true });
  const options = { cwd: folder, env };
  await runCommandOk(['git', 'init', '--quiet', '-b', 'main'], options);
  await runCommandOk(['git', 'add', '--all'], options);
  await runCommandOk(['git', 'commit', '--quiet', '-m', 'A page that says hello'], options);
}

async function ensureApp(platform: Platform, folder: string, env: Record<string, string>): Promise<void> {
  const isThere = await appExists(platform);
  const argv: [string, ...string[]] = isThere
    ? [berth, 'git:remote', '-a', appName]
    : [berth, 'create', appName];
  if (!isThere) say(`berth create ${appName}`);
  const exitCode = await runInTerminal(argv, folder, env);
  if (exitCode !== 0)
    throw new AppError('internal', `the app "${appName}" cannot be made`, { hint: 'see the line above' });
}

async function appExists(platform: Platform): Promise<boolean> {
  const client = new HttpClient({
    baseUrl: platform.apiUrl,
    name: 'the API',
    headers: { authorization: `Bearer ${adminToken(platform)}` },
  });
  try {
    await client.call('GET', `/v1/apps/${appName}`);
    return true;
  } catch (error) {
    if (error instanceof AppError && error.code === 'not_found') return false;
    throw error;
  } finally {
    client.close();
  }
}

/** Asks the router as a browser would; names below "localhost" need no DNS this way. */
async function checkServed(platform: Platform): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const host = `${appName}.${platform.domain}:${platform.httpPort}`;
  // The router holds a request while an app starts, at most 30 s; past that it answers with an error page.
  const outgoing = request({
    host: '127.0.0.1',
    port: platform.httpPort,
    headers: { host },
    timeout: 40_000,
  });
  outgoing.on('response', (response) => {
    response.resume();
    resolve(response.statusCode ?? 0);
  });
  outgoing.on('timeout', () => outgoing.destroy(new Error('no answer in 40 s')));
  outgoing.on('error', reject);
  outgoing.end();
  const status = await promise;
  if (status !== 200)
    throw new AppError('internal', `http://${host} answers ${status}`, {
      hint: `${berth} logs -a ${appName}`,
    });
  say(`http://${host} answers ${status}`);
}

function nextSteps(platform: Platform, folder: string): string {
  const app = `http://${appName}.${platform.domain}:${platform.httpPort}`;
  return `
  app    ${app}
  API    ${platform.apiUrl}
  source ${folder}

  Your own app, from its git repository:
    alias berth=${berth}
    cd YOUR-APP
    berth create YOUR-APP
    git push berth main

  Stop with \`npm run down\`; \`npm run status\` shows what runs.
`;
}

function say(line: string): void {
  process.stdout.write(`-----> ${line}\n`);
}

function runInTerminal(
  argv: [string, ...string[]],
  cwd: string,
  env: Record<string, string>,
): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const child = startCommand(argv, { cwd, env, stdio: 'inherit' });
  child.on('error', reject);
  child.on('exit', (code) => resolve(code ?? 1));
  return promise;
}

try {
  await demo(readPlatform());
} catch (error) {
  showError(error);
}
