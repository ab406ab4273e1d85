// Turns a request line and its headers into what git wants, or a refusal. Called first for every request; touches nothing.
import { AppError } from '@berth/kit/errors.ts';

export type GitService = 'git-receive-pack' | 'git-upload-pack';

export interface GitRequest {
  app: string;
  service: GitService;
  /** advertise: `GET info/refs`. rpc: the POST that carries the work. */
  kind: 'advertise' | 'rpc';
}

/** A folder or an archive, sent as a tar. */
export interface DeployRequest {
  app: string;
  kind: 'deploy';
  /** Where the archive holds nothing but one folder, the app is in there. */
  entersOnlyFolder: boolean;
  noCache: boolean;
}

// The same pattern as the contract's app name; written here so that nothing else of a path can ever reach the file system.
const pathPattern = /^\/([a-z][a-z0-9-]{0,28}[a-z0-9])\.git\/(info\/refs|git-upload-pack|git-receive-pack)$/;
const deployPattern = /^\/v1\/apps\/([a-z][a-z0-9-]{0,28}[a-z0-9])\/deploys$/;
const repositoryPattern = /^\/([^/]{1,64})\.git(?:\/|$)/;

function isService(value: string | null): value is GitService {
  return value === 'git-receive-pack' || value === 'git-upload-pack';
}

/** Parses a request target. Throws `not_found` for a path that is no repository and `bad_request` for one asked wrongly. */
export function parseGitRequest(method: string, target: string): GitRequest {
  const mark = target.indexOf('?');
  const path = mark === -1 ? target : target.slice(0, mark);
  const query = new URLSearchParams(mark === -1 ? '' : target.slice(mark + 1));
  const match = pathPattern.exec(path);
  if (!match) throw noRepository(path);
  const [, app = '', action = ''] = match;
  if (action === 'info/refs') {
    if (method !== 'GET') throw new AppError('bad_request', `"${method}" is not a way to ask for refs`);
    const services = query.getAll('service');
    const service = services[0] ?? null;
    if (services.length !== 1 || !isService(service))
      throw new AppError('bad_request', 'only the smart git protocol is spoken here', {
        hint: 'use git 1.6.6 or newer',
      });
    return { app, service, kind: 'advertise' };
  }
  if (method !== 'POST') throw new AppError('bad_request', `"${method}" is not a way to call "${action}"`);
  return { app, service: action as GitService, kind: 'rpc' };
}

/** Undefined for what is no deploy; the controller has checked the query already. */
export function parseDeployRequest(method: string, target: string): DeployRequest | undefined {
  const url = new URL(target, 'http://receiver');
  const app = deployPattern.exec(url.pathname)?.[1];
  if (app === undefined || method !== 'POST') return undefined;
  const isSet = (name: string) => url.searchParams.get(name) === 'true';
  return { app, kind: 'deploy', entersOnlyFolder: isSet('enter'), noCache: isSet('noCache') };
}

function noRepository(path: string): AppError {
  const name = repositoryPattern.exec(path)?.[1];
  if (name !== undefined && /^[\w.-]+$/.test(name) && !pathPattern.test(`/${name}.git/info/refs`))
    return new AppError('not_found', `"${name}" is not a name an app can have`, {
      hint: 'names are 2 to 30 lower-case letters, digits and hyphens, and start with a letter',
    });
  return new AppError('not_found', 'there is no git repository at this path');
}

/** Checks the headers of a POST; returns whether its body is gzipped. */
export function checkRpcHeaders(
  service: GitService,
  headers: NodeJS.Dict<string | string[]>,
): { gzip: boolean } {
  const type = String(headers['content-type'] ?? '');
  if (type !== `application/x-${service}-request`)
    throw new AppError(
      'bad_request',
      `content type "${type.slice(0, 80)}" is not "application/x-${service}-request"`,
    );
  const encoding = String(headers['content-encoding'] ?? 'identity').toLowerCase();
  if (encoding === 'identity') return { gzip: false };
  if (encoding === 'gzip' || encoding === 'x-gzip') return { gzip: true };
  throw new AppError('bad_request', `content encoding "${encoding.slice(0, 80)}" is not known`, {
    hint: 'send the body as it is or with gzip',
  });
}
