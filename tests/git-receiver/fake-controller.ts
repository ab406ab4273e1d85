// A small controller on a unix socket for the receiver's tests: answers the three internal calls and keeps what it was told.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { StartPush } from '@berth/contract/push.ts';
import { AppError } from '@berth/kit/errors.ts';
import { ndjsonLine } from '@berth/kit/ndjson.ts';

export interface FakePush {
  id: string;
  body: StartPush;
  landed: boolean[];
  followerLeft: boolean;
}

/** What a push prints and how it ends; called once for each GET of its output. */
export type Script = (push: FakePush, out: Follower, after: number) => Promise<void>;

export interface Follower {
  line: (seq: number, text: string) => void;
  end: (ok: boolean, more?: { message?: string; hint?: string; release?: number }) => void;
  cut: () => void;
  readonly gone: boolean;
}

export const goodRelease: Script = async (_push, out) => {
  out.line(1, '-----> Node.js app detected');
  out.line(2, '-----> Released v1');
  out.line(3, '       http://hello.localhost:8080');
  out.end(true, { release: 1 });
};

/** Knows app "hello" (id a1) of token "good", and "theirs", which is another's. */
export class FakeController {
  readonly pushes: FakePush[] = [];
  readonly authorized: string[] = [];
  script: Script = goodRelease;
  /** "waited": answers that an earlier push was waited for and nothing is started. */
  startPush: (body: StartPush) => Promise<'waited' | undefined> = async () => undefined;
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => {
        const known = error instanceof AppError ? error : new AppError('internal', String(error));
        response.writeHead(known.status, { 'content-type': 'application/json' });
        response.end(JSON.stringify(known.toBody()));
      });
    });
  }

  async listen(socketPath: string): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.listen(socketPath, resolve);
    await promise;
  }

  async close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    this.#server.closeAllConnections();
    await promise;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://controller');
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body: unknown = chunks.length > 0 ? JSON.parse(Buffer.concat(chunks).toString()) : {};
    const reply = (value: unknown) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(value));
    };
    if (url.pathname === '/internal/git/authorize')
      return reply(this.#authorize(body as { authorization: string; app: string; service: string }));
    if (url.pathname === '/internal/pushes') {
      if ((await this.startPush(body as StartPush)) === 'waited') return reply({ waited: true });
      const push = {
        id: `p${this.pushes.length + 1}`,
        body: body as StartPush,
        landed: [],
        followerLeft: false,
      };
      this.pushes.push(push);
      return reply({ pushId: push.id, buildNumber: this.pushes.length });
    }
    const match = /^\/internal\/pushes\/(\w+)\/(output|landed)$/.exec(url.pathname);
    const push = this.pushes.find(({ id }) => id === match?.[1]);
    if (!match || !push) throw new AppError('not_found', 'no such push');
    if (match[2] === 'landed') {
      push.landed.push((body as { ok: boolean }).ok);
      return reply({});
    }
    await this.#follow(push, response, Number(url.searchParams.get('after')));
  }

  async #follow(push: FakePush, response: ServerResponse, after: number): Promise<void> {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    response.flushHeaders();
    let ended = false;
    response.on('close', () => {
      push.followerLeft ||= !ended;
    });
    const follower: Follower = {
      line: (seq, text) => response.write(ndjsonLine({ seq, text })),
      end: (ok, more = {}) => {
        ended = true;
        const { message = ok ? 'released' : 'the build failed', hint, release = null } = more;
        const line = { end: true, ok, code: ok ? 'ok' : 'build_failed', message, release, url: null };
        response.end(ndjsonLine(hint === undefined ? line : { ...line, hint }));
      },
      cut: () => {
        ended = true;
        response.destroy();
      },
      get gone() {
        return response.destroyed;
      },
    };
    await this.script(push, follower, after);
  }

  #authorize(body: { authorization: string | null; app: string; service: string }): unknown {
    this.authorized.push(`${body.service} ${body.app}`);
    const match = /^Basic (.+)$/.exec(body.authorization ?? '');
    const token = Buffer.from(match?.[1] ?? '', 'base64')
      .toString()
      .split(':')[1];
    if (token !== 'good')
      throw new AppError('unauthorized', 'the token is not valid', { hint: 'run "berth login"' });
    if (body.app === 'theirs') throw new AppError('forbidden', 'the app "theirs" belongs to someone else');
    const appId = { hello: 'a1', other: 'a2' }[body.app];
    if (!appId)
      throw new AppError('not_found', `there is no app "${body.app}"`, {
        hint: `make it: berth create ${body.app}`,
      });
    return { appId, appName: body.app, userId: 'u1', user: 'ada', deployBranch: 'main' };
  }
}
