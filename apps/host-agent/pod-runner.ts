// The life of one pod on this host: create, start, watch, restart with back-off, stop. One runner a pod, made by pod-set.ts.
// Must never start a one-off twice, and must leave its container alone when the agent itself ends.
import { setTimeout as sleep } from 'node:timers/promises';
import type { ObservedInstance, Pod } from '@berth/contract/instance.ts';
import { AppError } from '@berth/kit/errors.ts';
import type { Logger } from '@berth/kit/logging.ts';
import type { AttachDesk } from './attach-desk.ts';
import { bridgeRun, type RunBridge } from './bridge-run.ts';
import type { ContainerEnd, EngineWatch } from './engine-watch.ts';
import { explainExit, wasEndedFromOutside } from './explain-exit.ts';
import type { StartFailure } from './explain-silence.ts';
import { followReadiness } from './follow-readiness.ts';
import { podContainer, podContainerName } from './pod-container.ts';
import type { PodEngine } from './pod-engine.ts';
import { PodState } from './pod-state.ts';
import { readTail } from './read-tail.ts';
import { healthyAfterMs, restartDelayMs } from './restart-delay.ts';
import {
  engineRetryMs,
  inspectUntilKnown,
  locateContainer,
  type RunningContainer,
  stopUntilDone,
  trackContainer,
} from './running-container.ts';
import { startFailureOf } from './start-failure.ts';

export interface RunnerDeps {
  engine: PodEngine;
  watch: EngineWatch;
  desk: AttachDesk;
  log: Logger;
  /** The agent's own life: when it ends, runners let go of their containers. */
  agentSignal: AbortSignal;
  onChange: (observed: ObservedInstance) => void;
  /** A container has ended and may be kept for its log. */
  onEnded: (containerId: string, appId: string) => void;
  /** How fast a crash loop goes round; tests make it faster. */
  restartDelayMs?: (crashesInARow: number) => number;
}

/** A container of the pod that was there before the agent. */
export interface Adopted {
  containerId: string;
  crashes: number;
  isRunning: boolean;
  /** It ended because the machine did, which is no crash. */
  endedByReboot: boolean;
}

/** A report after a start of the agent waits this long for the first look at a container, so that it does not call a serving one unready. */
const settleLimitMs = 1_000;

export class PodRunner {
  readonly pod: Pod;
  readonly #deps: RunnerDeps;
  readonly #state: PodState;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #settled = Promise.withResolvers<void>();
  #crashesInARow = 0;
  #readySince: number | undefined;
  #failure: StartFailure | undefined;
  #bridge: RunBridge | undefined;
  #containerId: string | undefined;
  readonly done: Promise<void>;

