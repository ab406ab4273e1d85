// Waits until an instance is ready: a TCP connect to its port (and a GET, where a path is set), or a while of running.
// Called by the pod's runner after each start. Reports a wrong port or address early instead of letting the user wait.
import { request } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Readiness } from '@berth/contract/instance.ts';
import { explainTimeout, judgeSockets, type StartFailure } from './explain-silence.ts';
import { type ListeningSocket, readListeningSockets } from './listening-sockets.ts';

export interface ReadyTarget {
  address: string;
  pid: number;
}

export type ReadyOutcome = { ready: true } | { ready: false; failure: StartFailure } | { aborted: true };

type PortReadiness = Extract<Readiness, { kind: 'port' }>;

/** Between attempts: short at first so that a fast app is live at once, longer so that a slow one costs little. */
const firstPauseMs = 5;
const maxPauseMs = 100;
const pauseShare = 0.02;
/** An app that accepts and never answers must not hold one attempt for ever. */
const probeLimitMs = 5_000;
const connectLimitMs = 1_000;
/** How often the listening sockets are read to find a wrong one. */
const socketsEveryMs = 500;

export interface WaitReadyDeps {
  readSockets?: (pid: number) => Promise<ListeningSocket[]>;
  now?: () => number;
}

/** Until the port answers, its time is over, or the signal aborts (the container has ended, or is to end). */
export async function waitPortReady(
  readiness: PortReadiness,
  target: ReadyTarget,
  signal: AbortSignal,
  deps: WaitReadyDeps = {},
): Promise<ReadyOutcome> {
  const { readSockets = readListeningSockets, now = () => performance.now() } = deps;
  const startedAt = now();
  const limitMs = readiness.timeoutSeconds * 1000;
  let listeningSince: number | undefined;
  let nextLookAt = startedAt + socketsEveryMs;
  for (;;) {
    const problem = await probe(readiness, target.address, signal);
    if (signal.aborted) return { aborted: true };
    if (problem === null) return { ready: true };
    const elapsedMs = now() - startedAt;
    if (elapsedMs >= limitMs) {
      const sockets = await readSockets(target.pid);
      return {
        ready: false,
        failure: explainTimeout(sockets, readiness.port, readiness.timeoutSeconds, problem),
      };
    }
    if (now() >= nextLookAt) {
      nextLookAt = now() + socketsEveryMs;
      const sockets = await readSockets(target.pid);
      listeningSince = sockets.length === 0 ? undefined : (listeningSince ?? now());
      const listeningMs = listeningSince === undefined ? 0 : now() - listeningSince;
      const failure = judgeSockets(sockets, readiness.port, listeningMs);
      if (failure) return { ready: false, failure };
    }
    const pauseMs = Math.min(maxPauseMs, Math.max(firstPauseMs, elapsedMs * pauseShare));
    await sleep(pauseMs, undefined, { signal }).catch(() => {});
  }
}

/** One attempt: null when ready, otherwise what is wrong. */
export async function probe(
  readiness: PortReadiness,
  address: string,
  signal?: AbortSignal,
): Promise<string | null> {
  const { port, httpPath, attemptSeconds } = readiness;
  const limitMs = attemptSeconds === undefined ? undefined : attemptSeconds * 1000;
  if (httpPath === null) return connectOnce({ host: address, port }, limitMs, signal);
  return getOnce({ host: address, port, path: httpPath }, limitMs, signal);
}

function connectOnce(
  { host, port }: { host: string; port: number },
  limitMs = connectLimitMs,
  signal?: AbortSignal,
): Promise<string | null> {
  const { promise, resolve } = Promise.withResolvers<string | null>();
  const socket = connect({ host, port, noDelay: true });
  const finish = (problem: string | null) => {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
    socket.destroy();
    resolve(problem);
  };
  const onAbort = () => finish('aborted');
  const timer = setTimeout(() => finish(`port ${port} does not answer`), limitMs);
  signal?.addEventListener('abort', onAbort);
  socket.on('connect', () => finish(null));
  socket.on('error', () => finish(`nothing accepts connections on port ${port}`));
  if (signal?.aborted) finish('aborted');
  return promise;
}

function getOnce(
  { host, port, path }: { host: string; port: number; path: string },
  limitMs = probeLimitMs,
  signal?: AbortSignal,
): Promise<string | null> {
  const { promise, resolve } = Promise.withResolvers<string | null>();
  const limit = AbortSignal.timeout(limitMs);
  const outgoing = request({
    host,
    port,
    path,
    agent: false,
    headers: { 'user-agent': 'berth-health' },
    signal: signal ? AbortSignal.any([signal, limit]) : limit,
  });
  outgoing.on('response', (response) => {
    const status = response.statusCode ?? 0;
    response.destroy();
    resolve(status >= 200 && status < 400 ? null : `GET ${path} answered ${status}`);
  });
  outgoing.on('error', () => resolve(`GET ${path} on port ${port} got no answer`));
  outgoing.end();
  return promise;
}
