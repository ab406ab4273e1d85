// Sets an app's buildpacks or its stack. No release: it takes effect with the next push. Nothing changes → nothing happens.
import {
  buildpackNames,
  cnbImage,
  maxBuildpacks,
  readBuildpack,
  stackNames,
} from '@berth/contract/buildpack-names.ts';
import { AppError } from '@berth/kit/errors.ts';
import { closest } from '@berth/kit/suggest.ts';
import { lockApp, setBuildpacks, setStack } from '@berth/store/queries/apps.ts';
import { recordEvent } from '@berth/store/queries/events.ts';
import type { User } from '@berth/store/queries/users.ts';
import type { Services } from '../services.ts';

/** `replaces` is the list that the user saw: another one means that somebody else was quicker (`conflict`). */
export async function changeBuildpacks(
  { db }: Pick<Services, 'db'>,
  user: User,
  appId: string,
  change: { buildpacks: string[]; replaces?: string[] },
): Promise<void> {
  const { buildpacks, replaces } = change;
  checkBuildpacks(buildpacks);
  await db.transaction(async (tx) => {
    const app = await lockApp(tx, appId);
    if (!app || app.deleted_at) throw new AppError('not_found', 'the app does not exist any more');
    if (replaces && !isSame(replaces, app.buildpacks))
      throw new AppError('conflict', `the buildpacks of "${app.name}" were changed meanwhile`, {
        hint: 'look at them with "berth buildpacks" and try again',
      });
    if (isSame(buildpacks, app.buildpacks)) return;
    await setBuildpacks(tx, appId, buildpacks);
    const data = { from: app.buildpacks, to: buildpacks };
    await recordEvent(tx, { appId, userId: user.id, kind: 'buildpacks.change', data });
  });
}

/** Null is the default stack. */
export async function changeStack(
  { db }: Pick<Services, 'db'>,
  user: User,
  appId: string,
  stack: string | null,
): Promise<void> {
  if (stack !== null) checkStack(stack);
  await db.transaction(async (tx) => {
    const app = await lockApp(tx, appId);
    if (!app || app.deleted_at) throw new AppError('not_found', 'the app does not exist any more');
    if (stack === app.stack) return;
    await setStack(tx, appId, stack);
    const data = { from: app.stack, to: stack };
    await recordEvent(tx, { appId, userId: user.id, kind: 'stack.change', data });
  });
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((entry, index) => entry === other[index]);
}

function checkBuildpacks(entries: readonly string[]): void {
  if (entries.length > maxBuildpacks)
    throw new AppError('invalid', `an app has at most ${maxBuildpacks} buildpacks`);
  const seen = new Set<string>();
  for (const entry of entries) {
    const read = readBuildpack(entry);
    if (read.kind === 'wrong') throw wrongBuildpack(entry, read.why);
    const what = read.kind === 'driver' ? read.driver : entry;
    if (seen.has(what))
      throw new AppError('invalid', `the buildpack "${entry}" is in the list already`, {
        hint: 'see: berth buildpacks',
      });
    seen.add(what);
  }
}

function wrongBuildpack(entry: string, why: string): AppError {
  const guess = closest(entry, buildpackNames);
  // A login in a URL must not get into an answer or a log.
  const shown = entry.slice(0, 100).replace(/\/\/[^/]*@/, '//…@');
  return new AppError('invalid', `"${shown}" ${why}`, {
    hint:
      guess === undefined
        ? 'names are: node, python, ruby, go, java, php, rust, static, shell'
        : `did you mean "${guess}"?`,
  });
}

function checkStack(stack: string): void {
  if (stackNames.includes(stack) || cnbImage(stack) !== undefined) return;
  if (stack.startsWith('cnb:'))
    throw new AppError('invalid', `"${stack.slice(4, 104)}" is not the reference of an image`, {
      hint: 'berth stack:set cnb:heroku/builder:24',
    });
  if (stack === 'container')
    throw new AppError('invalid', 'there is no stack "container" here', {
      hint: 'none is needed: a Dockerfile at the root is built as it is',
    });
  const guess = closest(stack, stackNames);
  throw new AppError('invalid', `there is no stack "${stack.slice(0, 100)}"`, {
    hint:
      guess === undefined
        ? `there are: ${stackNames.join(', ')}, or cnb:IMAGE for a Cloud Native builder`
        : `did you mean "${guess}"?`,
  });
}
