// Turns a listening server's connections into sockets that read into the shared buffer, as `onread` lets outgoing ones do.
// Node offers that for accepted sockets only below its documented API: it takes a tenth off a request's cost and keeps the heap
// small (measured, ADR 0002). Where this Node has no such place, ordinary 'data' events serve. Used by the listener.
import { type Server, Socket, type SocketConstructorOpts } from 'node:net';
import { readBuffer } from './read-buffer.ts';

export interface AcceptedSocket {
  readonly socket: Socket;
  /** Set by the user at once: takes bytes that are valid only during the call. */
  read: (bytes: Buffer) => void;
}

/** What this file needs of Node's handle for a connection. */
interface ConnectionHandle {
  setNoDelay(enable: boolean): void;
}

interface ServerHandle {
  onconnection: (status: number, connection: ConnectionHandle | undefined) => void;
}

/** Calls `accepted` for every connection; call it once the server listens. */
export function acceptSockets(server: Server, accepted: (one: AcceptedSocket) => void): void {
  const handle = (server as unknown as { _handle?: Partial<ServerHandle> })._handle;
  if (typeof handle?.onconnection !== 'function') {
    server.on('connection', (socket) => acceptPlainly(socket, accepted));
    return;
  }
  handle.onconnection = (status, connection) => {
    if (status !== 0 || !connection) return; // out of descriptors: the visitor waits in the kernel's queue
    connection.setNoDelay(true);
    const callback = (size: number, bytes: Uint8Array) => {
      one.read((bytes as Buffer).subarray(0, size));
      return true;
    };
    const options = { handle: connection, allowHalfOpen: true, onread: { buffer: readBuffer, callback } };
    const one: AcceptedSocket = {
      socket: new Socket(options as unknown as SocketConstructorOpts),
      read: () => {},
    };
    accepted(one);
  };
}

function acceptPlainly(socket: Socket, accepted: (one: AcceptedSocket) => void): void {
  const one: AcceptedSocket = { socket, read: () => {} };
  accepted(one);
  socket.on('data', (bytes: Buffer) => one.read(bytes));
}
