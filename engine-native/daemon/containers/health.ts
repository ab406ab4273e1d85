// Health checks: probes of every running container that has one, on its own clock, and what they mean for its status. Begun and ended by
// finish-container.ts, which follows every shim. A probe must never hold a container or the daemon: each has a limit, and one runs at a time.
import type { Logger } from '@berth/kit/logging.ts';
import type { Events } from '../events.ts';
import { startFailureText } from '../runtime/runtime-failure.ts';
import type { Container } from './container.ts';
import type { Health, HealthConfig } from './container-config.ts';
import type { ContainerFiles } from './container-files.ts';
import { publishContainer } from './describe-event.ts';
import { probeCommand } from './parse-health.ts';
import { type ProbeResult, runProbe } from './probe.ts';

const keptProbes = 5;
const defaultRetries = 3;
const defaultMs = { interval: 30_000, timeout: 30_000, startInterval: 5_000 };
const nanosPerMs = 1e6;

export interface HealthParts {
  events: Events;
  files: ContainerFiles;
  log: Logger;
}

export class HealthMonitors {
  readonly #parts: HealthParts;
  readonly #timers = new Map<Container, NodeJS.Timeout>();

  constructor(parts: HealthParts) {
    this.#parts = parts;
  }

  /** Called for a container that has just started or was adopted; nothing happens when it is watched already. */
  begin(container: Container, wasAdopted: boolean): void {
    const { config, life } = container.record;
    const command = probeCommand(config.Healthcheck, config.Shell ?? ['/bin/sh', '-c']);
    if (!command) {
      container.health = undefined;
      return;
    }
    if (this.#timers.has(container)) return;
    const known = wasAdopted ? life.health : undefined;
    container.health = { Status: known ?? 'starting', FailingStreak: 0, Log: [] };
    life.health = container.health.Status;
    this.#schedule(container, command);
  }

  /** The container ended. What nobody asks any more counts as unhealthy, as Docker has it. */
  end(container: Container): void {
    clearTimeout(this.#timers.get(container));
    this.#timers.delete(container);
    if (container.health) container.health.Status = 'unhealthy';
  }

  stopAll(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }

  #schedule(container: Container, command: string[]): void {
    const timer = setTimeout(() => void this.#probe(container, command, timer), nextDelayMs(container));
    this.#timers.set(container, timer);
  }

  async #probe(container: Container, command: string[], timer: NodeJS.Timeout): Promise<void> {
    const isCurrent = () => this.#timers.get(container) === timer;
    // A paused container cannot answer, and that says nothing about its health.
    if (container.status === 'running') {
      const start = new Date().toISOString();
      const result = await probeNow(container, command);
      if (isCurrent()) this.#judge(container, start, result);
    }
    if (isCurrent()) this.#schedule(container, command);
  }

  #judge(container: Container, start: string, { exitCode, output }: ProbeResult): void {
    const { health, record } = container;
    if (!health) return;
    const entry = { Start: start, End: new Date().toISOString(), ExitCode: exitCode, Output: output };
    health.Log = [...health.Log, entry].slice(-keptProbes);
    const before = health.Status;
    if (exitCode === 0) {
      health.FailingStreak = 0;
      health.Status = 'healthy';
    } else if (before !== 'starting' || !isInStartPeriod(container)) {
      health.FailingStreak += 1;
      const retries = record.config.Healthcheck?.Retries || defaultRetries;
      if (health.FailingStreak >= retries) health.Status = 'unhealthy';
    }
    if (health.Status === before) return;
    record.life.health = health.Status;
    this.#parts.files.saveLife(record);
    publishContainer(this.#parts.events, container, `health_status: ${health.Status}`);
  }
}

async function probeNow(container: Container, command: string[]): Promise<ProbeResult> {
  const { config } = container.record;
  const limitMs = msOf(config.Healthcheck?.Timeout) || defaultMs.timeout;
  try {
    return await runProbe(container, command, limitMs);
  } catch (error) {
    return { exitCode: -1, output: startFailureText(error) };
  }
}

function msOf(nanos: number | undefined): number {
  return Math.ceil((nanos ?? 0) / nanosPerMs);
}

function isInStartPeriod({ record }: Container): boolean {
  const period = msOf(record.config.Healthcheck?.StartPeriod);
  return Date.now() - Date.parse(record.life.startedAt) < period;
}

function nextDelayMs(container: Container): number {
  const health: HealthConfig = container.record.config.Healthcheck ?? {};
  const isStarting = container.health?.Status === 'starting' && isInStartPeriod(container);
  if (isStarting) return msOf(health.StartInterval) || defaultMs.startInterval;
  return msOf(health.Interval) || defaultMs.interval;
}

/** What `docker ps` writes behind the time: "(healthy)", "(health: starting)". */
export function healthText(health: Health | undefined): string {
  if (!health) return '';
  return health.Status === 'starting' ? ' (health: starting)' : ` (${health.Status})`;
}
