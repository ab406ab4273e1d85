// Holds the router's listening socket in the supervisor: while a killed router is started again, connections wait in the
// kernel's queue instead of being refused. The supervisor must never accept on it.
import * as net from 'node:net';

interface PortHandle {
  fd: number;
  close(): void;
}

/** Node's own cluster module makes its shared sockets with this function; it binds and does not listen. */
type CreateHandle = (address: string, port: number, addressType: number) => PortHandle | number;

/** Binds the port and gives the descriptor for the router to inherit; undefined when this Node cannot, and the router binds by itself. */
export function holdPort(address: string, port: number): PortHandle | undefined {
  const create = (net as unknown as { _createServerHandle?: CreateHandle })._createServerHandle;
  if (!create) return undefined;
  const handle = create(address, port, net.isIPv6(address) ? 6 : 4);
  return typeof handle === 'number' || !(handle.fd >= 0) ? undefined : handle;
}
