// The Docker Engine API as a benchmark needs it: the same few requests to any engine over one kept connection each. Used by the scenarios.
import { Agent, type IncomingMessage, request } from 'node:http';
import { json } from 'node:stream/consumers';

const answerLimitMs = 120_000; // an engine that hangs must fail the benchmark, not stop it for ever

export interface Answer {
  status: number;
  body: IncomingMessage;
}

export class Api {
  readonly #socketPath: string;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 256 });

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  /** Resolves with the headers; the caller reads the body. */
  send(method: string, path: string, body?: object): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers =
      text === undefined
        ? {}
        : { 'Content-Type': 'application/json', 'Content-Length': String(Buffer.byteLength(text)) };
    const call = request(
      {
        socketPath: this.#socketPath,
        agent: this.#agent,
        method,
        path: `/v1.41${path}`,
        headers,
        timeout: answerLimitMs,
      },
      (response) => resolve({ status: response.statusCode ?? 0, body: response }),
    );
    call.on('timeout', () => call.destroy(new Error(`${method} ${path}: no answer in ${answerLimitMs} ms`)));
    call.on('error', reject);
    call.end(text);
    return promise;
  }

  /** Reads the whole answer; throws when it is not a success. */
  async ask<T = unknown>(method: string, path: string, body?: object): Promise<T> {
    const answer = await this.send(method, path, body);
    if (answer.status >= 400) {
      const { message } = (await json(answer.body)) as { message: string };
      throw new Error(`${method} ${path}: ${answer.status} ${message}`);
    }
    if (answer.status === 204 || answer.status === 304) {
      answer.body.resume();
      return undefined as T;
    }
    return (await json(answer.body)) as T;
  }

  async create(image: string, cmd: string[], hostConfig: object = {}): Promise<string> {
    const { Id } = await this.ask<{ Id: string }>('POST', '/containers/create', {
      Image: image,
      Cmd: cmd,
      HostConfig: hostConfig,
    });
    return Id;
  }

  async start(id: string): Promise<void> {
    await this.ask('POST', `/containers/${id}/start`);
  }

  async remove(id: string): Promise<void> {
    await this.ask('DELETE', `/containers/${id}?force=1`);
  }

  /** The whole life of a container: create, wait asked for as the docker CLI does, start, the end, removal. */
  async live(image: string, cmd: string[], hostConfig: object = {}): Promise<void> {
    const id = await this.create(image, cmd, hostConfig);
    const wait = await this.send('POST', `/containers/${id}/wait?condition=next-exit`);
    await this.start(id);
    const { StatusCode } = (await json(wait.body)) as { StatusCode: number };
    if (StatusCode !== 0) throw new Error(`the container ended with ${StatusCode}`);
    await this.remove(id);
  }

  /** Runs a program in a running container and reads its output to the end. */
  async exec(id: string, cmd: string[]): Promise<void> {
    const { Id } = await this.ask<{ Id: string }>('POST', `/containers/${id}/exec`, {
      Cmd: cmd,
      AttachStdout: true,
      AttachStderr: true,
    });
    const { body } = await this.send('POST', `/exec/${Id}/start`, { Detach: false, Tty: false });
    for await (const _ of body);
  }

  close(): void {
    this.#agent.destroy();
  }
}
