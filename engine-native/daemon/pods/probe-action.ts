// One run of a probe: a program in the container, an HTTP request or a connection to the pod's address. Every run has a limit on time and on
// what is read. Called by container-prober.ts; must never throw for a probe that fails, nor go anywhere but to its own pod.
import type { IncomingMessage, RequestOptions } from 'node:http';
import { connect } from 'node:net';
import type { Container } from '../containers/container.ts';
import { type ProbeResult, runProbe } from '../containers/probe.ts';
import { startFailureText } from '../runtime/runtime-failure.ts';
import type { ProbeAction } from './pod-spec.ts';

const lateMs = 2_000; // a shim that does not even answer must not hold the probe longer than that beyond its limit

export async function runAction(
  action: ProbeAction,
  container: Container,
  address: string,
  timeoutMs: number,
): Promise<ProbeResult> {
  try {
    if (action.kind === 'exec') return await execProbe(container, action.command, timeoutMs);
    if (address === '') return failed('the pod has no address');
    if (action.kind === 'tcp') return await tcpProbe(address, action.port, timeoutMs);
    return await httpProbe(address, action, timeoutMs);
  } catch (error) {
    return failed(startFailureText(error));
  }
}

export async function execProbe(
  container: Container,
  command: string[],
  timeoutMs: number,
): Promise<ProbeResult> {
  const { promise: late, resolve } = Promise.withResolvers<ProbeResult>();
  const timer = setTimeout(() => resolve(failed('the container did not answer')), timeoutMs + lateMs);
  const run = runProbe(container, command, timeoutMs);
  run.catch(() => {}); // looked at by the race, or too late
  return Promise.race([run, late]).finally(() => clearTimeout(timer));
}

async function tcpProbe(host: string, port: number, timeoutMs: number): Promise<ProbeResult> {
  const { promise, resolve } = Promise.withResolvers<ProbeResult>();
  const socket = connect({ host, port });
  const timer = setTimeout(() => resolve(failed(`no connection to port ${port} in time`)), timeoutMs);
  socket.on('connect', () => resolve({ exitCode: 0, output: '' }));
  socket.on('error', ({ message }) => resolve(failed(message)));
  return promise.finally(() => {
    clearTimeout(timer);
    socket.destroy();
  });
}

/** Redirects are not followed: 3xx counts as well. Only the status is read. */
async function httpProbe(
  host: string,
  { port, path, isTls, headers }: Extract<ProbeAction, { kind: 'http' }>,
  timeoutMs: number,
): Promise<ProbeResult> {
  const { promise, resolve } = Promise.withResolvers<ProbeResult>();
  const options: RequestOptions & { rejectUnauthorized: boolean } = {
    host,
    port,
    path,
    method: 'GET',
    agent: false,
    headers: { 'User-Agent': 'berth-probe', Connection: 'close', ...Object.fromEntries(headers) },
    rejectUnauthorized: false, // a pod's own certificate is for its users, and names no address
  };
  const { request } = isTls ? await import('node:https') : await import('node:http');
  const asked = request(options, ({ statusCode = 0 }: IncomingMessage) => {
    const isGood = statusCode >= 200 && statusCode < 400;
    resolve(
      isGood ? { exitCode: 0, output: '' } : failed(`HTTP probe failed with statuscode: ${statusCode}`),
    );
  });
  asked.on('error', ({ message }) => resolve(failed(message)));
  const timer = setTimeout(() => resolve(failed(`no answer from port ${port} in time`)), timeoutMs);
  asked.end();
  return promise.finally(() => {
    clearTimeout(timer);
    asked.destroy();
  });
}

function failed(output: string): ProbeResult {
  return { exitCode: 1, output };
}
