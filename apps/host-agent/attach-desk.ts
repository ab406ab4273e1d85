// Where an attached run and its user meet: the runner waits for the user, the agent's socket brings one, whoever comes first waits.
import type { Duplex } from 'node:stream';

/** A user whose connection got lost must not leave a container waiting; a user of a run that never comes must be told. */
export const meetLimitMs = 30_000;

interface Meeting {
  resolve: (socket: Duplex) => void;
  promise: Promise<Duplex>;
  isTaken: boolean;
}

export class AttachDesk {
  readonly #meetings = new Map<string, Meeting>();

  /** For the runner: the user's connection, or undefined when nobody came in time or the signal aborted. */
  async waitForUser(
    instanceId: string,
    signal: AbortSignal,
    limitMs = meetLimitMs,
  ): Promise<Duplex | undefined> {
    const meeting = this.#meeting(instanceId);
    meeting.isTaken = true;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const onAbort = () => resolve(undefined);
    const timer = setTimeout(onAbort, limitMs);
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
    try {
      return await Promise.race([meeting.promise, promise]);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      this.#meetings.delete(instanceId);
    }
  }

  /** For the socket: hands the user over. `onNobody` is called when no run of that id appears in time. */
  bringUser(instanceId: string, socket: Duplex, onNobody: () => void, limitMs = meetLimitMs): void {
    const meeting = this.#meeting(instanceId);
    meeting.resolve(socket);
    if (meeting.isTaken) return;
    const timer = setTimeout(() => {
      if (meeting.isTaken) return;
      this.#meetings.delete(instanceId);
      onNobody();
    }, limitMs);
    timer.unref();
  }

  #meeting(instanceId: string): Meeting {
    const known = this.#meetings.get(instanceId);
    if (known) return known;
    const meeting = { ...Promise.withResolvers<Duplex>(), isTaken: false };
    this.#meetings.set(instanceId, meeting);
    return meeting;
  }
}
