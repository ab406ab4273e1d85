// A build's log on its way to the controller: batched, masked, with a heartbeat, and the channel back that says "canceled".
// One instance a build. Must never let a line out that has not been masked.
import { AppError } from '@berth/kit/errors.ts';
import { secretMasker } from './mask-secrets.ts';

export interface BuildLogOptions {
  /** Sends text (whole lines, or nothing as a heartbeat). */
  send: (text: string) => Promise<{ canceled: boolean }>;
  mask: (text: string) => string;
  /** What it hides, by the config var's name: for who has to look for it elsewhere. */
  secrets?: Readonly<Record<string, string>>;
  /** The controller wants the build to end, or somebody else has it: nothing may be reported any more. */
  onStop: (reason: 'canceled' | 'stale') => void;
  batchMs?: number;
  heartbeatMs?: number;
}

/** Lines of one moment travel together; more than this a pusher would notice. */
const defaultBatchMs = 20;
/** The controller takes a build away from a worker that is silent for long. */
const defaultHeartbeatMs = 1000;
/** How soon a controller that was away is tried again. */
const retryMs = 250;

export class BuildLog {
  readonly #options: BuildLogOptions;
  #mask: (text: string) => string;
  #secrets: Readonly<Record<string, string>>;
  readonly #batchMs: number;
  #pending = '';
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<void> | undefined;
  #sentAt = 0;
  #stopped = false;
  #closing = false;

  constructor(options: BuildLogOptions) {
    this.#options = options;
    this.#mask = options.mask;
    this.#secrets = options.secrets ?? {};
    this.#batchMs = options.batchMs ?? defaultBatchMs;
    this.#schedule(options.heartbeatMs ?? defaultHeartbeatMs);
  }

  /** Secrets that came up during the build are hidden like those that were known before. */
  alsoMask(vars: Readonly<Record<string, string>>): void {
    const before = this.#mask;
    const more = secretMasker(vars);
    this.#mask = (text) => more(before(text));
    this.#secrets = { ...this.#secrets, ...vars };
  }

  /** Config vars whose values nothing of the build may show. What stands in the commit is not among them. */
  get secrets(): Readonly<Record<string, string>> {
    return this.#secrets;
  }

  mask(text: string): string {
    return this.#mask(text);
  }

  step(title: string): void {
    this.#write(`-----> ${title}\n`);
  }

  detail(line: string): void {
    this.#write(line === '' ? '\n' : `       ${line}\n`);
  }

  warning(line: string): void {
    this.#write(` !     ${line}\n`);
  }

  /** Sends what is left and ends the heartbeat. A controller that is away gets it later or not at all; the result says what counts. */
  async close(): Promise<void> {
    this.#closing = true;
    clearTimeout(this.#timer);
    await this.#sending;
    if (this.#pending !== '' && !this.#stopped) await this.#send();
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #write(text: string): void {
    if (this.#stopped) return;
    const wasEmpty = this.#pending === '';
    this.#pending += this.#mask(text);
    if (wasEmpty && !this.#sending)
      this.#schedule(Math.max(0, this.#batchMs - (performance.now() - this.#sentAt)));
  }

  #schedule(delayMs: number): void {
    clearTimeout(this.#timer);
    if (this.#closing) return;
    this.#timer = setTimeout(() => {
      this.#sending = this.#send().finally(() => {
        this.#sending = undefined;
        if (this.#stopped) return;
        this.#schedule(
          this.#pending === '' ? (this.#options.heartbeatMs ?? defaultHeartbeatMs) : this.#nextDelay,
        );
      });
    }, delayMs);
  }

  #nextDelay = 0;

  async #send(): Promise<void> {
    const text = this.#pending;
    this.#pending = '';
    this.#sentAt = performance.now();
    this.#nextDelay = this.#batchMs;
    try {
      const { canceled } = await this.#options.send(text);
      if (canceled) this.#stop('canceled');
    } catch (error) {
      if (error instanceof AppError && (error.code === 'stale_epoch' || error.code === 'not_found'))
        return this.#stop('stale');
      this.#pending = text + this.#pending;
      this.#nextDelay = retryMs;
    }
  }

  #stop(reason: 'canceled' | 'stale'): void {
    if (this.#stopped) return;
    this.#stopped = reason === 'stale' || this.#stopped;
    this.#options.onStop(reason);
  }
}
