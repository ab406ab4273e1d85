// Which TCP ports a container listens on, read from its network namespace through /proc: the answer to "why is it not ready?".
import { readFile } from 'node:fs/promises';

export interface ListeningSocket {
  address: string;
  port: number;
}

/** The engine's own resolver, not the app's doing. */
const resolverAddress = '127.0.0.11';

/** Listening sockets of the network namespace of `pid`; empty when the process is gone. */
export async function readListeningSockets(pid: number, procDir = '/proc'): Promise<ListeningSocket[]> {
  const tables = await Promise.all(
    ['tcp', 'tcp6'].map((name) => readFile(`${procDir}/${pid}/net/${name}`, 'utf8').catch(() => '')),
  );
  return tables.flatMap(parseTcpTable);
}

/** Lines of /proc/net/tcp{,6} in state 0A (LISTEN); addresses are words of host byte order in hex (proc(5)). */
export function parseTcpTable(table: string): ListeningSocket[] {
  const sockets: ListeningSocket[] = [];
  for (const line of table.split('\n').slice(1)) {
    const [, local, , state] = line.trim().split(/\s+/);
    if (state !== '0A' || local === undefined) continue;
    const [hexAddress = '', hexPort = ''] = local.split(':');
    const address = parseAddress(hexAddress);
    if (address !== resolverAddress) sockets.push({ address, port: Number.parseInt(hexPort, 16) });
  }
  return sockets;
}

function parseAddress(hex: string): string {
  const bytes = (hex.match(/.{8}/g) ?? []).flatMap((word) => (word.match(/../g) ?? []).reverse());
  const values = bytes.map((byte) => Number.parseInt(byte, 16));
  if (values.length === 4) return values.join('.');
  if (values.every((value) => value === 0)) return '::';
  if (values.slice(0, 15).every((value) => value === 0) && values[15] === 1) return '::1';
  const isMapped =
    values.slice(0, 10).every((value) => value === 0) && values[10] === 255 && values[11] === 255;
  if (isMapped) return values.slice(12).join('.');
  return (bytes.join('').match(/.{4}/g) ?? []).join(':').toLowerCase();
}

export function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.');
}
