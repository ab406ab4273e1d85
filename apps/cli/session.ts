// Which server, token and app a command works with. Order for the app: -a, then the git remote.
// For the server: BERTH_SERVER, the server of the git remote when we are logged in there, the one of the last login.
import { AppError } from '@berth/kit/errors.ts';
import type { CliEnvironment } from './config.ts';
import { type Credentials, normalServer, readCredentials } from './credentials.ts';
import { parseRemoteUrl, type RemoteApp, readRemotes } from './git-remote.ts';

export const defaultServer = 'http://127.0.0.1:7070';
export const defaultRemote = 'berth';

export class Session {
  readonly #env: CliEnvironment;
  readonly #folder: string;
  readonly #remoteName: string | undefined;
  readonly #appName: string | undefined;
  #credentials: Credentials | undefined;
  #remote: RemoteApp | null | undefined;

  constructor(
    env: CliEnvironment,
    folder: string,
    chosen: { app: string | undefined; remote: string | undefined },
  ) {
    this.#env = env;
    this.#folder = folder;
    this.#appName = chosen.app;
    this.#remoteName = chosen.remote;
  }

  get credentials(): Credentials {
    this.#credentials ??= readCredentials(this.#env.configFolder);
    return this.#credentials;
  }

  server(): string {
    if (this.#env.server !== undefined) return normalServer(this.#env.server);
    const remote = this.#appName === undefined ? this.#readRemote() : null;
    if (remote && (this.credentials.servers[remote.server] || this.#env.token !== undefined))
      return remote.server;
    return this.credentials.default ?? defaultServer;
  }

  /** Throws `unauthorized` when there is none for the server. */
  token(): string {
    if (this.#env.token !== undefined) return this.#env.token;
    const server = this.server();
    const known = this.credentials.servers[server];
    if (!known)
      throw new AppError('unauthorized', `you are not logged in to ${server}`, {
        hint: `berth login --server ${server}`,
      });
    return known.token;
  }

  /** Throws `bad_request` when neither -a nor a remote says which app. */
  app(): string {
    if (this.#appName !== undefined) return this.#appName;
    const remote = this.#readRemote();
    if (remote) return remote.app;
    throw new AppError('bad_request', 'which app? there is no git remote "berth" here', {
      hint: 'name it with -a APP, or run "berth git:remote -a APP" in its folder',
    });
  }

  #readRemote(): RemoteApp | null {
    if (this.#remote !== undefined) return this.#remote;
    const remotes = readRemotes(this.#folder);
    const named = remotes.get(this.#remoteName ?? defaultRemote);
    if (this.#remoteName !== undefined && named === undefined)
      throw new AppError('bad_request', `there is no git remote "${this.#remoteName}" here`, {
        hint: 'see them with "git remote -v"',
      });
    this.#remote = (named === undefined ? this.#onlyKnownRemote(remotes) : parseRemoteUrl(named)) ?? null;
    if (this.#remoteName !== undefined && this.#remote === null)
      throw new AppError('bad_request', `the git remote "${this.#remoteName}" is not an app of Berth`);
    return this.#remote;
  }

  /** A remote of another name counts when it is the only one that points to a server we know. */
  #onlyKnownRemote(remotes: Map<string, string>): RemoteApp | undefined {
    const ours = [...remotes.values()]
      .map(parseRemoteUrl)
      .filter((remote) => remote !== undefined && this.credentials.servers[remote.server] !== undefined);
    return ours.length === 1 ? ours[0] : undefined;
  }
}
