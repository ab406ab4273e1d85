// One HTTP request to an engine's socket, with nothing between the test and the wire. For what the docker CLI cannot be made to send.
import { request } from 'node:http';

export interface RawAnswer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
}

export async function rawRequest(
  socketPath: string,
  method: string,
  path: string,
  body?: object | Buffer,
): Promise<RawAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<RawAnswer>();
  const type = Buffer.isBuffer(body) ? 'application/x-tar' : 'application/json';
  const call = request({ socketPath, method, path, headers: { 'Content-Type': type } }, (response) => {
    const chunks: Buffer[] = [];
    response.on('data', (chunk: Buffer) => chunks.push(chunk));
    response.on('error', reject);
    response.on('end', () =>
      resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
    );
  });
  call.on('error', reject);
  call.end(Buffer.isBuffer(body) ? body : body && JSON.stringify(body));
  return promise;
}
