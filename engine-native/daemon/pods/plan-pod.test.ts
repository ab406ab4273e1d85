// The steps of a pod, planned: every view gives one step, and no view gives steps for ever.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type ContainerView, type PodStep, type PodView, planPod } from './plan-pod.ts';

const now = 10_000;

function container(name: string, more: Partial<ContainerView> = {}): ContainerView {
  return {
    name,
    status: 'idle',
    startedAtMs: 0,
    exitCode: 0,
    stoppedByUser: false,
    startFailed: false,
    retryAtMs: 0,
    ...more,
  };
}

const running = (startedAtMs: number): Partial<ContainerView> => ({ status: 'running', startedAtMs });

function view(more: Partial<PodView> = {}): PodView {
  return {
    desired: 'running',
    policy: 'Always',
    epochMs: 100,
    infra: container('infra', running(200)),
    init: [],
    main: [container('web')],
    ...more,
  };
}

const cases: [string, PodView, PodStep][] = [
  ['a new pod starts its containers', view(), { do: 'start', name: 'web' }],
  ['its infra container comes first', view({ infra: container('infra') }), { do: 'start-infra' }],
  [
    'init containers come before the others',
    view({ init: [container('a'), container('b')] }),
    { do: 'start', name: 'a' },
  ],
  [
    'one init container at a time',
    view({ init: [container('a', running(300)), container('b')] }),
    { do: 'wait' },
  ],
  [
    'an init container that failed is tried again later',
    view({ init: [container('a', { startedAtMs: 300, exitCode: 1, retryAtMs: 12_000 })] }),
    { do: 'wait', untilMs: 12_000 },
  ],
  [
    'with Never its failure is the end',
    view({ policy: 'Never', init: [container('a', { startedAtMs: 300, exitCode: 1 })] }),
    { do: 'end' },
  ],
  [
    'for a new infra container init containers run again',
    view({ init: [container('a', { startedAtMs: 150 })], main: [container('web', { startedAtMs: 160 })] }),
    { do: 'start', name: 'a' },
  ],
  ['what runs is left alone', view({ main: [container('web', running(300))] }), { do: 'wait' }],
  [
    'what holds on to the network of a former infra container is killed',
    view({ main: [container('web', running(150))] }),
    { do: 'kill', names: ['web'] },
  ],
  [
    'without the infra container everything is killed first',
    view({ infra: container('infra', { startedAtMs: 200 }), main: [container('web', running(300))] }),
    { do: 'kill', names: ['web'] },
  ],
  [
    'then it is started again, after a while',
    view({ infra: container('infra', { startedAtMs: 200, retryAtMs: 11_000 }) }),
    { do: 'wait', untilMs: 11_000 },
  ],
  [
    'with Never the end of the infra container is the end of the pod',
    view({ policy: 'Never', infra: container('infra', { startedAtMs: 200 }) }),
    { do: 'end' },
  ],
  [
    'an infra container that somebody stopped stops the pod',
    view({ infra: container('infra', { startedAtMs: 200, stoppedByUser: true }) }),
    { do: 'halt' },
  ],
  [
    'one that somebody removed removes it',
    view({ infra: container('infra', { status: 'missing' }) }),
    { do: 'remove' },
  ],
  [
    'Always starts again what ended well',
    view({ main: [container('web', { startedAtMs: 300 })] }),
    { do: 'start', name: 'web' },
  ],
  [
    'OnFailure does not, and the pod ends',
    view({ policy: 'OnFailure', main: [container('web', { startedAtMs: 300 })] }),
    { do: 'end' },
  ],
  [
    'OnFailure starts again what failed',
    view({ policy: 'OnFailure', main: [container('web', { startedAtMs: 300, exitCode: 1 })] }),
    { do: 'start', name: 'web' },
  ],
  [
    'what somebody stopped stays stopped',
    view({
      main: [container('web', { startedAtMs: 300, stoppedByUser: true }), container('b', running(300))],
    }),
    { do: 'wait' },
  ],
  ['a stopped pod is stopped', view({ desired: 'stopped' }), { do: 'stop-all' }],
  ['and then left alone', view({ desired: 'stopped', infra: container('infra') }), { do: 'wait' }],
  [
    'one that is being made is left alone',
    view({ desired: 'creating', infra: container('infra') }),
    { do: 'wait' },
  ],
];

describe('the next step of a pod', () => {
  for (const [claim, given, expected] of cases)
    test(claim, () => assert.deepEqual(planPod(given, now), expected));
});

test('a pod comes to rest, whatever state it was found in', () => {
  const anyContainer = fc.record({
    name: fc.constantFrom<string>('a', 'b', 'c'),
    status: fc.constantFrom('missing' as const, 'idle' as const, 'running' as const),
    startedAtMs: fc.constantFrom(0, 50, 150, 250, 350),
    exitCode: fc.constantFrom(0, 1),
    stoppedByUser: fc.boolean(),
    startFailed: fc.boolean(),
    retryAtMs: fc.constant(0),
  });
  const anyView = fc.record({
    desired: fc.constantFrom('running' as const, 'stopped' as const, 'ended' as const),
    policy: fc.constantFrom('Always' as const, 'OnFailure' as const, 'Never' as const),
    epochMs: fc.constantFrom(0, 100, 300),
    infra: anyContainer,
    init: fc.uniqueArray(anyContainer, { selector: ({ name }) => `i${name}`, maxLength: 2 }),
    main: fc.uniqueArray(anyContainer, { selector: ({ name }) => `m${name}`, minLength: 1, maxLength: 3 }),
  });
  fc.assert(
    fc.property(anyView, (found) => {
      const pod = structuredClone(found);
      pod.init.forEach((one) => {
        one.name = `init-${one.name}`;
      });
      let clock = 1_000;
      for (let step = 0; step < 60; step++) {
        const next = planPod(pod, clock);
        if (next.do === 'wait' || next.do === 'remove') return;
        apply(pod, next, ++clock);
      }
      assert.fail('it never rests');
    }),
  );
});

/** A world in which every start works, init containers succeed at once and the others run on. */
function apply(pod: PodView, step: PodStep, clock: number): void {
  const all = [...pod.init, ...pod.main];
  const end = (one: ContainerView | undefined) => {
    if (one?.status === 'running') one.status = 'idle';
  };
  if (step.do === 'start-infra') Object.assign(pod.infra, running(clock));
  if (step.do === 'kill') for (const name of step.names) end(all.find((one) => one.name === name));
  if (step.do === 'halt') pod.desired = 'stopped';
  if (step.do === 'end') pod.desired = 'ended';
  if (step.do === 'stop-all') [...all, pod.infra].forEach(end);
  if (step.do !== 'start') return;
  const one = all.find(({ name }) => name === step.name);
  const started = { startedAtMs: clock, exitCode: 0, startFailed: false, stoppedByUser: false };
  if (one) Object.assign(one, started, { status: pod.init.includes(one) ? 'idle' : 'running' });
}