  constructor(pod: Pod, deps: RunnerDeps, adopted?: Adopted) {
    this.pod = pod;
    this.#deps = deps;
    this.#state = new PodState(pod.id, deps.onChange);
    this.#signal = AbortSignal.any([this.#stop.signal, deps.agentSignal]);
    if (pod.desired === 'stopped') this.#stop.abort();
    this.done = this.#live(adopted)
      .catch((err: unknown) => deps.log.error({ err, instance: pod.id }, 'runner of a pod failed'))
      .finally(() => this.#settled.resolve());
    if (adopted) setTimeout(() => this.#settled.resolve(), settleLimitMs).unref();
    else this.#settled.resolve();
  }

  get observed(): ObservedInstance {
    return this.#state.observed;
  }

  get containerId(): string | undefined {
    return this.#containerId;
  }

  /** The first look at an adopted container is over. */
  get settled(): Promise<void> {
    return this.#settled.promise;
  }

  /** Ends the pod: grace, then kill. Calling it twice is no error. */
  stop(): void {
    this.#stop.abort();
  }

  async #live(adopted: Adopted | undefined): Promise<void> {
    let running = adopted ? await this.#adopt(adopted) : undefined;
    const hasRun = adopted !== undefined && running === undefined && this.pod.oneOff !== null;
    while (!this.#signal.aborted && !hasRun) {
      running ??= await this.#start();
      if (running) await this.#watch(running);
      if (this.#signal.aborted || this.pod.oneOff !== null) break;
      running = undefined;
      await this.#pause();
    }
    if (this.#stop.signal.aborted) await this.#end();
  }

  async #pause(): Promise<void> {
    const delayMs = (this.#deps.restartDelayMs ?? restartDelayMs)(this.#crashesInARow);
    await sleep(delayMs, undefined, { signal: this.#signal }).catch(() => {});
  }

  async #adopt({
    containerId,
    crashes,
    isRunning,
    endedByReboot,
  }: Adopted): Promise<RunningContainer | undefined> {
    const { engine, watch, agentSignal, onEnded, log } = this.#deps;
    this.#containerId = containerId;
    this.#crashesInARow = crashes;
    this.#state.set({ restarts: crashes, container: containerId });
    if (isRunning) {
      const running = trackContainer(containerId, watch, this.#signal, true);
      if (await this.#locate(running)) {
        log.info({ app: this.pod.app, instance: this.pod.id, container: containerId }, 'adopted');
        return running;
      }
      running.release();
    }
    if (this.#signal.aborted) return undefined;
    const end = await inspectUntilKnown(containerId, engine, agentSignal);
    const isNoCrash = endedByReboot || (end !== 'gone' && wasEndedFromOutside(end));
    if (isNoCrash && this.pod.oneOff === null) onEnded(containerId, this.pod.appId);
    else await this.#recordEnd(containerId, end);
    return undefined;
  }

  /** Asked until the engine answers: an engine that is away says nothing about the container. */
  async #locate(running: RunningContainer): Promise<boolean> {
    while (!this.#signal.aborted) {
      try {
        return await locateContainer(running, this.#deps.engine);
      } catch (error) {
        if (error instanceof AppError && error.code === 'not_found') return false;
        await sleep(engineRetryMs, undefined, { signal: this.#signal }).catch(() => {});
      }
    }
    return false;
  }

  /** Creates and starts a container. Undefined: it could not be started, which is recorded. */
  async #start(): Promise<RunningContainer | undefined> {
    const { log, engine } = this.#deps;
    while (!this.#signal.aborted) {
      try {
        return await this.#startOnce();
      } catch (error) {
        const failure = startFailureOf(error, this.pod.image);
        log.warn({ err: error, app: this.pod.app, instance: this.pod.id }, 'start failed');
        if (this.#containerId)
          await engine.removeContainer(this.#containerId, { force: true }).catch(() => {});
        this.#containerId = undefined;
        if (failure || this.#bridge) return this.#recordNoStart(failure ?? noEngine);
        await sleep(engineRetryMs, undefined, { signal: this.#signal }).catch(() => {});
      }
    }
    return undefined;
  }

  async #startOnce(): Promise<RunningContainer | undefined> {
    const { engine, watch, log } = this.#deps;
    const { pod } = this;
    const askedAt = performance.now();
    const containerId = await this.#create();
    this.#containerId = containerId;
    if (pod.oneOff?.attach && !(await this.#attach(containerId))) return undefined;
    const running = trackContainer(containerId, watch, this.#signal, false);
    try {
      await engine.startContainer(containerId);
      await locateContainer(running, engine);
    } catch (error) {
      running.release();
      throw error;
    }
    const startMs = Math.round((performance.now() - askedAt) * 10) / 10;
    log.info(
      { app: pod.app, instance: pod.id, process: pod.name, container: containerId, startMs },
      'started',
    );
    this.#state.set({ container: containerId, state: 'starting', address: null, port: null });
    return running;
  }

  async #create(): Promise<string> {
    const { engine } = this.#deps;
    const crashes = this.#state.observed.restarts;
    const body = podContainer(this.pod, crashes);
    const name = podContainerName(this.pod, crashes);
    try {
      return await engine.createContainer(body, name);
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'conflict') throw error;
      // the name is taken by a container of an earlier life that is not ours to judge: any other name does
      return engine.createContainer(body, `${name}-${Date.now().toString(36)}`);
    }
  }

  /** Waits for the user before the start, so that no output is missed. False: nobody came. */
  async #attach(containerId: string): Promise<boolean> {
    const { engine, log, desk } = this.#deps;
    const { tty = false, rows = 0, cols = 0 } = this.pod.oneOff ?? {};
    const user = await desk.waitForUser(this.pod.id, this.#signal);
    if (!user) {
      await engine.removeContainer(containerId, { force: true });
      this.#containerId = undefined;
      if (!this.#signal.aborted)
        this.#state.set({ state: 'stopped', message: 'nobody attached to it within 30 s' });
      return false;
    }
    const container = await engine.attach(containerId, { stdin: true, tty });
    this.#bridge = bridgeRun({ engine, log, containerId, user, container, ...(tty ? { rows, cols } : {}) });
    return true;
  }

  /** Until the container ends or the pod is to end. */
  async #watch(running: RunningContainer): Promise<void> {
    this.#failure = undefined;
    this.#readySince = undefined;
    this.#bridge?.started();
    if (running.isAdopted && this.pod.oneOff?.attach) void this.#hangUp(running.containerId);
    const over = new AbortController();
    const signal = AbortSignal.any([over.signal, this.#signal]);
    const onReady = (port: number | null) => {
      this.#readySince = performance.now();
      this.#state.ready(running.address === '' ? null : running.address, port);
      this.#settled.resolve();
    };
    const readiness = followReadiness(this.pod, running, signal, onReady).then((failure) => {
      if (failure) return this.#giveUp(running.containerId, failure);
    });
    const end = await running.end;
    over.abort();
    await readiness;
    running.release();
    if (end !== undefined && !this.#signal.aborted) await this.#recordEnd(running.containerId, end);
  }

  async #giveUp(containerId: string, failure: StartFailure): Promise<void> {
    this.#failure = failure;
    await this.#deps.engine.killContainer(containerId).catch(() => {}); // its end is waited for either way
  }

  /** The user's connection died with the agent's last life: as a terminal that closes. */
  async #hangUp(containerId: string): Promise<void> {
    const { engine } = this.#deps;
    await engine.killContainer(containerId, 'SIGHUP').catch(() => {});
    await engine.stopContainer(containerId, this.pod.graceSeconds).catch(() => {});
  }

  async #recordEnd(containerId: string, end: ContainerEnd): Promise<void> {
    const { engine, onEnded, log, agentSignal } = this.#deps;
    if (agentSignal.aborted) return;
    const { pod } = this;
    const facts =
      end === 'gone' ? { ExitCode: 137, OOMKilled: false, Error: 'its container was removed' } : end;
    const reason = this.#failure ?? explainExit(facts, pod.memoryMb, this.#readySince !== undefined);
    const exitCode = end === 'gone' ? null : end.ExitCode;
    const tail = this.#bridge ? null : await readTail(engine, containerId, pod.oneOff?.tty ?? false);
    const isPlainExit = reason.message === `exited with code ${exitCode}`;
    await this.#bridge?.finish(exitCode ?? 137, isPlainExit ? undefined : reason.message);
    onEnded(containerId, pod.appId);
    log.info(
      { app: pod.app, instance: pod.id, process: pod.name, exitCode, reason: reason.message },
      'ended',
    );
    if (pod.oneOff === null)
      return this.#crashed({ exitCode, message: reason.message, fatal: reason.fatal, tail });
    const message = exitCode === 0 ? null : reason.message;
    const fatal = this.#failure?.fatal ?? null;
    this.#state.set({ state: 'stopped', exitCode, message, tail, fatal, address: null });
  }

  #recordNoStart(failure: StartFailure): undefined {
    void this.#bridge?.finish(126, failure.message);
    const what = { exitCode: null, message: failure.message, fatal: failure.fatal, tail: null };
    if (this.pod.oneOff === null) this.#crashed(what);
    else this.#state.set({ ...what, state: 'stopped' });
  }

  #crashed(what: Pick<ObservedInstance, 'exitCode' | 'message' | 'fatal' | 'tail'>): void {
    const wasHealthy =
      this.#readySince !== undefined && performance.now() - this.#readySince >= healthyAfterMs;
    this.#crashesInARow = wasHealthy ? 1 : this.#crashesInARow + 1;
    const restarts = this.#state.observed.restarts + 1;
    this.#state.set({ ...what, state: 'crashed', restarts, address: null, port: null });
  }

  /** Told to stop: the end is reported only when it is true. */
  async #end(): Promise<void> {
    const { engine, agentSignal, onEnded } = this.#deps;
    const containerId = this.#containerId;
    let { exitCode } = this.observed;
    if (containerId !== undefined) {
      exitCode = await stopUntilDone(containerId, this.pod.graceSeconds, engine, agentSignal);
      if (agentSignal.aborted) return;
      onEnded(containerId, this.pod.appId);
    }
    await this.#bridge?.finish(exitCode ?? 143, 'was stopped');
    this.#state.set({ state: 'stopped', exitCode, address: null, port: null });
  }
}

const noEngine: StartFailure = { fatal: 'other', message: 'cannot start: the engine cannot be reached' };
