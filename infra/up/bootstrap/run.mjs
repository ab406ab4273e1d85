// Runs programs for the bootstrap: argv arrays only, never a shell string. Used before the platform's own run-command can be loaded.
import { spawn, spawnSync } from 'node:child_process';
import { constants } from 'node:os';
import { BootstrapError } from './report.mjs';

/**
 * @typedef {{ cwd?: string, env?: NodeJS.ProcessEnv, uid?: number, gid?: number, timeoutMs?: number }} RunOptions
 * @typedef {{ exitCode: number, output: string }} RunResult
 */

/**
 * Runs a quick program and gives its exit code and output; a program that is not there has exit code 127.
 * @param {string[]} argv
 * @param {RunOptions} [options]
 * @returns {RunResult}
 */
export function run([file = '', ...args], { timeoutMs = 60_000, ...options } = {}) {
  // The limit: a dpkg or git that hangs on a dead disk must not hang the bootstrap without a word.
  const result = spawnSync(file, args, {
    ...options,
    encoding: 'utf8',
    timeout: timeoutMs,
    maxBuffer: 64 << 20,
  });
  return {
    exitCode: result.error ? 127 : (result.status ?? 1),
    output: `${result.stdout ?? ''}${result.stderr ?? ''}`,
  };
}

/**
 * Runs a slow program quietly; only when it fails is the end of its output shown.
 * @param {string[]} argv
 * @param {RunOptions} options
 * @returns {Promise<RunResult>}
 */
export function runQuietly([file = '', ...args], { timeoutMs = 900_000, ...options }) {
  return new Promise((resolve) => {
    const child = spawn(file, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const keep = (/** @type {Buffer} */ chunk) => {
      output = (output + chunk.toString('utf8')).slice(-200_000);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    // A package mirror that accepts and never answers would hold the bootstrap for ever.
    const limit = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
    child.on('error', (error) => resolve({ exitCode: 127, output: error.message }));
    child.on('close', (code) => {
      clearTimeout(limit);
      resolve({ exitCode: code ?? 1, output });
    });
  });
}

/**
 * Hands the terminal over to a program and ends with its exit code, passing signals on.
 * @param {string[]} argv
 * @param {RunOptions} [options]
 * @returns {Promise<never>}
 */
export function become([file = '', ...args], options = {}) {
  return new Promise((_, reject) => {
    const child = spawn(file, args, { ...options, stdio: 'inherit' });
    // Ctrl-C reaches the child by the terminal; this process only waits. SIGTERM comes to us alone, so it is passed on.
    process.on('SIGINT', () => {});
    for (const signal of /** @type {const} */ (['SIGTERM', 'SIGHUP']))
      process.on(signal, () => child.kill(signal));
    child.on('error', (error) => reject(new BootstrapError(`cannot run "${file}": ${error.message}`)));
    child.on('exit', (code, signal) => process.exit(code ?? 128 + (signal ? constants.signals[signal] : 0)));
  });
}

/**
 * The full path of a command, or undefined.
 * @param {string} name
 */
export function findCommand(name) {
  const result = run(['/bin/sh', '-c', 'command -v -- "$1"', 'sh', name]);
  return result.exitCode === 0 ? result.output.trim() : undefined;
}
