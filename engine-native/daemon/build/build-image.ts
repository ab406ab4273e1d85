// `docker build`: context, Dockerfile, stages at once, image, tags. The orchestrator; each step has a file of its own.
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { AppError } from '@berth/kit/errors.ts';
import type { Image } from '../images/image-store.ts';
import type { Progress } from '../images/progress.ts';
import { hostPlatform } from '../registry-client/platform.ts';
import { baseImage, platformVariables } from './base-image.ts';
import { type BuildContext, receiveContext } from './build-context.ts';
import type { BuildOptions } from './build-options.ts';
import type { BuildOutput, StageOutput, TextSink } from './build-output.ts';
import { type BuildParts, type BuildRun, foldersOf, type SourceImage, secondsSince } from './build-run.ts';
import type { BuildSources } from './build-sources.ts';
import type { Instruction } from './language/instruction.ts';
import { type Dockerfile, parseDockerfile, type Stage } from './language/parse-dockerfile.ts';
import { newBuildId, StageRunner } from './run-stage.ts';
import { neededStages, stageNamed, targetStage } from './stage-graph.ts';
import { configOf, imageState, type StageState, scratchState, shortId } from './stage-state.ts';
import { type BuildVariables, VariableScope } from './variable-scope.ts';

export interface BuildRequest {
  options: BuildOptions;
  secrets: ReadonlyMap<string, Buffer>;
  sources: BuildSources;
  /** Credentials for registries, as the client sent them. */
  credentials: string;
  scope: string;
  body: Readable;
  signal: AbortSignal;
  output: BuildOutput;
  progress: Progress;
}

/** What a build has of its own. */
interface Own {
  id: string;
  scratch: string;
  context: BuildContext;
  hold: (diffIds: Iterable<string>) => void;
}

interface StageResult {
  state: StageState;
  scope: VariableScope;
}

export async function buildImage(request: BuildRequest, parts: BuildParts): Promise<Image> {
  const id = newBuildId();
  const releases: (() => void)[] = [];
  const hold = (diffIds: Iterable<string>) => void releases.push(parts.leases.hold(diffIds));
  try {
    return await parts.layers.withScratch(async (scratch) => {
      const { options, body } = request;
      const context = await receiveContext(body, join(scratch, 'context'), options.dockerfile, parts);
      const build = new Build({ id, scratch, context, hold }, request, parts);
      return build.run();
    });
  } finally {
    for (const release of releases) release();
    rmSync(join(parts.secretsDir, id), { recursive: true, force: true });
  }
}

class Build {
  readonly #request: BuildRequest;
  readonly #parts: BuildParts;
  readonly #file: Dockerfile;
  readonly #target: Stage;
  readonly #run: BuildRun;
  readonly #globals: VariableScope;
  readonly #variables: BuildVariables;
  readonly #results = new Map<Stage, Promise<StageResult>>();
  readonly #logs = new Map<Stage, StageOutput>();
  readonly #stepNumbers = new Map<Stage, number>();
  readonly #stop = new AbortController();
  #steps = 0;

  constructor(own: Own, request: BuildRequest, parts: BuildParts) {
    const { options } = request;
    this.#request = request;
    this.#parts = parts;
    this.#file = parseDockerfile(own.context.dockerfile);
    this.#target = targetStage(this.#file, options.target);
    this.#variables = {
      buildArgs: options.buildArgs,
      platform: platformVariables(options.platform, this.#target.from.alias),
      escapeToken: this.#file.escapeToken,
      consumed: new Set(),
    };
    this.#globals = new VariableScope(this.#variables, new Map(Object.entries(this.#variables.platform)));
    this.#run = {
      ...own,
      parts,
      options,
      variables: this.#variables,
      secrets: request.secrets,
      sources: request.sources,
      timings: [],
      scratchPath: (what) => join(own.scratch, `${what}-${randomBytes(6).toString('hex')}`),
      scope: request.scope,
      credentials: request.credentials,
      progress: request.progress,
      signal: AbortSignal.any([request.signal, this.#stop.signal]),
      source: (from, before) => this.#source(from, before),
    };
  }

  async run(): Promise<Image> {
    for (const arg of this.#file.globalArgs) this.#globals.declare(arg, []);
    const needed = this.#plan();
    const { output, options } = this.#request;
    if (options.cacheFrom.length > 0)
      await output.text('[Warning] --cache-from changes nothing: steps are found by their content\n');
    for (const [index, arg] of this.#file.globalArgs.entries())
      await output.text(`Step ${index + 1}/${this.#steps} : ${arg.text}\n`);
    await this.#runAll(needed);
    const { state } = await this.#stage(this.#target);
    const image = await this.#finish(state);
    await this.#sayUnused();
    await this.#sayResult(image);
    return image;
  }

  /** Numbers the steps of the stages that are needed, and gives each stage its place in the output. */
  #plan(): Stage[] {
    const { labels } = this.#request.options;
    if (Object.keys(labels).length > 0) this.#target.instructions.push(labelInstruction(labels));
    const baseOf = (stage: Stage) => this.#globals.expand(stage.from.image, [], stage.from.line);
    const needed = neededStages(this.#file.stages, this.#target, baseOf);
    const logs = this.#request.output.arrange(needed.length);
    this.#steps = this.#file.globalArgs.length;
    for (const [index, stage] of needed.entries()) {
      const log = logs[index];
      if (log) this.#logs.set(stage, log);
      this.#stepNumbers.set(stage, this.#steps);
      this.#steps += 1 + stage.instructions.length;
    }
    return needed;
  }

  /** All at once; the first failure stops the others, and is the one that is told. */
  async #runAll(needed: Stage[]): Promise<void> {
    let failure: { error: unknown } | undefined;
    const work = needed.map((stage) =>
      this.#stage(stage).catch((error: unknown) => {
        failure ??= { error };
        this.#stop.abort(error);
      }),
    );
    await Promise.all(work);
    if (failure) throw failure.error;
  }

