// A shim as the engine's first release had it: it answers with what one of those said, byte for byte, and notes what it is asked. A daemon that is
// put in the place of an older one meets such shims; they live for as long as their containers do. Used by upgrade.test.ts.
import { closeSync, openSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { encodeFrame, FrameReader, type Message } from '@berth/engine-daemon/runtime/frames.ts';

export const startedAt = '2026-11-21T11:30:24.813390871Z';
const finishedAt = '2026-11-21T11:30:27.601447973Z';

/** Recorded; only the number of the request is put in. */
const answers: Record<string, string> = {
  stats: '"ok":true,"memoryBytes":225280,"memoryLimitBytes":0,"cpuNanos":2020084,"pids":1,"oomKills":0',
  pause: '"ok":true',
  resume: '"ok":true',
  update: '"ok":true',
  kill: '"ok":true',
  wait: `"ok":true,"exitCode":137,"signal":9,"oomKilled":false,"startedAt":"${startedAt}","finishedAt":"${finishedAt}"`,
  exec: '"ok":true,"pid":21915',
  execMissing:
    '"ok":false,"error":{"code":"exec_not_found","message":"command \\"/nothing\\" not found in the image"}',
  unknown: '"ok":false,"error":{"code":"bad_request","message":"operation is not known"}',
};
const execOutput = '\x01\0\0\0\0\0\0\x0dfrom an exec\n\x03\0\0\0\0\0\0\x0e{"exitCode":3}';

export class RecordedShim {
  readonly asked: Message[] = [];
  readonly #pid: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #waiting: { socket: Socket; id: unknown }[] = [];

  private constructor(pid: number) {
    this.#pid = pid;
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#serve(socket));
  }

  /** Listens in the folder of a run; `pid` stands in for the container's first process. */
  static async listen(runDir: string, pid: number): Promise<RecordedShim> {
    const shim = new RecordedShim(pid);
    const folder = openSync(runDir, 'r'); // the path itself is longer than a socket address
    const { promise, resolve } = Promise.withResolvers<void>();
    shim.#server.listen(`/proc/self/fd/${folder}/shim.sock`, resolve);
    await promise;
    closeSync(folder);
    return shim;
  }

  requests(op: string): Message[] {
    return this.asked.filter((message) => message['op'] === op);
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #serve(socket: Socket): void {
    const reader = new FrameReader();
    this.#sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('end', () => socket.end());
    socket.on('data', (chunk) => {
      reader.push(chunk);
      for (let message = reader.take(); message; message = reader.take()) this.#answer(socket, message);
    });
  }

  #answer(socket: Socket, message: Message): void {
    const { id, op } = message as { id: unknown; op: string };
    this.asked.push(message);
    if (op === 'wait') {
      this.#waiting.push({ socket, id });
      return;
    }
    if (op === 'exec') {
      this.#exec(socket, message);
      return;
    }
    const state = `"ok":true,"status":"running","pid":${this.#pid},"startedAt":"${startedAt}"`;
    send(socket, id, op === 'state' ? state : (answers[op] ?? answers['unknown'] ?? ''));
    if (op === 'kill') this.#end();
  }

  #exec(socket: Socket, message: Message): void {
    const { args } = message['process'] as { args: string[] };
    const isThere = args[0] !== '/nothing';
    send(socket, message['id'], answers[isThere ? 'exec' : 'execMissing'] ?? '');
    socket.end(isThere ? Buffer.from(execOutput, 'latin1') : '');
  }

  #end(): void {
    this.#server.close();
    for (const { socket, id } of this.#waiting) send(socket, id, answers['wait'] ?? '');
    this.#waiting = [];
  }
}

function send(socket: Socket, id: unknown, fields: string): void {
  socket.write(encodeFrame(JSON.parse(`{"id":${JSON.stringify(id)},${fields}}`) as Message));
}
