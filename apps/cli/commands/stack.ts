// stack, stack:set, stack:rebase: what an app is built on. A change takes effect with the next push; a rebase at once.
import { setTimeout as sleep } from 'node:timers/promises';
import type { App } from '@berth/contract/app.ts';
import type { Build, Stack } from '@berth/contract/build.ts';
import { AppError, asAppError } from '@berth/kit/errors.ts';
import type { ApiClient } from '../api-client.ts';
import { appOptions, type Command, flag, type Input, jsonOption } from '../command.ts';

/** It takes a moment once a builder is free; builds of other apps may be before it. */
const rebaseLimitMs = 10 * 60_000;

async function path(input: Input): Promise<string> {
  return `/v1/apps/${encodeURIComponent(await input.app())}/stack`;
}

export const stack: Command = {
  summary: 'show what the app is built on, and what there is',
  usage: '[-a APP] [--json]',
  example: 'berth stack',
  options: { ...appOptions, ...jsonOption },
  positionals: [0, 0],
  run: async (input) => {
    const found = await (await input.api()).get<Stack>(await path(input));
    if (flag(input, 'json')) {
      input.output.json(found);
      return 0;
    }
    const now = found.stack ?? found.default;
    const names = found.available.includes(now) ? found.available : [...found.available, now];
    for (const name of names)
      input.output.line(`${name === now ? '*' : ' '} ${name}${name === found.default ? ' (default)' : ''}`);
    return 0;
  },
};

export const stackSet: Command = {
  summary: 'set what the app is built on: a stack, a Cloud Native builder, or the default',
  usage: 'NAME|cnb:IMAGE|default [-a APP]',
  example: 'berth stack:set cnb:heroku/builder:24',
  options: { ...appOptions, ...jsonOption },
  positionals: [1, 1],
  run: async (input) => {
    const [word = ''] = input.args;
    const app = await input.app();
    const body = { stack: word === 'default' ? null : word };
    const set = await (await input.api()).call<Stack>('PUT', await path(input), body);
    if (flag(input, 'json')) {
      input.output.json(set);
      return 0;
    }
    input.output.line(`${app} is built on ${set.stack ?? `${set.default} (default)`}`);
    input.output.line('This takes effect with the next push: git push berth main');
    return 0;
  },
};

export const stackRebase: Command = {
  summary: "put the current release's image onto the newest stack: a new release, without a build",
  usage: '[-a APP | --all] [--json]',
  example: 'berth stack:rebase',
  options: {
    ...appOptions,
    ...jsonOption,
    all: { type: 'boolean', about: 'every app that has a release, one after another' },
  },
  positionals: [0, 0],
  run: async (input) => {
    const api = await input.api();
    if (flag(input, 'all')) return rebaseAll(input, api);
    const app = await input.app();
    const build = await rebaseApp(api, app);
    if (flag(input, 'json')) input.output.json(build);
    else input.output.line(`${app}: v${build.release} is being deployed (berth ps shows it)`);
    return 0;
  },
};

/** What cannot be rebased is said and does not hold up the others. */
async function rebaseAll(input: Input, api: ApiClient): Promise<number> {
  const { apps } = await api.get<{ apps: App[] }>('/v1/apps');
  const results: { app: string; release?: number | null; error?: string }[] = [];
  for (const { name } of apps.filter((app) => app.release !== null)) {
    try {
      const { release } = await rebaseApp(api, name);
      results.push({ app: name, release });
      if (!flag(input, 'json')) input.output.line(`${name}: v${release} is being deployed`);
    } catch (error) {
      const { code, message } = asAppError(error);
      if (code === 'unauthorized' || code === 'unavailable') throw error;
      results.push({ app: name, error: message });
      if (!flag(input, 'json')) input.output.warn(`${name}: ${message}`);
    }
  }
  if (flag(input, 'json')) input.output.json(results);
  else if (results.length === 0) input.output.line('No app has a release yet');
  return results.some(({ error }) => error !== undefined) ? 1 : 0;
}

async function rebaseApp(api: ApiClient, app: string): Promise<Build> {
  const path = `/v1/apps/${encodeURIComponent(app)}`;
  const { number } = await api.call<Build>('POST', `${path}/rebase`);
  const deadline = performance.now() + rebaseLimitMs;
  for (;;) {
    const build = await api.get<Build>(`${path}/builds/${number}`);
    if (build.status === 'succeeded') return build;
    if (build.status !== 'pending' && build.status !== 'running')
      throw new AppError('build_failed', build.error ?? `the rebase was ${build.status}`);
    if (performance.now() > deadline)
      throw new AppError('timeout', `the rebase waits for other builds`, {
        hint: `berth builds:info ${number} -a ${app}`,
      });
    await sleep(200);
  }
}
