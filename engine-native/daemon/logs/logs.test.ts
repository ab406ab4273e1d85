// Tests of reading a log: tails, times, rotation while a reader follows.
import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { frameOf, parseLogLine, parseMoment } from './log-records.ts';
import { type LogQuery, readLog } from './read-log.ts';

const dir = mkdtempSync(join(tmpdir(), 'logs-'));
after(() => rmSync(dir, { recursive: true }));

const line = (text: string, stream = 'stdout', second = 0) =>
  `${JSON.stringify({ log: `${text}\n`, stream, time: `2026-01-01T00:00:${String(second).padStart(2, '0')}.000000000Z` })}\n`;
const all: LogQuery = {
  follow: false,
  tail: undefined,
  sinceMs: undefined,
  untilMs: undefined,
  stdout: true,
  stderr: true,
};
const never = new Promise<void>(() => {});

async function collect(
  path: string,
  query: Partial<LogQuery>,
  ended: Promise<unknown> = never,
): Promise<string> {
  let text = '';
  for await (const batch of readLog(path, { ...all, ...query }, ended, new AbortController().signal))
    text += batch.map(({ log }) => log).join('');
  return text;
}

test('frames carry type, length and bytes', () => {
  assert.deepEqual(frameOf('stderr', Buffer.from('ab')), Buffer.from([2, 0, 0, 0, 0, 0, 0, 2, 97, 98]));
  assert.equal(parseLogLine('{"log":"x"'), undefined);
  assert.deepEqual(
    [parseMoment('1.5'), parseMoment('2026-01-01T00:00:00Z'), parseMoment('0')],
    [1500, 1767225600000, undefined],
  );
});

test('a log in three files is read oldest first, by tail, by stream and by time', async () => {
  const path = join(dir, 'three');
  appendFileSync(`${path}.2`, line('a', 'stdout', 1) + line('b', 'stderr', 2));
  appendFileSync(`${path}.1`, line('c', 'stdout', 3));
  appendFileSync(path, `${line('d', 'stdout', 4)}{"log":"half`);
  assert.equal(await collect(path, {}), 'a\nb\nc\nd\n');
  assert.equal(await collect(path, { tail: 3 }), 'b\nc\nd\n');
  assert.equal(await collect(path, { tail: 0 }), '');
  assert.equal(await collect(path, { stdout: false }), 'b\n');
  assert.equal(await collect(path, { sinceMs: Date.parse('2026-01-01T00:00:02.500Z') }), 'c\nd\n');
  assert.equal(await collect(path, { tail: 2, stderr: false }), 'c\nd\n');
  assert.equal(await collect(join(dir, 'missing'), {}), '');
});

test('a follower misses nothing while the log is written and rotated under it', async () => {
  const path = join(dir, 'follow');
  const count = 3000;
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  const reading = collect(path, { follow: true }, ended);
  for (let index = 0; index < count; index++) {
    appendFileSync(path, line(String(index)));
    if (index % 500 === 499) {
      for (let file = 20; file >= 1; file--) {
        try {
          renameSync(`${path}.${file}`, `${path}.${file + 1}`);
        } catch {
          // not there yet
        }
      }
      renameSync(path, `${path}.1`);
    }
    if (index % 300 === 0) await new Promise((next) => setTimeout(next, 5));
  }
  end();
  const numbers = (await reading).trimEnd().split('\n').map(Number);
  assert.deepEqual(
    numbers,
    Array.from({ length: count }, (_, index) => index),
  );
});

test('a line longer than a read is one record', async () => {
  const path = join(dir, 'long');
  appendFileSync(path, line('x'.repeat(200_000)) + line('end'));
  assert.equal((await collect(path, { tail: 2 })).length, 200_001 + 4);
  assert.equal((await collect(path, {})).length, 200_001 + 4);
});
