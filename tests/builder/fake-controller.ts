// The controller as the builder sees it, on a unix socket: hands out builds, keeps what is reported, answers by-key from what has succeeded.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { BuildResult, FinishBuild, StartedBuild } from '@berth/contract/build.ts';
import { AppError } from '@berth/kit/errors.ts';

export interface FakeBuild {
  started: StartedBuild;
  output: string;
  end?: FinishBuild;
  /** What the next output report is told. */
  canceled: boolean;
  stale: boolean;
  /** The builder said that the image is on disk. */
  durable: boolean;
  reports: number;
}

export class FakeController {
  readonly builds = new Map<string, FakeBuild>();
  /** Workers that gave back what they had. */
  readonly requeued: string[] = [];
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => {
        const known = error instanceof AppError ? error : new AppError('internal', String(error));
        send(response, known.status, known.toBody());
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

  add(started: StartedBuild): FakeBuild {
    const build: FakeBuild = {
      started,
      output: '',
      canceled: false,
      stale: false,
      durable: false,
      reports: 0,
    };
    this.builds.set(started.id, build);
    return build;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://controller');
    const body = await readJson(request);
    if (url.pathname === '/internal/builds/requeue') {
      this.requeued.push((body as { worker: string }).worker);
      return send(response, 200, {});
    }
    if (url.pathname === '/internal/builds/by-key') return send(response, 200, this.#byKey(url.searchParams));
    const [, id = '', action] =
      /^\/internal\/builds\/([^/]+)\/(start|output|finish|durable)$/.exec(url.pathname) ?? [];
    const build = this.builds.get(id);
    if (!build) throw new AppError('not_found', `no build "${id}"`);
    if (action === 'start') {
      if (build.end) throw new AppError('conflict', 'finished');
      return send(response, 200, build.started);
    }
    const report = body as { epoch: number; text: string };
    if (build.stale || report.epoch !== build.started.epoch)
      throw new AppError('stale_epoch', 'another worker has it');
    build.reports += 1;
    if (action === 'durable') {
      build.durable = true;
      return send(response, 200, {});
    }
    if (action === 'output') {
      build.output += report.text;
      return send(response, 200, { canceled: build.canceled });
    }
    build.end = body as FinishBuild;
    return send(response, 200, {});
  }

  #byKey(query: URLSearchParams): { number: number; result: BuildResult } {
    for (const { started, end } of [...this.builds.values()].reverse())
      if (
        end?.status === 'succeeded' &&
        end.result.key === query.get('key') &&
        started.appId === query.get('app')
      )
        return { number: started.number, result: end.result };
    throw new AppError('not_found', 'no such build');
  }
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return chunks.length > 0 ? JSON.parse(Buffer.concat(chunks).toString()) : {};
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
