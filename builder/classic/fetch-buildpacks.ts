// Brings the buildpacks of a list into the engine as layers, each pinned to a commit or a content. Called by build-with-buildpacks.ts.
// Fetching happens in build containers: never here, where the control plane's network is. One that was fetched before starts none.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { AppError } from '@berth/kit/errors.ts';
import { appUser, baseImageConfig, pathVariable } from '../image.ts';
import { digest } from '../keys.ts';
import { sourceTar } from '../source/source-layer.ts';
import { fixedMtime, type LayerWork } from '../steps/layer-work.ts';
import { discardContainer } from '../steps/prepare-engine.ts';
import { type RunEnd, runContainer } from '../steps/run-container.ts';
import { leftOutPaths, stackFor } from '../steps/run-step.ts';
import type { BuildpackReference } from './buildpack-reference.ts';
import { partOfTree } from './part-of-tree.ts';

export interface PinnedBuildpack {
  reference: BuildpackReference;
  /** A commit, or the digest of an archive or a folder. */
  pin: string;
}

export interface FetchedBuildpack extends PinnedBuildpack {
  diffId: string;
  /** Where it lies in a container that has the layer. */
  path: string;
  cached: boolean;
}

const script = (name: string) => readFileSync(new URL(`scripts/${name}`, import.meta.url), 'utf8');
const resolveScript = script('resolve');
const fetchScript = script('fetch');

/** What each buildpack is at now. Those that say it themselves (a whole commit, a folder of the tree) are not asked for. */
export async function pinBuildpacks(
  references: readonly BuildpackReference[],
  work: LayerWork,
  binds: readonly string[],
): Promise<PinnedBuildpack[]> {
  const asked = references.filter((reference) => knownPin(reference, work) === undefined);
  const answers =
    asked.length > 0 ? await askPins(asked, work, binds) : new Map<BuildpackReference, string>();
  return references.map((reference) => {
    const pin = knownPin(reference, work) ?? answers.get(reference);
    if (pin === undefined) throw new AppError('internal', 'a buildpack was not looked for');
    return { reference, pin };
  });
}

function knownPin(reference: BuildpackReference, { tree }: Pick<LayerWork, 'tree'>): string | undefined {
  if (reference.kind === 'git' && /^[0-9a-f]{40}$/.test(reference.ref)) return reference.ref;
  if (reference.kind !== 'tree') return undefined;
  if (!tree.hasFolder(reference.folder))
    throw new AppError('invalid', `the folder "${reference.folder}" of a buildpack is not in the commit`, {
      hint: 'commit it, or name another buildpack',
    });
  return partOfTree(tree, reference.folder).oid;
}

async function askPins(
  references: readonly BuildpackReference[],
  work: LayerWork,
  binds: readonly string[],
): Promise<Map<BuildpackReference, string>> {
  const mark = `berth-${randomBytes(12).toString('hex')}`;
  const env: Record<string, string> = { COUNT: String(references.length), BERTH_MARK: mark };
  for (const [index, reference] of references.entries()) {
    env[`KIND_${index}`] = reference.kind;
    env[`PLACE_${index}`] = placeOf(reference);
    env[`REF_${index}`] = reference.kind === 'git' ? reference.ref : '';
  }
  const lines: string[] = [];
  await inContainer(
    { script: resolveScript, env, binds, onLine: (line) => lines.push(line) },
    work,
    async (end) => {
      if (end.exitCode !== 0)
        throw new AppError('build_failed', 'the buildpacks cannot be looked for', {
          detail: end.tail.slice(-1000),
        });
    },
  );
  const answers = new Map<BuildpackReference, string>();
  for (const [index, reference] of references.entries()) {
    const answer = lines.find((line) => line.startsWith(`${mark} ${index} `))?.slice(mark.length + 1);
    const pin = /^\d+ pin ([0-9a-f]{40,64})$/.exec(answer ?? '')?.[1];
    if (pin === undefined) throw cannotFetch(reference, /^\d+ why (.*)$/.exec(answer ?? '')?.[1] ?? '');
    answers.set(reference, pin);
  }
  return answers;
}

/** The layers of the pinned buildpacks, in the list's order. */
export async function fetchBuildpacks(
  pinned: readonly PinnedBuildpack[],
  work: LayerWork,
  binds: readonly string[],
): Promise<FetchedBuildpack[]> {
  const fetched: FetchedBuildpack[] = [];
  for (const buildpack of pinned) fetched.push(await fetchOne(buildpack, work, binds));
  return fetched;
}

