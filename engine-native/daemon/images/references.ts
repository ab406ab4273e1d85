// Image names as users write them (`app`, `docker.io/library/app:v1`), in one normal form: `app:v1`. Pure.
import { AppError } from '@berth/kit/errors.ts';

const component = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*';
const namePattern = new RegExp(`^(?:[A-Za-z0-9][A-Za-z0-9.-]*(?::\\d+)?/)?${component}(?:/${component})*$`);

/** The tag form of a reference; the tag is `latest` when none is named. Throws `bad_request` when it is no name. */
export function normaliseReference(raw: string, tag?: string): string {
  const familiar = raw.replace(/^(?:index\.)?docker\.io\//, '').replace(/^library\//, '');
  const slash = familiar.lastIndexOf('/');
  const colon = familiar.indexOf(':', slash + 1);
  const name = colon < 0 ? familiar : familiar.slice(0, colon);
  const label = (colon < 0 ? undefined : familiar.slice(colon + 1)) ?? (tag || 'latest');
  if (name.length > 255 || !namePattern.test(name) || !/^\w[\w.-]{0,127}$/.test(label))
    throw new AppError('bad_request', `"${raw}" is not an image name`, {
      hint: 'write name:tag in lower case',
    });
  return `${name}:${label}`;
}

export function splitReference(reference: string): { name: string; tag: string } {
  const colon = reference.lastIndexOf(':');
  return { name: reference.slice(0, colon), tag: reference.slice(colon + 1) };
}
