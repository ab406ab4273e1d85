// The securityContext of a container, laid over that of its pod. Pure. What reaches beyond the pod must be allowed by name.
import { AppError } from '@berth/kit/errors.ts';
import { type ManifestFields, wrong } from './manifest-fields.ts';
import type { PodPermissions, SecurityPlan } from './pod-spec.ts';

export interface SecurityContext {
  allowed: PodPermissions;
  sharesProcesses: boolean;
  /** The pod's; "" = not given. */
  user: string;
  group: string;
  groups: string[];
  mustNotBeRoot: boolean;
}

/** They count in the user namespace that owns the pod's network, which only a pod with shared processes shares. */
const networkCapabilities = ['NET_ADMIN', 'NET_RAW', 'NET_BROADCAST'];

export function parseSecurity(fields: ManifestFields | undefined, context: SecurityContext): SecurityPlan {
  const { groups } = context;
  fields?.refuse({
    seLinuxOptions: 'leave it out',
    appArmorProfile: 'leave it out',
    windowsOptions: 'leave it out',
    procMount: 'leave it out',
  });
  if (fields) checkSeccomp(fields);
  const user = idOf(fields, 'runAsUser', context.user);
  const group = idOf(fields, 'runAsGroup', context.group);
  if (user === '' && group !== '')
    throw wrong(fields?.at('runAsGroup') ?? 'spec.securityContext.runAsGroup', 'needs runAsUser beside it');
  const privileged = fields?.flag('privileged') ?? false;
  if (privileged && !context.allowed.privileged)
    throw new AppError('forbidden', `"${fields?.at('privileged')}" gives the host away`, {
      hint: 'allow it with --allow-privileged, when you trust the manifest',
    });
  const capabilities = fields?.object('capabilities');
  const mayGain = fields?.flag('allowPrivilegeEscalation');
  const plan: SecurityPlan = {
    user: group === '' ? user : `${user}:${group}`,
    groups,
    mustNotBeRoot: fields?.flag('runAsNonRoot') ?? context.mustNotBeRoot,
    readonlyRoot: fields?.flag('readOnlyRootFilesystem') ?? false,
    privileged,
    addCapabilities: capabilities?.texts('add') ?? [],
    dropCapabilities: capabilities?.texts('drop') ?? [],
    ...(mayGain === undefined ? {} : { mayGainPrivileges: mayGain }),
  };
  if (capabilities) checkCapabilities(plan, capabilities, context);
  capabilities?.end();
  fields?.end();
  return plan;
}

function idOf(fields: ManifestFields | undefined, name: string, fallback: string): string {
  const id = fields?.integer(name, 0, 65_535);
  return id === undefined ? fallback : String(id);
}

function checkCapabilities(plan: SecurityPlan, fields: ManifestFields, { sharesProcesses }: SecurityContext) {
  if (sharesProcesses || plan.privileged) return;
  const useless = plan.addCapabilities.find((name) =>
    networkCapabilities.includes(name.toUpperCase().replace(/^CAP_/, '')),
  );
  if (useless !== undefined)
    throw new AppError('unsupported', `"${fields.at('add')}" holds ${useless}, which would have no effect`, {
      hint: 'the network belongs to the pod: write shareProcessNamespace: true beside it',
    });
}

/** The engine's own filter is what RuntimeDefault asks for. */
export function checkSeccomp(fields: ManifestFields): void {
  const profile = fields.object('seccompProfile');
  if (!profile) return;
  const type = profile.requiredText('type');
  if (type !== 'RuntimeDefault')
    throw new AppError('unsupported', `"${profile.at('type')}" is "${type.slice(0, 40)}"`, {
      hint: 'use RuntimeDefault, which is also the default',
    });
  profile.end();
}
