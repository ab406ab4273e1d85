// A layer made of copies, without a container: an overlay over the stage, written by the helper, adopted by the store.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { CopyRequest } from '../runtime/helper.ts';
import type { BuildRun } from './build-run.ts';
import { type CopyRecord, encodeRecords } from './copy-plan.ts';
import type { Owner } from './image-user.ts';
import type { TreeFolders } from './tree.ts';

export interface CopyJob {
  source: TreeFolders | undefined;
  owner: Owner | undefined;
  records: CopyRecord[];
  /** Relative to the root. */
  destination: string;
}

/** The digest of the new layer. `below`: folders of the stage, topmost first; none for an independent layer. */
export async function makeCopiedLayer(run: BuildRun, below: TreeFolders, jobs: CopyJob[]): Promise<string> {
  const { helper, layers } = run.parts;
  const dir = run.scratchPath('copy');
  const upper = join(dir, 'upper');
  mkdirSync(upper, { recursive: true, mode: 0o755 });
  for (const [index, job] of jobs.entries()) {
    run.signal.throwIfAborted();
    // Each its own: a volatile overlay leaves a mark in its work folder that refuses the next mount.
    const work = join(dir, `work-${index}`);
    mkdirSync(work, { mode: 0o700 });
    const request: CopyRequest = {
      lower: below,
      upper,
      work,
      ...(job.source ? { source: job.source } : {}),
      ...(job.owner ? { owner: job.owner } : {}),
    };
    await helper.copyTree(request, Readable.from(encodeRecords(job.records, job.destination)));
  }
  const { diffId } = await layers.adopt(upper, undefined);
  run.hold([diffId]);
  return diffId;
}
