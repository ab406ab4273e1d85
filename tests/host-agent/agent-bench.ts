// A host agent's pods over an engine, with everything that it reported, for tests. Can be killed and started anew over the same engine.
import { setTimeout as sleep } from 'node:timers/promises';
import type { ObservedInstance, Pod } from '@berth/contract/instance.ts';
import { AttachDesk } from '@berth/host-agent/attach-desk.ts';
import { EngineWatch } from '@berth/host-agent/engine-watch.ts';
import type { PodEngine } from '@berth/host-agent/pod-engine.ts';
import { PodSet } from '@berth/host-agent/pod-set.ts';
import { createLogger } from '@berth/kit/logging.ts';

export class AgentBench {
  readonly reports: ObservedInstance[] = [];
  readonly pods: PodSet;
  readonly watch: EngineWatch;
  readonly desk = new AttachDesk();
  readonly #life = new AbortController();
  readonly #watching: Promise<void>;

  constructor(engine: PodEngine) {
    const log = createLogger('test', 'silent');
    this.watch = new EngineWatch({ engine, log, signal: this.#life.signal, reReadMs: 300 });
    this.#watching = this.watch.run();
    this.pods = new PodSet({
      engine,
      watch: this.watch,
      desk: this.desk,
      log,
      agentSignal: this.#life.signal,
      onChange: (observed) => this.reports.push(observed),
      restartDelayMs: (crashes) => (crashes <= 1 ? 0 : 20),
    });
  }

  /** The agent's process ends; containers are left alone. */
  async kill(): Promise<void> {
    this.#life.abort();
    await this.pods.close();
    await this.#watching;
  }

  last(id: string): ObservedInstance | undefined {
    return this.reports.findLast((report) => report.id === id);
  }

  states(id: string): string[] {
    return this.reports.filter((report) => report.id === id).map((report) => report.state);
  }
}

/** Waits for a condition; fails with its source when it does not come true. */
export async function until(condition: () => boolean, limitMs = 10_000): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!condition()) {
    if (performance.now() > deadline)
      throw new Error(`did not come true in ${limitMs} ms: ${condition.toString()}`);
    await sleep(2);
  }
}

export function makePod(id: string, command: string[], change: Partial<Pod> = {}): Pod {
  return {
    id,
    appId: 'app1',
    app: 'hello',
    name: 'web.1',
    processType: 'web',
    release: 1,
    image: 'sha256:present',
    command,
    env: { PORT: '15999', SECRET: 'canary' },
    user: 'app',
    memoryMb: 64,
    cpuShares: 1024,
    pids: 100,
    readiness: { kind: 'port', port: 15999, httpPath: null, timeoutSeconds: 1 },
    graceSeconds: 1,
    desired: 'running',
    oneOff: null,
    ...change,
  };
}

export const oneOff: Partial<Pod> = {
  name: 'release.1',
  processType: 'release',
  readiness: { kind: 'exit', timeoutSeconds: 60 },
  oneOff: { attach: false, tty: false, rows: 0, cols: 0 },
};
