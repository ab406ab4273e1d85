// DNS messages for tests of berth-dns: a query by UDP or TCP from an address of the test's choice, and what came back.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';

export interface DnsQuestion {
  name: string;
  type?: number;
  id?: number;
}

export interface DnsReply {
  code: number;
  isTruncated: boolean;
  answers: number;
  message: Buffer;
}

const answerLimitMs = 12_000; // berth-dns itself gives up after 8 s

export function dnsQuery({ name, type = 1, id = 0x1234 }: DnsQuestion): Buffer {
  const labels = name
    .split('.')
    .map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]));
  const head = Buffer.from([id >> 8, id & 255, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
  return Buffer.concat([head, ...labels, Buffer.from([0, 0, type, 0, 1])]);
}

export function readReply(message: Buffer): DnsReply {
  return {
    code: message.readUInt8(3) & 15,
    isTruncated: (message.readUInt8(2) & 2) !== 0,
    answers: message.readUInt16BE(6),
    message,
  };
}

/** Rejects when nothing comes within the limit. */
export async function askByUdp(
  server: string,
  question: DnsQuestion,
  options: { from?: string; limitMs?: number } = {},
): Promise<DnsReply> {
  const socket = createSocket('udp4');
  try {
    socket.bind(0, options.from);
    await once(socket, 'listening');
    socket.send(dnsQuery(question), 53, server);
    const signal = AbortSignal.timeout(options.limitMs ?? answerLimitMs);
    const [message] = (await once(socket, 'message', { signal })) as [Buffer];
    return readReply(message);
  } finally {
    socket.close();
  }
}

/** The server may close without an answer: that rejects. */
export async function askByTcp(server: string, question: DnsQuestion, from?: string): Promise<DnsReply> {
  const socket = connect({ host: server, port: 53, ...(from === undefined ? {} : { localAddress: from }) });
  socket.setTimeout(answerLimitMs, () => socket.destroy(new Error('no answer')));
  const query = dnsQuery(question);
  socket.write(Buffer.concat([Buffer.from([query.length >> 8, query.length & 255]), query]));
  let received = Buffer.alloc(0);
  for await (const chunk of socket) {
    received = Buffer.concat([received, chunk as Buffer]);
    if (received.length >= 2 && received.length >= received.readUInt16BE(0) + 2)
      return readReply(received.subarray(2));
  }
  throw new Error('the connection was closed without an answer');
}
