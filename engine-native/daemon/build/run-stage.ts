// One stage, instruction by instruction: state in, key, cache or work, state out, and the lines that Docker's users know.
import { randomBytes } from 'node:crypto';
import { AppError } from '@berth/kit/errors.ts';
import type { TextSink } from './build-output.ts';
import { type BuildRun, type StepPlace, secondsSince } from './build-run.ts';
import { applyConfig, type ConfigInstruction } from './config-steps.ts';
import { type PreparedStep, prepareCopy } from './copy-step.ts';
import type { Instruction } from './language/instruction.ts';
import { parseTrigger } from './language/parse-dockerfile.ts';
import { oneLine } from './language/parse-error.ts';
import { prepareRun } from './run-step.ts';
import { type HistoryEntry, type StageState, shortId } from './stage-state.ts';
import { chainKey, type StepResult } from './step-cache.ts';
import type { VariableScope } from './variable-scope.ts';
import { makeWorkingDir, workingDirOf } from './workdir-step.ts';

export interface StageJob {
  run: BuildRun;
  index: number;
  log: TextSink;
  /** On which the stage is built. */
  base: StageState;
  scope: VariableScope;
  instructions: Instruction[];
  /** Line of FROM, for what is wrong with a trigger. */
  fromLine: number;
  /** "Step 3/7 : ". */
  nextStep: () => string;
}

export class StageRunner {
  readonly #job: StageJob;
  #state: StageState;
  /** Of the newest step. */
  #isCached = false;
  #layer: string | undefined;

  constructor(job: StageJob) {
    this.#job = job;
    this.#state = { ...job.base, hasOwnCmd: false };
  }

  async run(): Promise<StageState> {
    await this.#runTriggers();
    for (const instruction of this.#job.instructions) {
      await this.#say(`${this.#job.nextStep()}${instruction.text}\n`);
      await this.#timed(instruction);
      await this.#say(` ---> ${shortId(this.#state)}\n`);
    }
    return this.#state;
  }

  async #timed(instruction: Instruction): Promise<void> {
    const begun = performance.now();
    await this.#step(instruction);
    const layer = this.#layer;
    this.#job.run.timings.push({
      stage: this.#job.index,
      text: instruction.text,
      seconds: secondsSince(begun),
      cached: this.#isCached,
      ...(layer === undefined ? {} : { layer }),
    });
  }

  /** ONBUILD of the base: carried out once, here, and not handed on. */
  async #runTriggers(): Promise<void> {
    const triggers = this.#state.config.OnBuild;
    if (triggers.length === 0) return;
    await this.#say(`# Executing ${triggers.length} build trigger${triggers.length === 1 ? '' : 's'}\n`);
    this.#state = { ...this.#state, config: { ...this.#state.config, OnBuild: [] } };
    for (const trigger of triggers)
      for (const instruction of parseTrigger(trigger, this.#job.fromLine)) await this.#step(instruction);
    await this.#say(` ---> ${shortId(this.#state)}\n`);
  }

  async #step(instruction: Instruction): Promise<void> {
    const { run, scope } = this.#job;
    run.signal.throwIfAborted();
    const { Env } = this.#state.config;
    switch (instruction.kind) {
      case 'from':
        throw new AppError('bad_request', 'FROM is no step of a stage');
      case 'arg':
        scope.declare(instruction, Env);
        return this.#configStep({ createdBy: `/bin/sh -c #(nop)  ${oneLine(instruction.text)}` }, {});
      case 'run':
        return this.#layerStep(await prepareRun(this.#place(), instruction, scope));
      case 'copy':
      case 'add':
        return this.#layerStep(await prepareCopy(this.#place(), instruction, scope));
      case 'workdir':
        return this.#workdir(scope.expand(instruction.value, Env, instruction.line), instruction.line);
      default:
        return this.#config(instruction);
    }
  }

  async #config(instruction: ConfigInstruction): Promise<void> {
    const { createdBy, ...change } = applyConfig(this.#state, instruction, this.#job.scope);
    await this.#configStep({ createdBy }, change);
  }

  /** The whole new config is in the key, so no part of it can be taken from an image that differs in it. */
  async #configStep(
    { createdBy }: { createdBy: string },
    change: Partial<Pick<StageState, 'config' | 'author' | 'hasOwnCmd'>>,
  ): Promise<void> {
    const next = { ...this.#state, ...change };
    const key = chainKey(this.#state.key, { config: next.config, author: next.author, createdBy });
    const { result } = await this.#through([key], () => Promise.resolve({}));
    this.#advance({ ...next, key }, createdBy, result);
  }

  async #workdir(asked: string, line: number): Promise<void> {
    const path = workingDirOf(this.#state.config.WorkingDir, asked, line);
    const config = { ...this.#state.config, WorkingDir: path };
    const key = chainKey(this.#state.key, { kind: 'workdir', path, config });
    const { result } = await this.#through([key], async () => {
      const layer = await makeWorkingDir(this.#place(), path);
      return layer === undefined ? {} : { layer };
    });
    this.#advance({ ...this.#state, config, key }, `/bin/sh -c #(nop) WORKDIR ${path}`, result);
  }

  async #layerStep(step: PreparedStep): Promise<void> {
    const { config, architecture, os, variant } = this.#state;
    const facts = { ...step.facts, config, platform: [os, architecture, variant] };
    const key = chainKey(this.#state.key, facts);
    // An independent layer is also known without what lies below it, so that a new base does not copy it again.
    const independent = step.isIndependent ? [chainKey(`link ${this.#job.run.scope}`, step.facts)] : [];
    const { result } = await this.#through([key, ...independent], async () => ({ layer: await step.make() }));
    this.#advance({ ...this.#state, key }, step.createdBy, result);
  }

  /** From the cache under any of the keys, or made and kept under all of them. */
  async #through(keys: string[], make: () => Promise<{ layer?: string }>): Promise<{ result: StepResult }> {
    const { run } = this.#job;
    const { steps } = run.parts;
    const known = run.options.noCache
      ? undefined
      : keys.map((key) => steps.find(key)).find((one) => one !== undefined);
    this.#isCached = known !== undefined;
    if (known) {
      if (known.layer !== undefined) run.hold([known.layer]);
      await this.#say(' ---> Using cache\n');
      return { result: known };
    }
    const result: StepResult = { ...(await make()), created: new Date().toISOString() };
    for (const key of keys) steps.keep(key, result);
    return { result };
  }

  #advance(next: StageState, createdBy: string, { layer, created }: StepResult): void {
    const entry: HistoryEntry = {
      created,
      created_by: createdBy,
      ...(layer === undefined ? { empty_layer: true } : {}),
    };
    this.#layer = layer;
    this.#state = {
      ...next,
      layers: layer === undefined ? next.layers : [...next.layers, layer],
      history: [...next.history, entry],
      created,
    };
  }

  #place(): StepPlace {
    const { run, log, index } = this.#job;
    return { run, state: this.#state, log, stageIndex: index };
  }

  #say(text: string): Promise<void> {
    return this.#job.log.write(text);
  }
}

export function newBuildId(): string {
  return randomBytes(8).toString('hex');
}
