// Proves that the chunk grammar is followed exactly, whatever pieces the bytes come in.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { BodyScanner } from './body-scanner.ts';
import { Framing } from './frame-message.ts';

interface Outcome {
  passed: string;
  end: number;
  isDone: boolean;
  problem: string;
}

/** Feeds the bytes in pieces of the given sizes (the last one repeats). */
function scan(text: string, framing: number, length: number, dataOnly: boolean, sizes: number[]): Outcome {
  const scanner = new BodyScanner(framing, length, dataOnly);
  const bytes = Buffer.from(text, 'latin1');
  let passed = '';
  let end = 0;
  for (let turn = 0; end < bytes.length && !scanner.isDone && scanner.problem === ''; turn++) {
    const stop = Math.min(bytes.length, end + (sizes[Math.min(turn, sizes.length - 1)] ?? 1));
    end = scanner.scan(bytes, end, stop);
    for (let i = 0; i < scanner.rangeCount; i += 2)
      passed += bytes.toString('latin1', scanner.ranges[i], scanner.ranges[i + 1]);
  }
  return { passed, end, isDone: scanner.isDone, problem: scanner.problem };
}

const chunk = fc.tuple(
  fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 40 }),
  fc.constantFrom('', ';a', ';a=b', ';a="b c"'),
);

describe('the body scanner', () => {
  it('takes exactly the length, however the bytes are cut', () => {
    for (const size of [1, 2, 3, 100]) {
      const result = scan('helloNEXT', Framing.length, 5, false, [size]);
      assert.deepEqual(result, { passed: 'hello', end: 5, isDone: true, problem: '' });
    }
  });

  it('has nothing to take without a body', () => {
    assert.equal(new BodyScanner(Framing.none, 0, false).isDone, true);
    assert.equal(new BodyScanner(Framing.length, 0, false).isDone, true);
  });

  it('takes all until the close', () => {
    assert.deepEqual(scan('abc', Framing.untilClose, 0, false, [2]), {
      passed: 'abc',
      end: 3,
      isDone: false,
      problem: '',
    });
  });

  it('passes chunks without extensions and trailers, whatever they are cut into, and stops at the end', () => {
    fc.assert(
      fc.property(
        fc.array(chunk, { maxLength: 6 }),
        fc.constantFrom('', 'X: 1\r\n', 'X: 1\r\nY:\r\n'),
        fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 8 }),
        (chunks, trailers, sizes) => {
          const size = (data: string) => data.length.toString(16);
          const sent = chunks.map(([data, extension]) => `${size(data)}${extension}\r\n${data}\r\n`).join('');
          const kept = chunks.map(([data]) => `${size(data)}\r\n${data}\r\n`).join('');
          const message = `${sent}0\r\n${trailers}\r\n`;
          const whole = scan(`${message}NEXT`, Framing.chunked, 0, false, sizes);
          assert.deepEqual(whole, {
            passed: `${kept}0\r\n\r\n`,
            end: message.length,
            isDone: true,
            problem: '',
          });
          const bare = scan(`${message}NEXT`, Framing.chunked, 0, true, sizes);
          assert.equal(bare.passed, chunks.map(([data]) => data).join(''));
          assert.equal(bare.end, message.length);
        },
      ),
    );
  });

  it('takes any bytes without throwing, and passes no more than it got', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary-ascii', maxLength: 100 }), (noise) => {
        const result = scan(`3\r\nabc\r\n${noise}`, Framing.chunked, 0, false, [7]);
        assert.ok(result.passed.length <= noise.length + 8);
        assert.ok(result.problem !== '' || result.end <= noise.length + 8);
      }),
    );
  });
});
