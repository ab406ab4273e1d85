// Where a repository is asked for: the mirrors of its registry in their order, then the registry itself. Pure.
// Must never mark a mirror as the registry that was named: credentials go to that one alone.
import { AppError } from '@berth/kit/errors.ts';
import { defaultDomain, type Reference } from '../images/references.ts';
import type { RegistriesFile, RegistrySettings } from './registries-file.ts';

export interface Endpoint {
  /** Host and port as written. */
  host: string;
  /** Asked in this order; the second only when the first one's peer speaks no TLS. */
  schemes: readonly ('https' | 'http')[];
  /** Path before `/v2/`-relative names: a mirror may keep a registry in a folder. */
  repository: string;
  isMirror: boolean;
  /** False: any certificate will do. */
  verifiesTls: boolean;
  /** PEM file with further authorities; "" = none. */
  ca: string;
}

const noSettings: RegistrySettings = { mirrors: [], insecure: false, ca: '' };

/** Docker Hub's name is not the host that serves it. */
const hubHost = 'registry-1.docker.io';

export function endpointsFor(
  { domain, path }: Pick<Reference, 'domain' | 'path'>,
  registries: RegistriesFile,
): Endpoint[] {
  const settings = registries.get(domain) ?? noSettings;
  const mirrors = settings.mirrors.map((mirror) => mirrorEndpoint(mirror, path, registries));
  return [...mirrors, registryEndpoint(domain, path, registries)];
}

export function registryEndpoint(domain: string, path: string, registries: RegistriesFile): Endpoint {
  const { insecure, ca } = registries.get(domain) ?? noSettings;
  const host = domain === defaultDomain ? hubHost : domain;
  return {
    host,
    schemes: insecure || isLoopback(host) ? ['https', 'http'] : ['https'],
    repository: path,
    isMirror: false,
    verifiesTls: !insecure,
    ca,
  };
}

function mirrorEndpoint(mirror: string, path: string, registries: RegistriesFile): Endpoint {
  let url: URL;
  try {
    url = new URL(/^https?:\/\//.test(mirror) ? mirror : `https://${mirror}`);
  } catch {
    throw new AppError('invalid', `the mirror "${mirror}" is not a host or a URL`);
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '')
    throw new AppError('invalid', `the mirror of "${url.host}" must be a host or a URL with a path, no more`);
  const own = registryEndpoint(url.host, path, registries);
  if (url.protocol === 'http:' && !own.schemes.includes('http'))
    throw new AppError('invalid', `the mirror "${url.host}" is asked for over plain HTTP`, {
      hint: `set "insecure" for "${url.host}" in the registries file, or use https`,
    });
  const folder = url.pathname.replace(/^\/+|\/+$/g, '').replace(/^v2(?:\/|$)/, '');
  return {
    ...own,
    schemes: url.protocol === 'http:' ? ['http'] : own.schemes,
    repository: folder === '' ? path : `${folder}/${path}`,
    isMirror: true,
  };
}

/** By the name alone: a name that somebody's DNS points at 127.0.0.1 earns no trust. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/:\d+$/, '');
  return name === 'localhost' || name === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(name);
}
