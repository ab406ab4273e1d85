// COPY: what it will do (for the key), and the layer, made only when the cache does not have it.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { AppError } from '@berth/kit/errors.ts';
import { addSources } from './add-sources.ts';
import { foldersOf, type StepPlace } from './build-run.ts';
import { type CopyPlan, planCopy } from './copy-plan.ts';
import { type CopySource, findSources, type SourceTree } from './copy-sources.ts';
import { type ModeChange, parseMode } from './file-mode.ts';
import { type Owner, ownerOf } from './image-user.ts';
import type { CopyInstruction } from './language/instruction.ts';
import { type CopyJob, makeCopiedLayer } from './new-layer.ts';
import { findInTree, type TreeFolders } from './tree.ts';
import type { VariableScope } from './variable-scope.ts';

/** A step whose result is a layer: known by its facts before it is made. */
export interface PreparedStep {
  facts: object;
  /** Its layer does not depend on what lies below it. */
  isIndependent: boolean;
  /** As `docker history` shows it. */
  createdBy: string;
  make: () => Promise<string>;
}

/** One tree that is copied from, with its plan. */
interface Part {
  folders: TreeFolders;
  plan: CopyPlan;
  owner: Owner | undefined;
}

export async function prepareCopy(
  place: StepPlace,
  instruction: CopyInstruction,
  scope: VariableScope,
): Promise<PreparedStep> {
  const { run, state } = place;
  const { layers, helper } = run.parts;
  const { line } = instruction;
  const env = state.config.Env;
  const expand = (text: string) => scope.expand(text, env, line);
  const destination = expand(instruction.destination);
  const chown = expand(instruction.chown);
  const chmod = expand(instruction.chmod);
  const lower = state.layers.map((diffId) => layers.diffDir(diffId)).toReversed();
  const owner = chown === '' ? undefined : await ownerOf(chown, { lower }, helper);
  const mode = chmod === '' ? undefined : parseMode(chmod);
  const found = await findParts(place, { ...instruction, sources: instruction.sources.map(expand) }, scope);
  const parts = found.map((one) =>
    partOf(one, instruction, { destination, mode, owner, count: found.length }),
  );
  const target = posix.join(state.config.WorkingDir || '/', destination);
  const facts = {
    kind: instruction.kind,
    target: posix.isAbsolute(destination) ? posix.normalize(destination) : target,
    endsInSlash: destination.endsWith('/'),
    parts: parts.map(({ plan }) => plan.digest),
    isFolder: parts.map(({ plan }) => plan.isFolder),
  };
  const digest = parts.map(({ plan }) => plan.digest).join(' ');
  return {
    facts,
    isIndependent: instruction.link,
    createdBy: `/bin/sh -c #(nop) ${instruction.kind.toUpperCase()} multi:${digest.slice(0, 64)} in ${destination} `,
    make: async () => {
      const below = instruction.link ? [] : foldersOf(state, layers);
      const jobs: CopyJob[] = [];
      for (const part of parts) jobs.push(await jobOf(place, part, facts.target, below));
      return makeCopiedLayer(run, below, jobs);
    },
  };
}

interface FoundPart {
  tree: SourceTree;
  sources: CopySource[];
  /** A source's own owners count unless --chown says otherwise (--from, unpacked archives). */
  keepsOwners: boolean;
  /** Unpacked into the destination as it is. */
  isArchive?: boolean;
}

async function findParts(
  place: StepPlace,
  instruction: CopyInstruction,
  scope: VariableScope,
): Promise<FoundPart[]> {
  const { run } = place;
  const { helper } = run.parts;
  if (instruction.kind === 'add') {
    if (instruction.from !== '') throw new AppError('bad_request', 'ADD has no --from; use COPY');
  }
  const documents = heredocPart(place, instruction, scope);
  const names = instruction.sources.filter((source) => !/^\d*<<-?/.test(source));
  const parts: FoundPart[] = [];
  if (instruction.kind === 'add') parts.push(...(await addSources(place, instruction, names)));
  else if (names.length > 0) {
    const tree: SourceTree =
      instruction.from === ''
        ? { folders: [run.context.dir], label: '' }
        : await run.source(instruction.from, place.stageIndex);
    const sources: CopySource[] = [];
    for (const name of names) sources.push(...(await findSources(helper, tree, name)));
    parts.push({ tree, sources, keepsOwners: instruction.from !== '' });
  }
  if (documents) {
    const tree = { folders: [documents.dir], label: '' };
    const sources: CopySource[] = [];
    for (const name of documents.names) sources.push(...(await findSources(helper, tree, name)));
    parts.push({ tree, sources, keepsOwners: false });
  }
  return parts;
}

/** Here-documents are files of a folder of their own, named by their delimiters. */
function heredocPart(
  { run, state }: StepPlace,
  { heredocs, line }: CopyInstruction,
  scope: VariableScope,
): { dir: string; names: string[] } | undefined {
  if (heredocs.length === 0) return undefined;
  const dir = run.scratchPath('documents');
  mkdirSync(dir, { mode: 0o700 });
  for (const { name, content, isExpanded } of heredocs) {
    if (name.includes('/') || name === '.' || name === '..')
      throw new AppError('bad_request', `dockerfile line ${line}: "${name.slice(0, 80)}" is no file name`);
    const text = isExpanded ? scope.expand(content, state.config.Env, line, { keepQuotes: true }) : content;
    writeFileSync(join(dir, name), text, { mode: 0o644 });
  }
  return { dir, names: heredocs.map(({ name }) => name.replace(/[*?[\\]/g, '\\$&')) };
}

function partOf(
  found: FoundPart,
  instruction: CopyInstruction,
  options: { destination: string; mode: ModeChange | undefined; owner: Owner | undefined; count: number },
): Part {
  const root = { uid: 0, gid: 0 };
  const owner = options.owner ?? (found.keepsOwners ? undefined : root);
  const { destination } = options;
  const isOneOfMany = options.count > 1;
  const plan = planCopy(found.sources, {
    owner,
    mode: options.mode,
    parents: instruction.parents,
    exclude: instruction.exclude,
    // Several trees mean several sources: the destination must be a folder.
    destination:
      isOneOfMany && found.sources.length === 1 ? needFolder(destination, instruction) : destination,
    keyword: instruction.kind.toUpperCase(),
  });
  return { folders: found.tree.folders, plan, owner };
}

function needFolder(destination: string, { kind }: CopyInstruction): string {
  if (/(^|\/)\.{0,2}\/?$/.test(destination)) return destination;
  throw new AppError(
    'bad_request',
    `When using ${kind.toUpperCase()} with more than one source file, the destination must be a directory and end with a /`,
  );
}

/** Where a single file goes depends on what the stage has there: into a folder, or over what a link points to. */
async function jobOf(place: StepPlace, part: Part, target: string, below: TreeFolders): Promise<CopyJob> {
  const { plan, folders, owner } = part;
  const relative = target.replace(/^\/+|\/+$/g, '');
  const job = { source: folders, owner, records: plan.records, destination: relative };
  const [first] = plan.records;
  if (plan.isFolder || below.length === 0 || !first) return job;
  const there = await findInTree(place.run.parts.helper, below, `/${relative}`, { depth: 0 });
  if (!there) return job;
  const real = there.path.replace(/^\//, '');
  if (there.start.type !== 'folder') return { ...job, destination: real };
  const name = posix.basename(first.source);
  return { ...job, destination: real === '' ? name : `${real}/${name}` };
}
