// Names for containers that were given none: two plain words and, against collisions, a number.
import { randomInt } from 'node:crypto';

const first =
  'amber brisk calm clear deep early fair green high keen late light north quiet swift warm'.split(' ');
const second =
  'anchor beacon buoy canal cargo delta dock ferry harbor keel lantern mast pier reef sail tide'.split(' ');

export function randomName(): string {
  const pick = (words: string[]) => words[randomInt(words.length)] ?? 'pier';
  return `${pick(first)}_${pick(second)}_${randomInt(1_000_000)}`;
}