async function fetchOne(
  buildpack: PinnedBuildpack,
  work: LayerWork,
  binds: readonly string[],
): Promise<FetchedBuildpack> {
  const { engine, records, appId } = work;
  const { reference, pin } = buildpack;
  // One app's own: what another may fetch is not known here.
  const key = digest(['classic buildpack', 1, appId, reference.kind, placeOf(reference), pin]);
  const path = `/opt/berth/buildpacks/${key.slice(0, 16)}`;
  return records.exclusively(key, async () => {
    const known = records.find(key);
    if (known !== undefined && (await engine.hasLayer(known)))
      return { ...buildpack, diffId: known, path, cached: true };
    const diffId =
      reference.kind === 'tree'
        ? await layerOfTree(reference.folder, path, work)
        : await layerOfPlace(buildpack, path, work, binds);
    records.remember(key, diffId);
    return { ...buildpack, diffId, path, cached: false };
  });
}

async function layerOfTree(folder: string, path: string, work: LayerWork): Promise<string> {
  const { engine, objects, tree, signal } = work;
  const { uid, gid } = appUser;
  const tar = sourceTar(objects, partOfTree(tree, folder), [], path.slice(1));
  return (await engine.makeLayer(tar, { uid, gid, mtime: fixedMtime, signal })).diffId;
}

async function layerOfPlace(
  { reference, pin }: PinnedBuildpack,
  path: string,
  work: LayerWork,
  binds: readonly string[],
): Promise<string> {
  const env = {
    KIND: reference.kind,
    PLACE: placeOf(reference),
    PIN: pin,
    TARGET: path,
    OWNER: `${appUser.uid}:${appUser.gid}`,
  };
  const exclude = leftOutPaths({ keep: '/opt', leaveOut: [] });
  return inContainer({ script: fetchScript, env, binds, onLine: () => {} }, work, async (end, container) => {
    if (end.exitCode !== 0) throw cannotFetch(reference, lastLine(end.tail));
    return (await work.engine.commitLayer(container, { mtime: fixedMtime, exclude })).diffId;
  });
}

interface FetchRun {
  script: string;
  env: Record<string, string>;
  binds: readonly string[];
  onLine: (line: string) => void;
}

async function inContainer<T>(
  run: FetchRun,
  work: LayerWork,
  then: (end: RunEnd, container: string) => Promise<T>,
): Promise<T> {
  const { engine, runner, platformNode, signal } = work;
  const stack = await stackFor({ stack: 'build' }, work);
  const image = await engine.makeImage({ config: baseImageConfig(platformNode.arch), layers: stack.layers });
  let container = '';
  try {
    const end = await runContainer(
      engine,
      {
        image,
        // The scripts are bash's; sh only hands over.
        script: 'exec bash -c "$SCRIPT"',
        user: 'root',
        env: {
          ...runner.sources.env,
          ...run.env,
          SCRIPT: run.script,
          PATH: pathVariable([]),
          HOME: '/tmp',
          LANG: 'C.UTF-8',
        },
        binds: [...runner.sources.binds, ...run.binds],
        labels: { 'berth.build': runner.buildId, 'berth.step': 'fetch-buildpacks' },
        userns: `build-${work.appId}`,
        workingDir: '/',
      },
      {
        limits: runner.limits,
        signal,
        mask: (text) => work.log.mask(text),
        onLine: run.onLine,
        onBytes: runner.onBytes,
        onCreated: (id) => {
          container = id;
        },
      },
    );
    return await then(end, container);
  } finally {
    await discardContainer(engine, container === '' ? undefined : container);
  }
}

function placeOf(reference: BuildpackReference): string {
  return reference.kind === 'git' || reference.kind === 'archive' ? reference.url : reference.folder;
}

function cannotFetch(reference: BuildpackReference, reason: string): AppError {
  const said = reason.replace(/^(fatal|error|curl|remote|bash): */i, '').slice(0, 300);
  return new AppError(
    'build_failed',
    `the buildpack "${reference.name}" cannot be fetched${said === '' ? '' : `: ${said}`}`,
    {
      hint:
        reference.kind === 'folder'
          ? 'the operator puts it on the host, readable for everybody'
          : `looked at ${placeOf(reference)}: check it, or ask the operator for a mirror (BERTH_GIT_INSTEAD_OF) when builds cannot reach it`,
    },
  );
}

function lastLine(tail: string): string {
  return tail.trimEnd().split('\n').at(-1) ?? '';
}
