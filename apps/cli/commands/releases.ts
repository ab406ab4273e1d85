// releases, releases:info, rollback: the numbered history of an app. A rollback is a new release that points back.
import type { Release } from '@berth/contract/release.ts';
import { AppError } from '@berth/kit/errors.ts';
import {
  appOptions,
  type Command,
  flag,
  type Input,
  jsonOption,
  numOption,
  text,
  waitOption,
} from '../command.ts';
import { followRelease } from '../follow-release.ts';
import { parseCount } from '../parse-count.ts';

async function base(input: Input): Promise<string> {
  return `/v1/apps/${encodeURIComponent(await input.app())}`;
}

/** `v12` or `12`. */
function parseVersion(word: string): number {
  const match = /^v?([1-9]\d{0,8})$/.exec(word);
  if (!match)
    throw new AppError('bad_request', `"${word}" is not a release`, {
      hint: 'such as v12; see "berth releases"',
    });
  return Number(match[1]);
}

function status(release: Release): string {
  return release.current ? 'current' : release.status;
}

export const releases: Command = {
  summary: 'list the releases, newest first',
  usage: '[-n N] [-a APP] [--json]',
  example: 'berth releases -n 20',
  options: { ...appOptions, ...jsonOption, ...numOption },
  positionals: [0, 0],
  run: async (input) => {
    const limit = parseCount(text(input, 'num'), 15, 1000);
    const found = await (await input.api()).get<{ releases: Release[] }>(
      `${await base(input)}/releases?limit=${limit}`,
    );
    if (flag(input, 'json')) input.output.json(found.releases);
    else if (found.releases.length === 0) input.output.line('There are no releases yet: git push berth main');
    else
      input.output.table(
        ['RELEASE', 'STATUS', 'DESCRIPTION', 'USER', 'CREATED'],
        found.releases.map((one) => [
          `v${one.number}`,
          status(one),
          one.description,
          one.user,
          { time: one.createdAt },
        ]),
      );
    return 0;
  },
};

async function newest(input: Input): Promise<number> {
  const found = await (await input.api()).get<{ releases: Release[] }>(
    `${await base(input)}/releases?limit=1`,
  );
  const [release] = found.releases;
  if (!release) throw new AppError('not_found', 'there are no releases yet', { hint: 'git push berth main' });
  return release.number;
}

export const releasesInfo: Command = {
  summary: 'show a release, without a number the newest',
  usage: '[vN] [-a APP] [--json]',
  example: 'berth releases:info v3',
  options: { ...appOptions, ...jsonOption },
  positionals: [0, 1],
  run: async (input) => {
    const [word] = input.args;
    const number = word === undefined ? await newest(input) : parseVersion(word);
    const release = await (await input.api()).get<Release>(`${await base(input)}/releases/${number}`);
    if (flag(input, 'json')) {
      input.output.json(release);
      return 0;
    }
    input.output.fields([
      ['Release', `v${release.number}`],
      ['Status', status(release)],
      ['Change', release.description],
      ['By', release.user],
      ['When', { time: release.createdAt }],
      ['Commit', release.commit],
      ['Build', release.build],
      ['Image', release.image],
      ...Object.entries(release.processTypes).map(([type, command]): [string, string] => [
        `  ${type}`,
        command || "(the image's own command)",
      ]),
      ...(release.error === null ? [] : [['Error', release.error] as [string, string]]),
    ]);
    return 0;
  },
};

export const rollback: Command = {
  summary: 'go back to an earlier release, without a number the one before',
  usage: '[vN] [-a APP] [--no-wait]',
  example: 'berth rollback v3',
  options: { ...appOptions, ...waitOption },
  positionals: [0, 1],
  run: async (input) => {
    const { output } = input;
    const [word] = input.args;
    const api = await input.api();
    const app = await input.app();
    const body = word === undefined ? {} : { to: parseVersion(word) };
    const { release } = await api.call<{ release: Release }>('POST', `${await base(input)}/rollback`, body);
    const target = /v\d+/.exec(release.description)?.[0] ?? word ?? 'the release before';
    if (flag(input, 'no-wait')) {
      output.line(`Rolling ${app} back to ${target}… v${release.number} is on its way`);
      return 0;
    }
    output.progress(`Rolling ${app} back to ${target}… `);
    await followRelease(api, output, app, release.number).catch((error: unknown) => {
      output.progress('failed\n');
      throw error;
    });
    output.line(`done, v${release.number}`);
    return 0;
  },
};
