// The config vars that a manifest brings with it: values for those that the app does not have, and a refusal while a required one is missing.
// Called once a build, before anything is made. What it gives is secret; the controller sets it in the release's transaction.
import { randomBytes } from 'node:crypto';
import { AppError } from '@berth/kit/errors.ts';
import type { AppManifest } from './app-manifest.ts';

/** As many characters as Heroku's generator gives. */
const secretBytes = 32;

/** What the app has is left alone, and what a user has unset stays unset. */
export function newVars(
  manifest: Pick<AppManifest, 'vars'>,
  present: Readonly<Record<string, string>>,
  unset: readonly string[],
): Record<string, string> {
  const fresh: [string, string][] = [];
  const missing: [string, string | undefined][] = [];
  for (const [name, asked] of Object.entries(manifest.vars)) {
    if (Object.hasOwn(present, name)) continue;
    if (asked.value !== undefined || asked.generate) {
      if (!unset.includes(name)) fresh.push([name, asked.value ?? randomBytes(secretBytes).toString('hex')]);
      else if (asked.required) missing.push([name, asked.description]);
    } else if (asked.required) missing.push([name, asked.description]);
  }
  if (missing.length > 0) throw notSet(missing);
  return Object.fromEntries(fresh);
}

function notSet(missing: [string, string | undefined][]): AppError {
  const names = missing.map(([name]) => name);
  const list = missing.map(([name, about]) => (about === undefined ? name : `${name} (${about})`)).join(', ');
  const set = names.map((name) => `${name}=…`).join(' ');
  return new AppError(
    'invalid',
    names.length === 1
      ? `a required config var is not set: ${list}`
      : `required config vars are not set: ${list}`,
    { hint: `berth config:set ${set}` },
  );
}
