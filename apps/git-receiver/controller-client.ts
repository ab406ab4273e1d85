// What the receiver asks of the controller, in the words of contract/push.ts. Used by the request handlers and the push steps.
import { HttpClient } from '@berth/clients/http-client.ts';
import type { GitAuthorized, PushWaited, StartedPush, StartPush } from '@berth/contract/push.ts';
import type { OutputLine } from '@berth/contract/release.ts';
import { retry } from '@berth/kit/backoff.ts';
import { asAppError } from '@berth/kit/errors.ts';
import type { Static } from '@sinclair/typebox';
import type { GitService } from './git-request.ts';

export type Grant = Static<typeof GitAuthorized>;

/** A controller that restarts is back in a few seconds; after a minute the pusher is told instead of waiting. */
export const reconnectLimitMs = 60_000;
const pauses = { firstMs: 50, maxMs: 1000 };

export class ControllerClient {
  readonly #http: HttpClient;

  constructor(socketPath: string) {
    this.#http = new HttpClient({ socketPath, name: 'the controller' });
  }

  authorize(authorization: string | null, app: string, service: GitService): Promise<Grant> {
    const body = { authorization, app, service };
    return this.#http.call('POST', '/internal/git/authorize', { body, timeoutMs: 10_000 });
  }

  /** Not repeated when it fails: the controller may have started the push. It may wait for an earlier push, hence the long limit. */
  startPush(push: StartPush, signal: AbortSignal): Promise<StartedPush | PushWaited> {
    return this.#http.call('POST', '/internal/pushes', { body: push, timeoutMs: 20 * 60_000, signal });
  }

  output(pushId: string, after: number, signal: AbortSignal): AsyncGenerator<OutputLine> {
    const path = `/internal/pushes/${encodeURIComponent(pushId)}/output?after=${after}`;
    return this.#http.lines('GET', path, { signal }) as AsyncGenerator<OutputLine>;
  }

  /** Gives a push up: a follower that leaves before the end is how the controller is told. */
  async abandon(pushId: string): Promise<void> {
    const path = `/internal/pushes/${encodeURIComponent(pushId)}/output?after=0`;
    const response = await this.#http.open('GET', path).catch(() => undefined);
    response?.destroy();
  }

  /** Tells whether the ref has moved; repeated until the controller has heard it, since the app's next push waits for it. */
  async landed(pushId: string, ok: boolean, limitMs = reconnectLimitMs): Promise<void> {
    const path = `/internal/pushes/${encodeURIComponent(pushId)}/landed`;
    await retry(() => this.#http.call('POST', path, { body: { ok } }), {
      ...pauses,
      limitMs,
      isRetryable: (error) => asAppError(error).retryable,
    });
  }

  close(): void {
    this.#http.close();
  }
}
