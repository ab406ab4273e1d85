// A client that talks to an echo server over one connection all the time, so that a test can tell whether anything broke it.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const answerLimitMs = 10_000; // a machine under load answers late; a connection that is cut never answers

export class TalkingClient {
  readonly #socket: Socket;
  #isStopping = false;
  #failure = '';
  #answers = 0;
  #longestMs = 0;
  readonly #done: Promise<void>;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('error', (error) => this.#fail(error.message));
    socket.on('close', () => this.#fail('the connection was closed'));
    this.#done = this.#talk();
  }

  static async connect(host: string, port: number): Promise<TalkingClient> {
    const socket = connect(port, host);
    await once(socket, 'connect');
    return new TalkingClient(socket);
  }

  /** "" for as long as every word came back. */
  get failure(): string {
    return this.#failure;
  }

  get answers(): number {
    return this.#answers;
  }

  get longestMs(): number {
    return this.#longestMs;
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#done;
    this.#socket.destroy();
  }

  async #talk(): Promise<void> {
    while (!this.#isStopping && this.#failure === '') {
      const word = `word ${this.#answers}\n`;
      const sentAt = performance.now();
      this.#socket.write(word);
      if (!(await this.#hears(word))) return;
      this.#longestMs = Math.max(this.#longestMs, performance.now() - sentAt);
      this.#answers++;
      await sleep(10);
    }
  }

  async #hears(word: string): Promise<boolean> {
    let heard = '';
    const limit = AbortSignal.timeout(answerLimitMs);
    while (heard.length < word.length) {
      try {
        const [chunk] = (await once(this.#socket, 'data', { signal: limit })) as [Buffer];
        heard += chunk.toString();
      } catch {
        this.#fail(`no answer to "${word.trim()}"`);
        return false;
      }
    }
    if (heard !== word) this.#fail(`"${heard.trim()}" came back for "${word.trim()}"`);
    return heard === word;
  }

  #fail(reason: string): void {
    if (!this.#isStopping && this.#failure === '') this.#failure = reason;
  }
}
