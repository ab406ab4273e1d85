// apps, apps:info, apps:destroy, open.
import type { App } from '@berth/contract/app.ts';
import { AppError } from '@berth/kit/errors.ts';
import { appOptions, type Command, flag, type Input, jsonOption, text } from '../command.ts';

export const apps: Command = {
  summary: 'list the apps',
  usage: '[--json]',
  example: 'berth apps',
  options: jsonOption,
  positionals: [0, 0],
  run: async (input) => {
    const found = await (await input.api()).get<{ apps: App[] }>('/v1/apps');
    if (flag(input, 'json')) input.output.json(found.apps);
    else if (found.apps.length === 0) input.output.line('There are no apps yet: berth create NAME');
    else
      input.output.table(
        ['NAME', 'RELEASE', 'URL', 'OWNER', 'CREATED'],
        found.apps.map((app) => [
          app.name,
          version(app.release),
          app.url,
          app.owner,
          { time: app.createdAt },
        ]),
      );
    return 0;
  },
};

function version(release: number | null): string | null {
  return release === null ? null : `v${release}`;
}

async function readApp(input: Input): Promise<App> {
  const name = input.args[0] ?? (await input.app());
  return (await input.api()).get(`/v1/apps/${encodeURIComponent(name)}`);
}

export const appsInfo: Command = {
  summary: 'show an app',
  usage: '[APP] [-a APP] [--json]',
  example: 'berth apps:info -a hello',
  options: { ...appOptions, ...jsonOption },
  positionals: [0, 1],
  run: async (input) => {
    const app = await readApp(input);
    if (flag(input, 'json')) input.output.json(app);
    else
      input.output.fields([
        ['Name', app.name],
        ['URL', app.url],
        ['Git', app.gitUrl],
        ['Deploys', app.deployBranch],
        ['Release', version(app.release)],
        ['Owner', app.owner],
        ['Created', { time: app.createdAt }],
      ]);
    return 0;
  },
};

export const appsDestroy: Command = {
  summary: 'remove an app with everything it has',
  usage: '--confirm APP [-a APP]',
  example: 'berth apps:destroy --confirm hello',
  options: {
    ...appOptions,
    confirm: { type: 'string', value: 'APP', about: 'the name of the app, again' },
  },
  positionals: [0, 1],
  run: async (input) => {
    const confirm = text(input, 'confirm');
    const name = input.args[0] ?? text(input, 'app') ?? confirm ?? (await input.app());
    if (confirm !== name)
      throw new AppError('bad_request', `this removes "${name}", its releases, builds and config for ever`, {
        hint: `to go on: berth apps:destroy --confirm ${name}`,
      });
    await (await input.api()).call('DELETE', `/v1/apps/${encodeURIComponent(name)}`, { confirm });
    input.output.line(`Destroyed ${name}`);
    return 0;
  },
};

export const open: Command = {
  summary: "print the app's URL",
  usage: '[-a APP]',
  example: 'berth open',
  options: appOptions,
  positionals: [0, 1],
  run: async (input) => {
    input.output.line((await readApp(input)).url);
    return 0;
  },
};
