// The builder, the scheduler and a host agent reduced to their calls: they speak the real internal API of a real controller.

import type { HttpClient } from '@berth/clients/http-client.ts';
import type { BuildResult } from '@berth/contract/build.ts';
import type { OutputLine } from '@berth/contract/release.ts';
import type { Action, AppState } from '@berth/contract/scheduling.ts';

export const image = `sha256:${'a'.repeat(64)}`;

export function oid(digit: string): string {
  return digit.repeat(40);
}

export interface Pushed {
  pushId: string;
  buildNumber: number;
}

export function push(
  internal: HttpClient,
  appId: string,
  userId: string,
  commit: string,
  old = oid('0'),
): Promise<Pushed> {
  return internal.call('POST', '/internal/pushes', {
    body: {
      appId,
      userId,
      ref: 'refs/heads/main',
      oldOid: old,
      newOid: commit,
      treeOid: commit,
      repository: '/nowhere.git',
      objectDirectories: [],
    },
    timeoutMs: 60_000,
  });
}

export function buildResult(over: Partial<BuildResult> = {}): BuildResult {
  return {
    key: 'k1',
    image,
    language: 'node',
    processTypes: { web: 'node server.js' },
    port: 5000,
    user: 'app',
    reused: false,
    steps: [],
    warnings: [],
    detected: { driver: 'node', label: 'Node.js', why: 'package.json at the root' },
    details: [],
    layers: [],
    ...over,
  };
}

/** Takes a build as a builder does; the epoch is what its later reports must carry. */
export async function takeBuild(internal: HttpClient, buildId: string): Promise<number> {
  const body = { worker: 'test' };
  return (await internal.call<{ epoch: number }>('POST', `/internal/builds/${buildId}/start`, { body }))
    .epoch;
}

/** Takes the build of a push and ends it well. The ids of builds are not shown by the API, so the test reads the row. */
export async function build(
  internal: HttpClient,
  buildId: string,
  over: Partial<BuildResult> = {},
): Promise<void> {
  const epoch = await takeBuild(internal, buildId);
  await internal.call('POST', `/internal/builds/${buildId}/finish`, {
    body: { epoch, status: 'succeeded', result: buildResult(over) },
  });
  await internal.call('POST', `/internal/builds/${buildId}/durable`, { body: { epoch } });
}

export async function lease(internal: HttpClient, holder = 'test'): Promise<number> {
  const body = { holder, epoch: null, ttlMs: 60_000 };
  return (await internal.call<{ epoch: number }>('POST', '/internal/leases/scheduler', { body })).epoch;
}

export function state(internal: HttpClient, appId: string): Promise<AppState> {
  return internal.call('GET', `/internal/scheduler/apps/${appId}`);
}

export async function apply(
  internal: HttpClient,
  appId: string,
  epoch: number,
  make: (now: AppState) => Action[],
): Promise<void> {
  const now = await state(internal, appId);
  await internal.call('POST', `/internal/scheduler/apps/${appId}/apply`, {
    body: { epoch, version: now.version, actions: make(now) },
  });
}

/** Ends the deployment under way without starting anything. */
export async function deploy(
  internal: HttpClient,
  appId: string,
  epoch: number,
  to: 'succeeded' | 'failed',
): Promise<void> {
  await apply(internal, appId, epoch, (now) => {
    if (!now.deployment) throw new Error('no deployment is under way');
    const error = to === 'failed' ? { error: 'web.1 exited with code 1' } : {};
    return [
      { kind: 'deployment', deploymentId: now.deployment.id, from: now.deployment.state, to, ...error },
    ];
  });
}

/** All lines until the end line, which is returned apart. */
export async function follow(
  client: HttpClient,
  path: string,
): Promise<{ texts: string[]; end: Extract<OutputLine, { end: true }> }> {
  const texts: string[] = [];
  for await (const raw of client.lines('GET', path)) {
    const line = raw as OutputLine;
    if ('end' in line) return { texts, end: line };
    texts.push(line.text);
  }
  throw new Error('the stream ended without an end line');
}
