// builds, builds:info, builds:output, builds:cancel: the attempts to turn a commit into an image.
import type { Build } from '@berth/contract/build.ts';
import type { OutputLine } from '@berth/contract/release.ts';
import { AppError } from '@berth/kit/errors.ts';
import { appOptions, type Command, flag, type Input, jsonOption, numOption, text } from '../command.ts';
import { parseCount } from '../parse-count.ts';

export async function base(input: Input): Promise<string> {
  return `/v1/apps/${encodeURIComponent(await input.app())}/builds`;
}

export const builds: Command = {
  summary: 'list the builds, newest first',
  usage: '[-n N] [-a APP] [--json]',
  example: 'berth builds',
  options: { ...appOptions, ...jsonOption, ...numOption },
  positionals: [0, 0],
  run: async (input) => {
    const limit = parseCount(text(input, 'num'), 15, 1000);
    const found = await (await input.api()).get<{ builds: Build[] }>(`${await base(input)}?limit=${limit}`);
    if (flag(input, 'json')) input.output.json(found.builds);
    else if (found.builds.length === 0) input.output.line('There are no builds yet: git push berth main');
    else
      input.output.table(
        ['BUILD', 'STATUS', 'RELEASE', 'COMMIT', 'LANGUAGE', 'SIZE', 'TIME', 'BY', 'USER', 'CREATED'],
        found.builds.map((one) => [
          one.number,
          one.reused ? `${one.status}, reused` : one.status,
          one.release === null ? null : `v${one.release}`,
          one.commit?.slice(0, 7) ?? null,
          one.language,
          one.sizeBytes === null ? null : megabytes(one.sizeBytes),
          between(one.createdAt, one.finishedAt),
          one.trigger,
          one.user,
          { time: one.createdAt },
        ]),
      );
    return 0;
  },
};

export async function buildNumber(input: Input): Promise<number> {
  const [word] = input.args;
  if (word !== undefined) return parseCount(word.replace(/^#/, ''), 1, 1_000_000_000);
  const found = await (await input.api()).get<{ builds: Build[] }>(`${await base(input)}?limit=1`);
  const [build] = found.builds;
  if (!build) throw new AppError('not_found', 'there are no builds yet', { hint: 'git push berth main' });
  return build.number;
}

export const buildsInfo: Command = {
  summary: 'show a build, without a number the newest',
  usage: '[N] [-a APP] [--json]',
  example: 'berth builds:info 7',
  options: { ...appOptions, ...jsonOption },
  positionals: [0, 1],
  run: async (input) => {
    const build = await (await input.api()).get<Build>(`${await base(input)}/${await buildNumber(input)}`);
    if (flag(input, 'json')) {
      input.output.json(build);
      return 0;
    }
    printBuild(input, build);
    return 0;
  },
};

const triggers: Record<Build['trigger'], string> = {
  push: 'git push',
  deploy: 'berth deploy',
  image: 'berth deploy --image',
  rebase: 'rebase onto a newer stack',
};

function printBuild({ output }: Input, build: Build): void {
  const { detected, settings } = build;
  const set = [...settings.buildpacks, ...(settings.stack === null ? [] : [`stack ${settings.stack}`])];
  output.fields([
    ['Build', build.number],
    ['Status', build.reused ? `${build.status}, the image of an earlier build` : build.status],
    ['By', `${build.user} (${triggers[build.trigger]}${build.noCache ? ', without caches' : ''})`],
    ['Commit', build.commit],
    ['Detected', detected === null ? build.language : `${detected.label} (${detected.why})`],
    ...(set.length === 0 ? [] : [['Set', set.join(', ')] as const]),
    ...build.details.map((detail) => ['Chosen', detail] as const),
    ...build.warnings.map((warning) => ['Warning', warning] as const),
    ['Image', build.image],
    ['Size', build.sizeBytes === null ? null : megabytes(build.sizeBytes)],
    ['Release', build.release === null ? null : `v${build.release}`],
    ['Pushed', { time: build.createdAt }],
    ['Queued', between(build.createdAt, build.startedAt)],
    ['Took', between(build.startedAt, build.finishedAt)],
    ...(build.error === null ? [] : [['Error', build.error] as const]),
  ]);
  if (build.steps.length > 0) {
    output.line();
    output.table(
      ['STEP', 'TIME', ''],
      build.steps.map(({ name, seconds, cached }) => [name, inSeconds(seconds), cached ? 'cached' : '']),
    );
  }
  if (build.layers.length === 0) return;
  output.line();
  output.table(
    ['LAYER', 'SIZE', 'TIME', ''],
    build.layers.map(({ name, sizeBytes, seconds, cached }) => [
      name,
      megabytes(sizeBytes),
      seconds === undefined ? '' : inSeconds(seconds),
      cached === true ? 'cached' : '',
    ]),
  );
}

function megabytes(bytes: number): string {
  return bytes < 100_000 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}

function inSeconds(seconds: number): string {
  return `${seconds.toFixed(2)}s`;
}

function between(from: string | null, to: string | null): string | null {
  return from === null || to === null ? null : inSeconds((Date.parse(to) - Date.parse(from)) / 1000);
}

export const buildsOutput: Command = {
  summary: 'print what a build said, and go on while it runs',
  usage: '[N] [-a APP] [--json]',
  example: 'berth builds:output 7',
  options: { ...appOptions, ...jsonOption },
  positionals: [0, 1],
  run: async (input) => {
    const api = await input.api();
    const path = `${await base(input)}/${await buildNumber(input)}/output?follow=1`;
    for await (const line of api.lines<OutputLine>(path)) {
      if (flag(input, 'json')) input.output.line(JSON.stringify(line));
      else if ('end' in line) {
        if (!line.ok)
          input.output.warn(line.hint === undefined ? line.message : `${line.message}\n${line.hint}`);
      } else input.output.line(line.text);
    }
    return 0;
  },
};

export const buildsCancel: Command = {
  summary: 'stop a build that runs',
  usage: '[N] [-a APP]',
  example: 'berth builds:cancel 7',
  options: appOptions,
  positionals: [0, 1],
  run: async (input) => {
    const number = await buildNumber(input);
    await (await input.api()).call('POST', `${await base(input)}/${number}/cancel`, {});
    input.output.line(`Canceled build ${number}`);
    return 0;
  },
};
