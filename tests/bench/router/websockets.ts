// A thousand idle WebSockets through a proxy: all must open and echo, then the proxy's memory is read. Used by run.ts.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

const handshake = (host: string) =>
  `GET /ws HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n`;

async function answered(socket: Socket, send: string, expected: string): Promise<void> {
  let text = '';
  socket.write(send);
  while (!text.includes(expected)) {
    const [chunk] = (await once(socket, 'data', { signal: AbortSignal.timeout(10_000) })) as [Buffer];
    text += chunk.toString('latin1');
  }
}

/** Opens `count` WebSockets and echoes on each. */
export async function openWebSockets(port: number, count: number): Promise<Socket[]> {
  const sockets: Socket[] = [];
  for (let i = 0; i < count; i++) {
    const socket = connect({ host: '127.0.0.1', port });
    await once(socket, 'connect');
    await answered(socket, handshake(`app${i % 1000}.localhost`), '\r\n\r\n');
    await answered(socket, `hello ${i}.`, `hello ${i}.`);
    sockets.push(socket);
  }
  return sockets;
}