  #stage(stage: Stage): Promise<StageResult> {
    const known = this.#results.get(stage);
    if (known) return known;
    const result = this.#runStage(stage);
    this.#results.set(stage, result);
    return result;
  }

  async #runStage(stage: Stage): Promise<StageResult> {
    const log = this.#logs.get(stage) ?? silent;
    let step = this.#stepNumbers.get(stage) ?? 0;
    const nextStep = () => `Step ${++step}/${this.#steps} : `;
    await log.write(`${nextStep()}${stage.from.text}\n`);
    const { state, scope } = await this.#base(stage);
    await log.write(state.layers.length === 0 ? ' ---> \n' : ` ---> ${shortId(state)}\n`);
    this.#run.hold(state.layers);
    const runner = new StageRunner({
      run: this.#run,
      index: stage.index,
      log,
      base: state,
      scope,
      instructions: stage.instructions,
      fromLine: stage.from.line,
      nextStep,
    });
    const result = { state: await runner.run(), scope };
    await log.done?.();
    return result;
  }

  async #base({ from, index }: Stage): Promise<StageResult> {
    const name = this.#globals.expand(from.image, [], from.line);
    if (name === '')
      throw new AppError(
        'bad_request',
        `dockerfile line ${from.line}: base name (${from.image}) should not be blank`,
      );
    const earlier = stageNamed(this.#file.stages, name, index);
    if (earlier && earlier.from.alias !== '') {
      const { state, scope } = await this.#stage(earlier);
      return { state, scope: scope.inherited() };
    }
    const scope = new VariableScope(this.#variables, this.#globals.values);
    const platform = this.#globals.expand(from.platform, [], from.line) || this.#request.options.platform;
    if (name === 'scratch')
      return {
        state: scratchState(platform.split('/')[1] ?? hostPlatform().architecture, this.#request.scope),
        scope,
      };
    const begun = performance.now();
    const image = await baseImage(this.#run, name, platform);
    this.#run.timings.push({ stage: index, text: from.text, seconds: secondsSince(begun), cached: false });
    return { state: imageState(image, this.#request.scope), scope };
  }

  async #source(from: string, before: number): Promise<SourceImage> {
    const earlier = stageNamed(this.#file.stages, from, before);
    if (earlier) {
      const { state } = await this.#stage(earlier);
      return { folders: foldersOf(state, this.#parts.layers), label: from, key: state.layers.join(' ') };
    }
    if (
      this.#file.stages.some(({ from: { alias } }, index) => alias === from.toLowerCase() && index >= before)
    )
      throw new AppError(
        'bad_request',
        `invalid from flag value ${from}: that stage is not built before this one`,
      );
    const image = await baseImage(this.#run, from, this.#request.options.platform);
    const { diffIds } = image.config;
    this.#run.hold(diffIds);
    return {
      folders: foldersOf({ layers: diffIds }, this.#parts.layers),
      label: from,
      key: diffIds.join(' '),
    };
  }

  async #finish(state: StageState): Promise<Image> {
    const { images, layers, events, kept } = this.#parts;
    let { layers: diffIds } = state;
    if (diffIds.length === 0) {
      // Nothing but config on top of scratch: the empty tree is its one layer.
      const empty = await layers.receive(Readable.from([Buffer.alloc(1024)]), {});
      diffIds = [empty.diffId];
    }
    const image = images.create(configOf(state), diffIds);
    // The platform's own builds have a scope and no name: their image stays until the platform says what it keeps.
    if (this.#request.scope !== '' && this.#request.options.tags.length === 0) kept.add(image.id);
    for (const tag of this.#request.options.tags) {
      images.tag(image, tag);
      events.publish('image', 'tag', image.id, { name: tag });
    }
    return image;
  }

  async #sayUnused(): Promise<void> {
    const { output, options } = this.#request;
    const unused = Object.keys(options.buildArgs).filter(
      (name) => !this.#variables.consumed.has(name) && !/proxy$/i.test(name),
    );
    if (unused.length > 0)
      await output.text(`[Warning] One or more build-args [${unused.join(' ')}] were not consumed\n`);
  }

  async #sayResult(image: Image): Promise<void> {
    const { output, options, scope } = this.#request;
    if (scope !== '') await output.json({ steps: this.#run.timings });
    if (options.quiet) return output.json({ stream: `${image.id}\n` });
    await output.json({ aux: { ID: image.id } });
    await output.text(`Successfully built ${image.id.slice('sha256:'.length, 'sha256:'.length + 12)}\n`);
    for (const tag of options.tags) await output.text(`Successfully tagged ${tag}\n`);
  }
}

const silent: TextSink & { done?: () => Promise<void> } = {
  write: () => Promise.resolve(),
};

function labelInstruction(labels: Record<string, string>): Instruction {
  // Literal: a value with a dollar sign is no variable.
  const quoted = (text: string) => `'${text.replaceAll("'", `'"'"'`)}'`;
  const pairs = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    kind: 'label',
    line: 0,
    text: `LABEL ${pairs.map(([name, value]) => `${name}=${value}`).join(' ')}`,
    pairs: pairs.map(([name, value]) => ({ name: quoted(name), value: quoted(value) })),
  };
}
