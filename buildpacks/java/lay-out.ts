// The two steps that take what a build left apart: libraries into a layer that stays as long as they do, the app into another. Used by driver.ts.
import type { RunLayer } from '@berth/builder/plan/plan.ts';
import { buildStep } from './build-step.ts';
import { explainLayOut } from './explain.ts';
import { runTool, tomcatHome } from './runtime-layers.ts';

export interface LayOutWish {
  kind: 'jar' | 'war';
  /** What the chosen Tomcat speaks: a WAR for the other one is refused here, not at its first request. */
  api: 'javax' | 'jakarta';
  /** The layers that hold what is taken apart, bottom first. */
  from: string[];
}

const jarHome = '/opt/berth/java-app';

/** Nothing of the app runs here, so its files belong to root and cannot be changed by it. Both look at the same build, each takes its part. */
export function layOutSteps({ kind, api, from }: LayOutWish): { dependencies: RunLayer; app: RunLayer } {
  const step = (id: 'dependencies' | 'app'): RunLayer => ({
    ...buildStep('Laying out the app'),
    id,
    inImage: true,
    step: `lay out ${id}`,
    on: ['jdk', 'tools', ...from],
    key: [kind, api],
    user: 'root',
    script: `mkdir -p "$HOME_OF_APP"\n${runTool} LayOut "$KIND" "$PART" "$API"`,
    env: {
      ...buildStep('').env,
      KIND: kind,
      PART: id,
      API: api,
      HOME_OF_APP: kind === 'war' ? `${tomcatHome}/webapps/ROOT` : jarHome,
    },
    vars: 'none',
    keep: kind === 'war' ? tomcatHome : jarHome,
    leaveOut: [],
    quiet: true,
    explain: explainLayOut,
  });
  return { dependencies: step('dependencies'), app: step('app') };
}
