// `npm run format`: formats TypeScript, JSON and C, and applies the fixes that are safe.
import { join } from 'node:path';
import { callerEnvironment } from './config.ts';
import { biome } from './format-tool.ts';
import { runLanes } from './run-steps.ts';

const cwd = join(import.meta.dirname, '../..');
const env = callerEnvironment();
const results = await runLanes([
  [{ name: 'TypeScript, JSON', argv: [biome, 'check', '--write', '.'], cwd, env }],
  [{ name: 'C', argv: ['make', '-s', '-C', 'engine-native/runtime', 'format'], cwd, env }],
]);
process.exitCode = results.some(({ exitCode }) => exitCode !== 0) ? 1 : 0;
