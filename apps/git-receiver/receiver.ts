// What all requests of one receiver share: configuration, the controller, the tree counts, the git processes under way.
// Made by main.ts. Must never hold state that a restart would miss.
import { AppError } from '@berth/kit/errors.ts';
import type { Logger } from '@berth/kit/logging.ts';
import type { ReceiverConfig } from './config.ts';
import { ControllerClient } from './controller-client.ts';
import { TreeCounter } from './count-tree.ts';
import { endGit, type GitProcess } from './git-process.ts';
import { QuarantineKeeper } from './quarantine.ts';

/** Git processes at once: each may hold tens of megabytes, and a machine has an end. */
const maxProcesses = 64;

export class Receiver {
  readonly config: ReceiverConfig;
  readonly controller: ControllerClient;
  readonly counter: TreeCounter;
  readonly log: Logger;
  readonly quarantines = new QuarantineKeeper();
  readonly #running = new Map<GitProcess, AbortController | undefined>();

  constructor(config: ReceiverConfig, log: Logger) {
    this.config = config;
    this.log = log;
    this.controller = new ControllerClient(config.controllerSocket);
    this.counter = new TreeCounter(config.treeMaxFiles);
  }

  /** Throws `unavailable` when there is no room for one more git. */
  checkRoom(): void {
    if (this.#running.size >= maxProcesses)
      throw new AppError('unavailable', 'too many pushes and fetches at once', {
        hint: 'try again in a moment',
      });
  }

  /** Remembers a git process until the returned function is called. */
  track(child: GitProcess, stop?: AbortController): () => void {
    this.#running.set(child, stop);
    return () => void this.#running.delete(child);
  }

  /** Ends every git process: their pushes fail, their quarantines are removed. */
  async close(): Promise<void> {
    const ending = [...this.#running].map(([child, stop]) => {
      stop?.abort();
      return endGit(child);
    });
    await Promise.all(ending);
    this.controller.close();
  }
}
