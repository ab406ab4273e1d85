// Bytes to a server and bytes back, on a connection that the test has made: for requests that no HTTP client would send.
import type { Socket } from 'node:net';

const answerLimitMs = 10_000; // a server that neither answers nor closes fails the test

/** All that came until the server closed; rejects when it closed without a byte. `isLast`: nothing more will be sent. */
export async function rawExchange(socket: Socket, bytes: string, isLast: boolean): Promise<string> {
  socket.setTimeout(answerLimitMs, () => socket.destroy(new Error('neither an answer nor an end')));
  if (isLast) socket.end(bytes);
  else socket.write(bytes);
  let text = '';
  try {
    for await (const chunk of socket) text += (chunk as Buffer).toString();
  } catch (error) {
    if (text === '') throw error; // what came before it broke off is an answer
  }
  if (text === '') throw new Error('closed without an answer');
  return text;
}
