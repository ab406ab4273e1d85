// buildpacks, buildpacks:add, :set, :remove, :clear: which buildpacks build an app, in order. A change takes effect with the next push.
import type { Buildpacks } from '@berth/contract/build.ts';
import { AppError } from '@berth/kit/errors.ts';
import { closest } from '@berth/kit/suggest.ts';
import { appOptions, type Command, flag, type Input, jsonOption, text } from '../command.ts';
import { parseCount } from '../parse-count.ts';

const indexOption = {
  index: { type: 'string', short: 'i', value: 'N', about: 'the place in the list, from 1' },
} as const;

async function path(input: Input): Promise<string> {
  return `/v1/apps/${encodeURIComponent(await input.app())}/buildpacks`;
}

async function read(input: Input): Promise<string[]> {
  return (await (await input.api()).get<Buildpacks>(await path(input))).buildpacks;
}

function numbered(list: readonly string[]): string[] {
  return list.map((entry, index) => `  ${index + 1}. ${entry}`);
}

/** The index of -i from 0, when it was given and is within the list. */
function indexOf(input: Input, length: number): number | undefined {
  const word = text(input, 'index');
  if (word === undefined) return undefined;
  const number = parseCount(word, 1, 1000);
  if (number > length)
    throw new AppError('bad_request', `there is no place ${number} in the list`, {
      hint: length === 0 ? 'no buildpacks are set' : `places go from 1 to ${length}`,
    });
  return number - 1;
}

async function change(input: Input, before: string[], after: string[]): Promise<number> {
  const app = await input.app();
  const body = { buildpacks: after, replaces: before };
  const { buildpacks } = await (await input.api()).call<Buildpacks>('PUT', await path(input), body);
  if (flag(input, 'json')) {
    input.output.json(buildpacks);
    return 0;
  }
  if (buildpacks.length === 0)
    input.output.line(`No buildpacks are set on ${app}: its files say what it is built with`);
  else {
    input.output.line(`${app} is built with`);
    for (const line of numbered(buildpacks)) input.output.line(line);
  }
  input.output.line('This takes effect with the next push: git push berth main');
  return 0;
}

export const buildpacks: Command = {
  summary: 'list the buildpacks set on the app',
  usage: '[-a APP] [--json]',
  example: 'berth buildpacks',
  options: { ...appOptions, ...jsonOption },
  positionals: [0, 0],
  run: async (input) => {
    const list = await read(input);
    if (flag(input, 'json')) input.output.json(list);
    else if (list.length === 0)
      input.output.line('No buildpacks are set: the files of the app say what it is built with');
    else for (const line of numbered(list)) input.output.line(line);
    return 0;
  },
};

export const buildpacksAdd: Command = {
  summary: 'add a buildpack, at the end or at a place',
  usage: 'NAME|URL [-i N] [-a APP] [--json]',
  example: 'berth buildpacks:add -i 1 node',
  options: { ...appOptions, ...jsonOption, ...indexOption },
  positionals: [1, 1],
  run: async (input) => {
    const before = await read(input);
    const at = indexOf(input, before.length + 1) ?? before.length;
    return change(input, before, before.toSpliced(at, 0, ...input.args));
  },
};

export const buildpacksSet: Command = {
  summary: 'set the buildpacks: all of them, or the one at a place',
  usage: 'NAME|URL... [-i N] [-a APP] [--json]',
  example: 'berth buildpacks:set node python    (also https://…/pack.git#v2, …/pack.tgz, ./buildpacks/mine)',
  options: { ...appOptions, ...jsonOption, ...indexOption },
  positionals: [1, 20],
  run: async (input) => {
    const before = await read(input);
    const at = indexOf(input, before.length);
    if (at === undefined) return change(input, before, [...input.args]);
    if (input.args.length > 1)
      throw new AppError('bad_request', 'one buildpack fits in one place', {
        hint: 'berth buildpacks:set NAME -i N',
      });
    return change(input, before, before.toSpliced(at, 1, ...input.args));
  },
};

export const buildpacksRemove: Command = {
  summary: 'remove a buildpack, by its name or its place',
  usage: 'NAME|URL | -i N [-a APP] [--json]',
  example: 'berth buildpacks:remove node',
  options: { ...appOptions, ...jsonOption, ...indexOption },
  positionals: [0, 1],
  run: async (input) => {
    const before = await read(input);
    const [name] = input.args;
    const given = indexOf(input, before.length);
    if ((name === undefined) === (given === undefined))
      throw new AppError('bad_request', 'which buildpack? name it, or give its place', {
        hint: 'berth buildpacks:remove NAME, or -i N',
      });
    const at = given ?? before.indexOf(name ?? '');
    if (at === -1) throw notThere(name ?? '', before);
    return change(input, before, before.toSpliced(at, 1));
  },
};

function notThere(name: string, list: readonly string[]): AppError {
  const guess = closest(name, list);
  return new AppError('not_found', `"${name}" is not among the buildpacks of the app`, {
    hint:
      guess === undefined
        ? list.length === 0
          ? 'none are set'
          : `they are: ${list.join(', ')}`
        : `did you mean "${guess}"?`,
  });
}

export const buildpacksClear: Command = {
  summary: 'remove all buildpacks: the files of the app decide again',
  usage: '[-a APP] [--json]',
  example: 'berth buildpacks:clear',
  options: { ...appOptions, ...jsonOption },
  positionals: [0, 0],
  run: async (input) => change(input, await read(input), []),
};
