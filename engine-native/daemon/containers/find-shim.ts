// Finds the shim of a container, and tells one that is slow from one that is dead. Called by starts, by recovery and when a connection broke.
// Must never give up a container whose shim lives: a machine under load answers late, and giving up means killing.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError } from '@berth/kit/errors.ts';
import { readJson } from '../files.ts';
import { readText } from '../networks/host-network.ts';
import { endProcess, isAlive } from '../runtime/own-processes.ts';
import { Shim, type ShimState } from '../runtime/shim.ts';

const retryMs = 20;
const lookKeptMs = 100;
const stateLimitMs = 3_000; // a stopped shim answers nothing; what it wrote at the start stands in for it
const idLength = 12; // of the id that the helper gives a shim as its only argument

/** Shims by the start of their container's id, as one look at /proc finds them: also those that are still starting. */
function livingShims(): Map<string, number[]> {
  const found = new Map<string, number[]>();
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const [program, id = '', ...others] = readText(`/proc/${pid}/cmdline`).split('\0');
    if (program !== 'berth-shim' || id.length !== idLength || others.length !== 1) continue;
    // A program in a container may call itself what it likes, but it is nobody of the host.
    if (!/^Uid:\t0\t0\t/m.test(readText(`/proc/${pid}/status`))) continue;
    found.set(id, [...(found.get(id) ?? []), Number(pid)]);
  }
  return found;
}

/** From a look at `sinceMs` or later: a hundred starts that look at once must not keep the daemon busy with looking. */
function shimPids(id: string, sinceMs: number): number[] {
  if (lastLook.atMs < sinceMs) {
    const atMs = performance.now();
    lastLook = { found: livingShims(), atMs };
  }
  return lastLook.found.get(id.slice(0, idLength)) ?? [];
}

let lastLook = { found: new Map<string, number[]>(), atMs: Number.NEGATIVE_INFINITY };

/** A connection, for as long as somebody lives who may still open the socket; undefined when nobody does. */
export async function connectLiving(runDir: string, limitMs: number): Promise<Shim | undefined> {
  const beganMs = performance.now();
  for (;;) {
    const nowMs = performance.now();
    try {
      return await Shim.connect(runDir);
    } catch {
      const sinceMs = Math.max(beganMs, nowMs - lookKeptMs);
      if (!mayStillOpen(runDir, sinceMs) || nowMs - beganMs > limitMs) return undefined;
      await sleep(retryMs);
    }
  }
}

/** No end was recorded, and whoever wrote the state lives, or somebody who is to write it. */
function mayStillOpen(runDir: string, sinceMs: number): boolean {
  if (readJson(join(runDir, 'exit.json'))) return false;
  const state = readState(runDir);
  return state ? isAlive(state.shimPid) : shimPids(idOf(runDir), sinceMs).length > 0;
}

/** What the shim says of itself, or what it wrote when it started if it says nothing; throws when it is gone. */
export async function stateOf(shim: Shim, runDir: string): Promise<ShimState> {
  const deadline = performance.now() + stateLimitMs;
  for (;;) {
    try {
      return await shim.state();
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'timeout') throw error;
      if (performance.now() < deadline) continue;
      const written = readState(runDir);
      if (!written) throw error;
      return { status: 'running', pid: written.pid, startedAt: written.startedAt };
    }
  }
}

/** Ends a start that came to nothing, so that it does not go on behind everybody's back. The container dies with its shim. */
export async function endShims(id: string, sinceMs = performance.now()): Promise<void> {
  for (const pid of shimPids(id, sinceMs)) await endProcess(pid, ['SIGKILL']);
}

function readState(runDir: string): { pid: number; shimPid: number; startedAt: string } | undefined {
  return readJson(join(runDir, 'state.json'));
}

function idOf(runDir: string): string {
  return runDir.slice(runDir.lastIndexOf('/') + 1);
}
