// The builder's calls to the controller, over its unix socket. The only way the builder changes a build.
import { HttpClient } from '@berth/clients/http-client.ts';
import type { BuildResult, FinishBuild, ImagesToKeep, StartedBuild } from '@berth/contract/build.ts';
import { retry } from '@berth/kit/backoff.ts';
import { AppError } from '@berth/kit/errors.ts';

/** A controller that restarts is back within seconds; a build's result must outlive that. */
const outageLimitMs = 120_000;

export class ControllerApi {
  readonly #http: HttpClient;

  constructor(socketPath: string) {
    this.#http = new HttpClient({ socketPath, name: 'the controller' });
  }

  /** Gives back what an earlier life of this worker left running. */
  requeue(worker: string, signal: AbortSignal): Promise<unknown> {
    return this.#patiently(
      () => this.#http.call('POST', '/internal/builds/requeue', { body: { worker } }),
      signal,
    );
  }

  /** `conflict`: the build is finished already. */
  start(buildId: string, worker: string): Promise<StartedBuild> {
    return this.#patiently(() =>
      this.#http.call('POST', `/internal/builds/${buildId}/start`, { body: { worker } }),
    );
  }

  output(buildId: string, epoch: number, text: string): Promise<{ canceled: boolean }> {
    // Longer than a slow disk takes; a controller that hangs is then treated like one that is away.
    return this.#http.call('POST', `/internal/builds/${buildId}/output`, {
      body: { epoch, text },
      timeoutMs: 10_000,
    });
  }

  finish(buildId: string, body: FinishBuild): Promise<unknown> {
    return this.#patiently(() => this.#http.call('POST', `/internal/builds/${buildId}/finish`, { body }));
  }

  async imagesToKeep(): Promise<string[]> {
    return (await this.#http.call<ImagesToKeep>('GET', '/internal/images')).images;
  }

  /** The image of a finished build is on disk: its push may be acknowledged. */
  durable(buildId: string, epoch: number): Promise<void> {
    return this.#patiently(() =>
      this.#http.call('POST', `/internal/builds/${buildId}/durable`, { body: { epoch } }),
    );
  }

  /** The newest successful build of the app with this key. */
  async findByKey(appId: string, key: string): Promise<{ number: number; result: BuildResult } | undefined> {
    const query = new URLSearchParams({ app: appId, key });
    try {
      return await this.#http.call('GET', `/internal/builds/by-key?${query}`);
    } catch (error) {
      if (error instanceof AppError && error.code === 'not_found') return undefined;
      throw error;
    }
  }

  close(): void {
    this.#http.close();
  }

  #patiently<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    return retry(work, {
      firstMs: 20,
      maxMs: 1000,
      limitMs: outageLimitMs,
      isRetryable: (error) => error instanceof AppError && error.retryable,
      ...(signal ? { signal } : {}),
    });
  }
}
