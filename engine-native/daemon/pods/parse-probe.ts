// Probes of a container: exec, httpGet and tcpSocket, with Kubernetes' defaults. Pure.
import { AppError } from '@berth/kit/errors.ts';
import { type ManifestFields, wrong } from './manifest-fields.ts';
import type { PortPlan, ProbeAction, ProbePlan } from './pod-spec.ts';

const maxSeconds = 86_400;
const maxHeaders = 32;

export function parseProbe(fields: ManifestFields | undefined, ports: PortPlan[], mustSucceedOnce: boolean) {
  if (!fields) return undefined;
  fields.refuse({ grpc: 'use httpGet, tcpSocket or exec', terminationGracePeriodSeconds: "use the pod's" });
  const seconds = (name: string, least: number, fallback: number) =>
    (fields.integer(name, least, maxSeconds) ?? fallback) * 1000;
  const plan: ProbePlan = {
    action: parseAction(fields, ports),
    initialDelayMs: seconds('initialDelaySeconds', 0, 0),
    periodMs: seconds('periodSeconds', 1, 10),
    timeoutMs: seconds('timeoutSeconds', 1, 1),
    successThreshold: fields.integer('successThreshold', 1, 1000) ?? 1,
    failureThreshold: fields.integer('failureThreshold', 1, 1000) ?? 3,
  };
  if (mustSucceedOnce && plan.successThreshold !== 1)
    throw wrong(fields.at('successThreshold'), 'must be 1 for this kind of probe');
  fields.end();
  return plan;
}

function parseAction(fields: ManifestFields, ports: PortPlan[]): ProbeAction {
  const [exec, http, tcp] = [fields.object('exec'), fields.object('httpGet'), fields.object('tcpSocket')];
  if ([exec, http, tcp].filter((one) => one !== undefined).length !== 1)
    throw wrong(fields.path, 'must hold one of exec, httpGet and tcpSocket');
  if (exec) return { kind: 'exec', command: parseExec(exec) };
  if (http) return parseHttp(http, ports);
  const port = parsePort(tcp as ManifestFields, ports);
  tcp?.end();
  return { kind: 'tcp', port };
}

export function parseExec(fields: ManifestFields): string[] {
  const command = fields.texts('command') ?? [];
  if (command.length === 0 || command[0] === '') throw wrong(fields.at('command'), 'must name a program');
  fields.end();
  return command;
}

function parseHttp(fields: ManifestFields, ports: PortPlan[]): ProbeAction {
  const path = fields.text('path') || '/';
  if (!/^\/[!-~]*$/.test(path)) throw wrong(fields.at('path'), 'must begin with "/" and hold no blanks');
  const headers = fields.objects('httpHeaders', maxHeaders).map((each): [string, string] => {
    const [name, value] = [each.requiredText('name'), each.text('value') ?? ''];
    if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name)) throw wrong(each.at('name'), 'is no name of a header');
    if (!/^[\t -~]*$/.test(value)) throw wrong(each.at('value'), 'holds what no header may hold');
    each.end();
    return [name, value];
  });
  const scheme = fields.word('scheme', ['HTTP', 'HTTPS'] as const) ?? 'HTTP';
  const port = parsePort(fields, ports);
  fields.end();
  return { kind: 'http', port, path, isTls: scheme === 'HTTPS', headers };
}

/** A number, or the name of one of the container's ports. A probe goes to its own pod and nowhere else. */
function parsePort(fields: ManifestFields, ports: PortPlan[]): number {
  if (fields.has('host'))
    throw new AppError('unsupported', `"${fields.at('host')}" is not supported by this engine`, {
      hint: 'a probe goes to the address of its pod; for a virtual host send the header Host',
    });
  const given = fields.scalar('port');
  const named = ports.find(({ name }) => name !== '' && name === given)?.containerPort;
  const port = named ?? Number(given ?? Number.NaN);
  if (Number.isInteger(port) && port >= 1 && port <= 65_535) return port;
  throw wrong(fields.at('port'), 'must be a port, or the name of one of the ports of the container');
}
