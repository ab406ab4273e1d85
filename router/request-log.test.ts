// Proves the log lines, their bounds and the file they go to.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { LineRing, mostRingBytes } from './line-ring.ts';
import { LogFile } from './log-file.ts';
import { formatRecord, RequestLog, type RequestRecord } from './request-log.ts';

const record: RequestRecord = {
  code: '',
  method: 'GET',
  path: '/',
  host: 'shop.test',
  requestId: 'id',
  address: '192.0.2.1',
  instance: 'web.1',
  connectMs: 1,
  serviceMs: 2,
  status: 200,
  bytes: 3,
  isWebSocket: false,
};
const app = (name: string) => ({ name, requests: 0, errors: 0, inFlight: 0 });

describe('the request log', () => {
  it('writes the line of a served request', () => {
    assert.equal(
      formatRecord(record),
      'at=info method=GET path="/" host=shop.test request_id=id fwd="192.0.2.1" instance=web.1 connect=1ms service=2ms status=200 bytes=3 protocol=http',
    );
  });

  it('writes the code of a failed one', () => {
    const failed: RequestRecord = { ...record, code: 'H12', instance: '', status: 503 };
    assert.match(formatRecord(failed), /^at=error code=H12 desc="Request timeout" .* instance= connect= /);
  });

  it('leaves nothing in a path that could forge a field or a line, and cuts long ones', () => {
    const forged = formatRecord({ ...record, path: '/a" status=200 \\\xe9' });
    assert.match(forged, / path="\/a%22%20status=200%20%5C%E9" host=/);
    assert.ok(formatRecord({ ...record, path: `/${'a'.repeat(5000)}` }).length < 2400);
  });

  it('keeps the last 200 lines of an app, in order', () => {
    const log = new RequestLog();
    for (let i = 0; i < 450; i++) log.add(app('shop'), { ...record, bytes: i });
    const lines = log.lines('shop', 1000);
    assert.equal(lines.length, 200);
    assert.match(lines[0]?.message ?? '', / bytes=250 /);
    assert.match(lines[199]?.message ?? '', / bytes=449 /);
    assert.match(log.lines('shop', 1)[0]?.message ?? '', / bytes=449 /);
    assert.deepEqual(log.lines('other', 10), []);
    assert.deepEqual(log.lines('shop', 0), []);
  });

  it('keeps the lines of 2,000 apps at most', () => {
    const log = new RequestLog();
    for (let i = 0; i < 2001; i++) log.add(app(`app${i}`), record);
    assert.equal(log.lines('app0', 1).length, 0);
    assert.equal(log.lines('app2000', 1).length, 1);
  });

  it('tells a follower each new line of its app until it stops', () => {
    const log = new RequestLog();
    const heard: string[] = [];
    const stop = log.follow('shop', (line) => heard.push(line.app));
    log.add(app('shop'), record);
    log.add(app('other'), record);
    stop();
    log.add(app('shop'), record);
    assert.deepEqual(heard, ['shop']);
  });
});

describe('the last lines of an app', () => {
  it('are the newest ones, whole and in order, whatever their lengths and however much room there is', () => {
    const line = fc.string({ unit: 'grapheme-ascii', maxLength: 900 });
    fc.assert(
      fc.property(fc.array(line, { maxLength: 300 }), fc.nat(250), (lines, growsUntil) => {
        const ring = new LineRing();
        for (const [i, one] of lines.entries()) ring.add(one, i < growsUntil);
        const kept = ring.last(1000);
        assert.deepEqual(kept, lines.slice(lines.length - kept.length));
        assert.ok(kept.length <= 200 && kept.length >= Math.min(lines.length, 3));
        assert.ok(ring.capacity <= mostRingBytes);
      }),
    );
  });
});

describe('the log file', () => {
  it('holds every line, in order, over a rotation', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'berth-log-file-'));
    try {
      const path = join(folder, 'requests.log');
      const file = new LogFile(path, 100_000);
      const lines = Array.from({ length: 2500 }, (_, i) => `line ${i} ${'x'.repeat(50)}`);
      for (const line of lines) file.write(line);
      await file.close();
      const text = (await readFile(`${path}.1`, 'utf8')) + (await readFile(path, 'utf8'));
      assert.equal(text, `${lines.join('\n')}\n`);
      assert.equal(file.droppedLines, 0);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('drops and counts lines that cannot be written', async () => {
    const file = new LogFile('/nonexistent/folder/requests.log');
    file.write('a');
    file.write('b');
    await file.close();
    assert.equal(file.droppedLines, 2);
  });
});
