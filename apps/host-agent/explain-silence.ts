// Why an instance that should listen cannot be reached, in one line for the user. Pure.
import type { ObservedInstance } from '@berth/contract/instance.ts';
import { isLoopback, type ListeningSocket } from './listening-sockets.ts';

export interface StartFailure {
  fatal: NonNullable<ObservedInstance['fatal']>;
  message: string;
}

/** How long a wrong socket is watched before it is called wrong: the right one may open after it. */
const wrongSocketMs = 5_000;

/**
 * What a look at the listening sockets says after `listeningMs` of seeing some; undefined: it may still come right. A socket of another port
 * on the loopback address alone is not judged early: it is more likely a debugger than the app.
 */
export function judgeSockets(
  sockets: readonly ListeningSocket[],
  port: number,
  listeningMs: number,
): StartFailure | undefined {
  const isRight = sockets.some((socket) => socket.port === port && !isLoopback(socket.address));
  if (isRight || listeningMs < wrongSocketMs) return undefined;
  const wrong =
    sockets.find((socket) => socket.port === port) ?? sockets.find((socket) => !isLoopback(socket.address));
  return wrong && wrongSocket(wrong, port);
}

export function explainTimeout(
  sockets: readonly ListeningSocket[],
  port: number,
  timeoutSeconds: number,
  lastProbe: string | undefined,
): StartFailure {
  const right = sockets.some((socket) => socket.port === port && !isLoopback(socket.address));
  const first = sockets.find((socket) => socket.port === port) ?? sockets[0];
  if (!right && first) return wrongSocket(first, port);
  const message = right
    ? `did not become ready in ${timeoutSeconds} s: ${lastProbe ?? `port ${port} does not accept connections`}`
    : `does not listen on any port after ${timeoutSeconds} s; it must listen on 0.0.0.0:${port} (PORT)`;
  return { fatal: 'boot_timeout', message };
}

function wrongSocket({ address, port: found }: ListeningSocket, port: number): StartFailure {
  const shown = address.includes(':') ? `[${address}]` : address;
  return {
    fatal: 'wrong_port',
    message: `listens on ${shown}:${found}; it must listen on 0.0.0.0:${port} (PORT)`,
  };
}
