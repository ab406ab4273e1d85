// What the steps that run an app's own build have in common. Used by maven.ts and gradle.ts.
import type { RunLayer } from '@berth/builder/plan/plan.ts';
import { jdkHome } from './runtime-layers.ts';

/** Over the source; what it leaves in /app is either the image's (with a Procfile) or taken apart (lay-out.ts). */
export function buildStep(title: string): RunLayer {
  return {
    kind: 'run',
    id: 'output',
    inImage: false,
    title,
    step: 'build',
    on: [],
    key: [],
    scope: 'app',
    files: [],
    stack: 'run',
    user: 'app',
    script: '',
    env: { JAVA_HOME: jdkHome },
    path: [`${jdkHome}/bin`],
    vars: 'all',
    varsLeftOut: runTimeVars,
    caches: {},
    keep: '/app',
    leaveOut: ['.gradle', '.m2'],
    quiet: false,
  };
}

/** They choose or tune what runs the app: another value is no reason to build it anew. */
export const runTimeVars = [
  'JAVA_OPTS',
  'CATALINA_OPTS',
  'TOMCAT_VERSION',
  'SERVER_PORT',
  'JAVA_TOOL_OPTIONS',
];
