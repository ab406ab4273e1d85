// What a container may be called: Docker's rule. Used by create and rename. Pure.
import { AppError } from '@berth/kit/errors.ts';

const allowed = /^[a-zA-Z0-9][\w.-]{1,127}$/;

/** The name without the slash that clients may write before it. */
export function checkContainerName(raw: string): string {
  const name = raw.replace(/^\//, '');
  if (allowed.test(name)) return name;
  throw new AppError(
    'bad_request',
    `Invalid container name (${raw}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`,
    name.length < 2 ? { hint: 'two characters at least' } : {},
  );
}
