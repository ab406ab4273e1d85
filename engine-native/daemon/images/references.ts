// Image names as users write them (`app`, `docker.io/library/app:v1`, `host:5000/team/app@sha256:…`) and what they mean. Pure.
// The store keeps the familiar form (`app:v1`), as Docker shows it; a registry is asked with domain and path.
import { AppError } from '@berth/kit/errors.ts';

export interface Reference {
  /** Host of the registry, with its port; `docker.io` when the name holds none. */
  domain: string;
  /** Repository inside the registry: `library/app`. */
  path: string;
  tag?: string;
  digest?: string;
}

export const defaultDomain = 'docker.io';

const component = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*';
const pathPattern = new RegExp(`^${component}(?:/${component})*$`);
const domainPattern =
  /^(?:(?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9])(?:\.(?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9]))*|\[[0-9a-fA-F:]+\])(?::\d{1,5})?$/;
const tagPattern = /^\w[\w.-]{0,127}$/;
const digestPattern = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;

/** Reads a name with an optional tag and digest. Throws `bad_request` when it is no name. */
export function parseReference(raw: string): Reference {
  const at = raw.indexOf('@');
  const digest = at < 0 ? undefined : raw.slice(at + 1);
  const named = at < 0 ? raw : raw.slice(0, at);
  const colon = named.indexOf(':', named.lastIndexOf('/') + 1);
  const tag = colon < 0 ? undefined : named.slice(colon + 1);
  const { domain, path } = splitDomain(colon < 0 ? named : named.slice(0, colon));
  const isRight =
    domainPattern.test(domain) &&
    pathPattern.test(path) &&
    `${domain}/${path}`.length <= 255 &&
    (tag === undefined || tagPattern.test(tag)) &&
    (digest === undefined || digestPattern.test(digest));
  if (!isRight) throw invalidReference(raw);
  return {
    domain,
    path,
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest }),
  };
}

/** Docker's rule: the first part is a host if it holds a dot, a colon or an upper-case letter, or is `localhost`. */
function splitDomain(name: string): { domain: string; path: string } {
  const slash = name.indexOf('/');
  const first = slash < 0 ? '' : name.slice(0, slash);
  const isHost = first === 'localhost' || /[.:]/.test(first) || first !== first.toLowerCase();
  let domain = isHost ? first : defaultDomain;
  let path = isHost ? name.slice(slash + 1) : name;
  if (domain === 'index.docker.io') domain = defaultDomain;
  if (domain === defaultDomain && !path.includes('/')) path = `library/${path}`;
  return { domain, path };
}

function invalidReference(raw: string): AppError {
  return new AppError(
    'bad_request',
    `invalid reference format: "${raw.slice(0, 300)}" is not an image name`,
    {
      hint: 'write name:tag in lower case',
    },
  );
}

/** `app`, `team/app`, `host:5000/app`: the repository as Docker shows it. */
export function familiarName({ domain, path }: Reference): string {
  if (domain !== defaultDomain) return `${domain}/${path}`;
  return /^library\/[^/]+$/.test(path) ? path.slice('library/'.length) : path;
}

/** With tag and digest, where it has them. */
export function familiarReference(reference: Reference): string {
  const tag = reference.tag === undefined ? '' : `:${reference.tag}`;
  return `${familiarName(reference)}${tag}${reference.digest === undefined ? '' : `@${reference.digest}`}`;
}

/** The tag form of a name; the tag is `latest` when none is named. Throws `bad_request` when it is no name, or has a digest. */
export function normaliseReference(raw: string, tag?: string): string {
  const reference = parseReference(raw);
  const label = reference.tag ?? (tag || 'latest');
  if (reference.digest !== undefined || !tagPattern.test(label)) throw invalidReference(raw);
  return `${familiarName(reference)}:${label}`;
}

export function splitReference(reference: string): { name: string; tag: string } {
  const colon = reference.lastIndexOf(':');
  return { name: reference.slice(0, colon), tag: reference.slice(colon + 1) };
}
