// stack, stack:set: what an app is built on. A change takes effect with the next push.
import type { Stack } from '@berth/contract/build.ts';
import { appOptions, type Command, flag, type Input, jsonOption } from '../command.ts';

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
