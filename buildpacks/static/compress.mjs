// The smaller form of a text file: what a build has left beside it (.br, .gz), else made once and kept in memory within a bound.
// Used by send-file.mjs; runs inside the app's container.
// @ts-check
import { readFile, realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';

/** Below it the headers weigh more than what is saved; above it a request would wait for the processor. */
const minBytes = 1024;
const maxBytes = 2 * 1024 * 1024;
/** Of compressed files in memory: a small instance has 256 MB. */
const keptBytes = 24 * 1024 * 1024;

/** @type {Map<string, Promise<Buffer>>} */
const kept = new Map();
let keptSize = 0;

const makers = {
  br: (/** @type {Buffer} */ data) =>
    promisify(brotliCompress)(data, { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } }),
  gzip: (/** @type {Buffer} */ data) => promisify(gzip)(data, { level: 6 }),
};
/** @type {{ encoding: 'br' | 'gzip', ending: string }[]} */
const encodings = [
  { encoding: 'br', ending: '.br' },
  { encoding: 'gzip', ending: '.gz' },
];

/**
 * @param {string} file absolute, its own real path
 * @param {string} tag changes with the content
 * @param {number} size
 * @param {string} accepted the request's Accept-Encoding
 * @returns {Promise<{ encoding: string, file?: string, data?: Buffer } | undefined>}
 */
export async function compressed(file, tag, size, accepted) {
  const wanted = encodings.filter(({ encoding }) => accepts(accepted, encoding));
  for (const { encoding, ending } of wanted)
    if (await isBeside(file, ending)) return { encoding, file: file + ending };
  const first = wanted[0];
  if (!first || size < minBytes || size > maxBytes) return undefined;
  const key = `${first.encoding} ${tag} ${file}`;
  const known = kept.get(key);
  if (known) return { encoding: first.encoding, data: await known };
  const making = readFile(file).then(makers[first.encoding]);
  kept.set(key, making);
  try {
    const data = await making;
    keptSize += data.length;
    if (keptSize > keptBytes) {
      kept.clear();
      keptSize = 0;
    }
    return { encoding: first.encoding, data };
  } catch (error) {
    kept.delete(key);
    throw error;
  }
}

/**
 * RFC 9110 §12.5.3, without weights between those that are wanted at all.
 * @param {string} header
 * @param {string} encoding
 */
export function accepts(header, encoding) {
  return header.split(',').some((part) => {
    const [name, ...settings] = part
      .trim()
      .toLowerCase()
      .split(/\s*;\s*/);
    return name === encoding && !settings.some((setting) => /^q=0(\.0*)?$/.test(setting));
  });
}

/**
 * A regular file in the same folder; a link could lead out of the site.
 * @param {string} file
 * @param {string} ending
 */
async function isBeside(file, ending) {
  try {
    const real = await realpath(file + ending);
    return dirname(real) === dirname(file) && (await stat(real)).isFile();
  } catch {
    return false;
  }
}
