// One build from job to result: take it, make its image, report. Called by main.ts for each job.
// Must never report with another epoch than the one it was given, nor leave a container behind.
import type { BuildResult, FinishBuild, StartedBuild } from '@berth/contract/build.ts';
import { retry } from '@berth/kit/backoff.ts';
import { AppError, asAppError } from '@berth/kit/errors.ts';
import { attestBuild } from './attest/attest-build.ts';
import { buildImage } from './build-image.ts';
import type { CurrentBuild, Workshop } from './current-build.ts';
import { takeImage } from './from-image/take-image.ts';
import { rebaseBuild } from './rebase/rebase-build.ts';
import { BuildLog } from './report/build-log.ts';
import { secretMasker, secretVars } from './report/mask-secrets.ts';
import { removeBuildContainers } from './steps/prepare-engine.ts';

export type { Workshop } from './current-build.ts';

/** An engine that restarts is back within seconds; one that is not by then is broken. */
const engineReturnMs = 30_000;

interface OpenBuild extends CurrentBuild {
  onStopping: () => void;
}

export async function runBuild(shop: Workshop, buildId: string): Promise<void> {
  const build = await takeBuild(shop, buildId);
  if (!build) return;
  const current = openBuild(shop, build);
  const { signal } = current.abort;
  const timer = setTimeout(() => current.abort.abort(tookTooLong(shop)), shop.config.limits.timeMs);
  const begun = performance.now();
  const startedAt = new Date();
  try {
    const result = await withEngineRestarts(shop, current, () => worker(build)(shop, current));
    signal.throwIfAborted();
    const newVars = current.newVars ?? {};
    await report(shop, current, {
      epoch: build.epoch,
      status: 'succeeded',
      result,
      ...(Object.keys(newVars).length === 0 ? {} : { newVars }),
    });
    void reportDurable(shop, current, result.image);
    if (!current.isStale) void attestBuild(shop, current, result, startedAt);
  } catch (error) {
    await reportFailure(shop, current, signal.aborted ? signal.reason : error);
  } finally {
    clearTimeout(timer);
    shop.stopping.removeEventListener('abort', current.onStopping);
    const durationMs = Math.round(performance.now() - begun);
    shop.log.info({ build: build.id, app: build.appName, durationMs }, 'build ended');
  }
}

/** Who makes the image: of a tree, of a finished image, of an older release's image. */
function worker(build: StartedBuild): (shop: Workshop, current: CurrentBuild) => Promise<BuildResult> {
  if (build.rebase) return rebaseBuild;
  return build.image ? takeImage : buildImage;
}

/** An engine that goes away in the middle (`unavailable`) costs time, not the push: what was made is found again by its key. */
async function withEngineRestarts<T>(
  shop: Workshop,
  current: CurrentBuild,
  work: () => Promise<T>,
): Promise<T> {
  const { build, log, abort } = current;
  for (let attempt = 0; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      const isOutage = asAppError(error).code === 'unavailable' && !abort.signal.aborted;
      if (!isOutage || attempt === 2) throw error;
      shop.log.warn({ build: build.id, err: error }, 'the engine went away');
      log.step('The engine was restarted, the build goes on');
      const limits = { firstMs: 50, maxMs: 500, limitMs: engineReturnMs, signal: abort.signal };
      await retry(() => removeBuildContainers(shop.engine, build.id), limits);
    }
  }
}

async function takeBuild(shop: Workshop, buildId: string): Promise<StartedBuild | undefined> {
  try {
    return await shop.controller.start(buildId, shop.config.worker);
  } catch (error) {
    const { code } = asAppError(error);
    // Finished, canceled or deleted since the job was queued: nothing to do.
    if (code === 'conflict' || code === 'not_found' || code === 'superseded') return undefined;
    throw error;
  }
}

function openBuild(shop: Workshop, build: StartedBuild): OpenBuild {
  const abort = new AbortController();
  const stop = (reason: 'canceled' | 'stale') => {
    current.isStale = reason === 'stale';
    abort.abort(new AppError(reason === 'stale' ? 'stale_epoch' : 'superseded', `the build was ${reason}`));
  };
  const log = new BuildLog({
    send: (text) => shop.controller.output(build.id, build.epoch, text),
    mask: secretMasker(build.buildVars),
    secrets: secretVars(build.buildVars),
    onStop: stop,
  });
  const onStopping = () => stop('stale');
  const current: OpenBuild = { build, log, abort, isStale: false, steps: [], onStopping };
  shop.stopping.addEventListener('abort', onStopping, { once: true });
  if (shop.stopping.aborted) onStopping();
  return current;
}

async function report(shop: Workshop, current: CurrentBuild, body: FinishBuild): Promise<void> {
  if (current.isStale) return;
  await current.log.close();
  try {
    await shop.controller.finish(current.build.id, body);
  } catch (error) {
    const { code } = asAppError(error);
    // Somebody else has the build, or it was canceled or deleted meanwhile: what was made here is not wanted.
    if (code !== 'stale_epoch' && code !== 'conflict' && code !== 'not_found') throw error;
    shop.log.warn({ build: current.build.id, code }, 'result not wanted');
  }
}

/** While the new release starts: the push is acknowledged when its image would survive a power loss, and not before. */
async function reportDurable(shop: Workshop, { build }: CurrentBuild, image: string): Promise<void> {
  try {
    const limits = { firstMs: 50, maxMs: 1000, limitMs: engineReturnMs };
    await retry(() => shop.engine.syncImage(image), limits);
    await shop.controller.durable(build.id, build.epoch);
  } catch (err) {
    shop.log.error({ build: build.id, err }, 'the image may not be on disk yet');
  }
}

async function reportFailure(shop: Workshop, current: CurrentBuild, thrown: unknown): Promise<void> {
  const { build, log, steps } = current;
  const error = asAppError(thrown);
  if (error.code === 'stale_epoch') {
    await log.close();
    return;
  }
  if (error.code === 'superseded') return report(shop, current, { epoch: build.epoch, status: 'canceled' });
  const isOurs = error.code === 'internal' || error.code === 'unavailable' || error.code === 'no_space';
  if (isOurs) shop.log.error({ build: build.id, err: thrown }, 'build failed by the platform');
  const message = log.mask(
    error.code === 'internal' ? 'the platform failed to build this push' : error.message,
  );
  const hint =
    error.code === 'internal' ? "push again; the operator finds the reason in the builder's log" : error.hint;
  await report(shop, current, {
    epoch: build.epoch,
    status: 'failed',
    error: message.split('\n', 1)[0] ?? message,
    ...(hint === undefined ? {} : { hint }),
    steps,
  });
}

function tookTooLong(shop: Workshop): AppError {
  const seconds = shop.config.limits.timeMs / 1000;
  const limit = seconds >= 60 && seconds % 60 === 0 ? `${seconds / 60} minutes` : `${seconds} seconds`;
  return new AppError('build_failed', `the build took longer than ${limit}`, {
    hint: "make it faster, or ask the platform's operator for a larger BERTH_BUILD_TIMEOUT_SECONDS",
  });
}
