// Every command by name, with where it is written. A command's file is loaded only when it runs, which keeps the start short.
// Used by main.ts, help and completion.
import type { Command } from './command.ts';

type Loader = () => Promise<Command>;

export const commandTable: ReadonlyMap<string, Loader> = new Map<string, Loader>([
  ['login', async () => (await import('./commands/login.ts')).login],
  ['logout', async () => (await import('./commands/login.ts')).logout],
  ['whoami', async () => (await import('./commands/login.ts')).whoami],
  ['create', async () => (await import('./commands/create.ts')).create],
  ['git:remote', async () => (await import('./commands/create.ts')).gitRemote],
  ['apps', async () => (await import('./commands/apps.ts')).apps],
  ['apps:info', async () => (await import('./commands/apps.ts')).appsInfo],
  ['apps:destroy', async () => (await import('./commands/apps.ts')).appsDestroy],
  ['config', async () => (await import('./commands/config.ts')).config],
  ['config:get', async () => (await import('./commands/config.ts')).configGet],
  ['config:set', async () => (await import('./commands/config.ts')).configSet],
  ['config:unset', async () => (await import('./commands/config.ts')).configUnset],
  ['ps', async () => (await import('./commands/ps.ts')).ps],
  ['ps:scale', async () => (await import('./commands/ps-scale.ts')).psScale],
  ['ps:restart', async () => (await import('./commands/ps.ts')).psRestart],
  ['releases', async () => (await import('./commands/releases.ts')).releases],
  ['releases:info', async () => (await import('./commands/releases.ts')).releasesInfo],
  ['rollback', async () => (await import('./commands/releases.ts')).rollback],
  ['logs', async () => (await import('./commands/logs.ts')).logs],
  ['run', async () => (await import('./commands/run.ts')).run],
  ['cron', async () => (await import('./commands/cron.ts')).cron],
  ['deploy', async () => (await import('./commands/deploy.ts')).deploy],
  ['builds', async () => (await import('./commands/builds.ts')).builds],
  ['builds:info', async () => (await import('./commands/builds.ts')).buildsInfo],
  ['builds:output', async () => (await import('./commands/builds.ts')).buildsOutput],
  ['builds:sbom', async () => (await import('./commands/build-documents.ts')).buildsSbom],
  ['builds:provenance', async () => (await import('./commands/build-documents.ts')).buildsProvenance],
  ['builds:cancel', async () => (await import('./commands/builds.ts')).buildsCancel],
  ['buildpacks', async () => (await import('./commands/buildpacks.ts')).buildpacks],
  ['buildpacks:add', async () => (await import('./commands/buildpacks.ts')).buildpacksAdd],
  ['buildpacks:set', async () => (await import('./commands/buildpacks.ts')).buildpacksSet],
  ['buildpacks:remove', async () => (await import('./commands/buildpacks.ts')).buildpacksRemove],
  ['buildpacks:clear', async () => (await import('./commands/buildpacks.ts')).buildpacksClear],
  ['stack', async () => (await import('./commands/stack.ts')).stack],
  ['stack:set', async () => (await import('./commands/stack.ts')).stackSet],
  ['stack:rebase', async () => (await import('./commands/stack.ts')).stackRebase],
  ['open', async () => (await import('./commands/apps.ts')).open],
  ['status', async () => (await import('./commands/status.ts')).status],
  ['schema', async () => (await import('./commands/schema.ts')).schema],
  ['help', async () => (await import('./commands/help.ts')).help],
  ['version', async () => (await import('./commands/status.ts')).version],
  ['completion', async () => (await import('./commands/completion.ts')).completion],
]);

/** Names that fingers know from elsewhere. */
export const aliases: ReadonlyMap<string, string> = new Map([
  ['apps:create', 'create'],
  ['apps:list', 'apps'],
  ['apps:open', 'open'],
  ['info', 'apps:info'],
  ['destroy', 'apps:destroy'],
  ['scale', 'ps:scale'],
  ['restart', 'ps:restart'],
  ['releases:rollback', 'rollback'],
  ['releases:list', 'releases'],
  ['builds:list', 'builds'],
  ['auth:login', 'login'],
  ['auth:logout', 'logout'],
  ['auth:whoami', 'whoami'],
  ['-h', 'help'],
  ['--help', 'help'],
  ['-v', 'version'],
  ['--version', 'version'],
]);

/** Run by git, not by people: not listed. */
export const hiddenCommands: ReadonlyMap<string, Loader> = new Map<string, Loader>([
  ['git-credential', async () => (await import('./commands/git-credential.ts')).gitCredential],
]);
