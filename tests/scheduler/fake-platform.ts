// A controller, its hosts, agents and routers as one small model with its own clock, for tests of the scheduler.
// It executes actions as the controller does and checks, at each of them, what must never happen.
import assert from 'node:assert/strict';
import type { Action, AppState, SchedulerInstance } from '@berth/contract/scheduling.ts';

/** good: becomes ready. crash: exits at once, for ever. hang: never ready (its agent gives up after a minute). phase-fails: its release phase fails. */
export type Quality = 'good' | 'crash' | 'hang' | 'phase-fails';

interface Row extends Omit<SchedulerInstance, 'createdMsAgo' | 'unroutedMsAgo' | 'inFlight'> {
  createdAt: number;
  unroutedAt: number | null;
  startedAt: number | null;
  stoppingAt: number | null;
  openRequests: number;
}

interface HostRow {
  id: string;
  isUp: boolean;
  lastSeenAt: number;
  memoryMb: number;
}

const bootMs = 300;
const bootLimitMs = 60_000;
const stopMs = 450;

export class Conflict extends Error {}

export class FakePlatform {
  now = 0;
  version = 1;
  deleted = false;
  currentReleaseId: string | null = null;
  currentGen = 0;
  nextGen = 1;
  formation = [
    { processType: 'web', quantity: 1, memoryMb: 128 },
    { processType: 'worker', quantity: 0, memoryMb: 128 },
  ];
  releases = new Map<string, { number: number; quality: Quality; hasPhase: boolean }>();
  deployment: { id: string; releaseId: string; gen: number; state: string; stateAt: number } | null = null;
  ended: { id: string; state: string; error: string | undefined }[] = [];
  rows: Row[] = [];
  hosts: HostRow[];
  routeVersion = 1;
  routersAcked: number | null = 1;
  isRouterUp = true;
  output: string[] = [];
  #ids = 0;

  constructor(hosts = 1, memoryMb = 4096) {
    this.hosts = Array.from({ length: hosts }, (_, index) => ({
      id: `host${index + 1}`,
      isUp: true,
      lastSeenAt: 0,
      memoryMb,
    }));
  }

  // What users do

  deploy(quality: Quality, hasPhase = quality === 'phase-fails'): string {
    const id = `release${this.releases.size + 1}`;
    this.releases.set(id, { number: this.releases.size + 1, quality, hasPhase });
    return this.#startDeployment(id);
  }

  restart(): void {
    if (this.currentReleaseId) this.#startDeployment(this.currentReleaseId);
  }

