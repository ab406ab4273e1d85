// How the bootstrap speaks: one line a step with its time, one line for an error and one for what to do about it.
// Used by every file of this folder. Must stay plain ESM without packages: it runs before anything is installed, on Node 20.

/** An error that is shown as one line and its hint, without a stack. */
export class BootstrapError extends Error {
  /**
   * @param {string} message
   * @param {string} [hint]
   */
  constructor(message, hint) {
    super(message);
    this.hint = hint;
  }
}

/**
 * Runs one step and prints `-----> name  1.2 s`, or `up to date` when the work says that nothing was to do.
 * @param {string} name
 * @param {() => boolean | Promise<boolean>} work resolves to false when nothing had to be done
 */
export async function step(name, work) {
  const startedAt = performance.now();
  const didWork = await work();
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  process.stdout.write(`-----> ${name.padEnd(22)} ${didWork ? `${seconds} s` : 'up to date'}\n`);
}

/** @param {string} line */
export function detail(line) {
  process.stdout.write(`       ${line}\n`);
}

/** @param {unknown} error */
export function reportFailure(error) {
  if (!(error instanceof BootstrapError)) throw error;
  process.stderr.write(` !     ${error.message}\n`);
  if (error.hint) process.stderr.write(` !     ${error.hint}\n`);
}
