// Berth's own routes of pods: a Kubernetes v1 Pod, as JSON, becomes containers that share a network (pods/README.md). Used by `berth-engine play`
// and `pod`, and by whoever places pods.
import { AppError } from '@berth/kit/errors.ts';
import type { PodCondition } from '../pods/pod.ts';
import type { Pods } from '../pods/pods.ts';
import {
  type Call,
  clientGone,
  isSet,
  numberOf,
  param,
  type Reply,
  type Route,
  readJsonBody,
} from './route.ts';

export function podRoutes({ pods }: { pods: Pods }): Route[] {
  return [
    { method: 'POST', pattern: '/berth/pods', handle: (call) => create(call, pods) },
    {
      method: 'GET',
      pattern: '/berth/pods',
      handle: async () => ({ status: 200, body: (await pods.get()).list() }),
    },
    { method: 'GET', pattern: '/berth/pods/:name', handle: (call) => show(call, pods) },
    { method: 'GET', pattern: '/berth/pods/:name/wait', handle: (call) => wait(call, pods) },
    { method: 'POST', pattern: '/berth/pods/:name/start', handle: (call) => start(call, pods) },
    { method: 'POST', pattern: '/berth/pods/:name/stop', handle: (call) => stop(call, pods) },
    { method: 'DELETE', pattern: '/berth/pods/:name', handle: (call) => remove(call, pods) },
  ];
}

async function create(call: Call, pods: Pods): Promise<Reply> {
  const { request, response, query } = call;
  const { parsePod } = await import('../pods/parse-pod.ts');
  const spec = parsePod(await readJsonBody(request), {
    hostPath: isSet(query, 'allowHostPath'),
    privileged: isSet(query, 'allowPrivileged'),
  });
  const supervisor = await pods.get();
  const pod = await supervisor.create({
    spec,
    network: query.get('network') || 'bridge',
    replace: isSet(query, 'replace'),
    graceSeconds: graceOf(call),
    asker: { request, response, signal: clientGone(response) },
  });
  return { status: 201, body: supervisor.describe(pod) };
}

async function show(call: Call, pods: Pods): Promise<Reply> {
  const supervisor = await pods.get();
  return { status: 200, body: supervisor.describe(supervisor.get(param(call, 'name'))) };
}

async function wait(call: Call, pods: Pods): Promise<Reply> {
  const condition = call.query.get('condition') ?? 'started';
  if (condition !== 'started' && condition !== 'ended')
    throw new AppError('bad_request', `invalid condition: "${condition}"`, { hint: 'use started or ended' });
  const supervisor = await pods.get();
  const pod = supervisor.get(param(call, 'name'));
  const described = await supervisor.wait(pod, condition satisfies PodCondition, clientGone(call.response));
  return { status: 200, body: described };
}

async function start(call: Call, pods: Pods): Promise<Reply> {
  const supervisor = await pods.get();
  await supervisor.start(supervisor.get(param(call, 'name')));
  return { status: 204 };
}

async function stop(call: Call, pods: Pods): Promise<Reply> {
  const supervisor = await pods.get();
  await supervisor.stop(supervisor.get(param(call, 'name')), graceOf(call));
  return { status: 204 };
}

async function remove(call: Call, pods: Pods): Promise<Reply> {
  const supervisor = await pods.get();
  const pod = supervisor.get(param(call, 'name'));
  await supervisor.remove(pod, { force: isSet(call.query, 'force'), graceSeconds: graceOf(call) });
  return { status: 204 };
}

function graceOf({ query }: Call): number | undefined {
  const seconds = numberOf(query, 't');
  if (seconds !== undefined && (seconds < 0 || seconds > 86_400))
    throw new AppError('bad_request', '"t" must be from 0 to 86400 seconds');
  return seconds;
}
