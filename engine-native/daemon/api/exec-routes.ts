// Routes of execs that answer once: create, inspect, resize. Their start streams and is in stream-routes.ts.
import type { ContainerRegistry } from '../containers/container-registry.ts';
import type { ExecRegistry } from '../containers/exec-registry.ts';
import { type Call, numberOf, param, type Reply, type Route, readJsonBody } from './route.ts';

export interface ExecApiParts {
  registry: ContainerRegistry;
  execs: ExecRegistry;
}

export function execRoutes({ registry, execs }: ExecApiParts): Route[] {
  return [
    {
      method: 'POST',
      pattern: '/containers/:id/exec',
      async handle(call) {
        const container = registry.get(param(call, 'id'));
        const exec = execs.create(container, await readJsonBody(call.request));
        return { status: 201, body: { Id: exec.id } };
      },
    },
    { method: 'GET', pattern: '/exec/:id/json', handle: (call) => inspectExec(call, execs) },
    { method: 'POST', pattern: '/exec/:id/resize', handle: (call) => resizeExec(call, execs) },
  ];
}

function inspectExec(call: Call, execs: ExecRegistry): Reply {
  const exec = execs.get(param(call, 'id'));
  const [entrypoint = '', ...args] = exec.process.args;
  return {
    status: 200,
    body: {
      ID: exec.id,
      Running: exec.isRunning,
      ExitCode: exec.exitCode,
      Pid: exec.pid,
      ContainerID: exec.container.id,
      OpenStdin: exec.attachStdin,
      OpenStdout: exec.attachStdout,
      OpenStderr: exec.attachStderr,
      CanRemove: !exec.isRunning,
      DetachKeys: '',
      ProcessConfig: {
        tty: exec.process.tty,
        entrypoint,
        arguments: args,
        privileged: exec.privileged,
        user: exec.process.user,
      },
    },
  };
}

async function resizeExec(call: Call, execs: ExecRegistry): Promise<Reply> {
  const exec = execs.get(param(call, 'id'));
  const [rows, cols] = [numberOf(call.query, 'h') ?? 0, numberOf(call.query, 'w') ?? 0];
  exec.process.rows = rows;
  exec.process.cols = cols;
  if (exec.isRunning && rows > 0 && cols > 0) await exec.container.runningShim().resize(rows, cols, exec.pid);
  return { status: 200 };
}
