// Chooses a host for one pod at a time and remembers what it gave away within a plan. Pure; called by the planning steps.
import type { SchedulerHost, SchedulerInstance } from '@berth/contract/scheduling.ts';

export interface PlaceRequest {
  processType: string;
  memoryMb: number;
}

interface Candidate {
  host: SchedulerHost;
  reservedMb: number;
  instances: number;
  /** Instances of the app on this host, by process type: the same type is spread. */
  sameType: Map<string, number>;
}

export class Placement {
  readonly #candidates: Candidate[];
  readonly #memoryPercent: number;

  constructor(
    hosts: readonly SchedulerHost[],
    instances: readonly SchedulerInstance[],
    memoryPercent: number,
  ) {
    this.#memoryPercent = memoryPercent;
    this.#candidates = hosts
      .filter((host) => host.state === 'ready')
      .map((host) => ({
        host,
        reservedMb: host.reservedMb,
        instances: host.instances,
        sameType: countTypes(instances.filter((instance) => instance.hostId === host.id)),
      }));
  }

  /** The best host's id, with the pod's memory taken from it; null when none fits. */
  take(request: PlaceRequest): string | null {
    let best: Candidate | undefined;
    for (const candidate of this.#candidates) {
      if (this.#freeMb(candidate) < request.memoryMb) continue;
      if (!best || this.#isBetter(candidate, best, request)) best = candidate;
    }
    if (!best) return null;
    best.reservedMb += request.memoryMb;
    best.instances += 1;
    best.sameType.set(request.processType, (best.sameType.get(request.processType) ?? 0) + 1);
    return best.host.id;
  }

  get hasHosts(): boolean {
    return this.#candidates.length > 0;
  }

  /** One line with the numbers, for a user whose instance found no place. */
  shortage(request: PlaceRequest): string {
    if (!this.hasHosts) return 'no host is ready';
    const mostFreeMb = Math.max(...this.#candidates.map((candidate) => this.#freeMb(candidate)));
    return `no host has ${request.memoryMb} MB of memory free for "${request.processType}" (${Math.max(0, Math.floor(mostFreeMb))} MB at most, ${this.#candidates.length} ${this.#candidates.length === 1 ? 'host' : 'hosts'})`;
  }

  #freeMb(candidate: Candidate): number {
    return (candidate.host.memoryMb * this.#memoryPercent) / 100 - candidate.reservedMb;
  }

  /** Spread of the same process type first, then room: free memory and instances for each cpu; the id makes it repeatable. */
  #isBetter(a: Candidate, b: Candidate, request: PlaceRequest): boolean {
    const spread = (a.sameType.get(request.processType) ?? 0) - (b.sameType.get(request.processType) ?? 0);
    if (spread !== 0) return spread < 0;
    const room = this.#room(a) - this.#room(b);
    if (room !== 0) return room > 0;
    return a.host.id < b.host.id;
  }

  #room(candidate: Candidate): number {
    const memory = this.#freeMb(candidate) / Math.max(1, candidate.host.memoryMb);
    const load = candidate.instances / Math.max(1, candidate.host.cpus);
    return memory + 1 / (1 + load);
  }
}

function countTypes(instances: readonly SchedulerInstance[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const instance of instances)
    if (instance.desired === 'running')
      counts.set(instance.processType, (counts.get(instance.processType) ?? 0) + 1);
  return counts;
}
