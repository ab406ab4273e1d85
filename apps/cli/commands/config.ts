// config, config:get, config:set, config:unset: the config vars of an app. A change makes a release.
import type { ConfigVars } from '@berth/contract/app.ts';
import type { Release } from '@berth/contract/release.ts';
import { AppError } from '@berth/kit/errors.ts';
import { appOptions, type Command, flag, type Input, jsonOption, waitOption } from '../command.ts';
import { followRelease } from '../follow-release.ts';
import { readStdin } from '../read-secret.ts';

const keyPattern = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;

async function path(input: Input): Promise<string> {
  return `/v1/apps/${encodeURIComponent(await input.app())}/config`;
}

export const config: Command = {
  summary: 'show the config vars',
  usage: '[-a APP] [-s] [--json]',
  example: 'berth config -a hello',
  options: {
    ...appOptions,
    ...jsonOption,
    shell: { type: 'boolean', short: 's', about: 'print them as lines a shell can read' },
  },
  positionals: [0, 0],
  run: async (input) => {
    const { vars } = await (await input.api()).get<ConfigVars>(await path(input));
    const entries = Object.entries(vars).sort(([one], [two]) => (one < two ? -1 : 1));
    if (flag(input, 'json')) input.output.json(vars);
    else if (flag(input, 'shell'))
      for (const [key, value] of entries) input.output.line(`${key}=${quoted(value)}`);
    else if (entries.length === 0) input.output.line('There are no config vars: berth config:set KEY=VALUE');
    else input.output.fields(entries);
    return 0;
  },
};

function quoted(value: string): string {
  return `'${value.replaceAll("'", "'\\''")}'`;
}

export const configGet: Command = {
  summary: 'print the value of a config var',
  usage: 'KEY [-a APP] [--json]',
  example: 'berth config:get DATABASE_URL',
  options: { ...appOptions, ...jsonOption },
  positionals: [1, 1],
  run: async (input) => {
    const { vars } = await (await input.api()).get<ConfigVars>(await path(input));
    const [key = ''] = input.args;
    const value = Object.hasOwn(vars, key) ? vars[key] : undefined;
    if (value === undefined) throw new AppError('not_found', `the config var "${key}" is not set`);
    if (flag(input, 'json')) input.output.json({ [key]: value });
    else input.output.line(value);
    return 0;
  },
};

export const configSet: Command = {
  summary: 'set config vars; makes a release',
  usage: 'KEY=VALUE... [-a APP] [--no-wait]',
  example: 'berth config:set GREETING=hello PORT_HINT=5000    (KEY=- reads the value from standard input)',
  options: { ...appOptions, ...waitOption },
  positionals: [1, 1000],
  run: async (input) => {
    const vars: Record<string, string> = {};
    for (const word of input.args) {
      const mark = word.indexOf('=');
      if (mark < 1)
        throw new AppError('bad_request', `"${word}" is not KEY=VALUE`, {
          hint: 'berth config:set KEY=VALUE',
        });
      const key = checkedKey(word.slice(0, mark));
      const value = word.slice(mark + 1);
      vars[key] = value === '-' ? (await readStdin()).replace(/\n$/, '') : value;
    }
    return change(input, 'Setting', vars);
  },
};

export const configUnset: Command = {
  summary: 'remove config vars; makes a release',
  usage: 'KEY... [-a APP] [--no-wait]',
  example: 'berth config:unset GREETING',
  options: { ...appOptions, ...waitOption },
  positionals: [1, 1000],
  run: async (input) =>
    change(input, 'Unsetting', Object.fromEntries(input.args.map((key) => [checkedKey(key), null]))),
};

function checkedKey(key: string): string {
  if (keyPattern.test(key)) return key;
  throw new AppError('invalid', `"${key}" cannot name a config var`, {
    hint: 'letters, digits and underscores, not a digit first',
  });
}

async function change(input: Input, verb: string, vars: Record<string, string | null>): Promise<number> {
  const { output } = input;
  const api = await input.api();
  const app = await input.app();
  const keys = Object.keys(vars).join(', ');
  const { release } = await api.call<{ release: Release | null }>('PATCH', await path(input), { vars });
  if (!release) {
    output.line(`${verb} ${keys} on ${app}… done`);
    return 0;
  }
  if (flag(input, 'no-wait')) {
    output.line(`${verb} ${keys} and restarting ${app}… v${release.number} is on its way`);
    return 0;
  }
  output.progress(`${verb} ${keys} and restarting ${app}… `);
  await followRelease(api, output, app, release.number).catch((error: unknown) => {
    output.progress('failed\n');
    throw error;
  });
  output.line(`done, v${release.number}`);
  return 0;
}
