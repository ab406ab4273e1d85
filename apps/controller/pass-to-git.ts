// Passes a git request to the git receiver as it is: streaming both ways, ending when either side ends. It decides nothing.
import { type IncomingMessage, type ServerResponse, request as sendRequest } from 'node:http';

export function passToGit(socketPath: string, request: IncomingMessage, response: ServerResponse): void {
  const upstream = sendRequest({
    socketPath,
    method: request.method,
    path: request.url,
    headers: { ...request.headers, 'x-forwarded-for': request.socket.remoteAddress },
  });
  upstream.on('response', (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    response.flushHeaders();
    answer.pipe(response);
    answer.on('error', () => response.destroy());
  });
  upstream.on('error', () => {
    if (response.headersSent) return response.destroy();
    response.writeHead(503, { 'content-type': 'text/plain', 'retry-after': '2' });
    response.end('the git receiver cannot be reached; try again in a moment\n');
  });
  // A pusher that leaves must be seen by the receiver at once: its build may be in nobody's interest any more.
  response.on('close', () => upstream.destroy());
  request.on('error', () => upstream.destroy());
  request.pipe(upstream);
}
