// What the machine must be before anything else is tried: its Node, its processor, its disk. One line each that says what is wrong.
import { statfsSync } from 'node:fs';
import { BootstrapError } from './report.mjs';

const leastNodeMajor = 20;
const leastFreeBytes = 2 * 1024 ** 3;

/** @param {string} repository */
export function checkMachine(repository) {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < leastNodeMajor)
    throw new BootstrapError(
      `Node ${process.versions.node} is too old`,
      `install Node ${leastNodeMajor} or newer; Berth brings its own Node 24 for everything after this step`,
    );
  if (process.platform !== 'linux')
    throw new BootstrapError(
      `the platform "${process.platform}" cannot run containers`,
      'use a Linux machine or a VM',
    );
  if (process.arch !== 'x64' && process.arch !== 'arm64')
    throw new BootstrapError(
      `the processor "${process.arch}" is not supported`,
      'use an x86-64 or arm64 machine',
    );
  checkFreeSpace(repository);
}

/** @param {string} folder */
export function checkFreeSpace(folder) {
  const { bavail, bsize } = statfsSync(folder);
  const freeBytes = bavail * bsize;
  if (freeBytes < leastFreeBytes)
    throw new BootstrapError(
      `the disk that holds "${folder}" has ${(freeBytes / 1024 ** 3).toFixed(1)} GB free; 2 GB are needed`,
      'free some space and start again',
    );
}
