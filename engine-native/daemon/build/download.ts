// Downloads for ADD: bounded in size and time, never from this host or its own networks unless the build may use the host's network.
// The address is checked where the connection is made, so that no name can point elsewhere a moment later.
import { createHash } from 'node:crypto';
import { lookup as lookUpName } from 'node:dns';
import { createWriteStream, mkdirSync, utimesSync } from 'node:fs';
import { get as getHttp, type IncomingMessage, type RequestOptions } from 'node:http';
import { get as getHttps } from 'node:https';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { join, posix } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { AppError } from '@berth/kit/errors.ts';
import type { TextSink } from './build-output.ts';

const maxRedirects = 10;
const silenceMs = 60_000; // a server that stops in the middle must fail the build, not hold it for ever
const maxBytes = 16 * 1024 ** 3;

export interface DownloadOptions {
  /** `sha256:…`; "" = none. */
  checksum: string;
  signal: AbortSignal;
  allowLocal: boolean;
  log: TextSink;
}

const local = new BlockList();
for (const [net, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
] as const)
  local.addSubnet(net, bits, 'ipv4');
for (const [net, bits] of [
  ['::', 127],
  ['fc00::', 7],
  ['fe80::', 10],
] as const)
  local.addSubnet(net, bits, 'ipv6');

/** Gives the name of the file, which lies in `dir`. */
export async function download(url: string, dir: string, options: DownloadOptions): Promise<string> {
  const wanted = checksumOf(options.checksum);
  const parsed = new URL(url);
  const name = fileName(parsed);
  mkdirSync(dir, { mode: 0o700 });
  const response = await follow(parsed, options);
  const path = join(dir, name);
  const hash = createHash(wanted?.algorithm ?? 'sha256');
  await options.log.write(`Downloading ${shown(parsed)}\n`);
  await pipeline(response, counted(hash, shown(parsed)), createWriteStream(path, { mode: 0o600 }), {
    signal: options.signal,
  });
  const modified = Date.parse(response.headers['last-modified'] ?? '');
  if (!Number.isNaN(modified)) utimesSync(path, modified / 1000, modified / 1000);
  const digest = hash.digest('hex');
  if (wanted && digest !== wanted.hex)
    throw new AppError('bad_request', `digest mismatch ${wanted.algorithm}:${digest}: ${options.checksum}`, {
      hint: `"${shown(parsed)}" is not what the Dockerfile expects`,
    });
  return name;
}

function counted(hash: ReturnType<typeof createHash>, url: string): Transform {
  let size = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.length;
      hash.update(chunk);
      if (size > maxBytes) done(new AppError('too_large', `"${url}" is larger than ${maxBytes} bytes`));
      else done(null, chunk);
    },
  });
}

async function follow(first: URL, options: DownloadOptions): Promise<IncomingMessage> {
  let url = first;
  for (let redirects = 0; redirects <= maxRedirects; redirects++) {
    const response = await request(url, options);
    const status = response.statusCode ?? 0;
    if (status >= 200 && status < 300) return response;
    response.destroy();
    const { location } = response.headers;
    if (status < 300 || status >= 400 || location === undefined)
      throw new AppError('bad_request', `failed to download "${shown(url)}": the server answered ${status}`);
    url = new URL(location, url);
    if (!['http:', 'https:'].includes(url.protocol))
      throw new AppError('bad_request', `"${shown(first)}" redirects to ${url.protocol}`);
  }
  throw new AppError('bad_request', `"${shown(first)}" redirects more than ${maxRedirects} times`);
}

function request(url: URL, { signal, allowLocal }: DownloadOptions): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (!allowLocal && isIP(host) !== 0 && isLocal(host)) throw refusal(url.hostname);
  const settings: RequestOptions = {
    signal,
    agent: false,
    headers: { 'User-Agent': 'berth-engine', 'Accept-Encoding': 'identity' },
    ...(allowLocal ? {} : { lookup: publicLookup }),
  };
  const call = (url.protocol === 'https:' ? getHttps : getHttp)(url, settings, resolve);
  call.setTimeout(silenceMs, () => call.destroy(new Error(`no answer for ${silenceMs / 1000} s`)));
  call.on('error', (cause: Error) => {
    reject(
      cause instanceof AppError
        ? cause
        : new AppError('bad_request', `failed to download "${shown(url)}": ${cause.message}`, { cause }),
    );
  });
  return promise;
}

const publicLookup: LookupFunction = (hostname, options, callback) => {
  lookUpName(hostname, { ...options, all: true }, (error, addresses) => {
    if (error) return callback(error, '', 0);
    const [first] = addresses;
    if (!first || addresses.some(({ address }) => isLocal(address)))
      return callback(refusal(hostname) as NodeJS.ErrnoException & AppError, '', 0);
    if (options.all) callback(null, addresses);
    else callback(null, first.address, first.family);
  });
};

function isLocal(address: string): boolean {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  const plain = mapped ?? address;
  return local.check(plain, isIP(plain) === 6 ? 'ipv6' : 'ipv4');
}

function refusal(host: string): AppError {
  return new AppError(
    'forbidden',
    `ADD does not download from "${host}": it is an address of this host or its networks`,
    {
      hint: 'build with --network=host if that is meant',
    },
  );
}

/** Without login, query and fragment: they may hold a token. */
function shown(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`.slice(0, 300);
}

function fileName(url: URL): string {
  const name = decodeURIComponent(posix.basename(url.pathname));
  if (name === '' || name === '.' || name === '..' || name.includes('/') || name.includes('\0'))
    throw new AppError('bad_request', `cannot determine filename from url: ${shown(url)}`);
  return name;
}

function checksumOf(text: string): { algorithm: string; hex: string } | undefined {
  if (text === '') return undefined;
  const [, algorithm, hex] = /^(sha256|sha384|sha512):([0-9a-f]{64,128})$/.exec(text) ?? [];
  if (algorithm === undefined || hex === undefined || hex.length !== Number(algorithm.slice(3)) / 4)
    throw new AppError('bad_request', `invalid checksum "${text.slice(0, 160)}"`, {
      hint: 'write sha256:<64 hex digits>',
    });
  return { algorithm, hex };
}
