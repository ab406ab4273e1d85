// Decides which lost hosts count as dead, so that their instances are placed elsewhere. Pure.
import type { AppState, SchedulerHost } from '@berth/contract/scheduling.ts';
import type { Draft } from './draft.ts';

export interface DeadHosts {
  isDead(hostId: string): boolean;
}

/** So many hosts gone at once means that we are the ones who are cut off. */
const suspiciousShare = 0.3;
const suspiciousCount = 3;

/**
 * A lost host is dead only when another one could take over, and when not so many vanished at once that the fault is more likely ours.
 * A single host is waited for: its instances serve on without its agent, and the agent's reports decide when it comes back.
 */
export function deadHosts(hosts: readonly SchedulerHost[]): DeadHosts {
  const lost = hosts.filter((host) => host.state === 'lost');
  const canTakeOver = hosts.some((host) => host.state === 'ready');
  const weAreCutOff = lost.length >= suspiciousCount && lost.length > hosts.length * suspiciousShare;
  const dead = new Set(canTakeOver && !weAreCutOff ? lost.map((host) => host.id) : []);
  const known = new Set(hosts.map((host) => host.id));
  return { isDead: (hostId) => dead.has(hostId) || !known.has(hostId) };
}

/** Takes the instances of dead hosts out of the routes and marks them lost. True when there were any. */
export function loseInstances(state: AppState, draft: Draft): boolean {
  const dead = deadHosts(state.hosts);
  for (const instance of state.instances) {
    if (instance.hostId === null || instance.state === 'lost' || !dead.isDead(instance.hostId)) continue;
    if (instance.state === 'stopped') continue;
    if (instance.routed) draft.unroute.push(instance.id);
    draft.lose.push(instance.id);
  }
  return draft.lose.length > 0;
}
