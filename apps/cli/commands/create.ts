// create and git:remote: an app, and the git remote and credential helper that make `git push berth main` ask for nothing.
import type { App } from '@berth/contract/app.ts';
import { AppError } from '@berth/kit/errors.ts';
import { appOptions, type Command, flag, text } from '../command.ts';
import { findGitFolder, readRemotes } from '../git-remote.ts';
import { addRemote } from '../git-setup.ts';
import { defaultRemote } from '../session.ts';

export const create: Command = {
  summary: 'make an app, and its git remote here',
  usage: '[NAME] [-r REMOTE] [--no-remote]',
  example: 'berth create hello',
  options: {
    remote: { type: 'string', short: 'r', value: 'REMOTE', about: 'name of the git remote (berth)' },
    'no-remote': { type: 'boolean', about: 'make no git remote' },
    json: { type: 'boolean', about: 'print JSON' },
  },
  positionals: [0, 1],
  run: async (input) => {
    const api = await input.api();
    const [name] = input.args;
    const app = await api.call<App>('POST', '/v1/apps', name === undefined ? {} : { name });
    if (flag(input, 'json')) input.output.json(app);
    else input.output.line(`Created ${app.name}: ${app.url}`);
    if (flag(input, 'no-remote')) return 0;
    if (findGitFolder(process.cwd()) === undefined) {
      if (!flag(input, 'json'))
        input.output.line(
          `This folder is not a git repository. In the app's: berth git:remote -a ${app.name}`,
        );
      return 0;
    }
    const remote = text(input, 'remote') ?? defaultRemote;
    const taken = readRemotes(process.cwd()).get(remote);
    const url = `${api.server}/${app.name}.git`;
    if (taken !== undefined && taken !== url)
      throw new AppError('conflict', `the app is made, but the git remote "${remote}" is taken by ${taken}`, {
        hint: `berth git:remote -a ${app.name} -r ANOTHER-NAME, or "git remote remove ${remote}" first`,
      });
    await addRemote(remote, url, api.server, input.env.launcher);
    if (!flag(input, 'json'))
      input.output.line(`git remote "${remote}" is set: git push ${remote} ${app.deployBranch}`);
    return 0;
  },
};

export const gitRemote: Command = {
  summary: 'set the git remote of an app here',
  usage: '-a APP [-r REMOTE]',
  example: 'berth git:remote -a hello',
  options: appOptions,
  positionals: [0, 0],
  run: async (input) => {
    if (text(input, 'app') === undefined)
      throw new AppError('bad_request', 'which app?', { hint: 'berth git:remote -a APP' });
    const api = await input.api();
    const app = await api.get<App>(`/v1/apps/${encodeURIComponent(await input.app())}`);
    const remote = text(input, 'remote') ?? defaultRemote;
    if (findGitFolder(process.cwd()) === undefined)
      throw new AppError('bad_request', 'this folder is not a git repository', { hint: 'git init' });
    const url = `${api.server}/${app.name}.git`;
    await addRemote(remote, url, api.server, input.env.launcher);
    input.output.line(`git remote "${remote}" is ${url}`);
    return 0;
  },
};
