// Our end of the pre-receive hook: reads what was pushed (fd 3), prints to the pusher (fd 4), gives the verdict (fd 5).
// Used by one receive-pack at a time; see hooks/pre-receive for the other end.

import type { Duplex } from 'node:stream';
import { AppError } from '@berth/kit/errors.ts';
import type { GitProcess } from './git-process.ts';

export interface RefUpdate {
  oldOid: string;
  newOid: string;
  ref: string;
}

export interface PushedRefs {
  /** Folder with the objects that are not part of the repository yet. */
  quarantine: string;
  updates: RefUpdate[];
  /** Push options that mean nothing here. */
  unknownOptions: number;
  /** `git push -o no-cache` */
  noCache: boolean;
}

/** More refs than this in one push are refused: 4 MiB of names is tens of thousands. */
const maxIntroductionBytes = 4 * 1024 * 1024;

export class HookChannel {
  readonly #introduction: Duplex;
  readonly #output: Duplex;
  readonly #verdict: Duplex;

  constructor(child: GitProcess) {
    const [, , , introduction, output, verdict] = child.stdio as unknown as Duplex[];
    if (!introduction || !output || !verdict) throw new Error('git was started without its hook pipes');
    this.#introduction = introduction;
    this.#output = output;
    this.#verdict = verdict;
    // A git that was killed breaks all three; its exit tells.
    for (const stream of [introduction, output, verdict]) stream.on('error', () => {});
  }

  /** What was pushed, or null when git ended without running the hook (bad objects, nothing to update). */
  async introduction(): Promise<PushedRefs | null> {
    let text = '';
    for await (const chunk of this.#introduction.setEncoding('utf8')) {
      text += String(chunk);
      const end = /^\. (\d+) (\d+)\n$/m.exec(text.slice(-64));
      if (end) return parseIntroduction(text, { all: Number(end[1]), noCache: Number(end[2]) });
      if (text.length > maxIntroductionBytes) throw new AppError('too_large', 'the push names too many refs');
    }
    return null;
  }

  /** Prints a line to the pusher, as git's "remote: …". Waits while the pusher reads slowly. */
  async print(line: string): Promise<void> {
    if (this.#output.destroyed || this.#output.writableEnded) return;
    if (this.#output.write(`${line}\n`)) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#output.once('drain', resolve).once('close', resolve);
    await promise;
  }

  /** Lets git move the refs (true) or refuse the push (false). */
  finish(accepted: boolean): void {
    this.#output.end();
    this.#verdict.end(accepted ? '0\n' : '1\n');
  }
}

export function parseIntroduction(text: string, options: { all: number; noCache: number }): PushedRefs {
  const [quarantine = '', ...lines] = text.split('\n');
  const updates: RefUpdate[] = [];
  for (const line of lines) {
    const match = /^([0-9a-f]{40,64}) ([0-9a-f]{40,64}) (refs\/\S+)$/.exec(line);
    if (match) updates.push({ oldOid: match[1] ?? '', newOid: match[2] ?? '', ref: match[3] ?? '' });
  }
  // A push that only deletes refs brings no objects and has no quarantine.
  if (
    !(quarantine.startsWith('/') || updates.every(({ newOid }) => /^0+$/.test(newOid))) ||
    updates.length === 0
  )
    throw new AppError('internal', 'the hook said nothing that could be understood');
  const unknownOptions = options.all - options.noCache;
  return { quarantine, updates, unknownOptions, noCache: options.noCache > 0 };
}
