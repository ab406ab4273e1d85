// Sets and unsets config vars: a new version, and a new release of the same build when there is one. Nothing changes → nothing happens.
import { configKeyPattern, reservedConfigKeys } from '@berth/contract/names.ts';
import { AppError } from '@berth/kit/errors.ts';
import type { Queryable } from '@berth/store/database.ts';
import { changeUnsetVars, lockApp, takeNumber } from '@berth/store/queries/apps.ts';
import { insertConfigVersion, sealedConfig } from '@berth/store/queries/config-versions.ts';
import { recordEvent } from '@berth/store/queries/events.ts';
import { newestUsableRelease } from '@berth/store/queries/releases.ts';
import type { User } from '@berth/store/queries/users.ts';
import type { Services } from '../services.ts';
import { announceRelease, type CreatedRelease, createRelease } from './create-release.ts';

/** Linux gives a process no environment string beyond 128 KiB; a quarter of it is plenty for a setting. */
const maxValueBytes = 32 * 1024;
/** All config vars of an app together: they travel in every pod. */
const maxConfigBytes = 256 * 1024;

export interface ConfigChanged {
  version: number;
  release: CreatedRelease | null;
}

export async function changeConfig(
  services: Pick<Services, 'db' | 'sealer' | 'hints' | 'queues' | 'output'>,
  user: User,
  appId: string,
  change: Record<string, string | null>,
): Promise<ConfigChanged> {
  checkValues(change);
  const result = await services.db.transaction(async (tx): Promise<ConfigChanged> => {
    const app = await lockApp(tx, appId);
    if (!app || app.deleted_at) throw new AppError('not_found', 'the app does not exist any more');
    const vars = await readVars(services, tx, appId, app.config_number);
    const touched = applyChange(vars, change);
    if (touched.length === 0) return { version: app.config_number, release: null };
    checkSize(app.name, vars);
    await changeUnsetVars(tx, appId, {
      unset: touched.filter((key) => change[key] === null),
      set: touched.filter((key) => change[key] !== null),
    });
    const number = await takeNumber(tx, appId, 'next_config');
    await insertConfigVersion(tx, appId, number, user.id, services.sealer.seal(appId, vars));
    await recordEvent(tx, {
      appId,
      userId: user.id,
      kind: 'config.change',
      data: { version: number, keys: touched },
    });
    const base = await newestUsableRelease(tx, appId);
    if (!base) return { version: number, release: null };
    const release = await createRelease(tx, {
      appId,
      userId: user.id,
      buildId: base.build_id,
      configNumber: number,
      image: base.image,
      processTypes: base.process_types,
      port: base.port,
      runUser: base.run_user,
      manifest: base.manifest,
      description: describe(change, touched),
    });
    return { version: number, release };
  });
  if (result.release) await announceRelease(services, appId, result.release);
  return result;
}

export async function readVars(
  services: Pick<Services, 'sealer'>,
  db: Queryable,
  appId: string,
  number: number,
): Promise<Record<string, string>> {
  const sealed = await sealedConfig(db, appId, number);
  return sealed ? services.sealer.open(appId, sealed) : {};
}

/** The same bounds for what a manifest sets: `all` is what the app would have. */
export function checkConfigChange(
  appName: string,
  change: Readonly<Record<string, string>>,
  all: Readonly<Record<string, string>>,
): void {
  checkValues(change);
  checkSize(appName, all);
}

function checkValues(change: Readonly<Record<string, string | null>>): void {
  for (const key of Object.keys(change)) checkConfigKey(key, change[key] ?? '');
}

function checkSize(appName: string, vars: Readonly<Record<string, string>>): void {
  if (Buffer.byteLength(JSON.stringify(vars)) > maxConfigBytes)
    throw new AppError('too_large', `the config vars of "${appName}" would exceed ${maxConfigBytes} bytes`);
}

function checkConfigKey(key: string, value: string): void {
  if (!new RegExp(configKeyPattern).test(key))
    throw new AppError('invalid', `"${key}" cannot be the name of a config var`, {
      hint: 'use letters, digits and underscores, not starting with a digit, as a shell does',
    });
  if (reservedConfigKeys.has(key))
    throw new AppError('invalid', `the platform sets "${key}" itself`, { hint: 'choose another name' });
  if (Buffer.byteLength(value) > maxValueBytes)
    throw new AppError('too_large', `the value of "${key}" is longer than ${maxValueBytes} bytes`, {
      hint: 'keep large data in a file or a store, and its address in the config var',
    });
  if (value.includes('\0')) throw new AppError('invalid', `the value of "${key}" holds a NUL byte`);
}

/** Changes vars in place and returns the keys that really changed. */
function applyChange(vars: Record<string, string>, change: Record<string, string | null>): string[] {
  const touched: string[] = [];
  for (const [key, value] of Object.entries(change)) {
    if (value === null ? !Object.hasOwn(vars, key) : vars[key] === value) continue;
    if (value === null) delete vars[key];
    else vars[key] = value;
    touched.push(key);
  }
  return touched;
}

function describe(change: Record<string, string | null>, touched: string[]): string {
  const set = touched.filter((key) => change[key] !== null);
  const unset = touched.filter((key) => change[key] === null);
  const parts = [];
  if (set.length > 0) parts.push(`set ${set.join(', ')}`);
  if (unset.length > 0) parts.push(`unset ${unset.join(', ')}`);
  return parts.join('; ').slice(0, 200);
}
