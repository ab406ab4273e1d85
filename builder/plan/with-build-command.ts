// `[build] command` of berth.toml in a plan: it takes the place of the language's own build step, or comes last where there is none.
// Pure; called by build-with-drivers.ts. The command travels in the environment, like everything of a tree.
import type { BuildPlan, RunLayer } from './plan.ts';

const script = 'exec /bin/sh -c "$BERTH_BUILD_COMMAND"';
const explain = () => ({
  message: 'the "command" of [build] in berth.toml failed',
  hint: 'its own message is above',
});

export function withBuildCommand(plan: BuildPlan, command: string | undefined): BuildPlan {
  if (command === undefined) return plan;
  const own = plan.layers.findLast(
    (layer): layer is RunLayer => layer.kind === 'run' && /(^|-)output$/.test(layer.id),
  );
  const made = own ? instead(own, command) : afterAll(plan, command);
  const layers = own ? plan.layers.map((layer) => (layer === own ? made : layer)) : [...plan.layers, made];
  return { ...plan, layers, varsMatter: true };
}

function instead(own: RunLayer, command: string): RunLayer {
  const { cachedTitle: _, ...layer } = own;
  return {
    ...layer,
    title: 'Build (berth.toml)',
    script,
    env: { ...layer.env, BERTH_BUILD_COMMAND: command },
    explain,
  };
}

function afterAll(plan: BuildPlan, command: string): RunLayer {
  return {
    kind: 'run',
    id: 'output',
    inImage: true,
    title: 'Build (berth.toml)',
    step: 'build',
    on: plan.layers.filter(({ inImage }) => inImage).map(({ id }) => id),
    key: [],
    scope: 'app',
    files: [],
    stack: 'build',
    user: 'app',
    script,
    env: { ...plan.env, BERTH_BUILD_COMMAND: command },
    path: plan.path,
    vars: 'all',
    caches: {},
    keep: '/app',
    leaveOut: ['.cache', '.npm'],
    quiet: false,
    explain,
  };
}
