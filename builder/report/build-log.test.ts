import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError } from '@berth/kit/errors.ts';
import { BuildLog } from './build-log.ts';
import { secretMasker } from './mask-secrets.ts';
import { OutputLines } from './output-lines.ts';

function openLog(
  answer: (text: string) => Promise<{ canceled: boolean }> = async () => ({ canceled: false }),
) {
  const sent: string[] = [];
  const stops: string[] = [];
  const log = new BuildLog({
    send: (text) => {
      sent.push(text);
      return answer(text);
    },
    mask: secretMasker({ KEY: 'sesame-open' }),
    onStop: (reason) => stops.push(reason),
    batchMs: 5,
    heartbeatMs: 20,
  });
  return { log, sent, stops };
}

test("lines of one moment travel together, in Heroku's look, without secrets", async () => {
  const { log, sent } = openLog();
  log.step('Build');
  log.detail('key sesame-open');
  log.detail('');
  log.warning('careful');
  await log.close();
  assert.deepEqual(sent, ['-----> Build\n       key ********\n\n !     careful\n']);
});

test('a silent build sends heartbeats, a closed one none', async () => {
  const { log, sent } = openLog();
  await sleep(120);
  await log.close();
  const beats = sent.length;
  assert.ok(beats >= 2, `${beats} heartbeats`);
  await sleep(60);
  assert.equal(sent.length, beats);
});

test('a controller that is away loses nothing and no order', async () => {
  let away = true;
  const got: string[] = [];
  const { log } = openLog(async (text) => {
    if (away) throw new AppError('unavailable', 'away');
    got.push(text);
    return { canceled: false };
  });
  log.step('one');
  await sleep(30);
  log.step('two');
  away = false;
  await log.close();
  assert.equal(got.join(''), '-----> one\n-----> two\n');
});

test('"canceled" and "stale" are told once, and a stale log says no more', async () => {
  const canceled = openLog(async () => ({ canceled: true }));
  canceled.log.step('one');
  await sleep(60);
  await canceled.log.close();
  assert.ok(canceled.stops.length >= 1 && canceled.stops.every((reason) => reason === 'canceled'));
  const stale = openLog(async () => {
    throw new AppError('stale_epoch', 'taken');
  });
  stale.log.step('one');
  await sleep(30);
  const before = stale.sent.length;
  stale.log.step('two');
  await sleep(60);
  await stale.log.close();
  assert.deepEqual(stale.stops, ['stale']);
  assert.equal(stale.sent.length, before);
});

test('values of several lines are hidden line by line, short ones not at all', () => {
  const mask = secretMasker({
    PEM: '-----BEGIN KEY-----\nabcdefghijk\n-----END KEY-----',
    PORT: '5000',
    A: 'x.y*z(long',
  });
  assert.equal(mask('a abcdefghijk b 5000 x.y*z(long'), 'a ******** b 5000 ********');
});

test('ordinary words are no secrets, whatever holds them; a word that only a secret has is one', () => {
  const mask = secretMasker({
    NODE_ENV: 'production',
    RAILS_ENV: 'acceptance',
    HOST: 'localhost',
    PASSWORD: 'swordfish',
  });
  const text = 'a production build for acceptance on localhost: ';
  assert.equal(mask(`${text}swordfish`), `${text}********`);
});

test('output becomes lines as a terminal would show them', () => {
  const lines = new OutputLines((text) => text);
  const euro = Buffer.from('€\n');
  assert.deepEqual(lines.push(Buffer.from('10%\r50%\r100%\n\u001b[32mgreen\u001b[0m\tx\u0007\r\nhal')), [
    '100%',
    'green\tx',
  ]);
  assert.deepEqual(lines.push(Buffer.concat([Buffer.from('f '), euro.subarray(0, 1)])), []);
  assert.deepEqual(lines.push(euro.subarray(1)), ['half €']);
  assert.deepEqual(
    lines.push(Buffer.from(`${'x'.repeat(5000)}\n`)).map((line) => line.length),
    [4096, 904],
  );
  lines.push(Buffer.from('end'));
  assert.deepEqual(lines.end(), ['end']);
  assert.deepEqual(lines.end(), []);
});

test('a line without end does not pile up, and no cut shows a half of a secret', () => {
  const secret = 'correct-horse-battery';
  for (const before of [4090, 8185, 12280, 20470])
    for (const chunk of [1000, 16_000, 100_000]) {
      const lines = new OutputLines(secretMasker({ KEY: secret }));
      const text = Buffer.from(`${'y'.repeat(before)}${secret}${'z'.repeat(30_000)}`);
      const shown: string[] = [];
      for (let at = 0; at < text.length; at += chunk)
        shown.push(...lines.push(text.subarray(at, at + chunk)));
      const early = shown.length;
      shown.push(...lines.end());
      assert.ok(early > 0, 'it was shown before its end');
      assert.equal(shown.join(''), `${'y'.repeat(before)}********${'z'.repeat(30_000)}`);
    }
});