  #startDeployment(releaseId: string): string {
    if (this.deployment) this.ended.push({ id: this.deployment.id, state: 'superseded', error: undefined });
    const gen = this.nextGen++;
    this.deployment = { id: `deployment${gen}`, releaseId, gen, state: 'pending', stateAt: this.now };
    this.version++;
    return this.deployment.id;
  }

  scale(processType: string, quantity: number): void {
    const entry = this.formation.find((known) => known.processType === processType);
    assert.ok(entry);
    entry.quantity = quantity;
    this.version++;
  }

  run(): string {
    const [releaseId] = [this.currentReleaseId ?? [...this.releases.keys()][0]];
    if (releaseId === undefined) return '';
    const row = this.#row({
      releaseId,
      gen: 0,
      processType: 'run',
      slot: ++this.#ids,
      oneOff: true,
      hostId: null,
    });
    this.version++;
    return row.id;
  }

  destroy(): void {
    this.deleted = true;
    this.deployment = null;
    this.version++;
  }

  // What the world does

  /** Time passes; agents of hosts that are up act and report, routers acknowledge, open requests end. */
  tick(ms: number): void {
    this.now += ms;
    for (const host of this.hosts) if (host.isUp) host.lastSeenAt = this.now;
    for (const row of this.rows) {
      const host = this.hosts.find((known) => known.id === row.hostId);
      if (host?.isUp) this.#agent(row);
      if (!row.routed && row.openRequests > 0 && this.now - (row.unroutedAt ?? 0) > 500) row.openRequests = 0;
    }
    if (this.isRouterUp) this.routersAcked = this.routeVersion;
  }

  crashOne(): void {
    const row = this.rows.find((known) => known.state === 'ready' && !known.oneOff);
    if (row)
      this.#report(row, {
        state: 'crashed',
        restarts: row.restarts + 1,
        exitCode: 1,
        message: 'exited with code 1',
      });
  }

  setRouter(isUp: boolean): void {
    this.isRouterUp = isUp;
    this.routersAcked = isUp ? this.routeVersion : null;
  }

  #agent(row: Row): void {
    const quality = this.releases.get(row.releaseId)?.quality ?? 'good';
    if (row.desired === 'stopped') {
      row.stoppingAt ??= this.now;
      const isOver = this.now - row.stoppingAt >= stopMs;
      if (row.state !== 'stopped' && isOver) this.#report(row, { state: 'stopped', exitCode: 143 });
    } else if (row.state === 'pending') {
      row.startedAt = this.now;
      this.#report(row, { state: 'starting' });
    } else if (row.state === 'starting' && this.now - (row.startedAt ?? 0) >= bootMs)
      this.#booted(row, quality);
    else if (row.state === 'crashed') {
      row.startedAt = this.now;
      this.#report(row, { state: 'starting' });
    } else if (row.state === 'ready' && row.oneOff && this.now - (row.startedAt ?? 0) >= bootMs + stopMs) {
      const exitCode = row.processType === 'release' && quality === 'phase-fails' ? 3 : 0;
      this.#report(row, { state: 'stopped', exitCode, tail: 'the last words' });
    }
  }

  #booted(row: Row, quality: Quality): void {
    if (row.oneOff || quality === 'good' || quality === 'phase-fails') {
      this.#report(row, { state: 'ready', fatal: null, message: null, tail: null });
      if (row.processType === 'web') row.openRequests = 2;
    } else if (quality === 'crash')
      this.#report(row, {
        state: 'crashed',
        restarts: row.restarts + 1,
        exitCode: 1,
        message: 'exited with code 1',
        tail: 'Error: no',
      });
    else if (this.now - (row.startedAt ?? 0) >= bootLimitMs)
      this.#report(row, {
        state: 'crashed',
        restarts: row.restarts + 1,
        fatal: 'boot_timeout',
        message: 'does not listen on any port',
      });
  }

  #report(row: Row, change: Partial<Row>): void {
    Object.assign(row, change);
    this.version++;
  }

  // What the scheduler sees and does

  read(): AppState {
    return structuredClone({
      appId: 'app1',
      app: 'hello',
      version: this.version,
      deleted: this.deleted,
      currentReleaseId: this.currentReleaseId,
      currentGen: this.currentGen,
      formation: this.formation,
      deployment: this.deployment
        ? {
            id: this.deployment.id,
            releaseId: this.deployment.releaseId,
            gen: this.deployment.gen,
            state: this.deployment.state as never,
            ageMs: this.now - this.deployment.stateAt,
            stateMs: this.now - this.deployment.stateAt,
          }
        : null,
      releases: [...this.releases].map(([id, { number, hasPhase }]) => ({
        id,
        number,
        processTypes: {
          web: 'node web.js',
          worker: 'node worker.js',
          ...(hasPhase ? { release: './migrate' } : {}),
        },
      })),
      instances: this.rows.map((row) => this.#show(row)),
      hosts: this.hosts.map((host) => ({
        id: host.id,
        name: host.id,
        state: this.#hostState(host),
        memoryMb: host.memoryMb,
        reservedMb: this.#reservedMb(host.id),
        cpus: 2,
        instances: this.rows.filter((row) => row.hostId === host.id).length,
      })),
      routersAcked: this.routersAcked,
      routeVersion: this.routeVersion,
    } as AppState);
  }

  #show({
    createdAt,
    unroutedAt,
    startedAt: _started,
    stoppingAt: _stopping,
    openRequests,
    ...row
  }: Row): SchedulerInstance {
    return {
      ...row,
      createdMsAgo: this.now - createdAt,
      unroutedMsAgo: unroutedAt === null ? null : this.now - unroutedAt,
      inFlight: unroutedAt === null ? null : openRequests,
    };
  }

  #hostState(host: HostRow): 'ready' | 'suspect' | 'lost' {
    const silentMs = this.now - host.lastSeenAt;
    return silentMs > 12_000 ? 'lost' : silentMs > 6_000 ? 'suspect' : 'ready';
  }

  #reservedMb(hostId: string): number {
    const alive = this.rows.filter(
      (row) => row.hostId === hostId && row.state !== 'stopped' && row.state !== 'lost',
    );
    return alive.reduce((sum, row) => sum + row.memoryMb, 0);
  }

  apply(version: number, actions: readonly Action[]): void {
    if (version !== this.version) throw new Conflict('the app has changed');
    const before = this.rows.map((row) => ({ ...row }));
    const wasServing = this.#serving();
    if (actions.some((action) => action.kind === 'route' || action.kind === 'unroute')) this.routeVersion++;
    for (const action of actions) this.#execute(action);
    this.version++;
    this.#checkServing(wasServing, before);
  }

  #execute(action: Action): void {
    switch (action.kind) {
      case 'create':
        this.#create(action);
        return;
      case 'place': {
        const row = this.#find(action.instanceId);
        assert.equal(row.hostId, null);
        row.hostId = action.hostId;
        return;
      }
      case 'route':
        for (const row of action.instanceIds.map((id) => this.#find(id))) {
          assert.equal(row.state, 'ready', 'only a ready instance may be routed');
          assert.equal(row.desired, 'running');
          assert.equal(row.processType, 'web');
          Object.assign(row, { routed: true, unroutedVersion: null, unroutedAt: null });
        }
        return;
      case 'unroute':
        for (const row of action.instanceIds.map((id) => this.#find(id)))
          Object.assign(row, { routed: false, unroutedVersion: this.routeVersion, unroutedAt: this.now });
        return;
      case 'stop':
        for (const id of action.instanceIds) this.#stop(this.#find(id));
        return;
      case 'forget':
        for (const id of action.instanceIds) {
          const row = this.#find(id);
          assert.ok(
            row.state === 'stopped' || row.state === 'lost' || row.hostId === null,
            `forgot a ${row.state} instance`,
          );
          this.rows = this.rows.filter((known) => known !== row);
        }
        return;
      case 'lose':
        for (const id of action.instanceIds) Object.assign(this.#find(id), { state: 'lost', routed: false });
        return;
      case 'deployment':
        this.#move(action);
        return;
      case 'output':
        this.output.push(...action.lines);
    }
  }

  #create(action: Extract<Action, { kind: 'create' }>): void {
    const { releaseId, gen, processType, slot, oneOff, hostId } = action;
    const isTaken = this.rows.some(
      (row) => row.gen === gen && row.processType === processType && row.slot === slot,
    );
    assert.ok(!isTaken, `slot ${processType}.${slot} of generation ${gen} is taken`);
    const host = this.hosts.find((known) => known.id === hostId);
    assert.ok(
      host && this.#hostState(host) === 'ready',
      'an instance was placed on a host that is not ready',
    );
    const row = this.#row({ releaseId, gen, processType, slot, oneOff, hostId });
    assert.ok(this.#reservedMb(hostId) <= host.memoryMb, 'a host holds more than it has memory');
    if (oneOff) return;
    const quantity = this.formation.find((entry) => entry.processType === processType)?.quantity ?? 0;
    const alive = this.rows.filter(
      (known) =>
        known.processType === processType &&
        known.desired === 'running' &&
        this.#isWanted(known) &&
        !hasEnded(known),
    );
    assert.ok(row.slot <= quantity, 'a slot beyond the formation was filled');
    const surplus = alive.filter((known) => known.slot > quantity).length;
    assert.ok(alive.length - surplus <= 2 * quantity, 'more than formation and surge');
  }

  #isWanted(row: Row): boolean {
    return row.gen === this.currentGen || row.gen === this.deployment?.gen;
  }

  #stop(row: Row): void {
    assert.equal(row.routed, false, 'a routed instance was stopped');
    if (row.unroutedVersion !== null && row.state === 'ready' && !this.deleted) {
      const goneMs = this.now - (row.unroutedAt ?? 0);
      const isDrained =
        this.routersAcked !== null && this.routersAcked >= row.unroutedVersion && row.openRequests === 0;
      assert.ok(
        isDrained || goneMs >= 30_000 || (this.routersAcked === null && goneMs >= 3_000),
        'stopped before it was drained',
      );
    }
    row.desired = 'stopped';
  }

  #move(action: Extract<Action, { kind: 'deployment' }>): void {
    assert.ok(this.deployment);
    assert.equal(this.deployment.id, action.deploymentId);
    assert.equal(this.deployment.state, action.from);
    this.output.push(...(action.output ?? []));
    this.deployment.state = action.to;
    this.deployment.stateAt = this.now;
    if (action.to !== 'succeeded' && action.to !== 'failed') return;
    if (action.to === 'succeeded') {
      this.currentReleaseId = this.deployment.releaseId;
      this.currentGen = this.deployment.gen;
    }
    this.ended.push({ id: action.deploymentId, state: action.to, error: action.error });
    this.deployment = null;
  }

  #serving(): Row[] {
    return this.rows.filter((row) => row.routed && row.state === 'ready' && row.gen === this.currentGen);
  }

  /** The heart of it: whatever is planned, an app that served goes on serving, unless its user or its host took that away. */
  #checkServing(wasServing: Row[], before: Row[]): void {
    const web = this.formation.find((entry) => entry.processType === 'web')?.quantity ?? 0;
    if (this.deleted || web === 0 || wasServing.length === 0) return;
    const wasReachable = before.filter(
      (row) => row.routed && row.state === 'ready' && this.hosts.find((host) => host.id === row.hostId)?.isUp,
    );
    if (wasReachable.length === 0) return;
    const serves = this.rows.some((row) => row.routed && row.state === 'ready');
    assert.ok(serves || this.#lostToHost(wasReachable), 'the last serving instance was taken away');
  }

  #lostToHost(rows: Row[]): boolean {
    return rows.every((row) => {
      const host = this.hosts.find((known) => known.id === row.hostId);
      return host !== undefined && this.#hostState(host) === 'lost';
    });
  }

  #find(id: string): Row {
    const row = this.rows.find((known) => known.id === id);
    assert.ok(row, `there is no instance "${id}"`);
    return row;
  }

  #row(fields: Pick<Row, 'releaseId' | 'gen' | 'processType' | 'slot' | 'oneOff' | 'hostId'>): Row {
    const row: Row = {
      id: `i${++this.#ids}`,
      ...fields,
      desired: 'running',
      state: 'pending',
      routed: false,
      unroutedVersion: null,
      unroutedAt: null,
      restarts: 0,
      exitCode: null,
      fatal: null,
      message: null,
      tail: null,
      memoryMb: 128,
      createdAt: this.now,
      startedAt: null,
      stoppingAt: null,
      openRequests: 0,
    };
    this.rows.push(row);
    return row;
  }
}

function hasEnded(row: { state: string }): boolean {
  return row.state === 'stopped' || row.state === 'lost';
}
