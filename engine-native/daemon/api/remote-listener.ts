// The API over TCP: a listener that lets only holders of a client certificate through to the HTTP server. Started by engine.ts when an
// address is configured. Must never hand a connection on before its certificate was checked.
import { readFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { AppError, asAppError, systemCode } from '@berth/kit/errors.ts';
import type { RemoteConfig } from './remote-config.ts';

const handshakeLimitMs = 10_000; // a stranger who says nothing must not hold a connection
const maxConnections = 256; // each costs memory before it has proved anything
const tlsHandshake = 0x16; // the first byte of every TLS connection; HTTP begins with a letter
const plainAnswer =
  'HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n' +
  'Client sent an HTTP request to an HTTPS server.\n';

export interface RemoteListener {
  close(): void;
}

/** `accept` gets each connection whose client is known. Throws when a file or the address cannot be used. */
export async function listenRemote(
  config: RemoteConfig,
  accept: (socket: TLSSocket) => void,
): Promise<RemoteListener> {
  const sockets = new Set<Socket>();
  const tls = makeTls(config);
  tls.on('secureConnection', (socket: TLSSocket) => {
    socket.on('error', () => socket.destroy());
    if (socket.authorized) accept(socket);
    else socket.destroy();
  });
  tls.on('tlsClientError', () => {}); // a client that cannot speak or prove itself: its connection is closed already
  const front = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    passOnTls(socket, (connection) => tls.emit('connection', connection));
  });
  front.maxConnections = maxConnections;
  await listen(front, config);
  return {
    close() {
      front.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** Looks at the first byte, so that a client without TLS is told what is wrong instead of being cut off. */
function passOnTls(socket: Socket, pass: (socket: Socket) => void): void {
  const limit = setTimeout(() => socket.destroy(), handshakeLimitMs);
  socket.on('close', () => clearTimeout(limit));
  socket.on('end', () => clearTimeout(limit));
  socket.once('readable', () => {
    clearTimeout(limit);
    const first: unknown = socket.read(1);
    if (!Buffer.isBuffer(first)) return void socket.destroy();
    socket.unshift(first);
    if (first[0] === tlsHandshake) return pass(socket);
    socket.end(plainAnswer, () => socket.destroy());
  });
}

function makeTls({ caFile, certFile, keyFile }: RemoteConfig) {
  const files = { ca: read(caFile), cert: read(certFile), key: read(keyFile) };
  try {
    return createTlsServer({
      ...files,
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: 'TLSv1.2',
      handshakeTimeout: handshakeLimitMs,
    });
  } catch (error) {
    throw new AppError('invalid', `the files for TLS cannot be used: ${asAppError(error).message}`, {
      hint: 'BERTH_ENGINE_TLS_CERT and BERTH_ENGINE_TLS_KEY must be a pair, all three in PEM',
    });
  }
}

function read(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new AppError('invalid', `cannot read "${path}": ${systemCode(error) ?? 'unknown error'}`, {
      hint: 'BERTH_ENGINE_TLS_CA, BERTH_ENGINE_TLS_CERT and BERTH_ENGINE_TLS_KEY must name PEM files',
    });
  }
}

async function listen(server: Server, { host, port }: RemoteConfig): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen(port, host, resolve);
  try {
    await promise;
  } catch (error) {
    throw new AppError(
      'unavailable',
      `cannot serve the API on "${host}:${port}": ${systemCode(error) ?? 'unknown error'}`,
    );
  }
  server.off('error', reject);
}
